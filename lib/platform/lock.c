/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Open-file-description locks: they belong to the descriptor (and its copies
 * in a daemon that forked), end with the last of them however the process
 * dies, and work over NFS.
 */
#include <mafs/platform.h>

#include <errno.h>
#include <fcntl.h>

static int lock(int fd, struct flock *range)
{
	range->l_whence = SEEK_SET;
	if (fcntl(fd, F_OFD_SETLK, range) < 0)
		return errno == EACCES ? -EAGAIN : -errno;
	return 0;
}

int mafs_lock_take(int fd)
{
	return lock(fd, &(struct flock){ .l_type = F_WRLCK });
}

int mafs_lock_take_shared(int fd)
{
	return lock(fd, &(struct flock){ .l_type = F_RDLCK });
}

int mafs_lock_take_byte(int fd, uint64_t offset)
{
	if (offset >= INT64_MAX)
		return -EINVAL;
	return lock(fd, &(struct flock){ .l_type = F_WRLCK,
					 .l_start = (off_t)offset,
					 .l_len = 1 });
}

bool mafs_lock_is_held(int fd)
{
	struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	return fcntl(fd, F_OFD_GETLK, &whole) == 0 && whole.l_type != F_UNLCK;
}
