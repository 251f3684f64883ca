/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The namespace of a memory volume, as its log tells it (lib/names): inodes by
 * id, names by (parent, name). Replay fills it; the master serves it and makes
 * checkpoints of it, clients follow, fsck and the shadow writer read it. No
 * lock of its own: the owner guards it.
 */
#pragma once

#include <mafs/log.h>
#include <mafs/replay.h>
#include <sys/stat.h>

struct mafs_name;

/**
 * struct mafs_node - one inode; owned by the table
 *
 * All is read-only to others but @pins and @owner.
 */
struct mafs_node {
	uint64_t id;
	uint32_t mode, uid, gid;
	uint32_t n_names; /* links; a directory's "." and ".." not counted */
	uint32_t n_subdirs;
	uint32_t pins; /* the owner's: it stays, also without a name */
	uint64_t rdev;
	uint64_t parent; /* of a directory */
	struct timespec atime, mtime, ctime, btime;
	uint64_t size_bytes; /* of a regular file */
	struct mafs_map map; /* of a regular file; holes have the zero UUID */
	char *target; /* of a symbolic link */
	struct mafs_name *names; /* where it is found; by next_of_node */
	struct mafs_node_xattr *xattrs;
	struct mafs_dir *dir; /* of a directory: what is in it */
	struct mafs_node *next; /* table's */
	uint64_t seen_seq; /* of the last entry that changed it */
	void *owner; /* the owner's: NULL at first */
};

struct mafs_node_xattr {
	struct mafs_node_xattr *next;
	char *name;
	uint32_t value_len;
	uint8_t value[];
};

struct mafs_name {
	struct mafs_node *parent, *node;
	struct mafs_name *next_of_node, **of_node_at;
	struct mafs_name *next; /* table's */
	uint64_t cookie; /* rises in the order of making, from 1; of readdir */
	uint8_t len;
	char name[];
};

struct mafs_names;

/* A root directory of mode 0755 and nothing else. Return: 0, -ENOMEM. */
int mafs_names_new(struct mafs_names **ret);
void mafs_names_free(struct mafs_names *names);

/**
 * mafs_names_apply() - what one entry does
 *
 * Idempotent, and entries that a checkpoint has seen already do no harm (see
 * omf.h). Entries that are not the namespace's are ignored.
 *
 * Return: 0; -ENOMEM (nothing changed); -EUCLEAN: what the entry says cannot
 * be (a file as parent, a directory with two names, a cycle, a map with a
 * gap), the fault says what.
 */
int mafs_names_apply(struct mafs_names *names, const struct mafs_entry *entry,
		     struct mafs_fault *fault);
/* The sink that fills a table; the sink pointer is the table. `begin` empties
 * it. */
extern const struct mafs_replay_ops mafs_names_replay_ops;

/**
 * mafs_names_settle() - the log was read to its end: inodes without a name and
 * without a pin go
 * @gone: called for each before it goes; may be NULL
 */
void mafs_names_settle(struct mafs_names *names,
		       void (*gone)(void *context, struct mafs_node *node),
		       void *context);
/* The same for one inode; a directory that has something in it stays, for fsck
 * to say. Return: true: it went. */
bool mafs_names_drop(struct mafs_names *names, struct mafs_node *node);

struct mafs_node *mafs_names_node(struct mafs_names *names, uint64_t id);
struct mafs_name *mafs_names_lookup(struct mafs_names *names,
				    const struct mafs_node *parent,
				    const char *name);
/* The first name of a directory whose cookie is above @cookie; NULL: none. */
struct mafs_name *mafs_names_next(struct mafs_names *names,
				  const struct mafs_node *dir, uint64_t cookie);
bool mafs_names_is_empty(const struct mafs_node *dir);
/* Is @below @dir itself or beneath it? Both are directories. */
bool mafs_names_is_beneath(struct mafs_names *names,
			   const struct mafs_node *below,
			   const struct mafs_node *dir);
const struct mafs_node_xattr *mafs_names_xattr(const struct mafs_node *node,
					       const char *name);
void mafs_names_stat(const struct mafs_node *node, struct stat *ret);

size_t mafs_names_count(const struct mafs_names *names);
uint64_t mafs_names_max_id(const struct mafs_names *names);
/* Every inode, in no order. May not change
 * the table. Stops at the first non-zero return, which it returns. */
int mafs_names_visit(struct mafs_names *names,
		     int (*visit)(void *context, struct mafs_node *node),
		     void *context);

/**
 * mafs_names_emit() - give all that is live to a checkpoint, piece by piece
 * @cursor: 0 at first; where to go on
 * @n_max: inodes of this piece
 *
 * Between two pieces the owner may change the table: what changes is in the
 * tail that the checkpoint copies.
 *
 * Return: 1: there is more; 0: done; -errno of @emit.
 */
int mafs_names_emit(struct mafs_names *names, uint64_t *cursor, size_t n_max,
		    mafs_log_emit_fn *emit, void *emit_context);
