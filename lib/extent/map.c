// SPDX-License-Identifier: Apache-2.0
/*
 * Maps: a file's extents in file order. No extent is empty and none wraps
 * around; called by lib/log, lib/memory and the daemon.
 */
#include <errno.h>
#include <mafs/checked.h>
#include <mafs/extent.h>
#include <stdlib.h>
#include <string.h>

void mafs_map_done(struct mafs_map *map)
{
	if (!map)
		return;
	free(map->extents);
	*map = (struct mafs_map){};
}

static bool extents_touch(const struct mafs_extent *a,
			  const struct mafs_extent *b)
{
	return mafs_uuid_equal(&a->device_uuid, &b->device_uuid) &&
	       a->offset_bytes + a->length_bytes == b->offset_bytes;
}

int mafs_map_append(struct mafs_map *map, const struct mafs_extent *extent)
{
	struct mafs_extent *extents;
	uint64_t end;

	if (!extent->length_bytes ||
	    !mafs_add_u64(extent->offset_bytes, extent->length_bytes, &end))
		return -EINVAL;
	if (map->n_extents) {
		struct mafs_extent *last = &map->extents[map->n_extents - 1];

		if (extents_touch(last, extent)) {
			last->length_bytes += extent->length_bytes;
			return 0;
		}
	}
	/* Any allocation of n extents may be given to us: never assume spare
	 * room, realloc() knows. */
	extents = reallocarray(map->extents, map->n_extents + 1,
			       sizeof(*extents));
	if (!extents)
		return -ENOMEM;
	extents[map->n_extents++] = *extent;
	map->extents = extents;
	return 0;
}

int mafs_map_copy(const struct mafs_map *from, struct mafs_map *ret)
{
	struct mafs_map copy = { .n_extents = from->n_extents };

	if (from->n_extents) {
		copy.extents = reallocarray(NULL, from->n_extents,
					    sizeof(*copy.extents));
		if (!copy.extents)
			return -ENOMEM;
		memcpy(copy.extents, from->extents,
		       from->n_extents * sizeof(*copy.extents));
	}
	*ret = copy;
	return 0;
}

int mafs_map_length(const struct mafs_map *map, uint64_t *ret_bytes)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < map->n_extents; i++)
		if (!mafs_add_u64(bytes, map->extents[i].length_bytes, &bytes))
			return -EOVERFLOW;
	*ret_bytes = bytes;
	return 0;
}
