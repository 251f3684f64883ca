/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The disk tier: plain calls on N's files, gone on with after EINTR and short
 * transfers. Called by write-back, spill and copies without passthrough.
 */
#include <mafs/buffer.h>
#include <mafs/platform.h>
#include <mafs/tier.h>

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define ZEROS_LEN (64U << 10)

static ssize_t disk_pread(int fd, void *bytes, size_t len, uint64_t offset)
{
	return mafs_pread_full(fd, bytes, len, offset);
}

static int disk_pwrite(int fd, const void *bytes, size_t len, uint64_t offset)
{
	return mafs_pwrite_full(fd, bytes, len, offset);
}

/* For file systems that cannot punch. */
static int write_zeros(int fd, uint64_t offset, uint64_t len)
{
	static const uint8_t zeros[ZEROS_LEN];
	int r;

	while (len > 0) {
		size_t n = len < ZEROS_LEN ? (size_t)len : ZEROS_LEN;

		r = mafs_pwrite_full(fd, zeros, n, offset);
		if (r < 0)
			return r;
		offset += n;
		len -= n;
	}
	return 0;
}

static int disk_zero(int fd, uint64_t offset, uint64_t len)
{
	int r;

	if (len == 0)
		return 0;
	do
		r = fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			      (off_t)offset, (off_t)len);
	while (r < 0 && errno == EINTR);
	if (r == 0)
		return 0;
	if (errno != EOPNOTSUPP && errno != ENOSYS)
		return -errno;
	return write_zeros(fd, offset, len);
}

static int disk_truncate(int fd, uint64_t size_bytes)
{
	int r;

	do
		r = ftruncate(fd, (off_t)size_bytes);
	while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : 0;
}

static int disk_set_times(int fd, const struct timespec times[2])
{
	return futimens(fd, times) < 0 ? -errno : 0;
}

static int disk_flush(int fd, bool data_only)
{
	return (data_only ? fdatasync(fd) : fsync(fd)) < 0 ? -errno : 0;
}

/* Where order is kept the file system logs a file's new blocks and size before a page counts as
 * written, and their log flushes the device before it commits. */
static int disk_settle(int fd)
{
	const unsigned int all = SYNC_FILE_RANGE_WAIT_BEFORE |
				 SYNC_FILE_RANGE_WRITE |
				 SYNC_FILE_RANGE_WAIT_AFTER;

	if (mafs_fs_keeps_order(fd))
		return sync_file_range(fd, 0, 0, all) < 0 ? -errno : 0;
	return disk_flush(fd, true);
}

static int disk_flush_all(int fd)
{
	return syncfs(fd) < 0 ? -errno : 0;
}

static int disk_stat(int fd, struct stat *ret)
{
	return fstat(fd, ret) < 0 ? -errno : 0;
}

static int disk_statvfs(int fd, struct statvfs *ret)
{
	return fstatvfs(fd, ret) < 0 ? -errno : 0;
}

const struct mafs_tier_ops mafs_tier_disk = {
	.kind = "disk",
	.pread = disk_pread,
	.pwrite = disk_pwrite,
	.zero = disk_zero,
	.truncate = disk_truncate,
	.set_times = disk_set_times,
	.settle = disk_settle,
	.flush = disk_flush,
	.flush_all = disk_flush_all,
	.stat = disk_stat,
	.statvfs = disk_statvfs,
};
