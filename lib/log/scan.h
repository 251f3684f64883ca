/* SPDX-License-Identifier: Apache-2.0 */
/* Torn or corrupt: is there a valid batch behind an invalid one? */
#pragma once

#include <mafs/media.h>

/**
 * mafs_log_scan() - look for a later batch of the same lap
 * @offset: of the invalid batch; the search begins 8 bytes behind it
 * @number: only batches with a higher one count
 *
 * Return: 1 (found: @ret_offset), 0 (none to the region's end), -ENOMEM,
 * -errno of the media.
 */
int mafs_log_scan(struct mafs_media *media, enum mafs_region region,
		  uint64_t offset, uint64_t salt, uint64_t number,
		  uint64_t *ret_offset);
