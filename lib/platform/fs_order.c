/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Does a file system have one log, in which changes of names and xattrs come
 * in their order, and a file's new blocks before them? XFS does, ext4 with a
 * journal: which is asked of ext4 itself, as mount options do not always show
 * it.
 */
#include <mafs/platform.h>

#include <linux/magic.h>
#include <linux/types.h>
#include <sys/ioctl.h>
#include <sys/vfs.h>

#ifndef XFS_SUPER_MAGIC
#define XFS_SUPER_MAGIC 0x58465342
#endif

/* Source: Documentation/filesystems/ext4 of Linux 5.15: checkpoints the
 * journal; a dry run only says whether it could, ENODEV without a journal. */
#define EXT4_IOC_CHECKPOINT _IOW('f', 43, __u32)
#define EXT4_IOC_CHECKPOINT_DRY_RUN 4U

bool mafs_fs_keeps_order(int fd)
{
	__u32 how = EXT4_IOC_CHECKPOINT_DRY_RUN;
	struct statfs fs;

	if (fstatfs(fd, &fs) < 0)
		return false;
	if (fs.f_type == XFS_SUPER_MAGIC)
		return true;
	return fs.f_type == EXT4_SUPER_MAGIC &&
	       ioctl(fd, EXT4_IOC_CHECKPOINT, &how) == 0;
}
