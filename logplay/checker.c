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
#include <stdarg.h>
#include <string.h>

/* A log that is checkpointed away faster than it can be read. */
#define N_ATTEMPTS 8

const char *mafs_finding_kind_to_text(enum mafs_finding_kind kind)
{
	switch (kind) {
	case MAFS_FINDING_ERROR:
		return "error";
	case MAFS_FINDING_ORPHAN:
		return "orphan";
	case MAFS_FINDING_NOTE:
		return "note";
	}
	return "unknown";
}

void mafs_check_done(struct mafs_check *check)
{
	free(check->findings);
	mafs_hot_table_free(check->hot);
	mafs_inventory_done(&check->inventory);
	*check = (struct mafs_check){ 0 };
}

int mafs_check_add(struct mafs_check *check, enum mafs_finding_kind kind,
		   const struct mafs_fault *fault)
{
	size_t capacity = check->capacity ? check->capacity * 2 : 16;
	struct mafs_finding *grown;

	if (check->n_of_kind[kind]++ >= MAFS_FINDINGS_MAX)
		return 0;
	if (check->n_findings == check->capacity) {
		grown = reallocarray(check->findings, capacity, sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		check->findings = grown;
		check->capacity = capacity;
	}
	check->findings[check->n_findings++] = (struct mafs_finding){
		.kind = kind,
		.fault = *fault,
	};
	return 0;
}

int mafs_check_say(struct mafs_check *check, enum mafs_finding_kind kind,
		   const char *fmt, ...)
{
	struct mafs_fault fault = MAFS_FAULT_INIT;
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(fault.what, sizeof(fault.what), fmt, args);
	va_end(args);
	return mafs_check_add(check, kind, &fault);
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
	return mafs_check_add(check, MAFS_FINDING_ERROR, fault);
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
	return mafs_check_add(check, MAFS_FINDING_NOTE, &fault);
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

	r = mafs_inventory_read(memory, true, &check->inventory);
	if (r < 0)
		return mafs_fault_set(fault, r, "memory files: %s",
				      strerror(-r));
	if (live && check->log_whole) {
		r = read_log(check, &memory->media, &reader, fault);
		if (r < 0)
			return r;
	}
	r = note_tail(check);
	if (r < 0)
		return r;
	if (!check->log_whole)
		return mafs_check_say(check, MAFS_FINDING_NOTE,
				      "%zu memory files were not judged: the "
				      "log cannot be read to its end",
				      check->inventory.n_files);
	return mafs_check_files(check, settled_seq);
}

int mafs_check_device(struct mafs_memory *memory,
		      const struct mafs_uuid *volume, bool live,
		      struct mafs_check *ret, struct mafs_fault *fault)
{
	int r;

	*ret = (struct mafs_check){ .hot = mafs_hot_table_new() };
	if (!ret->hot)
		return -ENOMEM;
	r = mafs_check_superblocks(ret, &memory->media, volume);
	if (r < 0)
		return mafs_fault_set(fault, r, "superblock: %s", strerror(-r));
	if (!ret->have_sb)
		return 0;
	return check_contents(ret, memory, live, fault);
}
