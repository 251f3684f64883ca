// SPDX-License-Identifier: Apache-2.0
/* The hot files of a volume with their places, and the shadow made of them. */
#include <mafs/live.h>

#include <mafs/cleanup.h>
#include <string.h>

void mafs_live_files_done(struct mafs_live_files *files)
{
	for (size_t i = 0; files->places && i < files->n_files; i++)
		mafs_place_done(&files->places[i]);
	free(files->places);
	free(files->hot);
	mafs_inventory_done(&files->inventory);
	*files = (struct mafs_live_files){ 0 };
}

static int collect_one(void *context, struct mafs_hot *hot)
{
	struct mafs_live_files *files = context;

	files->hot[files->n_files++] = hot;
	return 0;
}

static int compare_id(const void *a, const void *b)
{
	const struct mafs_hot *const *x = a, *const *y = b;

	return (*x)->id < (*y)->id ? -1 : (*x)->id > (*y)->id;
}

static int collect(struct mafs_hot_table *table, struct mafs_live_files *files)
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

int mafs_live_files(struct mafs_live *live, int n_fd,
		    const struct mafs_uuid *fs_id,
		    const struct mafs_shadow *shadow,
		    struct mafs_live_files *ret)
{
	_cleanup_(mafs_live_files_done) struct mafs_live_files files = { 0 };
	struct mafs_memory *memory = mafs_live_memory(live);
	const char *last;
	int r = 0;

	r = collect(mafs_live_hot(live), &files);
	if (r < 0)
		return r;
	for (size_t i = 0; i < files.n_files; i++) {
		files.places[i].identity = &files.hot[i]->identity;
		files.places[i].hint = &files.hot[i]->hint;
		last = shadow ? mafs_shadow_path(shadow, files.hot[i]->id) :
				NULL;
		if (!last)
			continue;
		files.places[i].path = strdup(last);
		if (!files.places[i].path)
			return -ENOMEM;
	}
	if (files.n_files)
		r = mafs_locate(n_fd, fs_id, files.places, files.n_files, true);
	if (r == 0 && memory)
		r = mafs_inventory_read(memory, false, &files.inventory);
	if (r < 0)
		return r;
	*ret = files;
	files = (struct mafs_live_files){ 0 };
	return 0;
}

struct mafs_memory_info *
mafs_live_files_info(const struct mafs_live_files *files, size_t i)
{
	const struct mafs_map *map = &files->hot[i]->map;

	if (map->n_extents != 1)
		return NULL;
	return mafs_inventory_find(&files->inventory,
				   &map->extents[0].device_uuid);
}

static int put_all(const struct mafs_live_files *files,
		   struct mafs_shadow *shadow, struct mafs_fault *fault)
{
	int r;

	mafs_shadow_begin(shadow);
	for (size_t i = 0; i < files->n_files; i++) {
		_cleanup_(mafs_descriptor_done) struct mafs_descriptor
			descriptor = { 0 };

		r = mafs_describe(files->hot[i], &files->places[i],
				  mafs_live_files_info(files, i), &descriptor);
		if (r == 0)
			r = mafs_shadow_put(shadow, &descriptor, fault);
		if (r < 0)
			return r;
	}
	return mafs_shadow_sweep(shadow, fault);
}

int mafs_live_to_shadow(struct mafs_live *live, int n_fd,
			const struct mafs_uuid *fs_id,
			struct mafs_shadow *shadow, struct mafs_fault *fault)
{
	_cleanup_(mafs_live_files_done) struct mafs_live_files files = { 0 };
	struct mafs_memory *memory = mafs_live_memory(live);
	struct mafs_superblock sb = { 0 };
	int r;

	if (memory) {
		r = mafs_superblock_read(&memory->media, &sb, NULL, fault);
		if (r < 0)
			return r;
	}
	r = mafs_live_files(live, n_fd, fs_id, shadow, &files);
	if (r < 0)
		return mafs_fault_set(fault, r, "finding the files: %s",
				      strerror(-r));
	r = put_all(&files, shadow, fault);
	if (r < 0)
		return r;
	return mafs_shadow_stamp(shadow, sb.generation, mafs_live_seq(live),
				 fault);
}
