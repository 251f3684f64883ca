/* SPDX-License-Identifier: Apache-2.0 */
/* Files in lines, for people. */
#pragma once

#include <jansson.h>
#include <mafs/size.h>

/* "1.2M" for a file, "-" for what has no bytes. */
const char *mafs_show_size(const json_t *entry,
			   char ret[static MAFS_SIZE_TEXT_LEN]);

#define MAFS_SHOW_TIER_LEN 32
/* "memory dirty pinned", "disk"; "" for what has no bytes. */
const char *mafs_show_tier(const json_t *entry,
			   char ret[static MAFS_SHOW_TIER_LEN]);

#define MAFS_SHOW_MODE_LEN 12
/* "-rw-r--r--" */
const char *mafs_show_mode(const json_t *entry,
			   char ret[static MAFS_SHOW_MODE_LEN]);

/* The entry's name, safe on a terminal; owned, NULL: no memory. */
char *mafs_show_name(const json_t *entry);
