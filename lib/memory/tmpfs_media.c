/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Superblock and log of a tmpfs device: one file a region. On tmpfs what was
 * written is as persistent as it can be, so a flush has nothing to do.
 *
 * Metadata must go on when data has filled the device. Mounted, the regions
 * have a tmpfs of their own. In a directory on somebody else's tmpfs a file
 * holds RESERVE bytes; the store that meets ENOSPC takes them, and the next
 * checkpoint, which gives a log slot back, refills it.
 */
#include "tmpfs.h"

#include <errno.h>
#include <fcntl.h>
#include <mafs/buffer.h>
#include <string.h>

const char *const tmpfs_region_names[MAFS_N_REGIONS] = {
	[MAFS_REGION_SUPERBLOCK] = "superblock",
	[MAFS_REGION_LOG_A] = "log-a",
	[MAFS_REGION_LOG_B] = "log-b",
};

static struct tmpfs *device_of(struct mafs_media *media)
{
	return mafs_container_of(media, struct tmpfs, base.media);
}

static int region_fd(struct mafs_media *media, enum mafs_region region)
{
	return device_of(media)->region_fds[region];
}

static ssize_t media_read(struct mafs_media *media, enum mafs_region region,
			  uint64_t offset, void *bytes, size_t len)
{
	return mafs_pread_full(region_fd(media, region), bytes, len, offset);
}

static int release_reserve(const struct tmpfs *tmpfs)
{
	_cleanup_close_ int fd = -1;
	struct stat st;

	fd = openat(tmpfs->dir_fd, TMPFS_RESERVE,
		    O_WRONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0 || !st.st_blocks)
		return -ENOSPC;
	return ftruncate(fd, 0) < 0 ? -errno : 0;
}

int tmpfs_fill_reserve(int dir_fd)
{
	_cleanup_close_ int fd = -1;

	fd = openat(dir_fd, TMPFS_RESERVE,
		    O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0 || fallocate(fd, 0, 0, TMPFS_RESERVE_BYTES) < 0)
		return -errno;
	return 0;
}

static int media_write(struct mafs_media *media, enum mafs_region region,
		       uint64_t offset, const void *bytes, size_t len)
{
	struct tmpfs *tmpfs = device_of(media);
	int fd = region_fd(media, region);
	int r;

	if (tmpfs->read_only)
		return -EROFS;
	r = mafs_pwrite_full(fd, bytes, len, offset);
	if (r == -ENOSPC && tmpfs->limited && release_reserve(tmpfs) == 0)
		r = mafs_pwrite_full(fd, bytes, len, offset);
	return r;
}

static int media_flush(struct mafs_media *media, enum mafs_region region,
		       uint64_t offset, size_t len)
{
	return 0;
}

static int media_length(struct mafs_media *media, enum mafs_region region,
			uint64_t *ret_bytes)
{
	struct stat st;

	if (fstat(region_fd(media, region), &st) < 0)
		return -errno;
	*ret_bytes = (uint64_t)st.st_size;
	return 0;
}

static int media_truncate(struct mafs_media *media, enum mafs_region region,
			  uint64_t length)
{
	struct tmpfs *tmpfs = device_of(media);

	if (tmpfs->read_only)
		return -EROFS;
	if (ftruncate(region_fd(media, region), (off_t)length) < 0)
		return -errno;
	/* Still no room: then at the next checkpoint. */
	if (tmpfs->limited)
		tmpfs_fill_reserve(tmpfs->dir_fd);
	return 0;
}

const struct mafs_media_ops tmpfs_media_ops = {
	.read = media_read,
	.write = media_write,
	.flush = media_flush,
	.length = media_length,
	.truncate = media_truncate,
};
