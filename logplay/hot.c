// SPDX-License-Identifier: Apache-2.0
/*
 * The hot table: which files have bytes in memory, as the log tells it.
 *
 * Two chained hash tables hold the same entries, one by id, one by identity.
 * Invariant: an entry is in both or in none; no id and no identity is there
 * twice. An entry keeps its address until it is dropped. The owner locks.
 */
#include <mafs/hot.h>

#include <mafs/cleanup.h>
#include <stdlib.h>

#define N_BUCKETS_FIRST 64

struct mafs_hot_table {
	struct mafs_hot **by_id, **by_identity; /* n_buckets each */
	size_t n_buckets; /* a power of two, or 0 */
	size_t n_hot;
	uint64_t max_id;
};

const char *mafs_hot_state_to_text(enum mafs_hot_state state)
{
	switch (state) {
	case MAFS_HOT_CLEAN:
		return "clean";
	case MAFS_HOT_DIRTY:
		return "dirty";
	case MAFS_HOT_WRITING:
		return "writing";
	}
	return "unknown";
}

struct mafs_hot_table *mafs_hot_table_new(void)
{
	return calloc(1, sizeof(struct mafs_hot_table));
}

static void hot_free(struct mafs_hot *hot)
{
	mafs_map_done(&hot->map);
	free(hot);
}

static void table_clear(struct mafs_hot_table *table)
{
	struct mafs_hot *hot, *next;

	for (size_t i = 0; i < table->n_buckets; i++) {
		for (hot = table->by_id[i]; hot; hot = next) {
			next = hot->next_by_id;
			hot_free(hot);
		}
		table->by_id[i] = NULL;
		table->by_identity[i] = NULL;
	}
	table->n_hot = 0;
	table->max_id = 0;
}

void mafs_hot_table_free(struct mafs_hot_table *table)
{
	if (!table)
		return;
	table_clear(table);
	free(table->by_id);
	free(table->by_identity);
	free(table);
}

/* Fibonacci hashing: ids are small and consecutive. */
static size_t id_bucket(const struct mafs_hot_table *table, uint64_t id)
{
	return (size_t)((id * UINT64_C(0x9e3779b97f4a7c15)) >> 32) &
	       (table->n_buckets - 1);
}

static size_t identity_bucket(const struct mafs_hot_table *table,
			      const struct mafs_identity *identity)
{
	return (size_t)mafs_identity_hash(identity) & (table->n_buckets - 1);
}

struct mafs_hot *mafs_hot_find(struct mafs_hot_table *table, uint64_t id)
{
	struct mafs_hot *hot;

	if (!table->n_buckets)
		return NULL;
	for (hot = table->by_id[id_bucket(table, id)]; hot;
	     hot = hot->next_by_id)
		if (hot->id == id)
			return hot;
	return NULL;
}

struct mafs_hot *mafs_hot_find_identity(struct mafs_hot_table *table,
					const struct mafs_identity *identity)
{
	struct mafs_hot *hot;

	if (!table->n_buckets)
		return NULL;
	for (hot = table->by_identity[identity_bucket(table, identity)]; hot;
	     hot = hot->next_by_identity)
		if (mafs_identity_equal(&hot->identity, identity))
			return hot;
	return NULL;
}

static void link_hot(struct mafs_hot_table *table, struct mafs_hot *hot)
{
	struct mafs_hot **id_head = &table->by_id[id_bucket(table, hot->id)];
	struct mafs_hot **identity_head =
		&table->by_identity[identity_bucket(table, &hot->identity)];

	hot->next_by_id = *id_head;
	*id_head = hot;
	hot->next_by_identity = *identity_head;
	*identity_head = hot;
	table->n_hot++;
}

static void unlink_hot(struct mafs_hot_table *table, struct mafs_hot *hot)
{
	struct mafs_hot **p;

	p = &table->by_id[id_bucket(table, hot->id)];
	while (*p != hot)
		p = &(*p)->next_by_id;
	*p = hot->next_by_id;

	p = &table->by_identity[identity_bucket(table, &hot->identity)];
	while (*p != hot)
		p = &(*p)->next_by_identity;
	*p = hot->next_by_identity;

	table->n_hot--;
}

/* Room for one more. A table that cannot grow goes on with longer chains. */
static int make_room(struct mafs_hot_table *table)
{
	_cleanup_free_ struct mafs_hot **by_id = NULL, **by_identity = NULL;
	struct mafs_hot_table grown = *table;
	struct mafs_hot *hot, *next;

	if (table->n_hot < table->n_buckets)
		return 0;

	grown.n_hot = 0;
	grown.n_buckets = table->n_buckets ? table->n_buckets * 2 :
					     N_BUCKETS_FIRST;
	by_id = calloc(grown.n_buckets, sizeof(*by_id));
	by_identity = calloc(grown.n_buckets, sizeof(*by_identity));
	if (!by_id || !by_identity)
		return table->n_buckets ? 0 : -ENOMEM;
	grown.by_id = by_id;
	grown.by_identity = by_identity;

	for (size_t i = 0; i < table->n_buckets; i++)
		for (hot = table->by_id[i]; hot; hot = next) {
			next = hot->next_by_id;
			link_hot(&grown, hot);
		}

	/* The old arrays go with the scope. */
	by_id = table->by_id;
	by_identity = table->by_identity;
	*table = grown;
	return 0;
}

static enum mafs_hot_state state_of_flags(uint32_t flags)
{
	if (flags & MAFS_OMF_MAP_WRITING)
		return MAFS_HOT_WRITING;
	if (flags & MAFS_OMF_MAP_DIRTY)
		return MAFS_HOT_DIRTY;
	return MAFS_HOT_CLEAN;
}

static void drop(struct mafs_hot_table *table, struct mafs_hot *hot)
{
	if (!hot)
		return;
	unlink_hot(table, hot);
	hot_free(hot);
}

static int apply_map(struct mafs_hot_table *table,
		     const struct mafs_entry *entry)
{
	const struct mafs_entry_map *from = &entry->map;
	struct mafs_map map = { 0 };
	struct mafs_hot *hot, *same_file;
	bool claimed = false;
	int r;

	r = make_room(table);
	if (r < 0)
		return r;
	r = mafs_map_copy(&from->map, &map);
	if (r < 0)
		return r;

	hot = mafs_hot_find(table, from->id);
	same_file = mafs_hot_find_identity(table, &from->identity);
	if (hot) {
		claimed = hot->claimed && hot == same_file;
		unlink_hot(table, hot);
	} else {
		hot = calloc(1, sizeof(*hot));
		if (!hot) {
			mafs_map_done(&map);
			return -ENOMEM;
		}
	}
	if (same_file && same_file != hot)
		drop(table, same_file);

	mafs_map_done(&hot->map);
	*hot = (struct mafs_hot){
		.id = from->id,
		.state = state_of_flags(from->flags),
		.drop_intent = from->flags & MAFS_OMF_MAP_INTENT,
		.claimed = claimed,
		.seq = entry->seq,
		.identity = from->identity,
		.hint = from->hint,
		.fingerprint = from->fingerprint,
		.shown_ctime = from->shown_ctime,
		.map = map,
	};
	link_hot(table, hot);
	return 0;
}

static void note_id(struct mafs_hot_table *table, uint64_t id)
{
	if (id > table->max_id)
		table->max_id = id;
}

/* Entries that change or end what is there; an unknown id is not an error. */
static void apply_change(struct mafs_hot_table *table,
			 const struct mafs_entry *entry, struct mafs_hot *hot)
{
	if (!hot)
		return;
	hot->seq = entry->seq;

	switch (entry->type) {
	case MAFS_OMF_WRITING:
		hot->state = MAFS_HOT_WRITING;
		break;
	case MAFS_OMF_CLEAN:
		hot->state = MAFS_HOT_CLEAN;
		hot->fingerprint = entry->clean.fingerprint;
		hot->shown_ctime = entry->clean.shown_ctime;
		break;
	case MAFS_OMF_DROP_INTENT:
		hot->drop_intent = true;
		break;
	case MAFS_OMF_DROP:
		drop(table, hot);
		break;
	default:
		break;
	}
}

int mafs_hot_apply(struct mafs_hot_table *table, const struct mafs_entry *entry)
{
	uint64_t id;

	switch (entry->type) {
	case MAFS_OMF_MAP:
		note_id(table, entry->map.id);
		return apply_map(table, entry);
	case MAFS_OMF_CLEAN:
		id = entry->clean.id;
		break;
	case MAFS_OMF_WRITING:
	case MAFS_OMF_DROP_INTENT:
	case MAFS_OMF_DROP:
		id = entry->id.id;
		break;
	case MAFS_OMF_CONFLICT:
		note_id(table, entry->conflict.id);
		return 0;
	default: /* about the log and its devices, not about files */
		return 0;
	}
	note_id(table, id);
	apply_change(table, entry, mafs_hot_find(table, id));
	return 0;
}

void mafs_hot_to_entry(const struct mafs_hot *hot, struct mafs_entry *ret)
{
	uint32_t flags = 0;

	if (hot->state != MAFS_HOT_CLEAN)
		flags |= MAFS_OMF_MAP_DIRTY;
	if (hot->state == MAFS_HOT_WRITING)
		flags |= MAFS_OMF_MAP_WRITING;
	if (hot->drop_intent)
		flags |= MAFS_OMF_MAP_INTENT;

	*ret = (struct mafs_entry){
		.type = MAFS_OMF_MAP,
		.map = {
			.id = hot->id,
			.flags = flags,
			.identity = hot->identity,
			.hint = hot->hint,
			.fingerprint = hot->fingerprint,
			.shown_ctime = hot->shown_ctime,
			.map = hot->map,
		},
	};
}

size_t mafs_hot_count(const struct mafs_hot_table *table)
{
	return table->n_hot;
}

uint64_t mafs_hot_max_id(const struct mafs_hot_table *table)
{
	return table->max_id;
}

int mafs_hot_visit(struct mafs_hot_table *table, mafs_hot_visit_fn *visit,
		   void *context)
{
	struct mafs_hot *hot;
	int r;

	for (size_t i = 0; i < table->n_buckets; i++)
		for (hot = table->by_id[i]; hot; hot = hot->next_by_id) {
			r = visit(context, hot);
			if (r)
				return r;
		}
	return 0;
}

/* A replay tells the whole state, so what an earlier one left is gone. */
static int hot_begin(void *sink, const struct mafs_superblock *sb)
{
	(void)sb;
	table_clear(sink);
	return 0;
}

static int hot_entry(void *sink, const struct mafs_entry *entry,
		     const struct mafs_log_position *position)
{
	(void)position;
	return mafs_hot_apply(sink, entry);
}

const struct mafs_replay_ops mafs_hot_replay_ops = {
	.begin = hot_begin,
	.entry = hot_entry,
};
