/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is known of a volume from outside, without a lock and without touching
 * N or the mount: the runtime directory's mount.json, the lock beside it, and
 * the list of mounts.
 */
#include "volume.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

void mafs_volume_ref_done(struct mafs_volume_ref *ref)
{
	free(ref->source);
	free(ref->mountpoint);
	free(ref->runtime_dir);
	free(ref->memory_path);
	free(ref->control_path);
	/* One that was never filled in is all zero. */
	if (ref->source)
		mafs_closep(&ref->n_fd);
	*ref = (struct mafs_volume_ref){ .n_fd = -1 };
}

static int set_paths(struct mafs_volume_ref *ref, const char *source,
		     const char *runtime_dir, const char *memory_path)
{
	ref->source = strdup(source);
	ref->runtime_dir = strdup(runtime_dir);
	ref->memory_path = strdup(memory_path);
	if (!ref->source || !ref->runtime_dir || !ref->memory_path)
		return -ENOMEM;
	if (asprintf(&ref->control_path, "%s/%s", runtime_dir, CONTROL_FILE) <
	    0) {
		ref->control_path = NULL;
		return -ENOMEM;
	}
	return 0;
}

int ref_from_source(const struct mafs_uuid *uuid, const char *source,
		    const char *runtime_dir, struct mafs_volume_ref *ret)
{
	_cleanup_(mafs_volume_ref_done) struct mafs_volume_ref ref = {
		.uuid = *uuid,
		.n_fd = -1,
	};
	char memory_path[PATH_MAX];
	int r;

	r = memory_path_of(uuid, runtime_dir, memory_path);
	if (r == 0)
		r = set_paths(&ref, source, runtime_dir, memory_path);
	if (r < 0)
		return r;
	*ret = ref;
	ref = (struct mafs_volume_ref){ .n_fd = -1 };
	return 0;
}

static bool is_mounted(const struct mafs_mounts *mounts, const char *mountpoint,
		       const char *source)
{
	for (size_t i = 0; i < mounts->n_mounts; i++) {
		const struct mafs_mount *mount = &mounts->mounts[i];

		if (is_mafs_mount(mount) && !strcmp(mount->path, mountpoint) &&
		    !strcmp(mount->source, source))
			return true;
	}
	return false;
}

/* Is it where a daemon of the directory's owner would have put it? Root ends
 * what it is told of. */
static bool is_memory_of(const char *path, int run_fd, const char *runtime_dir,
			 const struct mafs_uuid *uuid)
{
	char text[MAFS_UUID_TEXT_LEN], wanted[PATH_MAX];
	struct stat st;

	if (fstat(run_fd, &st) < 0)
		return false;
	mafs_uuid_to_text(uuid, text);
	snprintf(wanted, sizeof(wanted), "/dev/shm/mafs-%u-%s", st.st_uid,
		 text);
	if (!strcmp(path, wanted))
		return true;
	snprintf(wanted, sizeof(wanted), "%s/%s", runtime_dir, MEMORY_NAME);
	return st.st_uid == geteuid() && !strcmp(path, wanted);
}

static int from_record(const struct record *record, int run_fd,
		       const char *runtime_dir,
		       const struct mafs_mounts *mounts,
		       struct mafs_volume_ref *ref)
{
	const char *uuid = record_get(record, "uuid");
	const char *source = record_get(record, "source");
	const char *mountpoint = record_get(record, "mountpoint");
	const char *memory_path = record_get(record, "memory_path");
	struct mafs_session root;
	uint64_t pid;
	int r;

	if (!uuid || mafs_uuid_parse(uuid, &ref->uuid) < 0 || !source ||
	    !mountpoint || !memory_path ||
	    root_from_record(record, &root) < 0 ||
	    record_get_u64(record, "pid", &pid) < 0 || pid > INT_MAX ||
	    !is_memory_of(memory_path, run_fd, runtime_dir, &ref->uuid))
		return -EUCLEAN;
	r = set_paths(ref, source, runtime_dir, memory_path);
	if (r < 0)
		return r;
	ref->fs_id = root.fs_id;
	ref->pid = runtime_is_used(run_fd) ? (pid_t)pid : 0;
	ref->mounted = is_mounted(mounts, mountpoint, source);
	ref->is_memory = !root.root.length && !root.root_ino;
	if (ref->mounted || ref->pid) {
		ref->mountpoint = strdup(mountpoint);
		if (!ref->mountpoint)
			return -ENOMEM;
	}
	return 0;
}

int ref_from_runtime(const char *runtime_dir, const struct mafs_mounts *mounts,
		     struct mafs_volume_ref *ret)
{
	_cleanup_(mafs_volume_ref_done) struct mafs_volume_ref ref = {
		.n_fd = -1,
	};
	_cleanup_(record_done) struct record record = { 0 };
	_cleanup_close_ int fd = -1;
	int r;

	fd = open(runtime_dir, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = record_load(fd, MOUNT_FILE, runtime_dir, &record, NULL);
	if (r == 0)
		r = from_record(&record, fd, runtime_dir, mounts, &ref);
	if (r < 0)
		return r;
	*ret = ref;
	ref = (struct mafs_volume_ref){ .n_fd = -1 };
	return 0;
}

int runtime_each(int (*visit)(void *context, const char *runtime_dir),
		 void *context, struct mafs_fault *fault)
{
	_cleanup_closedir_ DIR *root = NULL;
	char path[PATH_MAX];
	struct mafs_uuid uuid;
	struct dirent *entry;
	size_t len;
	int r;

	r = mafs_runtime_root(path, sizeof(path) - MAFS_UUID_TEXT_LEN, fault);
	if (r < 0)
		return r;
	root = opendir(path);
	if (!root)
		return mafs_fault_set(fault, -errno, "%s: %m", path);
	len = strlen(path);
	while (errno = 0, (entry = readdir(root))) {
		if (mafs_uuid_parse(entry->d_name, &uuid) < 0)
			continue;
		snprintf(path + len, sizeof(path) - len, "/%s", entry->d_name);
		r = visit(context, path);
		if (r)
			return r;
	}
	return -errno;
}
