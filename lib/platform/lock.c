/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Open-file-description locks: they belong to the descriptor (and its copies
 * in a daemon that forked), end with the last of them however the process
 * dies, and work over NFS.
 */
#include <mafs/platform.h>

#include <errno.h>
#include <fcntl.h>

static int lock(int fd, short type)
{
	struct flock whole = { .l_type = type, .l_whence = SEEK_SET };

	if (fcntl(fd, F_OFD_SETLK, &whole) < 0)
		return errno == EACCES ? -EAGAIN : -errno;
	return 0;
}

int mafs_lock_take(int fd)
{
	return lock(fd, F_WRLCK);
}

int mafs_lock_take_shared(int fd)
{
	return lock(fd, F_RDLCK);
}

bool mafs_lock_is_held(int fd)
{
	struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	return fcntl(fd, F_OFD_GETLK, &whole) == 0 && whole.l_type != F_UNLCK;
}
