/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inodes that the kernel or we know, by node id and by identity.
 *
 * A node id is a table index and a generation, never a pointer: a stale one
 * (NFS, a late FORGET) finds nothing instead of freed memory. The first inode
 * made is the root and gets node id 1.
 *
 * Invariants: a node is occupied exactly while its inode lives (inode.c); at
 * most one inode of an identity is hashed.
 */
#include "names.h"
#include "replaced.h"

#include <string.h>

#define NO_NODE UINT32_MAX
#define N_BUCKETS_FIRST 1024
#define N_NODES_FIRST 256

int mafsd_table_init(struct mafsd *d)
{
	struct mafsd_table *table = &d->table;

	*table = (struct mafsd_table){ .first_free = NO_NODE };
	table->buckets = calloc(N_BUCKETS_FIRST, sizeof(*table->buckets));
	if (!table->buckets)
		return -ENOMEM;
	table->n_buckets = N_BUCKETS_FIRST;
	pthread_mutex_init(&table->lock, NULL);
	return 0;
}

/* The bytes stay where they are; what is forgotten is our knowledge. */
static void forget_file(struct mafsd *d, struct mafsd_inode *inode)
{
	struct mafsd_file *file = inode->file;

	if (!file)
		return;
	mafsd_queue_remove(d, file);
	file->n_open = file->n_pins = 0;
	file->state = MAFSD_COLD;
	file->wb_busy = file->refs_inode = false;
	mafsd_replaced_done(take_ptr(file->replaced));
}

void mafsd_table_done(struct mafsd *d)
{
	struct mafsd_table *table = &d->table;

	if (!table->buckets)
		return;
	for (size_t i = 0; i < table->n_nodes; i++) {
		if (!table->nodes[i].inode)
			continue;
		forget_file(d, table->nodes[i].inode);
		mafsd_inode_free(d, table->nodes[i].inode);
	}
	free(table->nodes);
	free(table->buckets);
	pthread_mutex_destroy(&table->lock);
	*table = (struct mafsd_table){ .first_free = NO_NODE };
}

/* ---- by identity; all with table.lock held ---- */

static struct mafsd_inode **bucket_of(struct mafsd_table *table, uint64_t hash)
{
	return &table->buckets[hash & (table->n_buckets - 1)];
}

static bool is_of(const struct mafsd_inode *inode, uint64_t hash,
		  const struct mafs_handle *handle, uint64_t ino)
{
	if (inode->hash != hash || inode->handle_len != handle->length)
		return false;
	if (!handle->length)
		return inode->ino == ino;
	return inode->handle_type == handle->type &&
	       !memcmp(inode->handle, handle->bytes, handle->length);
}

struct mafsd_inode *mafsd_table_find(struct mafsd_table *table, uint64_t hash,
				     const struct mafs_handle *handle,
				     uint64_t ino)
{
	struct mafsd_inode *inode = *bucket_of(table, hash);

	while (inode && !is_of(inode, hash, handle, ino))
		inode = inode->hash_next;
	return inode;
}

void mafsd_table_hash(struct mafsd_table *table, struct mafsd_inode *inode)
{
	struct mafsd_inode **bucket = bucket_of(table, inode->hash);

	inode->hash_next = *bucket;
	*bucket = inode;
	__atomic_store_n(&inode->hashed, true, __ATOMIC_RELAXED);
}

void mafsd_table_unhash(struct mafsd_table *table, struct mafsd_inode *inode)
{
	struct mafsd_inode **at = bucket_of(table, inode->hash);

	if (!inode->hashed)
		return;
	while (*at != inode)
		at = &(*at)->hash_next;
	*at = inode->hash_next;
	inode->hash_next = NULL;
	__atomic_store_n(&inode->hashed, false, __ATOMIC_RELAXED);
}

/* Twice the buckets when there are more inodes; without memory it goes on,
 * slower. */
static void grow_buckets(struct mafsd_table *table)
{
	struct mafsd_inode **old = table->buckets;
	size_t n_old = table->n_buckets;
	struct mafsd_inode **grown;

	if (table->n_inodes < n_old)
		return;
	grown = calloc(2 * n_old, sizeof(*grown));
	if (!grown)
		return;
	table->buckets = grown;
	table->n_buckets = 2 * n_old;
	for (size_t i = 0; i < n_old; i++) {
		struct mafsd_inode *inode = old[i], *next;

		for (; inode; inode = next) {
			next = inode->hash_next;
			mafsd_table_hash(table, inode);
		}
	}
	free(old);
}

/* ---- by node id; all with table.lock held ---- */

static int grow_nodes(struct mafsd_table *table)
{
	size_t capacity = table->capacity ? 2 * table->capacity : N_NODES_FIRST;
	struct mafsd_node *nodes;

	if (table->n_nodes < table->capacity)
		return 0;
	if (capacity >= NO_NODE)
		return -ENFILE;
	nodes = reallocarray(table->nodes, capacity, sizeof(*nodes));
	if (!nodes)
		return -ENOMEM;
	table->nodes = nodes;
	table->capacity = capacity;
	return 0;
}

static int node_add(struct mafsd_table *table, struct mafsd_inode *inode)
{
	uint32_t index = table->first_free;
	struct mafsd_node *node;
	int r;

	if (index == NO_NODE) {
		r = grow_nodes(table);
		if (r < 0)
			return r;
		index = (uint32_t)table->n_nodes++;
		table->nodes[index] = (struct mafsd_node){ 0 };
	} else {
		table->first_free = table->nodes[index].next_free;
	}
	node = &table->nodes[index];
	node->inode = inode;
	node->next_free = NO_NODE;
	inode->nodeid = (uint64_t)node->generation << 32 |
			((uint64_t)index + 1);
	table->n_inodes++;
	return 0;
}

int mafsd_table_add(struct mafsd_table *table, struct mafsd_inode *inode)
{
	int r = node_add(table, inode);

	if (r < 0)
		return r;
	grow_buckets(table);
	mafsd_table_hash(table, inode);
	return 0;
}

void mafsd_table_remove(struct mafsd_table *table, struct mafsd_inode *inode)
{
	uint32_t index = (uint32_t)inode->nodeid - 1;
	struct mafsd_node *node = &table->nodes[index];

	mafsd_table_unhash(table, inode);
	node->inode = NULL;
	node->generation++;
	node->next_free = table->first_free;
	table->first_free = index;
	table->n_inodes--;
}

struct mafsd_inode *mafsd_inode_by_id(struct mafsd *d, uint64_t nodeid)
{
	struct mafsd_table *table = &d->table;
	uint64_t index = (nodeid & UINT32_MAX) - 1;
	mafs_guard(&table->lock);

	if (index >= table->n_nodes ||
	    table->nodes[index].generation != nodeid >> 32)
		return NULL;
	return table->nodes[index].inode;
}

struct mafsd_inode *mafsd_inode_ref_id(struct mafsd *d, uint64_t nodeid)
{
	struct mafsd_table *table = &d->table;
	uint64_t index = (nodeid & UINT32_MAX) - 1;
	struct mafsd_inode *inode;
	mafs_guard(&table->lock);

	if (index >= table->n_nodes ||
	    table->nodes[index].generation != nodeid >> 32)
		return NULL;
	inode = table->nodes[index].inode;
	if (inode)
		inode->refs++;
	return inode;
}
