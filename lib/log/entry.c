// SPDX-License-Identifier: Apache-2.0
/* What an entry is, whatever its direction: names of types, valid values. */
#include "entry.h"

#include <mafs/checked.h>
#include <mafs/cleanup.h>
#include <string.h>

void mafs_entry_done(struct mafs_entry *entry)
{
	if (entry && entry->type == MAFS_OMF_MAP)
		mafs_map_done(&entry->map.map);
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

bool mafs_entry_extent_is_valid(const struct mafs_extent *extent)
{
	return extent->length_bytes &&
	       mafs_range_fits(extent->offset_bytes, extent->length_bytes,
			       UINT64_MAX);
}
