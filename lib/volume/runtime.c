/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RUN/<uuid>, the runtime directory of a volume:
 *
 *	lock		locked by the daemon: its life, more than any pid
 *	pid, mount.json	for programs; there while a session is open, and left
 *			behind by a daemon that was killed
 *	control.sock, memory/	the daemon's own
 *
 * Invariant: whoever holds the lock holds it on the inode that the name shows,
 * so a directory that is being removed has no second owner.
 */
#include "volume.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>

/* ---- where ---- */

/* Made when missing; in a place where others may have made it before us. */
static int make_private(const char *path, struct mafs_fault *fault)
{
	_cleanup_close_ int fd = -1;
	struct stat st;

	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return mafs_fault_set(fault, -errno, "cannot make %s: %m",
				      path);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return mafs_fault_set(fault, -errno, "%s: %m", path);
	if (st.st_uid != geteuid() || (st.st_mode & (S_IWGRP | S_IWOTH)))
		return mafs_fault_set(fault, -EPERM,
				      "%s belongs to somebody else", path);
	return 0;
}

int mafs_runtime_root(char *ret, size_t len, struct mafs_fault *fault)
{
	const char *xdg = getenv("XDG_RUNTIME_DIR");
	int n;

	if (geteuid() == 0)
		n = snprintf(ret, len, "/run/mafs");
	else if (xdg && *xdg == '/')
		n = snprintf(ret, len, "%s/mafs", xdg);
	else
		n = snprintf(ret, len, "/tmp/mafs-%u", geteuid());
	if (n < 0 || (size_t)n >= len)
		return -ENAMETOOLONG;
	return make_private(ret, fault);
}

int runtime_path(const struct mafs_uuid *uuid, char ret[static PATH_MAX],
		 struct mafs_fault *fault)
{
	char text[MAFS_UUID_TEXT_LEN];
	size_t len;
	int r;

	r = mafs_runtime_root(ret, PATH_MAX - sizeof(text), fault);
	if (r < 0)
		return r;
	mafs_uuid_to_text(uuid, text);
	len = strlen(ret);
	snprintf(ret + len, PATH_MAX - len, "/%s", text);
	return 0;
}

/* As lib/memory has it: a mount of our own, or a directory on /dev/shm. */
int memory_path_of(const struct mafs_uuid *uuid, const char *runtime_dir,
		   char ret[static PATH_MAX])
{
	char text[MAFS_UUID_TEXT_LEN];
	int n;

	if (mafs_have_capability(CAP_SYS_ADMIN)) {
		n = snprintf(ret, PATH_MAX, "%s/%s", runtime_dir, MEMORY_NAME);
	} else {
		mafs_uuid_to_text(uuid, text);
		n = snprintf(ret, PATH_MAX, "/dev/shm/mafs-%u-%s", geteuid(),
			     text);
	}
	return n >= PATH_MAX ? -ENAMETOOLONG : 0;
}

/* ---- who uses it ---- */

bool runtime_is_used(int run_fd)
{
	_cleanup_close_ int fd = -1;

	fd = openat(run_fd, LOCK_FILE, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	return fd >= 0 && mafs_lock_is_held(fd);
}

static bool is_still_named(int dirfd, int fd)
{
	struct stat named, held;

	return fstatat(dirfd, LOCK_FILE, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
	       fstat(fd, &held) == 0 && named.st_ino == held.st_ino &&
	       named.st_dev == held.st_dev;
}

/* Return: 0; -EBUSY; -ESTALE: removed while we waited, to be made anew. */
static int lock_once(const char *path, struct runtime *ret,
		     struct mafs_fault *fault)
{
	_cleanup_close_ int fd = -1, lock_fd = -1;
	int r;

	r = make_private(path, fault);
	if (r < 0)
		return r;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? -ESTALE : -errno;
	lock_fd = openat(fd, LOCK_FILE,
			 O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (lock_fd < 0)
		return errno == ENOENT ? -ESTALE : -errno;
	r = mafs_lock_take(lock_fd);
	if (r < 0)
		return r == -EAGAIN ? -EBUSY : r;
	if (!is_still_named(fd, lock_fd))
		return -ESTALE;
	*ret = (struct runtime){ .fd = take_fd(fd),
				 .lock_fd = take_fd(lock_fd) };
	return 0;
}

int runtime_open(const char *path, struct runtime *ret,
		 struct mafs_fault *fault)
{
	int r;

	do
		r = lock_once(path, ret, fault);
	while (r == -ESTALE);
	if (r == -EBUSY)
		return mafs_fault_set(fault, r, "%s is in use by a daemon",
				      path);
	return r;
}

void runtime_done(struct runtime *runtime)
{
	mafs_closep(&runtime->fd);
	mafs_closep(&runtime->lock_fd);
}

/* ---- what it tells ---- */

static int write_pid(int run_fd, pid_t pid)
{
	_cleanup_close_ int fd = -1;

	fd = openat(run_fd, PID_FILE,
		    O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC,
		    0600);
	if (fd < 0 || dprintf(fd, "%d\n", pid) < 0)
		return -errno;
	return 0;
}

static int to_record(const struct mafs_volume *volume, struct record *record)
{
	char uuid[MAFS_UUID_TEXT_LEN];
	int r;

	mafs_uuid_to_text(&volume->uuid, uuid);
	r = record_set(record, "uuid", uuid);
	if (r == 0)
		r = record_set(record, "source", volume->source);
	if (r == 0)
		r = record_set(record, "mountpoint",
			       volume->session.mountpoint);
	if (r == 0)
		r = record_set(record, "memory_path", volume->memory_path);
	if (r == 0)
		r = record_set_u64(record, "pid",
				   (uint64_t)volume->session.pid);
	if (r == 0)
		r = root_to_record(&volume->session, record);
	return r;
}

int runtime_publish(const struct runtime *runtime,
		    const struct mafs_volume *volume, struct mafs_fault *fault)
{
	_cleanup_(record_done) struct record record = { 0 };
	int r;

	r = write_pid(runtime->fd, volume->session.pid);
	if (r < 0)
		return mafs_fault_set(fault, r, "cannot write %s/%s: %s",
				      volume->runtime_dir, PID_FILE,
				      strerror(-r));
	r = to_record(volume, &record);
	if (r < 0)
		return r;
	return record_store(runtime->fd, MOUNT_FILE, volume->runtime_dir,
			    &record, true, fault);
}

void runtime_withdraw(const struct runtime *runtime)
{
	unlinkat(runtime->fd, MOUNT_FILE, 0);
	unlinkat(runtime->fd, PID_FILE, 0);
}

void runtime_remove(const struct runtime *runtime, const char *path)
{
	/* A session that is still open: for the next daemon to find. */
	if (faccessat(runtime->fd, MOUNT_FILE, F_OK, 0) == 0)
		return;
	if (unlinkat(runtime->fd, MEMORY_NAME, AT_REMOVEDIR) < 0 &&
	    errno != ENOENT)
		return;
	unlinkat(runtime->fd, LOCK_FILE, 0);
	rmdir(path);
}
