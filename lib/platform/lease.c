/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is a file in anybody's use? A write lease is granted only when nobody else
 * has the file open or mapped, also not through a passthrough descriptor that
 * outlived its daemon. Any refusal means "in use".
 *
 * On overlayfs the lease is blind: it stands on the overlay's inode, while
 * mappings hold the layer's file. There the answer is always "in use".
 */
#include <mafs/platform.h>

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/statfs.h>

static bool lease_is_blind(int fd)
{
	struct statfs fs;

	return fstatfs(fd, &fs) < 0 || fs.f_type == OVERLAYFS_SUPER_MAGIC;
}

enum mafs_use mafs_lease_take(int fd)
{
	if (lease_is_blind(fd) || fcntl(fd, F_SETLEASE, F_WRLCK) < 0)
		return MAFS_USE_SOME;
	return MAFS_USE_NONE;
}

bool mafs_lease_holds(int fd)
{
	return fcntl(fd, F_GETLEASE) == F_WRLCK;
}

void mafs_lease_drop(int fd)
{
	fcntl(fd, F_SETLEASE, F_UNLCK);
}

enum mafs_use mafs_lease_probe_writers(int fd)
{
	if (lease_is_blind(fd) || fcntl(fd, F_SETLEASE, F_RDLCK) < 0)
		return MAFS_USE_SOME;
	fcntl(fd, F_SETLEASE, F_UNLCK);
	return MAFS_USE_NONE;
}
