/* SPDX-License-Identifier: Apache-2.0 */
/* Parts of payloads; each appends to the buffer or fills in what it returns.
 * Return: 0, -EINVAL (beyond the format), -ENOMEM. */
#pragma once

#include "entry.h"

int mafs_encode_time(const struct timespec *time, struct mafs_omf_time *ret);
/* @holes: extents of the zero UUID may stand here. */
int mafs_encode_extents(const struct mafs_map *map, bool holes,
			struct mafs_buffer *buffer);
/* The types of memory volumes; -EINVAL for all others. */
int mafs_encode_names_payload(const struct mafs_entry *entry,
			      struct mafs_buffer *buffer);
