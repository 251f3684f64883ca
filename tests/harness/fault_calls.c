// SPDX-License-Identifier: Apache-2.0
/*
 * Every __wrap_ here is what the linker's --wrap puts in place of the call.
 * Any thread may make the n-th call: all end with it.
 */
#include "fault_calls.h"

#include <fcntl.h>
#include <mafs/platform.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

static atomic_uint n_calls, stop_at;
static enum fault_stop stop_how;

void fault_calls_stop_at(unsigned int n, enum fault_stop how)
{
	stop_how = how;
	atomic_store(&n_calls, 0);
	atomic_store(&stop_at, n);
}

unsigned int fault_calls_count(void)
{
	return atomic_load(&n_calls);
}

/* Is this the n-th? */
static bool is_due(void)
{
	return atomic_fetch_add(&n_calls, 1) + 1 == atomic_load(&stop_at);
}

static void count(void)
{
	if (is_due())
		_exit(FAULT_STOPPED);
}

/* clang-format off */
#define COUNTED(name, parameters, arguments) \
	int __real_##name parameters;        \
	int __wrap_##name parameters;        \
	int __wrap_##name parameters         \
	{                                    \
		count();                     \
		return __real_##name arguments; \
	}

#define COUNTED_FLUSH(name)                  \
	int __wrap_##name(int fd);           \
	int __wrap_##name(int fd)            \
	{                                    \
		count();                     \
		return 0;                    \
	}

COUNTED(ftruncate64, (int fd, off_t size), (fd, size))
COUNTED(fallocate64, (int fd, int mode, off_t offset, off_t len),
	(fd, mode, offset, len))
COUNTED(mknodat, (int dir, const char *name, mode_t mode, dev_t dev),
	(dir, name, mode, dev))
COUNTED(mkdirat, (int dir, const char *name, mode_t mode), (dir, name, mode))
COUNTED(renameat, (int dir, const char *name, int to, const char *new),
	(dir, name, to, new))
COUNTED(renameat2,
	(int dir, const char *name, int to, const char *new, unsigned int how),
	(dir, name, to, new, how))
COUNTED(unlinkat, (int dir, const char *name, int flags), (dir, name, flags))
COUNTED(linkat,
	(int dir, const char *name, int to, const char *new, int flags),
	(dir, name, to, new, flags))
COUNTED(symlinkat, (const char *target, int dir, const char *name),
	(target, dir, name))
COUNTED(setxattr,
	(const char *path, const char *name, const void *value, size_t len,
	 int flags),
	(path, name, value, len, flags))
COUNTED(fsetxattr,
	(int fd, const char *name, const void *value, size_t len, int flags),
	(fd, name, value, len, flags))
COUNTED(removexattr, (const char *path, const char *name), (path, name))
COUNTED(lremovexattr, (const char *path, const char *name), (path, name))
COUNTED(fremovexattr, (int fd, const char *name), (fd, name))
COUNTED(rmdir, (const char *path), (path))
COUNTED(mkdir, (const char *path, mode_t mode), (path, mode))
COUNTED(utimensat,
	(int dir, const char *name, const struct timespec times[2], int flags),
	(dir, name, times, flags))
COUNTED(futimens, (int fd, const struct timespec times[2]), (fd, times))
COUNTED(chmod, (const char *path, mode_t mode), (path, mode))
COUNTED(fchmod, (int fd, mode_t mode), (fd, mode))
COUNTED(fchown, (int fd, uid_t uid, gid_t gid), (fd, uid, gid))
COUNTED(fchownat,
	(int dir, const char *name, uid_t uid, gid_t gid, int flags),
	(dir, name, uid, gid, flags))
COUNTED(move_mount,
	(int fd, const char *path, int to, const char *new, unsigned int how),
	(fd, path, to, new, how))
COUNTED(umount2, (const char *path, int flags), (path, flags))
COUNTED_FLUSH(fdatasync)
COUNTED_FLUSH(fsync)
COUNTED_FLUSH(syncfs)
/* clang-format on */

int __wrap_sync_file_range(int fd, off_t offset, off_t len, unsigned int flags);
int __wrap_sync_file_range(int fd, off_t offset, off_t len, unsigned int flags)
{
	count();
	return 0;
}

ssize_t __real_pwrite64(int fd, const void *bytes, size_t len, off_t offset);
ssize_t __wrap_pwrite64(int fd, const void *bytes, size_t len, off_t offset);
ssize_t __wrap_pwrite64(int fd, const void *bytes, size_t len, off_t offset)
{
	if (is_due()) {
		if (stop_how == FAULT_TORN)
			(void)!__real_pwrite64(fd, bytes, len / 2, offset);
		_exit(len > 1 ? FAULT_STOPPED_AT_STORE : FAULT_STOPPED);
	}
	return __real_pwrite64(fd, bytes, len, offset);
}

int __real_openat64(int dir, const char *name, int flags, ...);
int __wrap_openat64(int dir, const char *name, int flags, ...);
int __wrap_openat64(int dir, const char *name, int flags, ...)
{
	mode_t mode = 0;
	va_list arguments;

	if (flags & (O_CREAT | O_TMPFILE)) {
		va_start(arguments, flags);
		mode = va_arg(arguments, mode_t);
		va_end(arguments);
	}
	if (flags & O_CREAT)
		count();
	return __real_openat64(dir, name, flags, mode);
}

/* ---- boots ---- */

static bool is_new_boot;

void fault_calls_new_boot(void)
{
	is_new_boot = true;
}

int __real_mafs_boot_id(struct mafs_uuid *ret);
int __wrap_mafs_boot_id(struct mafs_uuid *ret);
int __wrap_mafs_boot_id(struct mafs_uuid *ret)
{
	int r = __real_mafs_boot_id(ret);

	ret->bytes[0] ^= is_new_boot;
	return r;
}
