// SPDX-License-Identifier: Apache-2.0
/*
 * The checker: replays the log into a hot table, lists the memory files, and
 * compares. Beside a daemon the log is followed once more after the listing: a
 * `drop` is logged before a memory file goes, a `map` before its bytes change,
 * so that what is then still wrong and old is a fault.
 */
#include "checker.h"

#include <mafs/cleanup.h>
#include <mafs/replay.h>
#include <string.h>

/* A log that is checkpointed away faster than it can be read. */
#define N_ATTEMPTS 8

void mafs_check_done(struct mafs_check *check)
{
	mafs_findings_done(&check->found);
	mafs_hot_table_free(check->hot);
	mafs_inventory_done(&check->inventory);
	*check = (struct mafs_check){ 0 };
}

/* ---- the log ---- */

static int check_begin(void *sink, const struct mafs_superblock *sb)
{
	struct mafs_check *check = sink;

	check->sb = *sb;
	check->n_entries = 0;
	check->n_batches = 0;
	check->end = (struct mafs_log_position){ 0 };
	return mafs_hot_replay_ops.begin(check->hot, sb);
}

static int check_entry(void *sink, const struct mafs_entry *entry,
		       const struct mafs_log_position *position)
{
	struct mafs_check *check = sink;

	if (!check->n_batches || check->end.region != position->region ||
	    check->end.batch_number != position->batch_number)
		check->n_batches++;
	check->n_entries++;
	check->end = *position;
	return mafs_hot_replay_ops.entry(check->hot, entry, position);
}

static int check_end(void *sink, enum mafs_log_tail tail,
		     const struct mafs_log_position *end)
{
	struct mafs_check *check = sink;

	check->tail = tail;
	check->end = *end;
	return 0;
}

static const struct mafs_replay_ops check_ops = {
	.begin = check_begin,
	.entry = check_entry,
	.end = check_end,
};

static bool is_fault_of_log(int err)
{
	return err == -EUCLEAN || err == -EBADMSG || err == -EPROTO ||
	       err == -EOPNOTSUPP;
}

/* Reads on, from the start where @reader is NULL or was overtaken.
 * Return: 0, with check->log_whole; -errno of the media. */
static int read_log(struct mafs_check *check, struct mafs_media *media,
		    struct mafs_log_reader **reader, struct mafs_fault *fault)
{
	struct mafs_superblock sb;
	int r = 0;

	check->log_whole = false;
	for (int i = 0; i < N_ATTEMPTS; i++) {
		if (!*reader) {
			r = mafs_log_reader_open(media, reader, &sb, fault);
			if (r < 0)
				return r;
			r = check_begin(check, &sb);
			if (r < 0)
				return r;
		}
		r = mafs_replay_follow(*reader, &check_ops, check, fault);
		if (r != -ESTALE)
			break;
		mafs_log_reader_close(*reader);
		*reader = NULL;
	}
	if (r >= 0) {
		check->log_whole = true;
		return 0;
	}
	if (!is_fault_of_log(r))
		return r;
	return mafs_findings_add(&check->found, MAFS_FINDING_ERROR, fault);
}

static int note_tail(struct mafs_check *check)
{
	struct mafs_fault fault = MAFS_FAULT_INIT;

	if (check->tail != MAFS_LOG_TAIL_TORN)
		return 0;
	mafs_fault_at(&fault, 0, check->end.batch_offset,
		      "%s: ends in a batch that was being stored, which never "
		      "counted",
		      mafs_region_to_text(check->end.region));
	return mafs_findings_add(&check->found, MAFS_FINDING_NOTE, &fault);
}

/* ---- all together ---- */

static void reader_closep(struct mafs_log_reader **reader)
{
	mafs_log_reader_close(*reader);
}

static int check_contents(struct mafs_check *check, struct mafs_memory *memory,
			  bool live, struct mafs_fault *fault)
{
	_cleanup_(reader_closep) struct mafs_log_reader *reader = NULL;
	uint64_t settled_seq;
	int r;

	r = read_log(check, &memory->media, &reader, fault);
	if (r < 0)
		return r;
	settled_seq = live ? check->end.seq : UINT64_MAX;

	r = mafs_inventory_read(memory, MAFS_VISIT_IDS, &check->inventory);
	if (r < 0)
		return mafs_fault_set(fault, r, "memory files: %s",
				      strerror(-r));
	if (check->inventory.damaged)
		r = mafs_findings_say(&check->found, MAFS_FINDING_ERROR,
				      "memory files: some are damaged; mafs "
				      "umount --salvage DIR gets the others");
	if (r == 0 && live && check->log_whole) {
		r = read_log(check, &memory->media, &reader, fault);
		if (r < 0)
			return r;
	}
	r = note_tail(check);
	if (r < 0)
		return r;
	if (!check->log_whole)
		return mafs_findings_say(
			&check->found, MAFS_FINDING_NOTE,
			"%zu memory files were not judged: the "
			"log cannot be read to its end",
			check->inventory.n_files);
	return mafs_check_files(check, settled_seq);
}

/* Whose memory is it? */
static int check_superblock(struct mafs_check *check, struct mafs_media *media,
			    const struct mafs_uuid *volume)
{
	struct checked_superblock checked;
	char uuid[MAFS_UUID_TEXT_LEN];
	int r = check_superblocks(&check->found, media, &checked);

	check->have_sb = checked.have;
	check->sb = checked.sb;
	check->sb_copy = checked.copy;
	if (r < 0 || !checked.have ||
	    mafs_uuid_equal(&checked.sb.fs_uuid, volume))
		return r;
	mafs_uuid_to_text(&checked.sb.fs_uuid, uuid);
	return mafs_findings_say(&check->found, MAFS_FINDING_ERROR,
				 "superblock: belongs to volume %s", uuid);
}

int mafs_check_device(struct mafs_memory *memory,
		      const struct mafs_uuid *volume, bool live,
		      struct mafs_check *ret, struct mafs_fault *fault)
{
	int r;

	*ret = (struct mafs_check){ .hot = mafs_hot_table_new() };
	if (!ret->hot)
		return -ENOMEM;
	r = check_superblock(ret, &memory->media, volume);
	if (r < 0)
		return mafs_fault_set(fault, r, "superblock: %s", strerror(-r));
	if (!ret->have_sb)
		return 0;
	return check_contents(ret, memory, live, fault);
}
