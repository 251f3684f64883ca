// SPDX-License-Identifier: Apache-2.0
/*
 * Inodes by id. The table doubles and never shrinks: an inode of bucket i then
 * lies in bucket i or i + n, so that whoever goes through the buckets piece by
 * piece meets each inode that stays (emit.c).
 */
#include "hash.h"
#include "table.h"

#include <mafs/cleanup.h>
#include <mafs/names.h>
#include <string.h>

#define N_BUCKETS_FIRST 64U

int mafs_nodes_init(struct mafs_node_table *table, uint64_t seed)
{
	table->buckets = calloc(N_BUCKETS_FIRST, sizeof(*table->buckets));
	if (!table->buckets)
		return -ENOMEM;
	table->n_buckets = N_BUCKETS_FIRST;
	table->seed = seed;
	return 0;
}

static struct mafs_node **bucket_of(const struct mafs_node_table *table,
				    uint64_t id)
{
	return &table->buckets[names_hash_id(table->seed, id) &
			       (table->n_buckets - 1)];
}

/* Without memory it stays as it is, only slower. */
static void grow(struct mafs_node_table *table)
{
	struct mafs_node_table bigger = {
		.n_buckets = table->n_buckets * 2,
		.seed = table->seed,
	};

	bigger.buckets = calloc(bigger.n_buckets, sizeof(*bigger.buckets));
	if (!bigger.buckets)
		return;
	for (size_t i = 0; i < table->n_buckets; i++) {
		struct mafs_node *node = table->buckets[i], *next;

		for (; node; node = next) {
			struct mafs_node **to = bucket_of(&bigger, node->id);

			next = node->next;
			node->next = *to;
			*to = node;
		}
	}
	free(table->buckets);
	table->buckets = bigger.buckets;
	table->n_buckets = bigger.n_buckets;
}

struct mafs_node *mafs_names_node(struct mafs_names *names, uint64_t id)
{
	struct mafs_node *node = *bucket_of(&names->nodes, id);

	while (node && node->id != id)
		node = node->next;
	return node;
}

struct mafs_node *mafs_node_make(struct mafs_names *names, uint64_t id,
				 uint32_t mode)
{
	struct mafs_node *node = mafs_names_node(names, id);
	struct mafs_node **bucket;

	if (node)
		return node;
	node = calloc(1, sizeof(*node));
	if (!node)
		return NULL;
	node->id = id;
	node->mode = mode;
	if (S_ISDIR(mode)) {
		node->dir = calloc(1, sizeof(*node->dir));
		if (!node->dir) {
			free(node);
			return NULL;
		}
	}
	if (names->nodes.n >= names->nodes.n_buckets)
		grow(&names->nodes);
	bucket = bucket_of(&names->nodes, id);
	node->next = *bucket;
	*bucket = node;
	names->nodes.n++;
	if (id > names->max_id) {
		names->max_id = id;
		names->max_id_type = mode & S_IFMT;
	}
	return node;
}

void mafs_node_free(struct mafs_node *node)
{
	struct mafs_node_xattr *next;

	for (; node->xattrs; node->xattrs = next) {
		next = node->xattrs->next;
		free(node->xattrs->name);
		free(node->xattrs);
	}
	mafs_dir_free(node->dir);
	mafs_map_done(&node->map);
	free(node->target);
	free(node);
}

void mafs_node_remove(struct mafs_names *names, struct mafs_node *node)
{
	struct mafs_node **at = bucket_of(&names->nodes, node->id);

	while (*at != node)
		at = &(*at)->next;
	*at = node->next;
	names->nodes.n--;
	mafs_node_free(node);
}

/* ---- extended attributes: a few each, in a list ---- */

static struct mafs_node_xattr **find_xattr(struct mafs_node *node,
					   const char *name)
{
	struct mafs_node_xattr **at = &node->xattrs;

	while (*at && strcmp((*at)->name, name) != 0)
		at = &(*at)->next;
	return at;
}

const struct mafs_node_xattr *mafs_names_xattr(const struct mafs_node *node,
					       const char *name)
{
	const struct mafs_node_xattr *xattr = node->xattrs;

	while (xattr && strcmp(xattr->name, name) != 0)
		xattr = xattr->next;
	return xattr;
}

static struct mafs_node_xattr *new_xattr(const char *name, const void *value,
					 uint32_t len)
{
	struct mafs_node_xattr *xattr = malloc(sizeof(*xattr) + len);

	if (!xattr)
		return NULL;
	xattr->next = NULL;
	xattr->name = strdup(name);
	if (!xattr->name) {
		free(xattr);
		return NULL;
	}
	xattr->value_len = len;
	if (len)
		memcpy(xattr->value, value, len);
	return xattr;
}

int mafs_node_set_xattr(struct mafs_node *node, const char *name,
			const void *value, uint32_t len)
{
	struct mafs_node_xattr **at = find_xattr(node, name), *old = *at;
	struct mafs_node_xattr *xattr = NULL;

	if (value) {
		xattr = new_xattr(name, value, len);
		if (!xattr)
			return -ENOMEM;
		xattr->next = old ? old->next : NULL;
	}
	if (!xattr && !old)
		return 0;
	*at = xattr ? xattr : old->next;
	if (old) {
		free(old->name);
		free(old);
	}
	return 0;
}

/* ---- what is asked ---- */

size_t mafs_names_count(const struct mafs_names *names)
{
	return names->nodes.n;
}

uint64_t mafs_names_max_id(const struct mafs_names *names)
{
	return names->max_id;
}

int mafs_names_visit(struct mafs_names *names,
		     int (*visit)(void *context, struct mafs_node *node),
		     void *context)
{
	for (size_t i = 0; i < names->nodes.n_buckets; i++) {
		struct mafs_node *node = names->nodes.buckets[i];

		for (; node; node = node->next) {
			int r = visit(context, node);

			if (r)
				return r;
		}
	}
	return 0;
}

static uint64_t allocated_bytes(const struct mafs_map *map)
{
	static const struct mafs_uuid hole;
	uint64_t bytes = 0;

	for (size_t i = 0; i < map->n_extents; i++)
		if (!mafs_uuid_equal(&map->extents[i].device_uuid, &hole))
			bytes += map->extents[i].length_bytes;
	return bytes;
}

void mafs_names_stat(const struct mafs_node *node, struct stat *ret)
{
	*ret = (struct stat){
		.st_ino = node->id,
		.st_mode = node->mode,
		.st_nlink = node->n_names,
		.st_uid = node->uid,
		.st_gid = node->gid,
		.st_rdev = node->rdev,
		.st_size = (off_t)node->size_bytes,
		.st_blksize = 4096,
		.st_atim = node->atime,
		.st_mtim = node->mtime,
		.st_ctim = node->ctime,
	};
	if (S_ISREG(node->mode))
		ret->st_blocks = (blkcnt_t)(allocated_bytes(&node->map) / 512);
	if (S_ISLNK(node->mode))
		ret->st_size = (off_t)strlen(node->target);
	if (S_ISDIR(node->mode)) {
		/* 0: it was removed, and somebody has it open */
		ret->st_nlink = node->n_names || node->id == MAFS_OMF_ROOT_ID ?
					2 + node->n_subdirs :
					0;
		ret->st_size = 4096;
	}
}
