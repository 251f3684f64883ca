/* SPDX-License-Identifier: Apache-2.0 */
/* One log entry as a line: for people, or as a JSON object. */
#pragma once

#include <jansson.h>
#include <mafs/entry.h>
#include <mafs/log.h>

void mafs_log_print_text(const struct mafs_entry *entry,
			 const struct mafs_log_position *position);
/* Return: new reference; NULL: no memory. */
json_t *mafs_log_entry_to_json(const struct mafs_entry *entry,
			       const struct mafs_log_position *position);
