/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of the checker share. Private to logplay. */
#pragma once

#include <mafs/checker.h>

/**
 * struct checked_superblock - both copies
 * @have: one is valid; @sb is the newest, @copy where it stands
 * @bad: of each copy; one that was never written is not bad, but @blank
 */
struct checked_superblock {
	bool have;
	struct mafs_superblock sb;
	int copy;
	bool bad[2], blank[2];
};

/* Says what is wrong with each. Return: 0, -errno of the media. */
int check_superblocks(struct mafs_findings *findings, struct mafs_media *media,
		      struct checked_superblock *ret);

/* Each map against the memory files, then the memory files that are left.
 * @settled_seq: what changed later may be in change still. */
int mafs_check_files(struct mafs_check *check, uint64_t settled_seq);
