/* SPDX-License-Identifier: Apache-2.0 */
/* Findings in both of fsck's reports, and its exit codes. */
#pragma once

#include <jansson.h>
#include <mafs/finding.h>

/* The codes of fsck(8) that there is a use for. */
enum mafs_fsck_exit {
	MAFS_FSCK_OK = 0,
	MAFS_FSCK_CORRECTED = 1,
	MAFS_FSCK_UNCORRECTED = 4,
	MAFS_FSCK_ERROR = 8,
	MAFS_FSCK_USAGE = 16,
};

/* Errors to standard error, the rest to standard output. */
void mafs_fsck_print_findings(const struct mafs_findings *findings);
/* Return: new reference; NULL: no memory. */
json_t *mafs_fsck_findings_to_json(const struct mafs_findings *findings);
