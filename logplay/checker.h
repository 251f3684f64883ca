/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of the checker share. Private to logplay. */
#pragma once

#include <mafs/checker.h>

int mafs_check_add(struct mafs_check *check, enum mafs_finding_kind kind,
		   const struct mafs_fault *fault);
int mafs_check_say(struct mafs_check *check, enum mafs_finding_kind kind,
		   const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Both copies of the superblock. Return: 0, -errno of the media. */
int mafs_check_superblocks(struct mafs_check *check, struct mafs_media *media,
			   const struct mafs_uuid *volume);

/* Each map against the memory files, then the memory files that are left.
 * @settled_seq: what changed later may be in change still. */
int mafs_check_files(struct mafs_check *check, uint64_t settled_seq);
