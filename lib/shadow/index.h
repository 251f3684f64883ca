/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which descriptors a shadow holds: by path and by the file's id. Private to
 * lib/shadow.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * struct mafs_shadow_node - one regular file of the shadow
 * @path: from the shadow's root: "/a/b"
 * @bound: @id counts; not before a descriptor was put there
 * @hash: of its text
 * @pass: number of the pass that last put it
 */
struct mafs_shadow_node {
	char *path; /* owned */
	bool bound;
	uint64_t id;
	uint64_t hash;
	uint64_t pass;
};

struct mafs_shadow_index {
	void *by_path, *by_id; /* trees of tsearch(3) */
	size_t n_nodes;
};

void mafs_shadow_index_done(struct mafs_shadow_index *index);
/* FNV-1a, 64 bits. */
uint64_t mafs_shadow_hash(const void *bytes, size_t len);

struct mafs_shadow_node *
mafs_shadow_index_path(const struct mafs_shadow_index *index, const char *path);
struct mafs_shadow_node *
mafs_shadow_index_id(const struct mafs_shadow_index *index, uint64_t id);

/* The node of a path, made when there is none. Return: NULL: no memory. */
struct mafs_shadow_node *mafs_shadow_index_add(struct mafs_shadow_index *index,
					       const char *path);
/* @id now has this node and no other, the node this id and no other.
 * Return: 0, -ENOMEM (the node is then not bound). */
int mafs_shadow_index_bind(struct mafs_shadow_index *index,
			   struct mafs_shadow_node *node, uint64_t id);
void mafs_shadow_index_remove(struct mafs_shadow_index *index,
			      struct mafs_shadow_node *node);

/* Nodes below a directory ("" is all of them) and of another pass than @pass
 * (0: any), sorted. Return: 0 and an array to free(), -ENOMEM. */
int mafs_shadow_index_select(const struct mafs_shadow_index *index,
			     const char *dir, uint64_t pass,
			     struct mafs_shadow_node ***ret, size_t *ret_n);
