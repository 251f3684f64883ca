/* SPDX-License-Identifier: Apache-2.0 */
/* Where bytes are: extents and maps (lib/extent). */
#pragma once

#include <mafs/uuid.h>
#include <stddef.h>
#include <stdint.h>

/**
 * struct mafs_extent - a run of bytes on one memory device
 * @device_uuid: the device, or on a tmpfs device the tag of the memory file
 * @offset_bytes: where it begins there (0 on a tmpfs device)
 * @length_bytes: never 0
 */
struct mafs_extent {
	struct mafs_uuid device_uuid;
	uint64_t offset_bytes;
	uint64_t length_bytes;
};

/**
 * struct mafs_map - a file's extents, in file order
 * @extents: owned by the map
 */
struct mafs_map {
	struct mafs_extent *extents;
	size_t n_extents;
};

void mafs_map_done(struct mafs_map *map);
/* Adds at the end; merges with the last one where they touch.
 * Return: 0, -EINVAL (empty or overflowing extent), -ENOMEM. */
int mafs_map_append(struct mafs_map *map, const struct mafs_extent *extent);
int mafs_map_copy(const struct mafs_map *from, struct mafs_map *ret);
/* Return: 0 and the sum of the lengths, -EOVERFLOW. */
int mafs_map_length(const struct mafs_map *map, uint64_t *ret_bytes);

/**
 * struct mafs_ranges - a sorted set of disjoint byte ranges (dirty ranges)
 *
 * Adjacent ranges are merged. Sequential appends are O(1).
 */
struct mafs_range {
	uint64_t start, end; /* bytes, end exclusive */
};

struct mafs_ranges {
	struct mafs_range *ranges; /* owned, sorted, disjoint, not touching */
	size_t n_ranges;
	size_t capacity;
};

void mafs_ranges_done(struct mafs_ranges *set);
/* Return: 0 or -ENOMEM (the set is then unchanged). */
int mafs_ranges_add(struct mafs_ranges *set, uint64_t start, uint64_t end);
/* Removes what lies in [start, end); may split one range.
 * Return: 0 or -ENOMEM (the set is then unchanged). */
int mafs_ranges_remove(struct mafs_ranges *set, uint64_t start, uint64_t end);
/* Bytes of [start, end) that the set holds. */
uint64_t mafs_ranges_overlap(const struct mafs_ranges *set, uint64_t start,
			     uint64_t end);
uint64_t mafs_ranges_total(const struct mafs_ranges *set);
/* Adds all of @from to @to. Return: 0 or -ENOMEM. */
int mafs_ranges_merge(struct mafs_ranges *to, const struct mafs_ranges *from);
