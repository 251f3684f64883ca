// SPDX-License-Identifier: Apache-2.0
/*
 * What each entry does to the table.
 *
 * A checkpoint is written beside running appends, and the tail behind it says
 * again what the checkpoint may have seen already. So an entry sets, whatever
 * was there before: each name ends as the last entry that speaks of it says,
 * and one that nothing in the tail speaks of did not change meanwhile. On the
 * way there an inode may be without a name, or a directory below itself; what
 * is so when the log has ended is judged by others (names.c: settle, fsck).
 * What entries refer to may be gone by then: ids are never given twice, and an
 * unknown one is that of an inode that a later entry leaves without a name.
 */
#include "table.h"

#include <mafs/cleanup.h>
#include <string.h>

static struct timespec time_of(const struct mafs_entry *entry)
{
	return (struct timespec){
		.tv_sec = (time_t)(entry->time_ns / 1000000000U),
		.tv_nsec = (long)(entry->time_ns % 1000000000U),
	};
}

static void touch_node(const struct mafs_entry *entry, struct mafs_node *node)
{
	if (!node)
		return;
	node->seen_seq = entry->seq;
	if (!entry->quiet)
		node->ctime = time_of(entry);
}

static void touch_dir(const struct mafs_entry *entry, struct mafs_node *dir)
{
	touch_node(entry, dir);
	if (!entry->quiet)
		dir->mtime = time_of(entry);
}

/* *ret: NULL when the directory is not there any more. */
static int find_dir(struct mafs_names *names, uint64_t id,
		    struct mafs_node **ret, struct mafs_fault *fault)
{
	*ret = mafs_names_node(names, id);
	if (*ret && !(*ret)->dir)
		return mafs_fault_set(fault, -EUCLEAN,
				      "inode %llu is no directory",
				      (unsigned long long)id);
	return 0;
}

/* ---- inodes ---- */

static int apply_node(struct mafs_names *names, const struct mafs_entry *entry,
		      struct mafs_fault *fault)
{
	const struct mafs_entry_node *from = &entry->node;
	_cleanup_free_ char *target = NULL;
	struct mafs_node *node;

	if (!from->id)
		return mafs_fault_set(fault, -EUCLEAN, "an inode of id 0");
	if (S_ISLNK(from->mode)) {
		target = strdup(from->target ? from->target : "");
		if (!target)
			return -ENOMEM;
	}
	node = mafs_node_make(names, from->id, from->mode);
	if (!node)
		return -ENOMEM;
	if ((node->mode & S_IFMT) != (from->mode & S_IFMT))
		return mafs_fault_set(fault, -EUCLEAN,
				      "inode %llu changes its type",
				      (unsigned long long)from->id);
	node->mode = from->mode;
	node->uid = from->uid;
	node->gid = from->gid;
	node->rdev = from->rdev;
	node->atime = from->atime;
	node->mtime = from->mtime;
	node->ctime = from->ctime;
	node->btime = from->btime;
	node->seen_seq = entry->seq;
	free(node->target);
	node->target = take_ptr(target);
	return 0;
}

static int apply_attr(struct mafs_names *names, const struct mafs_entry *entry)
{
	const struct mafs_entry_attr *from = &entry->attr;
	struct mafs_node *node = mafs_names_node(names, from->id);

	if (!node)
		return 0;
	node->seen_seq = entry->seq;
	if (from->mask & MAFS_OMF_ATTR_MODE)
		node->mode = (node->mode & S_IFMT) | (from->mode & 07777);
	if (from->mask & MAFS_OMF_ATTR_UID)
		node->uid = from->uid;
	if (from->mask & MAFS_OMF_ATTR_GID)
		node->gid = from->gid;
	if (from->mask & MAFS_OMF_ATTR_ATIME)
		node->atime = from->atime;
	if (from->mask & MAFS_OMF_ATTR_MTIME)
		node->mtime = from->mtime;
	if (from->mask & MAFS_OMF_ATTR_CTIME)
		node->ctime = from->ctime;
	return 0;
}

static int apply_xattr(struct mafs_names *names, const struct mafs_entry *entry)
{
	const struct mafs_entry_xattr *from = &entry->xattr;
	struct mafs_node *node = mafs_names_node(names, from->id);
	const void *value = from->removed ? NULL : from->value;
	int r;

	if (!node)
		return 0;
	if (!from->removed && !value)
		value = ""; /* of no length */
	r = mafs_node_set_xattr(node, from->name, value, from->value_len);
	if (r == 0)
		touch_node(entry, node);
	return r;
}

static void set_size(const struct mafs_entry *entry, struct mafs_node *node,
		     uint64_t size, const struct timespec *mtime)
{
	node->size_bytes = size;
	node->seen_seq = entry->seq;
	if (!entry->quiet)
		node->mtime = node->ctime = *mtime;
}

static int find_regular(struct mafs_names *names, uint64_t id,
			struct mafs_node **ret, struct mafs_fault *fault)
{
	*ret = mafs_names_node(names, id);
	if (*ret && !S_ISREG((*ret)->mode))
		return mafs_fault_set(fault, -EUCLEAN,
				      "inode %llu is no regular file",
				      (unsigned long long)id);
	return 0;
}

/* From @first on it is @more. In place: a map of many extents grows by one at
 * a time. */
static int replace_behind(struct mafs_map *map, uint32_t first,
			  const struct mafs_map *more)
{
	size_t n = first + more->n_extents;
	struct mafs_extent *extents;

	if (!n) {
		mafs_map_done(map);
		return 0;
	}
	extents = reallocarray(map->extents, n, sizeof(*extents));
	if (!extents)
		return -ENOMEM;
	if (more->n_extents)
		memcpy(extents + first, more->extents,
		       more->n_extents * sizeof(*extents));
	*map = (struct mafs_map){ .extents = extents, .n_extents = n };
	return 0;
}

static int apply_extents(struct mafs_names *names,
			 const struct mafs_entry *entry,
			 struct mafs_fault *fault)
{
	const struct mafs_entry_extents *from = &entry->extents;
	struct mafs_node *node;
	int r;

	r = find_regular(names, from->id, &node, fault);
	if (r < 0 || !node)
		return r;
	if (from->first > node->map.n_extents)
		return 0; /* cut meanwhile */
	r = replace_behind(&node->map, from->first, &from->map);
	if (r < 0)
		return r;
	set_size(entry, node, from->size_bytes, &from->mtime);
	return 0;
}

static int apply_size(struct mafs_names *names, const struct mafs_entry *entry,
		      struct mafs_fault *fault)
{
	struct mafs_node *node;
	int r;

	r = find_regular(names, entry->size.id, &node, fault);
	if (r == 0 && node)
		set_size(entry, node, entry->size.size_bytes,
			 &entry->size.mtime);
	return r;
}

/* ---- names ---- */

/* (dir, text) is @node, or nothing. */
static int set_name(struct mafs_names *names, const struct mafs_entry *entry,
		    struct mafs_node *dir, const char *text,
		    struct mafs_node *node, struct mafs_fault *fault)
{
	struct mafs_name *old;
	int r = 0;

	if (!dir)
		return 0;
	if (node && node == dir)
		return mafs_fault_set(fault, -EUCLEAN,
				      "\"%s\" is a directory in itself", text);
	old = mafs_names_lookup(names, dir, text);
	if (node)
		r = mafs_dentry_set(names, dir, text, node);
	else if (old)
		mafs_dentry_remove(names, old);
	if (r == 0)
		touch_dir(entry, dir);
	return r;
}

static int apply_name(struct mafs_names *names, const struct mafs_entry *entry,
		      struct mafs_fault *fault)
{
	const struct mafs_entry_name *from = &entry->name;
	struct mafs_node *node = mafs_names_node(names, from->id);
	struct mafs_node *dir;
	int r;

	if (from->id == MAFS_OMF_ROOT_ID)
		return mafs_fault_set(fault, -EUCLEAN, "the root has a name");
	r = find_dir(names, from->parent, &dir, fault);
	if (r == 0)
		r = set_name(names, entry, dir, from->name,
			     entry->type == MAFS_OMF_NAME ? node : NULL, fault);
	if (r == 0)
		touch_node(entry, node);
	return r;
}

static int apply_rename(struct mafs_names *names,
			const struct mafs_entry *entry,
			struct mafs_fault *fault)
{
	const struct mafs_entry_rename *from = &entry->rename;
	bool exchange = from->flags & MAFS_OMF_RENAME_EXCHANGE;
	struct mafs_node *node = mafs_names_node(names, from->id);
	struct mafs_node *other = mafs_names_node(names, from->other);
	struct mafs_node *dir, *new_dir;
	int r;

	if (from->id == MAFS_OMF_ROOT_ID || from->other == MAFS_OMF_ROOT_ID)
		return mafs_fault_set(fault, -EUCLEAN, "the root has a name");
	r = find_dir(names, from->parent, &dir, fault);
	if (r == 0)
		r = find_dir(names, from->new_parent, &new_dir, fault);
	/* The place that it left first: a directory has one name. */
	if (r == 0)
		r = set_name(names, entry, dir, from->name, NULL, fault);
	if (r == 0)
		r = set_name(names, entry, new_dir, from->new_name, node,
			     fault);
	if (r == 0 && exchange)
		r = set_name(names, entry, dir, from->name, other, fault);
	if (r == 0) {
		touch_node(entry, node);
		touch_node(entry, other);
	}
	return r;
}

int mafs_names_apply(struct mafs_names *names, const struct mafs_entry *entry,
		     struct mafs_fault *fault)
{
	switch (entry->type) {
	case MAFS_OMF_NODE:
		return apply_node(names, entry, fault);
	case MAFS_OMF_NAME:
	case MAFS_OMF_UNNAME:
		return apply_name(names, entry, fault);
	case MAFS_OMF_RENAME:
		return apply_rename(names, entry, fault);
	case MAFS_OMF_ATTR:
		return apply_attr(names, entry);
	case MAFS_OMF_XATTR:
		return apply_xattr(names, entry);
	case MAFS_OMF_EXTENTS:
		return apply_extents(names, entry, fault);
	case MAFS_OMF_SIZE:
		return apply_size(names, entry, fault);
	default:
		return 0;
	}
}
