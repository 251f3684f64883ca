// SPDX-License-Identifier: Apache-2.0
/* What an entry is, whatever its direction: names of types, valid values. */
#include "entry.h"

#include <mafs/checked.h>
#include <mafs/cleanup.h>
#include <string.h>

void mafs_entry_done(struct mafs_entry *entry)
{
	if (!entry)
		return;
	switch (entry->type) {
	case MAFS_OMF_DEVICE_ADD:
		free(entry->device.spec);
		break;
	case MAFS_OMF_MAP:
		mafs_map_done(&entry->map.map);
		break;
	case MAFS_OMF_NODE:
		free(entry->node.target);
		break;
	case MAFS_OMF_XATTR:
		free(entry->xattr.value);
		break;
	case MAFS_OMF_EXTENTS:
		mafs_map_done(&entry->extents.map);
		break;
	default:
		break;
	}
}

const char *mafs_entry_type_to_text(enum mafs_omf_type type)
{
	static const char *const texts[] = {
		[MAFS_OMF_CHECKPOINT_BEGIN] = "checkpoint-begin",
		[MAFS_OMF_CHECKPOINT_END] = "checkpoint-end",
		[MAFS_OMF_SWITCH] = "switch",
		[MAFS_OMF_DEVICE_ADD] = "device-add",
		[MAFS_OMF_MAP] = "map",
		[MAFS_OMF_WRITING] = "writing",
		[MAFS_OMF_CLEAN] = "clean",
		[MAFS_OMF_DROP_INTENT] = "drop-intent",
		[MAFS_OMF_DROP] = "drop",
		[MAFS_OMF_CONFLICT] = "conflict",
		[MAFS_OMF_NODE] = "node",
		[MAFS_OMF_NAME] = "name",
		[MAFS_OMF_UNNAME] = "unname",
		[MAFS_OMF_RENAME] = "rename",
		[MAFS_OMF_ATTR] = "attr",
		[MAFS_OMF_XATTR] = "xattr",
		[MAFS_OMF_EXTENTS] = "extents",
		[MAFS_OMF_SIZE] = "size",
	};

	return (size_t)type < MAFS_ARRAY_SIZE(texts) ? texts[type] : NULL;
}

bool mafs_entry_name_is_valid(const char *name, size_t len)
{
	if (len > MAFS_NAME_MAX)
		return false;
	if (memchr(name, '\0', len) || memchr(name, '/', len))
		return false;
	return !(len == 1 && name[0] == '.') &&
	       !(len == 2 && name[0] == '.' && name[1] == '.');
}

bool mafs_entry_may_be_quiet(enum mafs_omf_type type)
{
	return type >= MAFS_OMF_NODE;
}

bool mafs_entry_extent_is_valid(const struct mafs_extent *extent, bool holes)
{
	if (mafs_uuid_is_null(&extent->device_uuid) &&
	    !(holes && extent->offset_bytes == 0))
		return false;
	return extent->length_bytes &&
	       mafs_range_fits(extent->offset_bytes, extent->length_bytes,
			       UINT64_MAX);
}
