/* SPDX-License-Identifier: Apache-2.0 */
/* Every field of an entry as a line of text, for golden files. */
#pragma once

#include <mafs/log.h>
#include <stdio.h>

/* As hex digits. */
void t_put_bytes(FILE *out, const uint8_t *bytes, size_t len);
void t_put_entry(FILE *out, const struct mafs_entry *entry,
		 const struct mafs_log_position *position);
