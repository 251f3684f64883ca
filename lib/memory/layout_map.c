// SPDX-License-Identifier: Apache-2.0
/*
 * Layouts as the log tells them: extents in file order, a hole being one of
 * the zero UUID. What comes from a map is media: checked against the devices
 * before it is believed. That no byte is in use twice is mafs_pool_claim()'s.
 */
#include "pool.h"

#include <errno.h>
#include <mafs/checked.h>
#include <stdlib.h>

static int extent_fault(const struct mafs_extent *extent, size_t index, int err,
			const char *why, struct mafs_fault *fault)
{
	char uuid[MAFS_UUID_TEXT_LEN];

	mafs_uuid_to_text(&extent->device_uuid, uuid);
	return mafs_fault_set(fault, err,
			      "extent %zu, %llu bytes at %llu of device %s: %s",
			      index, (unsigned long long)extent->length_bytes,
			      (unsigned long long)extent->offset_bytes, uuid,
			      why);
}

static bool is_whole_units(const struct mafs_pool *pool,
			   const struct mafs_extent *extent)
{
	uint64_t unit = mafs_pool_unit(pool);

	return unit && extent->length_bytes &&
	       extent->length_bytes % unit == 0 &&
	       extent->offset_bytes % unit == 0;
}

static int append_extent(const struct mafs_pool *pool,
			 const struct mafs_extent *extent, size_t index,
			 uint64_t file_offset, struct mafs_layout *layout,
			 struct mafs_fault *fault)
{
	struct mafs_run run = {
		.file_offset = file_offset,
		.offset = extent->offset_bytes,
		.length = extent->length_bytes,
	};
	int device;

	if (!is_whole_units(pool, extent))
		return extent_fault(extent, index, -EUCLEAN,
				    "no whole allocation units", fault);
	if (mafs_uuid_is_null(&extent->device_uuid))
		return 0;
	device = mafs_pool_find(pool, &extent->device_uuid);
	if (device < 0)
		return extent_fault(extent, index, device,
				    "the device is missing", fault);
	if (!mafs_range_fits(run.offset, run.length,
			     mapped_of(pool->devices[device])->data_bytes))
		return extent_fault(extent, index, -EUCLEAN,
				    "behind the device's end", fault);
	run.device = (uint32_t)device;
	return layout_append(layout, &run);
}

int mafs_layout_from_map(const struct mafs_pool *pool,
			 const struct mafs_map *map, struct mafs_layout *ret,
			 struct mafs_fault *fault)
{
	struct mafs_layout layout = {};
	uint64_t at = 0;
	int err = 0;

	for (size_t i = 0; i < map->n_extents && !err; i++) {
		const struct mafs_extent *extent = &map->extents[i];
		uint64_t start = at;

		if (mafs_add_u64(at, extent->length_bytes, &at) &&
		    at <= INT64_MAX)
			err = append_extent(pool, extent, i, start, &layout,
					    fault);
		else
			err = extent_fault(extent, i, -EUCLEAN,
					   "the file would have no end", fault);
	}
	if (err) {
		mafs_layout_done(&layout);
		return err;
	}
	*ret = layout;
	return 0;
}

int mafs_layout_to_map(const struct mafs_pool *pool,
		       const struct mafs_layout *layout, struct mafs_map *ret)
{
	struct mafs_map map = {};
	uint64_t at = 0;

	if (!layout->n_runs) {
		*ret = map;
		return 0;
	}
	map.extents = calloc(2 * (size_t)layout->n_runs, sizeof(*map.extents));
	if (!map.extents)
		return -ENOMEM;
	for (uint32_t i = 0; i < layout->n_runs; i++) {
		const struct mafs_run *run = &layout->runs[i];

		if (at < run->file_offset)
			map.extents[map.n_extents++].length_bytes =
				run->file_offset - at;
		map.extents[map.n_extents++] = (struct mafs_extent){
			.device_uuid = pool->devices[run->device]->uuid,
			.offset_bytes = run->offset,
			.length_bytes = run->length,
		};
		at = run_end(run);
	}
	*ret = map;
	return 0;
}
