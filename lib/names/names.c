// SPDX-License-Identifier: Apache-2.0
/*
 * The table as a whole: made, filled by replay, settled, taken apart, given to
 * a checkpoint.
 */
#include "table.h"

#include <mafs/cleanup.h>
#include <string.h>
#include <sys/random.h>

static int init(struct mafs_names *names)
{
	uint64_t seed = 0;
	int r;

	/* Without random bytes it is only easier to slow down. */
	(void)getrandom(&seed, sizeof(seed), GRND_NONBLOCK);
	r = mafs_nodes_init(&names->nodes, seed);
	if (r == 0)
		r = mafs_dentries_init(&names->names, seed);
	if (r < 0)
		return r;
	names->root = mafs_node_make(names, MAFS_OMF_ROOT_ID, S_IFDIR | 0755);
	if (!names->root)
		return -ENOMEM;
	names->root->pins = 1;
	return 0;
}

static void free_names_of(struct mafs_node *node)
{
	struct mafs_name *name = node->names, *next;

	for (; name; name = next) {
		next = name->next_of_node;
		free(name);
	}
}

/* Inode by inode with its names, which is about the order of making. */
static void done(struct mafs_names *names)
{
	for (size_t i = 0; i < names->nodes.n_buckets; i++) {
		struct mafs_node *node = names->nodes.buckets[i], *next;

		for (; node; node = next) {
			next = node->next;
			free_names_of(node);
			mafs_node_free(node);
		}
	}
	free(names->names.buckets);
	free(names->nodes.buckets);
	memset(names, 0, sizeof(*names));
}

int mafs_names_new(struct mafs_names **ret)
{
	struct mafs_names *names = calloc(1, sizeof(*names));

	if (!names)
		return -ENOMEM;
	if (init(names) < 0) {
		mafs_names_free(names);
		return -ENOMEM;
	}
	*ret = names;
	return 0;
}

void mafs_names_free(struct mafs_names *names)
{
	if (names)
		done(names);
	free(names);
}

/* ---- replay ---- */

static int sink_begin(void *sink, const struct mafs_superblock *sb)
{
	struct mafs_names *names = sink;

	if (names->nodes.n == 1 && names->names.n == 0)
		return 0; /* as new */
	done(names);
	return init(names);
}

static int sink_entry(void *sink, const struct mafs_entry *entry,
		      const struct mafs_log_position *position)
{
	struct mafs_fault fault = MAFS_FAULT_INIT;

	return mafs_names_apply(sink, entry, &fault);
}

const struct mafs_replay_ops mafs_names_replay_ops = {
	.begin = sink_begin,
	.entry = sink_entry,
};

/* ---- inodes without a name ---- */

bool mafs_names_drop(struct mafs_names *names, struct mafs_node *node)
{
	if (node->n_names || node->pins ||
	    (node->dir && !mafs_names_is_empty(node)))
		return false;
	mafs_node_remove(names, node);
	return true;
}

void mafs_names_settle(struct mafs_names *names,
		       void (*gone)(void *context, struct mafs_node *node),
		       void *context)
{
	for (size_t i = 0; i < names->nodes.n_buckets; i++) {
		struct mafs_node *node = names->nodes.buckets[i], *next;

		for (; node; node = next) {
			next = node->next;
			/* What is in it hangs on it: for fsck to say. */
			if (node->n_names || node->pins ||
			    (node->dir && !mafs_names_is_empty(node)))
				continue;
			if (gone)
				gone(context, node);
			mafs_names_drop(names, node);
		}
	}
}

bool mafs_names_is_beneath(struct mafs_names *names,
			   const struct mafs_node *below,
			   const struct mafs_node *dir)
{
	size_t n_steps = 0;

	/* A cycle, which a broken log may have, ends as well. */
	for (; below && n_steps <= names->nodes.n; n_steps++) {
		if (below == dir)
			return true;
		if (below == names->root || !below->names)
			return false;
		below = below->names->parent;
	}
	return false;
}

/* ---- checkpoint ---- */

static int emit_node(const struct mafs_node *node, mafs_log_emit_fn *emit,
		     void *context)
{
	struct mafs_entry entry = {
		.type = MAFS_OMF_NODE,
		.quiet = true,
		.node = {
			.id = node->id,
			.mode = node->mode,
			.uid = node->uid,
			.gid = node->gid,
			.rdev = node->rdev,
			.parent = node->dir ? node->parent : 0,
			.atime = node->atime,
			.mtime = node->mtime,
			.ctime = node->ctime,
			.btime = node->btime,
			.target = node->target,
		},
	};

	return emit(context, &entry);
}

static int emit_xattrs(const struct mafs_node *node, mafs_log_emit_fn *emit,
		       void *context)
{
	const struct mafs_node_xattr *xattr;
	struct mafs_entry entry = {
		.type = MAFS_OMF_XATTR,
		.quiet = true,
		.xattr.id = node->id,
	};
	int r = 0;

	for (xattr = node->xattrs; r == 0 && xattr; xattr = xattr->next) {
		strcpy(entry.xattr.name, xattr->name);
		entry.xattr.value = (void *)xattr->value;
		entry.xattr.value_len = xattr->value_len;
		r = emit(context, &entry);
	}
	return r;
}

/* Extents of one entry: a record cannot hold all of a file in pieces. */
#define EXTENTS_MAX 32768U

/* The size comes with each part, and what is behind a part goes: read to its
 * end the log says the whole map. */
static int emit_extents(const struct mafs_node *node, mafs_log_emit_fn *emit,
			void *context)
{
	const struct mafs_map *map = &node->map;
	struct mafs_entry entry = {
		.type = MAFS_OMF_EXTENTS,
		.quiet = true,
		.extents = {
			.id = node->id,
			.size_bytes = node->size_bytes,
			.mtime = node->mtime,
		},
	};
	size_t at = 0;
	int r;

	if (!S_ISREG(node->mode) || (!node->size_bytes && !map->n_extents))
		return 0;
	do {
		size_t n = map->n_extents - at;

		if (n > EXTENTS_MAX)
			n = EXTENTS_MAX;
		entry.extents.first = (uint32_t)at;
		entry.extents.map = (struct mafs_map){
			.extents = n ? map->extents + at : NULL,
			.n_extents = n,
		};
		r = emit(context, &entry);
		at += n;
	} while (r == 0 && at < map->n_extents);
	return r;
}

static int emit_names(const struct mafs_node *node, mafs_log_emit_fn *emit,
		      void *context)
{
	const struct mafs_name *name;
	struct mafs_entry entry = {
		.type = MAFS_OMF_NAME,
		.quiet = true,
		.name.id = node->id,
	};
	int r = 0;

	for (name = node->names; r == 0 && name; name = name->next_of_node) {
		entry.name.parent = name->parent->id;
		strcpy(entry.name.name, name->name);
		r = emit(context, &entry);
	}
	return r;
}

/* Directories come first, by themselves: the names of a second round stand in
 * them. One that was made in between is in the tail, with all its names. */
#define SECOND_ROUND (1ULL << 63)

static int emit_first(const struct mafs_node *node, mafs_log_emit_fn *emit,
		      void *context)
{
	int r;

	if (!node->dir)
		return 0;
	r = emit_node(node, emit, context);
	return r == 0 ? emit_xattrs(node, emit, context) : r;
}

static int emit_second(const struct mafs_node *node, mafs_log_emit_fn *emit,
		       void *context)
{
	int r = 0;

	/* What is open without a name may get one; else it goes when the log
	 * has been read to its end. */
	if (!node->dir) {
		r = emit_node(node, emit, context);
		if (r == 0)
			r = emit_xattrs(node, emit, context);
		if (r == 0)
			r = emit_extents(node, emit, context);
	}
	return r == 0 ? emit_names(node, emit, context) : r;
}

/* Ids are not given twice: the highest one is told of also when it is gone, by
 * an inode without a name, of the type that the tail may say it had. */
static int emit_max_id(struct mafs_names *names, mafs_log_emit_fn *emit,
		       void *context)
{
	uint32_t type = names->max_id_type;
	const struct mafs_entry entry = {
		.type = MAFS_OMF_NODE,
		.quiet = true,
		.node = {
			.id = names->max_id,
			.mode = type,
			.parent = S_ISDIR(type) ? MAFS_OMF_ROOT_ID : 0,
			.target = S_ISLNK(type) ? (char *)"." : NULL,
		},
	};

	if (mafs_names_node(names, names->max_id))
		return 0;
	return emit(context, &entry);
}

int mafs_names_emit(struct mafs_names *names, uint64_t *cursor, size_t n_max,
		    mafs_log_emit_fn *emit, void *emit_context)
{
	bool second = *cursor & SECOND_ROUND;
	uint64_t bucket = *cursor & ~SECOND_ROUND;
	size_t n = 0;
	int r = 0;

	for (; bucket < names->nodes.n_buckets && n < n_max; bucket++) {
		const struct mafs_node *node = names->nodes.buckets[bucket];

		for (; r == 0 && node; node = node->next, n++)
			r = second ? emit_second(node, emit, emit_context) :
				     emit_first(node, emit, emit_context);
		if (r < 0)
			return r;
	}
	*cursor = bucket | (second ? SECOND_ROUND : 0);
	if (bucket < names->nodes.n_buckets)
		return 1;
	if (second)
		return emit_max_id(names, emit, emit_context);
	*cursor = SECOND_ROUND;
	return 1;
}
