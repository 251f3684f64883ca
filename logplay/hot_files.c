// SPDX-License-Identifier: Apache-2.0
/* The hot files of a volume: where in N they are and how large in memory. */
#include <mafs/inventory.h>

#include <mafs/cleanup.h>
#include <string.h>

void mafs_hot_files_done(struct mafs_hot_files *files)
{
	for (size_t i = 0; files->places && i < files->n_files; i++)
		mafs_place_done(&files->places[i]);
	free(files->places);
	free(files->hot);
	mafs_inventory_done(&files->inventory);
	*files = (struct mafs_hot_files){ 0 };
}

static int collect_one(void *context, struct mafs_hot *hot)
{
	struct mafs_hot_files *files = context;

	files->hot[files->n_files++] = hot;
	return 0;
}

static int compare_id(const void *a, const void *b)
{
	const struct mafs_hot *const *x = a, *const *y = b;

	return (*x)->id < (*y)->id ? -1 : (*x)->id > (*y)->id;
}

static int collect(struct mafs_hot_table *table, struct mafs_hot_files *files)
{
	size_t n = mafs_hot_count(table);

	files->hot = calloc(n + 1, sizeof(struct mafs_hot *));
	files->places = calloc(n + 1, sizeof(*files->places));
	if (!files->hot || !files->places)
		return -ENOMEM;
	mafs_hot_visit(table, collect_one, files);
	qsort(files->hot, n, sizeof(struct mafs_hot *), compare_id);
	return 0;
}

static int recall_places(struct mafs_hot_files *files,
			 const struct mafs_shadow *shadow)
{
	const char *last;

	for (size_t i = 0; i < files->n_files; i++) {
		files->places[i].identity = &files->hot[i]->identity;
		files->places[i].hint = &files->hot[i]->hint;
		last = shadow ? mafs_shadow_path(shadow, files->hot[i]->id) :
				NULL;
		if (!last)
			continue;
		files->places[i].path = strdup(last);
		if (!files->places[i].path)
			return -ENOMEM;
	}
	return 0;
}

int mafs_hot_files_find(struct mafs_hot_table *table,
			struct mafs_memory *memory, int n_fd,
			const struct mafs_uuid *fs_id,
			const struct mafs_shadow *shadow,
			struct mafs_hot_files *ret)
{
	_cleanup_(mafs_hot_files_done) struct mafs_hot_files files = { 0 };
	int r;

	r = collect(table, &files);
	if (r == 0)
		r = recall_places(&files, shadow);
	if (r == 0 && files.n_files && n_fd >= 0)
		r = mafs_locate(n_fd, fs_id, files.places, files.n_files, true);
	if (r == 0 && memory)
		r = mafs_inventory_read(memory, MAFS_VISIT_STATS,
					&files.inventory);
	if (r < 0)
		return r;
	files.memory = memory;
	*ret = files;
	files = (struct mafs_hot_files){ 0 };
	return 0;
}

/* Gone meanwhile: as the log says. */
static int show_extents(struct mafs_memory *memory, const struct mafs_map *map,
			struct mafs_descriptor *descriptor)
{
	struct mafs_map extents;
	int r = memory->ops->extents(memory, map, &extents);

	if (r < 0)
		return r == -ENOMEM ? r : 0;
	mafs_map_done(&descriptor->map);
	descriptor->map = extents;
	return 0;
}

int mafs_hot_files_describe(const struct mafs_hot_files *files, size_t i,
			    struct mafs_descriptor *ret)
{
	_cleanup_(
		mafs_descriptor_done) struct mafs_descriptor descriptor = { 0 };
	const struct mafs_map *map = &files->hot[i]->map;
	const struct mafs_memory_info *info = NULL;
	int r;

	if (map->n_extents == 1)
		info = mafs_inventory_find(&files->inventory,
					   &map->extents[0].device_uuid);
	r = mafs_describe(files->hot[i], &files->places[i], info, &descriptor);
	if (r == 0 && info)
		r = show_extents(files->memory, map, &descriptor);
	if (r < 0)
		return r;
	*ret = descriptor;
	descriptor = (struct mafs_descriptor){ 0 };
	return 0;
}
