/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory files that the log does not know: a daemon was killed between making
 * one and its `map`, or between `drop` and removing it. Removed at start, and
 * only when the whole log was valid.
 */
#include "orphans.h"

#include <mafs/inventory.h>

#include <string.h>

struct known {
	struct mafs_inventory inventory;
};

static int mark_known(void *context, struct mafs_hot *hot)
{
	struct known *known = context;
	size_t i;

	for (i = 0; i < hot->map.n_extents; i++) {
		struct mafs_memory_info *info = mafs_inventory_find(
			&known->inventory, &hot->map.extents[i].device_uuid);

		if (info)
			info->n_owners++;
	}
	return 0;
}

int mafsd_orphans_remove(struct mafsd *d)
{
	struct known known = { 0 };
	size_t i;
	int r;

	r = mafs_inventory_read(d->memory, MAFS_VISIT_TAGS, &known.inventory);
	if (r < 0)
		return r;
	mafs_hot_visit(d->journal.table, mark_known, &known);
	for (i = 0; i < known.inventory.n_files; i++) {
		struct mafs_extent extent = {
			.device_uuid = known.inventory.files[i].tag,
			.length_bytes = 1,
		};
		struct mafs_map map = { .extents = &extent, .n_extents = 1 };

		if (known.inventory.files[i].n_owners == 0)
			d->memory->ops->remove(d->memory, &map);
	}
	mafs_inventory_done(&known.inventory);
	return 0;
}
