/* SPDX-License-Identifier: Apache-2.0 */
/* What fsck says of a volume: as text, as JSON. */
#pragma once

#include "attached.h"

#include <mafs/checker.h>

/**
 * struct mafs_fsck - everything a report is made of
 * @files: NULL without --extents
 * @exit_code: of fsck(8)
 */
struct mafs_fsck {
	const struct mafs_attached *device;
	const struct mafs_check *check;
	const struct mafs_hot_files *files;
	int exit_code;
};

/* Errors to standard error, the rest to standard output.
 * Return: 0, -ENOMEM. */
int mafs_fsck_report_text(const struct mafs_fsck *fsck);
int mafs_fsck_report_json(const struct mafs_fsck *fsck);

struct mafs_fsck_counts {
	size_t n_clean, n_dirty, n_writing;
};
void mafs_fsck_count(const struct mafs_check *check,
		     struct mafs_fsck_counts *ret);
