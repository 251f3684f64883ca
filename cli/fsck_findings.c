// SPDX-License-Identifier: Apache-2.0
/* Findings as lines and as JSON. Called by fsck's reports. */
#include "fsck_findings.h"

#include "names.h"

#include <inttypes.h>
#include <mafs/cleanup.h>
#include <mafs/diag.h>
#include <stdio.h>

static void print_finding(const struct mafs_finding *finding)
{
	const char *kind = mafs_finding_kind_to_text(finding->kind);
	_cleanup_free_ char *what = mafs_name_shown(finding->fault.what);
	char offset[40] = "";

	if (finding->fault.media_offset != MAFS_FAULT_NO_OFFSET)
		(void)snprintf(offset, sizeof(offset), " (offset %" PRIu64 ")",
			       finding->fault.media_offset);
	if (finding->kind == MAFS_FINDING_ERROR)
		mafs_error("fsck: %s%s", what ? what : "?", offset);
	else
		printf("%s: %s%s\n", kind, what ? what : "?", offset);
}

void mafs_fsck_print_findings(const struct mafs_findings *findings)
{
	fflush(stdout);
	for (size_t i = 0; i < findings->n; i++)
		print_finding(&findings->list[i]);
	for (enum mafs_finding_kind kind = MAFS_FINDING_ERROR;
	     kind < MAFS_N_FINDING_KINDS; kind++)
		if (findings->n_of_kind[kind] > MAFS_FINDINGS_MAX)
			printf("%s: and %zu more\n",
			       mafs_finding_kind_to_text(kind),
			       findings->n_of_kind[kind] - MAFS_FINDINGS_MAX);
}

json_t *mafs_fsck_findings_to_json(const struct mafs_findings *findings)
{
	json_t *array = json_array();

	for (size_t i = 0; i < findings->n; i++) {
		const struct mafs_finding *finding = &findings->list[i];
		json_t *object = json_object();

		json_object_set_new(
			object, "kind",
			json_string(mafs_finding_kind_to_text(finding->kind)));
		mafs_name_to_json(object, "what", finding->fault.what);
		if (finding->fault.media_offset != MAFS_FAULT_NO_OFFSET)
			json_object_set_new(
				object, "offset",
				json_integer((json_int_t)finding->fault
						     .media_offset));
		json_array_append_new(array, object);
	}
	return array;
}
