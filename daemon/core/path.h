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
/* file->backing_id for M or D. Context: inode->lock held. */
int mafsd_path_backing(struct mafsd *d, struct mafsd_inode *inode,
		       enum mafsd_path path);
