/* SPDX-License-Identifier: Apache-2.0 */
/* What the encoder and the decoder of entries share. */
#pragma once

#include <mafs/entry.h>
#include <stdbool.h>

/* A record lies in one batch. */
#define RECORD_BYTES_MAX (MAFS_OMF_BATCH_MAX - sizeof(struct mafs_omf_batch))

/* Bytes that bring @len to the next multiple of 8. */
static inline size_t mafs_entry_padding(size_t len)
{
	return -len & (MAFS_OMF_ALIGN - 1);
}

/* One component of a path: no NUL, no slash, neither "." nor "..", at most
 * MAFS_NAME_MAX bytes; a name from media must not lead anywhere else. */
bool mafs_entry_name_is_valid(const char *name, size_t len);
/* Is the extent neither empty nor beyond 2^64? */
bool mafs_entry_extent_is_valid(const struct mafs_extent *extent);
