/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Brings the bytes of a memory device into a directory, when they cannot go
 * where they belong (logplay/salvage.c).
 */
#pragma once

#include <mafs/fault.h>
#include <mafs/hot.h>
#include <mafs/memory.h>
#include <mafs/tier.h>

/**
 * struct mafs_salvage - what was done
 * @n_unnamed: of the files, those whose place in N is not known; they are
 *	there under their last name alone, or as unnamed-TAG
 */
struct mafs_salvage {
	uint64_t n_files;
	uint64_t n_unnamed;
	uint64_t n_bytes; /* of data; holes are holes */
};

/**
 * mafs_copy_out() - copy a memory file to an empty file
 * @fd: open for writing, by @tier; not flushed
 * @n_bytes: raised by the data copied; holes stay holes
 *
 * Size and times are the memory file's. Return: 0, -ENOMEM, -errno; -EIO also
 * when memory ends before its data does.
 */
int mafs_copy_out(struct mafs_memory_file *mem,
		  const struct mafs_tier_ops *tier, int fd, uint64_t *n_bytes);

/**
 * mafs_salvage() - copy what only memory holds
 * @hot: by a log that was read to its end: what is dirty there is copied;
 *	NULL: no log can be believed, so every memory file is copied, by the
 *	identity that is kept with it
 * @n_fd: N, for paths, owners and modes; -1: not to be had
 * @out_fd: directory; existing names are not touched, the copy gets another
 *
 * Neither memory nor N is changed. The copies are durable when it returns 0.
 * A file that cannot be copied keeps no other from it.
 *
 * Return: 0; -errno of the first failure, the fault names the file.
 */
int mafs_salvage(struct mafs_memory *memory, struct mafs_hot_table *hot,
		 int n_fd, const struct mafs_uuid *fs_id, int out_fd,
		 struct mafs_salvage *ret, struct mafs_fault *fault);
