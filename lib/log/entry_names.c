// SPDX-License-Identifier: Apache-2.0
/*
 * What a record of a memory volume may say by itself, whatever came before it.
 * The encoder and the decoder ask; what the namespace makes of it is asked
 * when it is applied.
 */
#include "entry.h"

#include <limits.h>
#include <linux/limits.h>
#include <string.h>
#include <sys/stat.h>

/* As off_t, so that no sum of two sizes overflows. */
#define SIZE_BYTES_MAX ((uint64_t)INT64_MAX)

static bool type_is_known(uint32_t mode)
{
	return S_ISREG(mode) || S_ISDIR(mode) || S_ISLNK(mode) ||
	       S_ISCHR(mode) || S_ISBLK(mode) || S_ISFIFO(mode) ||
	       S_ISSOCK(mode);
}

bool mafs_entry_node_is_valid(const struct mafs_entry_node *node,
			      size_t target_len)
{
	uint32_t mode = node->mode;

	if (!node->id || mode & ~(S_IFMT | 07777U) || !type_is_known(mode))
		return false;
	if (node->rdev && !S_ISCHR(mode) && !S_ISBLK(mode))
		return false;
	if (node->id == MAFS_OMF_ROOT_ID &&
	    (!S_ISDIR(mode) || node->parent > MAFS_OMF_ROOT_ID))
		return false;
	if (node->id != MAFS_OMF_ROOT_ID && S_ISDIR(mode) != !!node->parent)
		return false;
	return S_ISLNK(mode) ? target_len && target_len < PATH_MAX :
			       !target_len;
}

bool mafs_entry_rename_is_valid(const struct mafs_entry_rename *rename)
{
	if (!rename->parent || !rename->new_parent || !rename->id ||
	    rename->flags & ~MAFS_OMF_RENAME_KNOWN)
		return false;
	return !(rename->flags & MAFS_OMF_RENAME_EXCHANGE) || rename->other;
}

bool mafs_entry_attr_is_valid(const struct mafs_entry_attr *attr)
{
	if (!attr->id || attr->mask & ~MAFS_OMF_ATTR_KNOWN)
		return false;
	return !(attr->mask & MAFS_OMF_ATTR_MODE) || !(attr->mode & ~07777U);
}

bool mafs_entry_xattr_is_valid(const struct mafs_entry_xattr *xattr,
			       const char *name, size_t name_len)
{
	return xattr->id && name_len && name_len <= XATTR_NAME_MAX &&
	       !memchr(name, '\0', name_len) &&
	       xattr->value_len <= (xattr->removed ? 0 : XATTR_SIZE_MAX);
}

bool mafs_entry_extents_are_valid(const struct mafs_entry_extents *extents,
				  uint64_t n_extents)
{
	return extents->id && extents->size_bytes <= SIZE_BYTES_MAX &&
	       n_extents <= UINT32_MAX - extents->first;
}

bool mafs_entry_size_is_valid(const struct mafs_entry_size *size)
{
	return size->id && size->size_bytes <= SIZE_BYTES_MAX;
}
