/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening a tiered volume: adopting a directory, or coming back to it.
 *
 * Two locks hold it: N/.mafs/lock, which also another host sees, and the one
 * of the runtime directory, which can be asked for when N is covered by the
 * mount. Read-only, nothing in N is changed: the lock is a shared one, taken
 * where the file is there, and a directory that was never adopted gets a uuid
 * that follows from its identity.
 */
#include "volume.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>

static int cannot(struct mafs_fault *fault, int err, const char *what)
{
	return mafs_fault_set(fault, err, "%s: %s", what, strerror(-err));
}

/* ---- N ---- */

int namespace_open(const char *source)
{
	int fd = mafs_clone_tree(source);

	/* Not root, or a mount that may not be cloned. */
	if (fd == -EPERM || fd == -EINVAL || fd == -ENOSYS) {
		fd = open(source, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		fd = fd < 0 ? -errno : fd;
	}
	return fd;
}

static int say_it_is_a_mount(const char *source, const struct mafs_mount *mount,
			     struct mafs_fault *fault)
{
	_cleanup_(mafs_volume_ref_done) struct mafs_volume_ref ref = {
		.n_fd = -1,
	};

	if (mafs_volume_find(mount->path, &ref, NULL) < 0 || !ref.pid)
		return mafs_fault_set(fault, -EBUSY,
				      "%s lies in the mafs mount at %s", source,
				      mount->path);
	return mafs_fault_set(fault, -EBUSY,
			      "%s lies in the mafs mount at %s, which is "
			      "served by process %d on this host",
			      source, mount->path, ref.pid);
}

/* A mount of ours over N would be opened in N's place. */
static int refuse_mount(const char *source, struct mafs_fault *fault)
{
	_cleanup_(mafs_mounts_done) struct mafs_mounts mounts = { 0 };
	const struct mafs_mount *mount;
	char path[PATH_MAX];
	int r;

	r = mafs_mounts_read(NULL, &mounts);
	if (r < 0)
		return mafs_fault_set(fault, r,
				      "cannot read the list of mounts");
	r = resolve(source, &mounts, path, &mount);
	if (r < 0)
		return cannot(fault, r, source);
	return mount ? say_it_is_a_mount(source, mount, fault) : 0;
}

static bool is_below(const char *path, const char *directory)
{
	size_t len = strcmp(directory, "/") ? strlen(directory) : 0;

	return !strncmp(path, directory, len) && path[len] == '/';
}

/* One file in two volumes would be in memory twice. */
static int refuse_overlap(const char *source, struct mafs_fault *fault)
{
	struct mafs_volume_ref *refs = NULL;
	size_t n_refs = 0;
	int r;

	r = mafs_volume_list(&refs, &n_refs, fault);
	for (size_t i = 0; i < n_refs; i++) {
		const struct mafs_volume_ref *ref = &refs[i];

		if (r == 0 && ref->pid && ref->source &&
		    (is_below(source, ref->source) ||
		     is_below(ref->source, source)))
			r = mafs_fault_set(
				fault, -EBUSY,
				"%s and %s have files in common, and "
				"process %d serves the second",
				source, ref->source, (int)ref->pid);
		mafs_volume_ref_done(&refs[i]);
	}
	free(refs);
	return r;
}

static int open_source(struct opened *opened, const char *source,
		       struct mafs_fault *fault)
{
	struct mafs_volume *volume = &opened->volume;
	int r;

	r = refuse_mount(source, fault);
	if (r < 0)
		return r;
	volume->n_fd = namespace_open(source);
	if (volume->n_fd < 0)
		return cannot(fault, volume->n_fd, source);
	volume->source = realpath(source, NULL);
	if (!volume->source)
		return cannot(fault, -errno, source);
	r = refuse_overlap(volume->source, fault);
	if (r < 0)
		return r;
	if (asprintf(&opened->dot_path, "%s/%s", volume->source,
		     MAFS_VOLUME_DIR) < 0)
		return -ENOMEM;
	r = session_root_of(volume->n_fd, &volume->session,
			    &volume->fs_id_weak);
	return r < 0 ? cannot(fault, r, source) : 0;
}

/* Whoever may write there leads us to files of their choice, and says what
 * memory is ours. */
static int refuse_strangers(int dot_fd, const char *path,
			    struct mafs_fault *fault)
{
	struct stat st;

	if (fstat(dot_fd, &st) < 0)
		return cannot(fault, -errno, path);
	if (st.st_uid != geteuid())
		return mafs_fault_set(fault, -EPERM,
				      "%s belongs to user %u: mount as that "
				      "user, or remove it when no bytes of "
				      "theirs are left in memory",
				      path, st.st_uid);
	if (st.st_mode & (S_IWGRP | S_IWOTH))
		return mafs_fault_set(fault, -EPERM,
				      "others may write to %s: look at what is "
				      "in it, then chmod 0700 it",
				      path);
	return 0;
}

/* Return: 0; dot_fd stays -1 when read-only and never adopted. */
static int open_dot(struct opened *opened, struct mafs_fault *fault)
{
	struct mafs_volume *volume = &opened->volume;
	int fd;

	if (!opened->read_only &&
	    mkdirat(volume->n_fd, MAFS_VOLUME_DIR, 0700) < 0 && errno != EEXIST)
		return mafs_fault_set(fault, -errno, "cannot make %s: %m",
				      opened->dot_path);
	fd = mafs_open_beneath(volume->n_fd, MAFS_VOLUME_DIR,
			       O_RDONLY | O_DIRECTORY, 0);
	if (fd == -ENOENT && opened->read_only)
		return 0;
	if (fd < 0)
		return cannot(fault, fd, opened->dot_path);
	volume->dot_fd = fd;
	return refuse_strangers(fd, opened->dot_path, fault);
}

/* ---- the lock ---- */

static int say_who_holds(const struct opened *opened, struct mafs_fault *fault)
{
	struct mafs_session holder;

	if (session_load(opened->volume.dot_fd, opened->dot_path, &holder,
			 NULL) < 0)
		return mafs_fault_set(fault, -EBUSY, "%s is mounted already",
				      opened->volume.source);
	return mafs_fault_set(fault, -EBUSY,
			      "%s is mounted already, by process %d on host "
			      "%s at %s",
			      opened->volume.source, holder.pid, holder.host,
			      holder.mountpoint);
}

static int take_lock(struct opened *opened, struct mafs_fault *fault)
{
	struct mafs_volume *volume = &opened->volume;
	int flags = opened->read_only ? O_RDONLY : O_RDWR | O_CREAT;
	int r;

	if (volume->dot_fd < 0)
		return 0;
	volume->session_fd = openat(volume->dot_fd, LOCK_FILE,
				    flags | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (volume->session_fd < 0 && errno == ENOENT && opened->read_only)
		return 0;
	if (volume->session_fd < 0)
		return mafs_fault_set(fault, -errno, "%s/%s: %m",
				      opened->dot_path, LOCK_FILE);
	r = opened->read_only ? mafs_lock_take_shared(volume->session_fd) :
				mafs_lock_take(volume->session_fd);
	if (r == -EAGAIN)
		return say_who_holds(opened, fault);
	if (r < 0)
		return mafs_fault_set(fault, r, "cannot lock %s/%s: %s",
				      opened->dot_path, LOCK_FILE,
				      strerror(-r));
	return 0;
}

/* ---- the runtime directory and the session ---- */

static int open_runtime(struct opened *opened, struct mafs_fault *fault)
{
	struct mafs_volume *volume = &opened->volume;
	char path[PATH_MAX];
	int r;

	r = runtime_path(&volume->uuid, path, fault);
	if (r < 0)
		return r;
	volume->runtime_dir = strdup(path);
	if (!volume->runtime_dir)
		return -ENOMEM;
	r = runtime_open(path, &opened->runtime, fault);
	if (r < 0)
		return r;
	r = memory_path_of(&volume->uuid, volume->runtime_dir, path);
	if (r < 0)
		return r;
	volume->memory_path = strdup(path);
	if (!volume->memory_path)
		return -ENOMEM;
	/* Where the memory is a mount, it needs a directory to be at. */
	if (mafs_have_capability(CAP_SYS_ADMIN) &&
	    mkdirat(opened->runtime.fd, MEMORY_NAME, 0700) < 0 &&
	    errno != EEXIST)
		return mafs_fault_set(fault, -errno, "cannot make %s: %m",
				      volume->memory_path);
	return 0;
}

static int begin_session(struct opened *opened, const char *mountpoint,
			 struct mafs_fault *fault)
{
	struct mafs_volume *volume = &opened->volume;
	struct mafs_session *session = &volume->session;
	int r;

	if (strlen(mountpoint) >= sizeof(session->mountpoint) ||
	    strlen(volume->runtime_dir) >= sizeof(session->runtime_dir))
		return cannot(fault, -ENAMETOOLONG, mountpoint);
	strcpy(session->mountpoint, mountpoint);
	strcpy(session->runtime_dir, volume->runtime_dir);
	if (gethostname(session->host, sizeof(session->host)) < 0)
		return -errno;
	session->host[sizeof(session->host) - 1] = '\0';
	r = mafs_boot_id(&session->boot_id);
	if (r < 0)
		return mafs_fault_set(fault, r, "cannot read the boot id");
	session->pid = getpid();
	session->number = volume->previous.number + 1;
	session->open = true;
	return 0;
}

static void opened_freep(struct opened **opened)
{
	if (*opened)
		mafs_volume_close(&(*opened)->volume);
}

int mafs_volume_open(const char *source, const char *mountpoint, bool read_only,
		     struct mafs_volume **ret, struct mafs_fault *fault)
{
	_cleanup_(opened_freep) struct opened *opened = NULL;
	int r;

	opened = calloc(1, sizeof(*opened));
	if (!opened)
		return -ENOMEM;
	opened->volume.n_fd = -1;
	opened->volume.dot_fd = -1;
	opened->volume.session_fd = -1;
	opened->runtime = (struct runtime){ .fd = -1, .lock_fd = -1 };
	opened->read_only = read_only;

	r = open_source(opened, source, fault);
	if (r == 0)
		r = open_dot(opened, fault);
	if (r == 0)
		r = take_lock(opened, fault);
	if (r == 0)
		r = opened_decide_uuid(opened, fault);
	if (r == 0)
		r = open_runtime(opened, fault);
	if (r == 0)
		r = begin_session(opened, mountpoint, fault);
	if (r < 0)
		return r;
	*ret = &take_ptr(opened)->volume;
	return 0;
}

int mafs_volume_session_store(struct mafs_volume *volume,
			      struct mafs_fault *fault)
{
	struct opened *opened = opened_of(volume);
	int r = 0;

	if (!opened->read_only)
		r = session_store(volume->dot_fd, opened->dot_path,
				  &volume->session, fault);
	if (r < 0)
		return r;
	if (volume->session.open)
		return runtime_publish(&opened->runtime, volume, fault);
	runtime_withdraw(&opened->runtime);
	return 0;
}

void mafs_volume_memory_given_up(struct mafs_volume *volume)
{
	runtime_withdraw(&opened_of(volume)->runtime);
}

void mafs_volume_close(struct mafs_volume *volume)
{
	struct opened *opened;

	if (!volume)
		return;
	opened = opened_of(volume);
	if (opened->runtime.fd >= 0)
		runtime_remove(&opened->runtime, volume->runtime_dir);
	runtime_done(&opened->runtime);
	mafs_closep(&volume->session_fd);
	mafs_closep(&volume->dot_fd);
	mafs_closep(&volume->n_fd);
	free(volume->source);
	free(volume->runtime_dir);
	free(volume->memory_path);
	free(opened->dot_path);
	free(opened);
}
