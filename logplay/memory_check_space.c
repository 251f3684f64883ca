// SPDX-License-Identifier: Apache-2.0
/*
 * Space of a memory volume: each file's extents lie on its devices in whole
 * units, and no unit is used twice, nor by the log. What a file may not have is
 * looked for among the others, to name them both.
 */
#include "memory_check.h"

#include <errno.h>
#include <mafs/cleanup.h>
#include <string.h>

/* So many are named with whom they share; more are only said. */
#define SHARED_MAX 100

/* A byte that is used twice. */
struct shared {
	const struct mafs_node *node;
	struct mafs_uuid device;
	uint64_t offset;
};

struct space_check {
	struct mafs_memory_check *check;
	struct shared shared[SHARED_MAX];
	size_t n_shared;
};

/* The device whose allocator did not take @layout: that of the first run that
 * holds the byte. */
static void note_shared(struct space_check *space, const struct mafs_node *node,
			const struct mafs_layout *layout, uint64_t offset)
{
	struct mafs_pool *pool = space->check->volume->pool;

	for (uint32_t i = 0; i < layout->n_runs; i++) {
		const struct mafs_run *run = &layout->runs[i];

		if (space->n_shared == SHARED_MAX || offset < run->offset ||
		    offset - run->offset >= run->length)
			continue;
		space->shared[space->n_shared++] = (struct shared){
			.node = node,
			.device = mafs_pool_device(pool, run->device)->uuid,
			.offset = offset,
		};
		return;
	}
}

static int check_map(void *context, struct mafs_node *node)
{
	_cleanup_(mafs_layout_done) struct mafs_layout layout = {};
	struct space_check *space = context;
	struct mafs_memory_check *check = space->check;
	struct mafs_pool *pool = check->volume->pool;
	struct mafs_fault why, fault;
	int r;

	mafs_fault_clear(&why);
	mafs_fault_clear(&fault);
	/* What has no name is gone with the end of the log. */
	if (!S_ISREG(node->mode) || !node->names || !node->map.n_extents)
		return 0;
	r = mafs_layout_from_map(pool, &node->map, &layout, &why);
	if (r == 0) {
		r = mafs_pool_claim(pool, &layout, &why);
		if (r == -EEXIST)
			note_shared(space, node, &layout, why.media_offset);
	}
	if (r == 0 || r == -ENOMEM)
		return r;
	mafs_fault_at(&fault, r, why.media_offset, "%s: %.180s",
		      memory_check_title(check, node), why.what);
	return mafs_findings_add(&check->found, MAFS_FINDING_ERROR, &fault);
}

static bool holds(const struct mafs_map *map, const struct shared *shared)
{
	for (size_t i = 0; i < map->n_extents; i++) {
		const struct mafs_extent *extent = &map->extents[i];

		if (mafs_uuid_equal(&extent->device_uuid, &shared->device) &&
		    shared->offset >= extent->offset_bytes &&
		    shared->offset - extent->offset_bytes <
			    extent->length_bytes)
			return true;
	}
	return false;
}

static int find_sharer(void *context, struct mafs_node *node)
{
	struct space_check *space = context;
	int r = 0;

	if (!S_ISREG(node->mode) || !node->names)
		return 0;
	for (size_t i = 0; r == 0 && i < space->n_shared; i++) {
		const struct shared *shared = &space->shared[i];

		if (shared->node == node || !holds(&node->map, shared))
			continue;
		r = mafs_findings_say(
			&space->check->found, MAFS_FINDING_NOTE,
			"byte %llu, which inode %llu has, is also of %s",
			(unsigned long long)shared->offset,
			(unsigned long long)shared->node->id,
			memory_check_title(space->check, node));
	}
	return r;
}

static int visit_free(void *context, uint64_t offset, uint64_t len)
{
	struct mafs_device_space *space = context;

	space->n_free_runs++;
	space->free_bytes += len;
	if (len > space->largest_free_bytes)
		space->largest_free_bytes = len;
	return 0;
}

static int measure(struct mafs_memory_check *check)
{
	struct mafs_pool *pool = check->volume->pool;
	uint32_t n = mafs_pool_n_devices(pool);

	check->spaces = calloc(n, sizeof(*check->spaces));
	if (!check->spaces)
		return -ENOMEM;
	for (uint32_t i = 0; i < n; i++) {
		struct mafs_device *device = mafs_pool_device(pool, i);
		struct mafs_device_space *space = &check->spaces[i];

		space->size_bytes = device->size_bytes;
		space->log_bytes = mafs_device_log_bytes(device);
		if (device->alloc)
			mafs_alloc_visit_free(device->alloc, visit_free, space);
	}
	return 0;
}

int memory_check_space(struct mafs_memory_check *check)
{
	struct space_check space = { .check = check };
	int r = 0;

	/* Without free space nothing can be told of the rest. */
	if (check->log_whole && mafs_pool_device(check->volume->pool, 0)->alloc)
		r = mafs_names_visit(check->volume->names, check_map, &space);
	if (r == 0 && space.n_shared)
		r = mafs_names_visit(check->volume->names, find_sharer, &space);
	return r < 0 ? r : measure(check);
}
