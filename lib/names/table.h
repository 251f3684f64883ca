/* SPDX-License-Identifier: Apache-2.0 */
/* The table of names and inodes, shared by the files of this folder. */
#pragma once

#include <mafs/names.h>

struct mafs_node_table {
	struct mafs_node **buckets; /* a power of two of them */
	size_t n_buckets, n;
	uint64_t seed; /* of its hash */
};

struct mafs_name_table {
	struct mafs_name **buckets;
	size_t n_buckets, n;
	uint64_t seed;
};

/**
 * struct mafs_dir - what is in a directory, by rising cookie
 * @entries: owned; a name that went leaves a gap until there are many
 */
struct mafs_dir {
	struct mafs_dir_entry {
		uint64_t cookie;
		struct mafs_name *name; /* NULL: a gap */
	} * entries;
	size_t n, n_live, capacity;
	uint64_t last_cookie;
};

struct mafs_names {
	struct mafs_node_table nodes;
	struct mafs_name_table names;
	struct mafs_node *root;
	uint64_t max_id;
	uint32_t max_id_type;
};

/* ---- nodes.c ---- */

int mafs_nodes_init(struct mafs_node_table *table, uint64_t seed);
/* Makes it when it is missing; a directory with its mafs_dir. NULL: no memory. */
struct mafs_node *mafs_node_make(struct mafs_names *names, uint64_t id,
				 uint32_t mode);
void mafs_node_remove(struct mafs_names *names, struct mafs_node *node);
void mafs_node_free(struct mafs_node *node);
/* @value: NULL removes. Return: 0, -ENOMEM. */
int mafs_node_set_xattr(struct mafs_node *node, const char *name,
			const void *value, uint32_t len);

/* ---- dentries.c ---- */

int mafs_dentries_init(struct mafs_name_table *table, uint64_t seed);
/* (parent, name) is @node; whatever it was before is not there any more. A
 * directory loses the name that it had. Return: 0, -ENOMEM. */
int mafs_dentry_set(struct mafs_names *names, struct mafs_node *parent,
		    const char *text, struct mafs_node *node);
void mafs_dentry_remove(struct mafs_names *names, struct mafs_name *name);
void mafs_dir_free(struct mafs_dir *dir);
