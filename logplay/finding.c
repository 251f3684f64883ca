// SPDX-License-Identifier: Apache-2.0
/* A list of findings that does not grow without end. Called by checkers. */
#include <mafs/finding.h>

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

const char *mafs_finding_kind_to_text(enum mafs_finding_kind kind)
{
	switch (kind) {
	case MAFS_FINDING_ERROR:
		return "error";
	case MAFS_FINDING_ORPHAN:
		return "orphan";
	case MAFS_FINDING_NOTE:
		return "note";
	default:
		return "unknown";
	}
}

void mafs_findings_done(struct mafs_findings *findings)
{
	free(findings->list);
	*findings = (struct mafs_findings){ 0 };
}

int mafs_findings_add(struct mafs_findings *findings,
		      enum mafs_finding_kind kind,
		      const struct mafs_fault *fault)
{
	size_t capacity = findings->capacity ? findings->capacity * 2 : 16;
	struct mafs_finding *grown;

	if (findings->n_of_kind[kind]++ >= MAFS_FINDINGS_MAX)
		return 0;
	if (findings->n == findings->capacity) {
		grown = reallocarray(findings->list, capacity, sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		findings->list = grown;
		findings->capacity = capacity;
	}
	findings->list[findings->n++] = (struct mafs_finding){
		.kind = kind,
		.fault = *fault,
	};
	return 0;
}

int mafs_findings_say(struct mafs_findings *findings,
		      enum mafs_finding_kind kind, const char *fmt, ...)
{
	struct mafs_fault fault = MAFS_FAULT_INIT;
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(fault.what, sizeof(fault.what), fmt, args);
	va_end(args);
	return mafs_findings_add(findings, kind, &fault);
}
