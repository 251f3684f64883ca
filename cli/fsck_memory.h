/* SPDX-License-Identifier: Apache-2.0 */
/* mafs fsck of a memory volume. */
#pragma once

#include "fsck_findings.h"

#include <mafs/memory_check.h>

/**
 * struct mafs_fsck_memory - what was asked for, and what a report is made of
 * @n_mended: by --repair; @mended: what it said
 */
struct mafs_fsck_memory {
	struct mafs_memory_check_options options;
	bool extents, as_json, repair;
	struct mafs_memory_check check;
	struct mafs_findings mended;
	size_t n_mended;
	int exit_code;
};

/* Checks, mends, reports. Return: enum mafs_fsck_exit. */
int mafs_fsck_memory(struct mafs_fsck_memory *fsck);

/* Return: 0, -ENOMEM. */
int mafs_fsck_memory_report_text(struct mafs_fsck_memory *fsck);
int mafs_fsck_memory_report_json(struct mafs_fsck_memory *fsck);

/* The regular files that have a name, by path, for --extents. */
struct mafs_fsck_files {
	struct mafs_fsck_file {
		char *path; /* owned */
		const struct mafs_node *node;
	} * list; /* owned */
	size_t n, capacity;
};

void mafs_fsck_files_done(struct mafs_fsck_files *files);
/* Return: 0, -ENOMEM. */
int mafs_fsck_files_find(struct mafs_memory_check *check,
			 struct mafs_fsck_files *ret);
