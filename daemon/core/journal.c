/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The journal: the metadata log and the hot table that stands for its live
 * state. Invariant: the table is changed before the log is appended to, so a
 * checkpoint never misses what was appended before it began (log.h), and
 * changed back when the append fails. Order of the entries of one file: its
 * inode's lock, held by every caller.
 */
#include "intern.h"

#include <string.h>

static int format(struct mafsd *d, struct mafs_fault *fault)
{
	struct mafs_superblock sb = {
		.incompat = MAFS_OMF_INCOMPAT_TIERED,
		.fs_uuid = d->volume->uuid,
		.master_boot = d->volume->session.boot_id,
		.master_epoch = 1,
		.session = d->volume->session.number,
	};

	mafs_uuid_generate(&sb.device_uuid);
	mafs_uuid_generate(&sb.master_instance);
	return d->memory->ops->format(d->memory, &sb, fault);
}

int mafsd_journal_open(struct mafsd *d, bool recover, struct mafs_fault *fault)
{
	struct mafsd_journal *journal = &d->journal;
	struct mafs_log_position end;
	struct mafs_superblock sb;
	int r;

	journal->table = mafs_hot_table_new();
	if (!journal->table)
		return -ENOMEM;
	if (!recover) {
		r = format(d, fault);
		if (r < 0)
			return r;
	}
	r = mafs_replay(&d->memory->media, &mafs_hot_replay_ops, journal->table,
			&sb, &end, fault);
	if (r < 0)
		return r;
	if (!mafs_uuid_equal(&sb.fs_uuid, &d->volume->uuid))
		return mafs_fault_set(fault, -EUCLEAN,
				      "the memory belongs to another volume");
	/* Made by a daemon that never got as far as its session, it is empty. */
	if (recover && mafs_hot_count(journal->table) > 0 &&
	    !mafs_uuid_equal(&sb.device_uuid, &d->volume->previous.memory_uuid))
		return mafs_fault_set(fault, -EUCLEAN,
				      "the memory is not that of the last "
				      "session of %s",
				      d->options.source);
	r = mafs_log_open(&d->memory->media, &sb, &end, &journal->log, fault);
	if (r < 0)
		return r;
	d->volume->session.memory_uuid = sb.device_uuid;
	journal->next_id = mafs_hot_max_id(journal->table) + 1;
	atomic_store(&journal->n_unclaimed, mafs_hot_count(journal->table));
	return 0;
}

void mafsd_journal_close(struct mafsd *d)
{
	if (d->journal.log)
		mafs_log_close(take_ptr(d->journal.log));
	if (d->journal.table)
		mafs_hot_table_free(take_ptr(d->journal.table));
}

uint64_t mafsd_journal_new_id(struct mafsd *d)
{
	mafs_guard(&d->journal.lock);

	return d->journal.next_id++;
}

static uint64_t id_of(const struct mafs_entry *entry)
{
	switch (entry->type) {
	case MAFS_OMF_MAP:
		return entry->map.id;
	case MAFS_OMF_CLEAN:
		return entry->clean.id;
	case MAFS_OMF_CONFLICT:
		return entry->conflict.id;
	default:
		return entry->id.id;
	}
}

/* The entry that makes the table say of file @id what it says now. */
static int undo_of(struct mafs_hot_table *table, uint64_t id,
		   struct mafs_entry *ret, bool *ret_claimed)
{
	const struct mafs_hot *hot = mafs_hot_find(table, id);

	*ret_claimed = hot && hot->claimed;
	*ret = (struct mafs_entry){ .type = MAFS_OMF_DROP, .id = { .id = id } };
	if (!hot)
		return 0;
	mafs_hot_to_entry(hot, ret);
	ret->seq = hot->seq;
	return mafs_map_copy(&hot->map, &ret->map.map);
}

static int apply(struct mafs_hot_table *table, const struct mafs_entry *entry,
		 bool claimed)
{
	int r = mafs_hot_apply(table, entry);

	if (r == 0 && entry->type == MAFS_OMF_MAP)
		mafs_hot_find(table, entry->map.id)->claimed = claimed;
	return r;
}

int mafsd_journal_append(struct mafsd *d, const struct mafs_entry *entry)
{
	struct mafsd_journal *journal = &d->journal;
	struct mafs_entry undo;
	bool claimed;
	int r;

	pthread_mutex_lock(&journal->lock);
	r = undo_of(journal->table, id_of(entry), &undo, &claimed);
	if (r == 0)
		r = apply(journal->table, entry, true);
	pthread_mutex_unlock(&journal->lock);
	if (r == 0) {
		r = mafs_log_append(journal->log, entry, 1, NULL);
		if (r < 0) {
			mafs_guard(&journal->lock);
			apply(journal->table, &undo, claimed);
		}
	}
	if (undo.type == MAFS_OMF_MAP)
		mafs_map_done(&undo.map.map);
	/* Its room is that of data: it must not outgrow what is kept free. */
	if (!d->memory->ops->kernel_serves && mafs_log_is_overdue(journal->log))
		mafsd_journal_tend(d);
	return r;
}

int mafsd_journal_id(struct mafsd *d, enum mafs_omf_type type, uint64_t id)
{
	struct mafs_entry entry = { .type = type, .id = { .id = id } };

	return mafsd_journal_append(d, &entry);
}

struct live {
	mafs_log_emit_fn *emit;
	void *context;
};

static int emit_hot(void *context, struct mafs_hot *hot)
{
	struct live *live = context;
	struct mafs_entry entry = { 0 };

	mafs_hot_to_entry(hot, &entry);
	return live->emit(live->context, &entry);
}

static int give_live(void *context, mafs_log_emit_fn *emit, void *emit_context)
{
	struct mafsd *d = context;
	struct live live = { .emit = emit, .context = emit_context };
	mafs_guard(&d->journal.lock);

	return mafs_hot_visit(d->journal.table, emit_hot, &live);
}

void mafsd_journal_tend(struct mafsd *d)
{
	struct mafs_fault fault = MAFS_FAULT_INIT;
	int r;

	if (!mafs_log_wants_checkpoint(d->journal.log))
		return;
	r = mafs_log_checkpoint(d->journal.log, give_live, d, &fault);
	if (r < 0 && r != -EBUSY)
		mafs_error("checkpoint of the log: %s: %s", fault.what,
			   strerror(-r));
}

static bool changed_while_away(const struct mafs_hot *hot,
			       const struct mafs_fingerprint *now)
{
	return hot->state == MAFS_HOT_DIRTY &&
	       !mafs_fingerprint_same_bytes(&hot->fingerprint, now);
}

bool mafsd_journal_claim(struct mafsd *d, const struct mafs_identity *identity,
			 const struct mafs_fingerprint *now,
			 struct mafs_hot *ret)
{
	struct mafs_hot *hot;
	mafs_guard(&d->journal.lock);

	hot = mafs_hot_find_identity(d->journal.table, identity);
	if (!hot || hot->claimed || changed_while_away(hot, now))
		return false;
	*ret = *hot;
	if (mafs_map_copy(&hot->map, &ret->map) < 0)
		return false;
	hot->claimed = true;
	atomic_fetch_sub(&d->journal.n_unclaimed, 1);
	return true;
}

void mafsd_journal_unclaim(struct mafsd *d, uint64_t id)
{
	struct mafs_hot *hot;
	mafs_guard(&d->journal.lock);

	hot = mafs_hot_find(d->journal.table, id);
	if (!hot || !hot->claimed)
		return;
	hot->claimed = false;
	atomic_fetch_add(&d->journal.n_unclaimed, 1);
}

bool mafsd_journal_knows(struct mafsd *d, const struct mafsd_inode *inode)
{
	struct mafs_identity identity;

	mafsd_inode_identity(d, inode, &identity);
	mafs_guard(&d->journal.lock);
	return mafs_hot_find_identity(d->journal.table, &identity);
}

static int count_newer(void *context, struct mafs_hot *hot)
{
	size_t *n = context;

	/* What was removed while open may still have its intent. */
	*n += hot->state != MAFS_HOT_CLEAN && !hot->drop_intent;
	return 0;
}

size_t mafsd_journal_n_newer(struct mafsd *d)
{
	size_t n = 0;
	mafs_guard(&d->journal.lock);

	mafs_hot_visit(d->journal.table, count_newer, &n);
	return n;
}
