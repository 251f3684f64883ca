// SPDX-License-Identifier: Apache-2.0
/* What lies on a memory device, sorted by tag: for the shadow writer, which
 * needs sizes and times, and for the checker. */
#include <mafs/inventory.h>

#include <mafs/cleanup.h>
#include <string.h>

void mafs_inventory_done(struct mafs_inventory *inventory)
{
	for (size_t i = 0; i < inventory->n_files; i++)
		free(inventory->files[i].id);
	free(inventory->files);
	*inventory = (struct mafs_inventory){ 0 };
}

static int grow(struct mafs_inventory *inventory)
{
	size_t capacity = inventory->capacity ? inventory->capacity * 2 : 256;
	struct mafs_memory_info *grown;

	if (inventory->n_files < inventory->capacity)
		return 0;
	grown = reallocarray(inventory->files, capacity, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	inventory->files = grown;
	inventory->capacity = capacity;
	return 0;
}

static int take_file(void *context, const struct mafs_map *map, const void *id,
		     size_t id_len, const struct stat *st)
{
	struct mafs_inventory *inventory = context;
	_cleanup_free_ void *id_copy = NULL;
	int r;

	if (map->n_extents != 1)
		return 0;
	r = grow(inventory);
	if (r < 0)
		return r;
	if (inventory->what == MAFS_VISIT_IDS && id_len) {
		id_copy = malloc(id_len);
		if (!id_copy)
			return -ENOMEM;
		memcpy(id_copy, id, id_len);
	}
	inventory->files[inventory->n_files++] = (struct mafs_memory_info){
		.tag = map->extents[0].device_uuid,
		.size_bytes = st ? (uint64_t)st->st_size : 0,
		.allocated_bytes = st ? (uint64_t)st->st_blocks * 512 : 0,
		.mtime = st ? st->st_mtim : (struct timespec){ 0 },
		.id = id_copy,
		.id_len = id_copy ? id_len : 0,
	};
	id_copy = NULL; /* the inventory's */
	return 0;
}

static int compare_tag(const void *a, const void *b)
{
	const struct mafs_memory_info *x = a, *y = b;

	return memcmp(x->tag.bytes, y->tag.bytes, sizeof(x->tag.bytes));
}

int mafs_inventory_read(struct mafs_memory *memory, enum mafs_visit what,
			struct mafs_inventory *ret)
{
	_cleanup_(mafs_inventory_done) struct mafs_inventory inventory = {
		.what = what,
	};
	int r;

	r = memory->ops->visit(memory, what, take_file, &inventory);
	inventory.damaged = r == -EBADMSG;
	if (r < 0 && r != -EBADMSG)
		return r;
	if (inventory.n_files)
		qsort(inventory.files, inventory.n_files,
		      sizeof(*inventory.files), compare_tag);
	*ret = inventory;
	inventory = (struct mafs_inventory){ 0 };
	return 0;
}

struct mafs_memory_info *
mafs_inventory_find(const struct mafs_inventory *inventory,
		    const struct mafs_uuid *tag)
{
	const struct mafs_memory_info key = { .tag = *tag };

	if (!inventory->n_files)
		return NULL;
	return bsearch(&key, inventory->files, inventory->n_files, sizeof(key),
		       compare_tag);
}
