/* SPDX-License-Identifier: Apache-2.0 */
/* What a checker found (logplay/finding.c). */
#pragma once

#include <mafs/fault.h>
#include <stddef.h>

enum mafs_finding_kind {
	MAFS_FINDING_ERROR,
	MAFS_FINDING_ORPHAN, /* a memory file that no map names */
	MAFS_FINDING_NOTE,
	MAFS_N_FINDING_KINDS,
};

/* "error", "orphan", "note" */
const char *mafs_finding_kind_to_text(enum mafs_finding_kind kind);

struct mafs_finding {
	enum mafs_finding_kind kind;
	struct mafs_fault fault;
};

/* More of one kind are only counted. */
#define MAFS_FINDINGS_MAX 1000

/**
 * struct mafs_findings - in the order found
 * @list: owned
 * @n_of_kind: also those that were only counted
 */
struct mafs_findings {
	struct mafs_finding *list;
	size_t n, capacity;
	size_t n_of_kind[MAFS_N_FINDING_KINDS];
};

void mafs_findings_done(struct mafs_findings *findings);
/* Return: 0, -ENOMEM. */
int mafs_findings_add(struct mafs_findings *findings,
		      enum mafs_finding_kind kind,
		      const struct mafs_fault *fault);
int mafs_findings_say(struct mafs_findings *findings,
		      enum mafs_finding_kind kind, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
