/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The volume that a person means. In order: the mafs mount in which the path
 * ends; a session whose source or mount point it is; N/.mafs of the directory
 * itself; the name of a volume. Nothing that a mount hides or a dead daemon
 * serves is touched on the way.
 */
#include "volume.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

/**
 * struct search - what is looked for among the sessions
 * @source, @mountpoint: NULL where it does not matter
 */
struct search {
	const struct mafs_mounts *mounts;
	const char *source, *mountpoint;
	struct mafs_volume_ref *ret;
};

static bool matches(const struct search *search,
		    const struct mafs_volume_ref *ref)
{
	if (search->source && strcmp(ref->source, search->source))
		return false;
	return !search->mountpoint ||
	       (ref->mountpoint &&
		!strcmp(ref->mountpoint, search->mountpoint));
}

static int compare_session(void *context, const char *runtime_dir)
{
	_cleanup_(mafs_volume_ref_done) struct mafs_volume_ref ref = {
		.n_fd = -1,
	};
	const struct search *search = context;

	/* What cannot be read is not the one. */
	if (ref_from_runtime(runtime_dir, search->mounts, &ref) < 0 ||
	    !matches(search, &ref))
		return 0;
	*search->ret = ref;
	ref = (struct mafs_volume_ref){ .n_fd = -1 };
	return 1;
}

/* Return: 0, -ENOENT. */
static int find_session(const struct mafs_mounts *mounts, const char *source,
			const char *mountpoint, struct mafs_volume_ref *ret)
{
	struct search search = {
		.mounts = mounts,
		.source = source,
		.mountpoint = mountpoint,
		.ret = ret,
	};
	int r = runtime_each(compare_session, &search, NULL);

	return r == 1 ? 0 : -ENOENT;
}

static int load_uuid(int dot_fd, struct mafs_uuid *ret)
{
	_cleanup_(record_done) struct record record = { 0 };
	const char *text;
	int r;

	r = record_load(dot_fd, VOLUME_FILE, MAFS_VOLUME_DIR, &record, NULL);
	if (r < 0)
		return r;
	text = record_get(&record, "uuid");
	return text && mafs_uuid_parse(text, ret) == 0 ? 0 : -EUCLEAN;
}

/* Only who has written the session, or root, can have made its directory. */
static bool is_of_session(int dot_fd, const char *runtime_dir)
{
	struct stat dir, session;

	return lstat(runtime_dir, &dir) == 0 && S_ISDIR(dir.st_mode) &&
	       fstatat(dot_fd, SESSION_FILE, &session, AT_SYMLINK_NOFOLLOW) ==
		       0 &&
	       (dir.st_uid == 0 || dir.st_uid == session.st_uid);
}

/* Where the session of this boot has its runtime directory: another user's may
 * be elsewhere than ours would be. */
static int runtime_of(int dot_fd, const struct mafs_uuid *uuid,
		      char ret[static PATH_MAX])
{
	struct mafs_session session;
	struct mafs_uuid boot_id;

	if (session_load(dot_fd, MAFS_VOLUME_DIR, &session, NULL) == 0 &&
	    session.open && mafs_boot_id(&boot_id) == 0 &&
	    mafs_uuid_equal(&boot_id, &session.boot_id) &&
	    *session.runtime_dir == '/' &&
	    is_of_session(dot_fd, session.runtime_dir)) {
		strcpy(ret, session.runtime_dir);
		return 0;
	}
	return runtime_path(uuid, ret, NULL);
}

/* By N/.mafs of a directory that is no session's source. */
static int find_in_n(const char *path, const struct mafs_mounts *mounts,
		     struct mafs_volume_ref *ret)
{
	_cleanup_close_ int n_fd = -1, dot_fd = -1;
	char runtime_dir[PATH_MAX];
	struct mafs_uuid uuid;
	int r;

	n_fd = open_covered(path, mounts);
	if (n_fd < 0)
		return n_fd;
	dot_fd = mafs_open_beneath(n_fd, MAFS_VOLUME_DIR,
				   O_RDONLY | O_DIRECTORY, 0);
	if (dot_fd < 0)
		return dot_fd;
	r = load_uuid(dot_fd, &uuid);
	if (r == 0)
		r = runtime_of(dot_fd, &uuid, runtime_dir);
	if (r < 0)
		return r;

	r = ref_from_runtime(runtime_dir, mounts, ret);
	/* No session, or it is the one of the tree that this is a copy of. */
	if (r < 0 || strcmp(ret->source, path)) {
		if (r == 0)
			mafs_volume_ref_done(ret);
		r = ref_from_source(&uuid, path, runtime_dir, ret);
	}
	if (r == 0)
		ret->n_fd = take_fd(n_fd);
	return r;
}

static int uuid_of(int n_fd, struct mafs_uuid *ret)
{
	_cleanup_close_ int dot_fd = -1;
	struct mafs_session root = { 0 };
	bool weak;
	int r;

	dot_fd = mafs_open_beneath(n_fd, MAFS_VOLUME_DIR,
				   O_RDONLY | O_DIRECTORY, 0);
	r = dot_fd < 0 ? dot_fd : load_uuid(dot_fd, ret);
	if (r != -ENOENT)
		return r;
	r = session_root_of(n_fd, &root, &weak);
	if (r == 0)
		derive_uuid(&root, ret);
	return r;
}

/* Is it the N that was meant, not one of another mount on the way? */
static bool is_n_of(int n_fd, const struct mafs_volume_ref *ref)
{
	struct mafs_uuid uuid;

	return uuid_of(n_fd, &uuid) == 0 && mafs_uuid_equal(&uuid, &ref->uuid);
}

static void complete(struct mafs_volume_ref *ref,
		     const struct mafs_mounts *mounts)
{
	bool weak;

	if (ref->n_fd < 0)
		ref->n_fd = open_covered(ref->source, mounts);
	if (ref->n_fd >= 0 && !is_n_of(ref->n_fd, ref))
		mafs_closep(&ref->n_fd);
	if (ref->n_fd < 0)
		ref->n_fd = -1;
	else
		mafs_fs_id(ref->n_fd, &ref->fs_id, &weak);
}

/* ---- what a person wrote ---- */

static int find_by_mount(const struct mafs_mount *mount,
			 const struct mafs_mounts *mounts,
			 struct mafs_volume_ref *ret, struct mafs_fault *fault)
{
	int r;

	r = find_session(mounts, mount->source, mount->path, ret);
	/* Another user's, or its runtime directory was removed. */
	if (r < 0)
		r = find_in_n(mount->source, mounts, ret);
	if (r == -EACCES)
		return mafs_fault_set(fault, r,
				      "%s is a mafs mount of another user's: "
				      "ask as root or as who mounted it",
				      mount->path);
	if (r < 0)
		return mafs_fault_set(fault, r,
				      "%s is a mafs mount of %s, but its "
				      "volume cannot be read: %s",
				      mount->path, mount->source, strerror(-r));
	if (!ret->mountpoint) {
		ret->mountpoint = strdup(mount->path);
		ret->mounted = true;
	}
	return 0;
}

static int find_by_path(const char *path, const struct mafs_mounts *mounts,
			struct mafs_volume_ref *ret, struct mafs_fault *fault)
{
	int r;

	r = find_session(mounts, path, NULL, ret);
	if (r < 0)
		r = find_session(mounts, NULL, path, ret);
	if (r < 0)
		r = find_in_n(path, mounts, ret);
	if (r == -ENOENT || r == -ENOTDIR)
		return mafs_fault_set(fault, -ENOENT,
				      "%s is no mafs volume; make it one with "
				      "mafs mount %s MOUNTPOINT",
				      path, path);
	if (r < 0)
		return mafs_fault_set(fault, r,
				      "the mafs volume %s cannot be read: %s",
				      path, strerror(-r));
	return 0;
}

static int find_by_uuid(const struct mafs_uuid *uuid,
			const struct mafs_mounts *mounts,
			struct mafs_volume_ref *ret, struct mafs_fault *fault)
{
	char runtime_dir[PATH_MAX], text[MAFS_UUID_TEXT_LEN];
	int r;

	r = runtime_path(uuid, runtime_dir, fault);
	if (r < 0)
		return r;
	r = ref_from_runtime(runtime_dir, mounts, ret);
	if (r == -ENOENT) {
		mafs_uuid_to_text(uuid, text);
		return mafs_fault_set(fault, r,
				      "no volume %s is mounted here or left "
				      "behind; name its directory",
				      text);
	}
	if (r < 0)
		return mafs_fault_set(fault, r, "%s cannot be read: %s",
				      runtime_dir, strerror(-r));
	return 0;
}

static int find_any(const char *what, const struct mafs_mounts *mounts,
		    struct mafs_volume_ref *ret, struct mafs_fault *fault)
{
	const struct mafs_mount *mount;
	struct mafs_uuid uuid;
	char path[PATH_MAX];
	int r;

	if (mafs_uuid_parse(what, &uuid) == 0)
		return find_by_uuid(&uuid, mounts, ret, fault);
	r = resolve(what, mounts, path, &mount);
	if (r < 0)
		return mafs_fault_set(fault, r, "%s: %s", what, strerror(-r));
	if (mount)
		return find_by_mount(mount, mounts, ret, fault);
	return find_by_path(path, mounts, ret, fault);
}

int mafs_volume_find(const char *what, struct mafs_volume_ref *ret,
		     struct mafs_fault *fault)
{
	_cleanup_(mafs_mounts_done) struct mafs_mounts mounts = { 0 };
	struct mafs_volume_ref ref = { .n_fd = -1 };
	int r;

	r = mafs_mounts_read(NULL, &mounts);
	if (r < 0)
		return mafs_fault_set(fault, r,
				      "cannot read the list of mounts");
	r = find_any(what, &mounts, &ref, fault);
	if (r < 0)
		return r;
	complete(&ref, &mounts);
	*ret = ref;
	return 0;
}
