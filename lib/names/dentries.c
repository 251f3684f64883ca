// SPDX-License-Identifier: Apache-2.0
/*
 * Names: by (parent, name) in a hash table, by parent in the order of making.
 * A position in a directory is a cookie that no later name gets again, so a
 * listing that goes on after names went and came misses none that stayed.
 */
#include "hash.h"
#include "table.h"

#include <mafs/cleanup.h>
#include <string.h>

#define N_BUCKETS_FIRST 64U

int mafs_dentries_init(struct mafs_name_table *table, uint64_t seed)
{
	table->buckets = calloc(N_BUCKETS_FIRST, sizeof(*table->buckets));
	if (!table->buckets)
		return -ENOMEM;
	table->n_buckets = N_BUCKETS_FIRST;
	table->seed = seed;
	return 0;
}

static struct mafs_name **bucket_of(const struct mafs_name_table *table,
				    uint64_t parent, const char *text,
				    size_t len)
{
	return &table->buckets[names_hash(table->seed, parent, text, len) &
			       (table->n_buckets - 1)];
}

/* Without memory it stays as it is, only slower. */
static void grow(struct mafs_name_table *table)
{
	struct mafs_name_table bigger = {
		.n_buckets = table->n_buckets * 2,
		.seed = table->seed,
	};

	bigger.buckets = calloc(bigger.n_buckets, sizeof(*bigger.buckets));
	if (!bigger.buckets)
		return;
	for (size_t i = 0; i < table->n_buckets; i++) {
		struct mafs_name *name = table->buckets[i], *next;

		for (; name; name = next) {
			struct mafs_name **to =
				bucket_of(&bigger, name->parent->id, name->name,
					  name->len);

			next = name->next;
			name->next = *to;
			*to = name;
		}
	}
	free(table->buckets);
	table->buckets = bigger.buckets;
	table->n_buckets = bigger.n_buckets;
}

struct mafs_name *mafs_names_lookup(struct mafs_names *names,
				    const struct mafs_node *parent,
				    const char *text)
{
	size_t len = strlen(text);
	struct mafs_name *name =
		*bucket_of(&names->names, parent->id, text, len);

	while (name && (name->parent != parent || name->len != len ||
			memcmp(name->name, text, len) != 0))
		name = name->next;
	return name;
}

/* ---- a directory's list ---- */

void mafs_dir_free(struct mafs_dir *dir)
{
	if (dir)
		free(dir->entries);
	free(dir);
}

/* Index of the first entry whose cookie is above @cookie. */
static size_t find_above(const struct mafs_dir *dir, uint64_t cookie)
{
	size_t low = 0, high = dir->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (dir->entries[middle].cookie > cookie)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

struct mafs_name *mafs_names_next(struct mafs_names *names,
				  const struct mafs_node *node, uint64_t cookie)
{
	const struct mafs_dir *dir = node->dir;
	size_t i = find_above(dir, cookie);

	while (i < dir->n && !dir->entries[i].name)
		i++;
	return i < dir->n ? dir->entries[i].name : NULL;
}

bool mafs_names_is_empty(const struct mafs_node *dir)
{
	return dir->dir->n_live == 0;
}

static void close_gaps(struct mafs_dir *dir)
{
	size_t n = 0;

	for (size_t i = 0; i < dir->n; i++)
		if (dir->entries[i].name)
			dir->entries[n++] = dir->entries[i];
	dir->n = n;
}

static int make_room(struct mafs_dir *dir)
{
	size_t capacity = dir->capacity ? dir->capacity * 2 : 4;
	struct mafs_dir_entry *entries;

	if (dir->n < dir->capacity)
		return 0;
	entries = realloc(dir->entries, capacity * sizeof(*entries));
	if (!entries)
		return -ENOMEM;
	dir->entries = entries;
	dir->capacity = capacity;
	return 0;
}

static void list(struct mafs_dir *dir, struct mafs_name *name)
{
	name->cookie = ++dir->last_cookie;
	dir->entries[dir->n++] = (struct mafs_dir_entry){
		.cookie = name->cookie,
		.name = name,
	};
	dir->n_live++;
}

static void unlist(struct mafs_dir *dir, const struct mafs_name *name)
{
	dir->entries[find_above(dir, name->cookie - 1)].name = NULL;
	dir->n_live--;
	if (dir->n > 2 * dir->n_live + 16)
		close_gaps(dir);
}

/* ---- names come and go ---- */

static void attach(struct mafs_name *name, struct mafs_node *node)
{
	name->node = node;
	name->next_of_node = node->names;
	name->of_node_at = &node->names;
	if (node->names)
		node->names->of_node_at = &name->next_of_node;
	node->names = name;
	node->n_names++;
	if (node->dir) {
		node->parent = name->parent->id;
		name->parent->n_subdirs++;
	}
}

static void detach(struct mafs_name *name)
{
	struct mafs_node *node = name->node;

	*name->of_node_at = name->next_of_node;
	if (name->next_of_node)
		name->next_of_node->of_node_at = name->of_node_at;
	node->n_names--;
	if (node->dir)
		name->parent->n_subdirs--;
}

static struct mafs_name *new_name(struct mafs_node *parent, const char *text)
{
	size_t len = strlen(text);
	struct mafs_name *name;

	if (len > MAFS_NAME_MAX || make_room(parent->dir) < 0)
		return NULL;
	name = calloc(1, sizeof(*name) + len + 1);
	if (!name)
		return NULL;
	name->parent = parent;
	name->len = (uint8_t)len;
	memcpy(name->name, text, len + 1);
	return name;
}

int mafs_dentry_set(struct mafs_names *names, struct mafs_node *parent,
		    const char *text, struct mafs_node *node)
{
	struct mafs_name *name = mafs_names_lookup(names, parent, text);
	struct mafs_name **bucket;

	if (name && name->node == node)
		return 0;
	if (name) {
		detach(name);
	} else {
		name = new_name(parent, text);
		if (!name)
			return -ENOMEM;
		if (names->names.n >= names->names.n_buckets)
			grow(&names->names);
		bucket = bucket_of(&names->names, parent->id, text, name->len);
		name->next = *bucket;
		*bucket = name;
		names->names.n++;
		list(parent->dir, name);
	}
	if (node->dir && node->names)
		mafs_dentry_remove(names, node->names);
	attach(name, node);
	return 0;
}

void mafs_dentry_remove(struct mafs_names *names, struct mafs_name *name)
{
	struct mafs_name **at = bucket_of(&names->names, name->parent->id,
					  name->name, name->len);

	while (*at != name)
		at = &(*at)->next;
	*at = name->next;
	names->names.n--;
	unlist(name->parent->dir, name);
	detach(name);
	free(name);
}
