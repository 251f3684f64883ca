/* SPDX-License-Identifier: Apache-2.0 */
/* The data path of an inode (path.c). */
#pragma once

#include "intern.h"

/**
 * mafsd_path_choose() - the path for an open; sets file->on_n
 * @is_new: just created by us
 *
 * Context: inode->lock held. Return: enum mafsd_path, MAFSD_WOULD_BLOCK,
 * -errno.
 */
int mafsd_path_choose(struct mafsd *d, struct mafsd_inode *inode, int flags,
		      bool is_new, bool may_block);
/* May a file written at @now get the same times as one changed at @then? Their
 * clock ticks every 10 ms at the most. */
bool mafsd_may_share_tick(const struct timespec *then,
			  const struct timespec *now);
/* file->backing_id for M or D. Context: inode->lock held. */
int mafsd_path_backing(struct mafsd *d, struct mafsd_inode *inode,
		       enum mafsd_path path);
