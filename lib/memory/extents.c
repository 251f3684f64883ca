// SPDX-License-Identifier: Apache-2.0
/*
 * The ops table of a mapped device that holds memory files: create, open,
 * remove, what there is. The kernel cannot serve from it: nobody but us has a
 * file of it open or mapped.
 */
#include "extents.h"

#include <errno.h>
#include <string.h>

static int make_map(const struct mafs_uuid *tag, struct mafs_map *ret)
{
	const struct mafs_extent extent = {
		.device_uuid = *tag,
		.length_bytes = 1,
	};

	return mafs_map_append(ret, &extent);
}

static struct mafs_memory_file *new_file(struct extents *e, struct node *node)
{
	struct extents_file *file = malloc(sizeof(*file));

	if (!file)
		return NULL;
	*file = (struct extents_file){ .base.memory = &e->base, .node = node };
	return &file->base;
}

static int extents_create(struct mafs_memory *memory, const void *id,
			  size_t id_len, struct mafs_map *ret_map,
			  struct mafs_memory_file **ret)
{
	struct extents *e = extents_of(memory);
	struct mafs_memory_file *file = NULL;
	struct mafs_map map = { 0 };
	struct node *node;
	int r;

	if (e->read_only)
		return -EROFS;
	if (id_len > MAFS_OMF_FILE_ID_MAX)
		return -EINVAL;
	/* It makes the log's live state larger. */
	r = mafs_pool_has_log_room(e->pool) ?
		    extents_node_make(e, id, id_len, &node) :
		    -ENOSPC;
	if (r == -ENOSPC && extents_reclaim(e, NULL) &&
	    mafs_pool_has_log_room(e->pool))
		r = extents_node_make(e, id, id_len, &node);
	if (r < 0)
		return r;
	r = make_map(&node->content.tag, &map);
	if (r == 0 && !(file = new_file(e, node)))
		r = -ENOMEM;
	if (r < 0) {
		mafs_map_done(&map);
		(void)extents_node_remove(e, node);
		extents_node_put(e, node);
		return r;
	}
	*ret_map = map;
	*ret = file;
	return 0;
}

static int node_of_map(struct extents *e, const struct mafs_map *map,
		       struct node **ret)
{
	if (map->n_extents != 1)
		return -EINVAL;
	return extents_node_get(e, &map->extents[0].device_uuid, ret);
}

static int extents_open(struct mafs_memory *memory, const struct mafs_map *map,
			bool writable, struct mafs_memory_file **ret)
{
	struct extents *e = extents_of(memory);
	struct mafs_memory_file *file;
	struct node *node;
	int r;

	if (writable && e->read_only)
		return -EROFS;
	r = node_of_map(e, map, &node);
	if (r < 0)
		return r;
	file = new_file(e, node);
	if (!file) {
		extents_node_put(e, node);
		return -ENOMEM;
	}
	*ret = file;
	return 0;
}

static void extents_close(struct mafs_memory_file *file)
{
	if (!file)
		return;
	extents_node_put(extents_of(file->memory), extents_file_of(file)->node);
	free(extents_file_of(file));
}

static int extents_remove(struct mafs_memory *memory,
			  const struct mafs_map *map)
{
	struct extents *e = extents_of(memory);
	struct node *node;
	int r;

	if (e->read_only)
		return -EROFS;
	r = node_of_map(e, map, &node);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	r = extents_node_remove(e, node);
	extents_node_put(e, node);
	return r;
}

/* ---- what there is ---- */

static int extents_extents(struct mafs_memory *memory,
			   const struct mafs_map *map, struct mafs_map *ret)
{
	struct extents *e = extents_of(memory);
	struct mafs_map found = { 0 };
	uint64_t size, at = 0;
	struct node *node;
	size_t n = 0;
	int r;

	r = node_of_map(e, map, &node);
	if (r < 0)
		return r;
	pthread_rwlock_rdlock(&node->lock);
	r = mafs_layout_to_map(e->pool, &node->content.layout, &found);
	size = node->content.size_bytes;
	pthread_rwlock_unlock(&node->lock);
	extents_node_put(e, node);
	if (r < 0)
		return r;
	/* Not what was allocated behind the end. */
	for (; n < found.n_extents && at < size; n++) {
		if (found.extents[n].length_bytes > size - at)
			found.extents[n].length_bytes = size - at;
		at += found.extents[n].length_bytes;
	}
	found.n_extents = n;
	if (!n)
		mafs_map_done(&found);
	*ret = n ? found : (struct mafs_map){ 0 };
	return 0;
}

static int extents_backing_fd(struct mafs_memory *memory,
			      const struct mafs_map *map)
{
	return -EOPNOTSUPP;
}

static int extents_lease_fd(struct mafs_memory_file *file)
{
	return -EOPNOTSUPP;
}

static int extents_usage(struct mafs_memory *memory,
			 struct mafs_memory_usage *ret)
{
	struct extents *e = extents_of(memory);
	struct mafs_pool_usage pool;
	int r = 0;

	/* Beside a running daemon only the device tells. */
	if (e->read_only)
		r = extents_table_begin(e, NULL);
	if (r < 0)
		return r;
	mafs_pool_usage(e->pool, &pool);
	ret->used_bytes = e->used_bytes;
	ret->size_bytes = ret->used_bytes + pool.free_bytes + e->ahead_bytes;
	ret->n_files = e->n_files;
	return 0;
}

struct visitor {
	int (*visit)(void *context, const struct mafs_map *map, const void *id,
		     size_t id_len, const struct stat *st);
	void *context;
	bool damaged; /* a slot was */
};

static bool is_damage(int r)
{
	return r == -EUCLEAN || r == -EBADMSG;
}

static int visit_slot(struct extents *e, void *context, uint64_t offset)
{
	struct mafs_extent extent = { .length_bytes = 1 };
	struct mafs_map map = { .extents = &extent, .n_extents = 1 };
	struct visitor *visitor = context;
	uint8_t id[MAFS_OMF_FILE_ID_MAX];
	struct content content;
	size_t id_len = 0;
	struct stat st;
	int r;

	r = content_load(e, offset, &content, id, &id_len, NULL);
	visitor->damaged |= is_damage(r);
	if (r < 0)
		return r == -ENOENT || is_damage(r) ? 0 : r;
	content_to_stat(&content, false, &st);
	extent.device_uuid = content.tag;
	if (content.size_bytes)
		extent.length_bytes = content.size_bytes;
	r = visitor->visit(visitor->context, &map, id, id_len, &st);
	content_done(&content);
	return r;
}

static int extents_visit(struct mafs_memory *memory, enum mafs_visit what,
			 int (*visit)(void *context, const struct mafs_map *map,
				      const void *id, size_t id_len,
				      const struct stat *st),
			 void *context)
{
	struct visitor visitor = { .visit = visit, .context = context };

	int r = extents_each_slot(extents_of(memory), visit_slot, &visitor);

	return r < 0 ? r : visitor.damaged ? -EBADMSG : 0;
}

/* ---- the device ---- */

static int extents_format(struct mafs_memory *memory,
			  struct mafs_superblock *sb, struct mafs_fault *fault)
{
	const struct mafs_device_format format = { .tiered = sb };
	struct extents *e = extents_of(memory);
	int r;

	r = mafs_device_format(&e->mapped->base, &format, fault);
	if (r == 0)
		r = mafs_pool_add(e->pool, &e->mapped->base);
	if (r == 0)
		r = extents_table_begin(e, fault);
	if (r == 0)
		r = mafs_superblock_read(&e->base.media, sb, NULL, fault);
	return r;
}

static void extents_free(struct mafs_memory *memory)
{
	struct extents *e;

	if (!memory)
		return;
	e = extents_of(memory);
	extents_table_done(e);
	/* The pool's, once it is formatted. */
	if (!e->pool || !mafs_pool_n_devices(e->pool))
		mafs_device_close(e->mapped ? &e->mapped->base : NULL);
	mafs_pool_free(e->pool);
	pthread_mutex_destroy(&e->lock);
	free(e);
}

const struct mafs_memory_ops extents_ops = {
	.kernel_serves = false,
	.format = extents_format,
	.create = extents_create,
	.open = extents_open,
	.close = extents_close,
	.remove = extents_remove,
	.pread = extents_pread,
	.pwrite = extents_pwrite,
	.truncate = extents_truncate,
	.allocate = extents_allocate,
	.seek = extents_seek,
	.stat = extents_stat,
	.set_times = extents_set_times,
	.extents = extents_extents,
	.backing_fd = extents_backing_fd,
	.lease_fd = extents_lease_fd,
	.usage = extents_usage,
	.visit = extents_visit,
	.free = extents_free,
};
