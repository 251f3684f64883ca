/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hot table (logplay/hot.c): what the log says about the files that have
 * bytes in memory. Replay fills it; the daemon, fsck and the shadow writer
 * read it. It has no lock of its own: the owner guards it.
 */
#pragma once

#include <mafs/entry.h>
#include <mafs/replay.h>

enum mafs_hot_state {
	MAFS_HOT_CLEAN,
	MAFS_HOT_DIRTY,
	MAFS_HOT_WRITING, /* dirty, and N may hold part of it: memory wins */
};

/* "clean", "dirty", "writing" */
const char *mafs_hot_state_to_text(enum mafs_hot_state state);

/**
 * struct mafs_hot - one file with bytes in memory
 * @drop_intent: its last name was about to be removed
 * @seq: of the last entry that changed it
 * @claimed: for the owner: an inode has taken this entry over
 */
struct mafs_hot {
	uint64_t id;
	enum mafs_hot_state state;
	bool drop_intent;
	bool claimed;
	uint64_t seq;
	struct mafs_identity identity;
	struct mafs_hint hint;
	struct mafs_fingerprint fingerprint;
	struct timespec shown_ctime;
	struct mafs_map map;
	struct mafs_hot *next_by_id, *next_by_identity; /* table's */
};

struct mafs_hot_table;

struct mafs_hot_table *mafs_hot_table_new(void);
void mafs_hot_table_free(struct mafs_hot_table *table);

/* Borrowed until the entry is dropped. Return: NULL when there is none. */
struct mafs_hot *mafs_hot_find(struct mafs_hot_table *table, uint64_t id);
struct mafs_hot *mafs_hot_find_identity(struct mafs_hot_table *table,
					const struct mafs_identity *identity);

/**
 * mafs_hot_apply() - what one entry does to the table
 *
 * `map` makes or replaces an entry; writing, clean, drop-intent and drop of an
 * id that is not there are ignored (a checkpoint may have left it out). A new
 * identity under an id, or an identity under a second id, replaces the old.
 *
 * Return: 0, -ENOMEM.
 */
int mafs_hot_apply(struct mafs_hot_table *table,
		   const struct mafs_entry *entry);
/* The `map` entry that stands for @hot in a checkpoint; extents borrowed. */
void mafs_hot_to_entry(const struct mafs_hot *hot, struct mafs_entry *ret);

size_t mafs_hot_count(const struct mafs_hot_table *table);
/* Highest id seen; new ids are above it. */
uint64_t mafs_hot_max_id(const struct mafs_hot_table *table);

typedef int mafs_hot_visit_fn(void *context, struct mafs_hot *hot);
/* Visits each entry; may not change the table. Stops at the first non-zero
 * return, which it returns. */
int mafs_hot_visit(struct mafs_hot_table *table, mafs_hot_visit_fn *visit,
		   void *context);

/* The sink that fills a table; the sink pointer is the table. */
extern const struct mafs_replay_ops mafs_hot_replay_ops;
