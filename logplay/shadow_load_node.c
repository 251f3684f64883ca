// SPDX-License-Identifier: Apache-2.0
/*
 * One inode of a shadow as the entries that a log would have of it, so that all
 * rules of names are kept in one place. Called by shadow_load.c.
 */
#include "shadow_load.h"

#include <errno.h>
#include <mafs/cleanup.h>
#include <string.h>

static int apply(struct shadow_loading *loading, struct mafs_entry *entry,
		 const char *shown, struct mafs_fault *fault)
{
	struct mafs_fault why = MAFS_FAULT_INIT;
	int r;

	entry->quiet = true;
	r = mafs_names_apply(loading->volume->names, entry, &why);
	return r < 0 ? mafs_fault_set(fault, r, "%.200s: %.180s", shown,
				      why.what[0] ? why.what : strerror(-r)) :
		       0;
}

static bool maps_equal(const struct mafs_map *a, const struct mafs_map *b)
{
	return a->n_extents == b->n_extents &&
	       (!a->n_extents || !memcmp(a->extents, b->extents,
					 a->n_extents * sizeof(*a->extents)));
}

/* Another name of an inode says the same of it. */
static int check_other_name(const struct mafs_node *node,
			    const struct mafs_node_descriptor *descriptor,
			    const char *shown, struct mafs_fault *fault)
{
	if (node->dir)
		return mafs_fault_set(
			fault, -EINVAL,
			"%.300s: a directory has the same id %llu", shown,
			(unsigned long long)node->id);
	if (node->mode != descriptor->mode || node->uid != descriptor->owner ||
	    node->gid != descriptor->group || node->rdev != descriptor->rdev ||
	    node->size_bytes != descriptor->size_bytes ||
	    !maps_equal(&node->map, &descriptor->map))
		return mafs_fault_set(fault, -EINVAL,
				      "%.300s: differs from another name of "
				      "id %llu",
				      shown, (unsigned long long)node->id);
	return 0;
}

static int apply_xattrs(struct shadow_loading *loading,
			const struct mafs_node_descriptor *descriptor,
			const char *shown, struct mafs_fault *fault)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < descriptor->n_xattrs; i++) {
		const struct mafs_descriptor_xattr *xattr =
			&descriptor->xattrs[i];
		struct mafs_entry entry = {
			.type = MAFS_OMF_XATTR,
			.xattr = { .id = descriptor->id,
				   .value = xattr->value,
				   .value_len = xattr->value_len },
		};

		strcpy(entry.xattr.name, xattr->name); /* its length is known */
		r = apply(loading, &entry, shown, fault);
	}
	return r;
}

static int apply_extents(struct shadow_loading *loading,
			 const struct mafs_node_descriptor *descriptor,
			 const char *shown, struct mafs_fault *fault)
{
	_cleanup_(mafs_layout_done) struct mafs_layout layout = {};
	struct mafs_fault why = MAFS_FAULT_INIT;
	struct mafs_entry entry = {
		.type = MAFS_OMF_EXTENTS,
		.extents = { .id = descriptor->id,
			     .size_bytes = descriptor->size_bytes,
			     .mtime = descriptor->mtime,
			     .map = descriptor->map },
	};
	int r;

	if (!S_ISREG(descriptor->mode))
		return 0;
	r = mafs_layout_from_map(loading->volume->pool, &descriptor->map,
				 &layout, &why);
	if (r < 0)
		return mafs_fault_set(fault, r, "%.150s: %.230s", shown,
				      why.what);
	return apply(loading, &entry, shown, fault);
}

int shadow_load_node(struct shadow_loading *loading, uint64_t parent,
		     struct mafs_node_descriptor *descriptor, const char *shown,
		     struct mafs_fault *fault)
{
	struct mafs_entry entry = {
		.type = MAFS_OMF_NODE,
		.node = {
			.id = descriptor->id,
			.mode = descriptor->mode,
			.uid = descriptor->owner,
			.gid = descriptor->group,
			.rdev = descriptor->rdev,
			.parent = S_ISDIR(descriptor->mode) ? parent : 0,
			.atime = descriptor->atime,
			.mtime = descriptor->mtime,
			.ctime = descriptor->ctime,
			.btime = descriptor->btime,
			.target = descriptor->target,
		},
	};
	int r = apply(loading, &entry, shown, fault);

	if (r == 0)
		r = apply_xattrs(loading, descriptor, shown, fault);
	return r < 0 ? r : apply_extents(loading, descriptor, shown, fault);
}

int shadow_load_name(struct shadow_loading *loading, uint64_t parent,
		     const char *name, struct mafs_node_descriptor *descriptor,
		     const char *shown, struct mafs_fault *fault)
{
	struct mafs_entry entry = { .type = MAFS_OMF_NAME };
	const struct mafs_node *node;
	int r;

	if (!descriptor->id)
		descriptor->id = loading->next_id++;
	node = mafs_names_node(loading->volume->names, descriptor->id);
	r = node ? check_other_name(node, descriptor, shown, fault) :
		   shadow_load_node(loading, parent, descriptor, shown, fault);
	if (r < 0)
		return r;
	entry.name.parent = parent;
	entry.name.id = descriptor->id;
	strcpy(entry.name.name, name);
	return apply(loading, &entry, shown, fault);
}
