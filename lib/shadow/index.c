// SPDX-License-Identifier: Apache-2.0
/*
 * The shadow's index; see index.h. Invariant: each node is in by_path; it is
 * in by_id exactly when it is bound.
 */
#include "index.h"

#include <errno.h>
#include <mafs/cleanup.h>
#include <search.h>
#include <stdbool.h>
#include <string.h>

static int compare_path(const void *a, const void *b)
{
	const struct mafs_shadow_node *x = a, *y = b;

	return strcmp(x->path, y->path);
}

static int compare_id(const void *a, const void *b)
{
	const struct mafs_shadow_node *x = a, *y = b;

	return x->id < y->id ? -1 : x->id > y->id;
}

static void keep(void *node)
{
	(void)node;
}

static void node_free(void *p)
{
	struct mafs_shadow_node *node = p;

	free(node->path);
	free(node);
}

void mafs_shadow_index_done(struct mafs_shadow_index *index)
{
	tdestroy(index->by_id, keep);
	tdestroy(index->by_path, node_free);
	*index = (struct mafs_shadow_index){ 0 };
}

uint64_t mafs_shadow_hash(const void *bytes, size_t len)
{
	const uint8_t *p = bytes;
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ p[i]) * UINT64_C(0x100000001b3);
	return hash;
}

struct mafs_shadow_node *
mafs_shadow_index_path(const struct mafs_shadow_index *index, const char *path)
{
	struct mafs_shadow_node key = { .path = (char *)path };
	struct mafs_shadow_node **found =
		tfind(&key, &index->by_path, compare_path);

	return found ? *found : NULL;
}

struct mafs_shadow_node *
mafs_shadow_index_id(const struct mafs_shadow_index *index, uint64_t id)
{
	struct mafs_shadow_node key = { .id = id };
	struct mafs_shadow_node **found =
		tfind(&key, &index->by_id, compare_id);

	return found ? *found : NULL;
}

struct mafs_shadow_node *mafs_shadow_index_add(struct mafs_shadow_index *index,
					       const char *path)
{
	struct mafs_shadow_node *node = mafs_shadow_index_path(index, path);

	if (node)
		return node;
	node = calloc(1, sizeof(*node));
	if (!node)
		return NULL;
	node->path = strdup(path);
	if (!node->path || !tsearch(node, &index->by_path, compare_path)) {
		node_free(node);
		return NULL;
	}
	index->n_nodes++;
	return node;
}

static void unbind(struct mafs_shadow_index *index,
		   struct mafs_shadow_node *node)
{
	if (node->bound)
		tdelete(node, &index->by_id, compare_id);
	node->bound = false;
}

int mafs_shadow_index_bind(struct mafs_shadow_index *index,
			   struct mafs_shadow_node *node, uint64_t id)
{
	struct mafs_shadow_node *other = mafs_shadow_index_id(index, id);

	if (other == node)
		return 0;
	if (other)
		unbind(index, other);
	unbind(index, node);
	node->id = id;
	if (!tsearch(node, &index->by_id, compare_id))
		return -ENOMEM;
	node->bound = true;
	return 0;
}

void mafs_shadow_index_remove(struct mafs_shadow_index *index,
			      struct mafs_shadow_node *node)
{
	unbind(index, node);
	tdelete(node, &index->by_path, compare_path);
	node_free(node);
	index->n_nodes--;
}

struct selection {
	const char *dir;
	size_t dir_len;
	uint64_t pass;
	struct mafs_shadow_node **nodes; /* room for all */
	size_t n_nodes;
};

static void select_one(const void *p, VISIT visit, void *context)
{
	struct mafs_shadow_node *node = *(struct mafs_shadow_node *const *)p;
	struct selection *selection = context;

	if (visit != postorder && visit != leaf)
		return;
	if (selection->pass && node->pass == selection->pass)
		return;
	if (strncmp(node->path, selection->dir, selection->dir_len) != 0 ||
	    node->path[selection->dir_len] != '/')
		return;
	selection->nodes[selection->n_nodes++] = node;
}

int mafs_shadow_index_select(const struct mafs_shadow_index *index,
			     const char *dir, uint64_t pass,
			     struct mafs_shadow_node ***ret, size_t *ret_n)
{
	struct selection selection = {
		.dir = dir,
		.dir_len = strlen(dir),
		.pass = pass,
	};

	selection.nodes =
		calloc(index->n_nodes + 1, sizeof(struct mafs_shadow_node *));
	if (!selection.nodes)
		return -ENOMEM;
	twalk_r(index->by_path, select_one, &selection);
	*ret = selection.nodes;
	*ret_n = selection.n_nodes;
	return 0;
}
