/* SPDX-License-Identifier: Apache-2.0 */
/* What the encoder and the decoder of entries share. */
#pragma once

#include <linux/limits.h>
#include <mafs/entry.h>
#include <stdbool.h>

/* "file:" and a path */
#define DEVICE_SPEC_MAX (PATH_MAX + 16)

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
/* Only records of memory volumes set times of inodes. */
bool mafs_entry_may_be_quiet(enum mafs_omf_type type);
/* Is the extent neither empty nor beyond 2^64? One of the zero UUID is a hole;
 * @holes: it may stand here, with offset 0. */
bool mafs_entry_extent_is_valid(const struct mafs_extent *extent, bool holes);

/* ---- what records of memory volumes may say, but for their names ---- */

bool mafs_entry_node_is_valid(const struct mafs_entry_node *node,
			      size_t target_len);
bool mafs_entry_rename_is_valid(const struct mafs_entry_rename *rename);
bool mafs_entry_attr_is_valid(const struct mafs_entry_attr *attr);
/* With its name: that of an attribute may hold a slash. */
bool mafs_entry_xattr_is_valid(const struct mafs_entry_xattr *xattr,
			       const char *name, size_t name_len);
bool mafs_entry_extents_are_valid(const struct mafs_entry_extents *extents,
				  uint64_t n_extents);
bool mafs_entry_size_is_valid(const struct mafs_entry_size *size);
