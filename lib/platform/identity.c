/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who a file is (mafs_identity) and what state it is in (mafs_fingerprint).
 * Called on every lookup: one statx(2) gives attributes and birth time, one
 * name_to_handle_at(2) the handle.
 */
#include <mafs/platform.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/sysmacros.h>

static struct timespec to_timespec(const struct statx_timestamp *from)
{
	return (struct timespec){ .tv_sec = from->tv_sec,
				  .tv_nsec = from->tv_nsec };
}

static void to_stat(const struct statx *from, struct stat *ret)
{
	*ret = (struct stat){
		.st_dev = makedev(from->stx_dev_major, from->stx_dev_minor),
		.st_ino = from->stx_ino,
		.st_nlink = from->stx_nlink,
		.st_mode = from->stx_mode,
		.st_uid = from->stx_uid,
		.st_gid = from->stx_gid,
		.st_rdev = makedev(from->stx_rdev_major, from->stx_rdev_minor),
		.st_size = (off_t)from->stx_size,
		.st_blksize = from->stx_blksize,
		.st_blocks = (blkcnt_t)from->stx_blocks,
		.st_atim = to_timespec(&from->stx_atime),
		.st_mtim = to_timespec(&from->stx_mtime),
		.st_ctim = to_timespec(&from->stx_ctime),
	};
}

int mafs_identity_of(int fd, const struct mafs_uuid *fs_id,
		     struct mafs_identity *ret, struct stat *ret_st)
{
	struct mafs_identity identity = { .fs_id = *fs_id };
	struct statx stx;
	int r;

	if (statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_BTIME,
		  &stx) < 0)
		return -errno;
	r = mafs_handle_of(fd, "", &identity.handle);
	if (r < 0 && r != -EOPNOTSUPP)
		return r;

	identity.ino = stx.stx_ino;
	if (stx.stx_mask & STATX_BTIME)
		identity.btime = to_timespec(&stx.stx_btime);
	*ret = identity;
	if (ret_st)
		to_stat(&stx, ret_st);
	return 0;
}

void mafs_fingerprint_of(const struct stat *st, struct mafs_fingerprint *ret)
{
	*ret = (struct mafs_fingerprint){
		.size_bytes = (uint64_t)st->st_size,
		.mtime = st->st_mtim,
		.ctime = st->st_ctim,
	};
}
