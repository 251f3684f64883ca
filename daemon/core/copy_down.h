/* SPDX-License-Identifier: Apache-2.0 */
/* One file's way down, step by step (copy_down.c). */
#pragma once

#include "intern.h"

/**
 * struct mafsd_copy - what was taken from a dirty file
 *
 * Belongs to the thread that began it; holds file->wb_busy and a reference.
 */
struct mafsd_copy {
	struct mafsd_inode *inode;
	struct mafs_memory_file *mem;
	bool mem_pinned;
	int n_fd;
	uint8_t *bytes;
	struct mafs_ranges ranges;
	uint64_t n_valid;
	struct mafsd_sums *sums; /* the file's; NULL: not kept */
	bool whole;
	uint64_t gen, id;
	uint64_t n_size; /* N's, before */
	struct stat n_st, mem_st;
	struct mafsd_capability capability;
	uint32_t n_priv_changes;
	bool changes_n; /* not all of it was there */
	struct stat sealed_st; /* N's, when all was there */
	bool cuts; /* N's file becomes shorter: flush before */
	bool pending; /* N's file says that it was never written */
	bool is_new; /* N has these bytes in no version */
	struct mafsd_replaced *replaced; /* links that await these bytes */
	int error;
};

/* @nameless: also a file without a name, whose bytes else go with its last
 * close. Return: 1: begun, end it; 0: nothing is dirty; -EBUSY without
 * @wait. */
int mafsd_copy_begin(struct mafsd *d, struct mafsd_inode *inode, bool wait,
		     bool nameless, struct mafsd_copy *ret);
/* Once, before the first copy. Return: 0, -ENOMEM. */
int mafsd_spare_buffer(struct mafsd *d);
int mafsd_copy_bytes(struct mafsd *d, struct mafsd_copy *copy);
int mafsd_copy_seal(struct mafsd *d, struct mafsd_copy *copy);
/* Is something on N to be taken back once the bytes are below? */
static inline bool mafsd_copy_is_marked(const struct mafsd_copy *copy)
{
	return copy->pending || copy->replaced;
}
/* Takes it back. Context: the bytes are settled or flushed. */
void mafsd_copy_unmark(struct mafsd *d, struct mafsd_copy *copy);
/* @flushed: a flush after the last store returned 0.
 * Return: @error, or that of the end; 0 when the file was removed
 * meanwhile. */
int mafsd_copy_end(struct mafsd *d, struct mafsd_copy *copy, int error,
		   bool flushed);
