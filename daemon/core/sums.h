/* SPDX-License-Identifier: Apache-2.0 */
/* Which chunks of a file N has already (sums.c). */
#pragma once

#include "intern.h"

/* What one small write of a program costs at write-back, and 8 bytes of ours. */
#define MAFSD_CHUNK 4096U

struct mafsd_sums {
	uint64_t *sums; /* 0: not known */
	size_t n;
	uint64_t n_size; /* N's, with its mtime: else they are of another */
	struct timespec n_mtime;
};

void mafsd_sums_free(struct mafsd_sums *sums);
/* For a file of @size: what was not there is not known.
 * Return: 0; -ENOMEM: nothing is known. */
int mafsd_sums_resize(struct mafsd_sums *sums, uint64_t size);
/* N's bytes there change, otherwise. */
void mafsd_sums_forget(struct mafsd_sums *sums, uint64_t start, uint64_t end);
/* N's file is this now, by our hand. */
void mafsd_sums_note(struct mafsd_sums *sums, const struct stat *n);
bool mafsd_sums_are_of(const struct mafsd_sums *sums, const struct stat *n);
/**
 * mafsd_sums_changed() - the next bytes that N has not, noted as if it had
 * @bytes: those at @start, which is a chunk's, up to a chunk's end or the
 *	file's; NULL: zeros
 * @at: in: where to go on; out: where the run begins
 *
 * Return: length of the run; 0: none is left.
 */
size_t mafsd_sums_changed(struct mafsd_sums *sums, const uint8_t *bytes,
			  uint64_t start, size_t len, size_t *at);
/* Of a clean copy in memory. Context: inode->lock held. */
int mafsd_sums_of_clean(struct mafsd *d, struct mafsd_file *file,
			struct mafsd_sums **ret);
