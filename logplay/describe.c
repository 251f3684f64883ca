// SPDX-License-Identifier: Apache-2.0
/* A hot file's descriptor, from the log, N and the memory device. */
#include <mafs/inventory.h>

#include <mafs/cleanup.h>
#include <string.h>

static enum mafs_descriptor_state state_of(enum mafs_hot_state state)
{
	switch (state) {
	case MAFS_HOT_CLEAN:
		return MAFS_DESCRIPTOR_CLEAN;
	case MAFS_HOT_DIRTY:
		return MAFS_DESCRIPTOR_DIRTY;
	case MAFS_HOT_WRITING:
		break;
	}
	return MAFS_DESCRIPTOR_WRITING;
}

static int describe_name(const struct mafs_hot *hot,
			 const struct mafs_place *place,
			 struct mafs_descriptor *descriptor)
{
	if (place->path) {
		descriptor->path = strdup(place->path);
		descriptor->n_links = place->st.st_nlink;
		descriptor->owner = place->st.st_uid;
		descriptor->group = place->st.st_gid;
		descriptor->permissions = place->st.st_mode & 07777;
		return descriptor->path ? 0 : -ENOMEM;
	}
	/* A hint that is no name (a log may hold anything) says nothing. */
	if (!hot->hint.name[0] || strchr(hot->hint.name, '/') ||
	    strcmp(hot->hint.name, ".") == 0 ||
	    strcmp(hot->hint.name, "..") == 0)
		return 0;
	descriptor->hint = strdup(hot->hint.name);
	return descriptor->hint ? 0 : -ENOMEM;
}

static void describe_content(const struct mafs_hot *hot,
			     const struct mafs_place *place,
			     const struct mafs_memory_info *info,
			     struct mafs_descriptor *descriptor)
{
	if (hot->state != MAFS_HOT_CLEAN && info) {
		descriptor->size_bytes = info->size_bytes;
		descriptor->mtime = info->mtime;
	} else if (place->path) {
		descriptor->size_bytes = (uint64_t)place->st.st_size;
		descriptor->mtime = place->st.st_mtim;
	} else {
		descriptor->size_bytes = hot->fingerprint.size_bytes;
		descriptor->mtime = hot->fingerprint.mtime;
	}
}

static int describe_map(const struct mafs_hot *hot,
			const struct mafs_memory_info *info,
			struct mafs_map *map)
{
	struct mafs_extent extent;

	if (!info)
		return mafs_map_copy(&hot->map, map);
	if (!info->size_bytes)
		return 0;
	extent = (struct mafs_extent){
		.device_uuid = info->tag,
		.length_bytes = info->size_bytes,
	};
	return mafs_map_append(map, &extent);
}

int mafs_describe(const struct mafs_hot *hot, const struct mafs_place *place,
		  const struct mafs_memory_info *info,
		  struct mafs_descriptor *ret)
{
	_cleanup_(mafs_descriptor_done) struct mafs_descriptor descriptor = {
		.id = hot->id,
		.state = state_of(hot->state),
	};
	int r;

	r = describe_name(hot, place, &descriptor);
	if (r == 0)
		r = describe_map(hot, info, &descriptor.map);
	if (r < 0)
		return r;
	describe_content(hot, place, info, &descriptor);

	*ret = descriptor;
	descriptor = (struct mafs_descriptor){ 0 };
	return 0;
}
