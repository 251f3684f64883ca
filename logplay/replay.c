// SPDX-License-Identifier: Apache-2.0
/*
 * Replay: hands each valid entry of the log to a sink, in log order, each
 * once, and says at the end how the log ends. It keeps no state of its own:
 * where a follower stands is its reader's.
 */
#include <mafs/replay.h>

#include <limits.h>
#include <mafs/cleanup.h>

static void entry_donep(struct mafs_entry **entry)
{
	if (*entry)
		mafs_entry_done(*entry);
}

static void reader_closep(struct mafs_log_reader **reader)
{
	mafs_log_reader_close(*reader);
}

/* Return: 1 (one entry was given), 0 (end for now) or an error. */
static int replay_one(struct mafs_log_reader *reader,
		      const struct mafs_replay_ops *ops, void *sink,
		      struct mafs_fault *fault)
{
	struct mafs_entry entry = { 0 };
	struct mafs_log_position position = { 0 };
	_cleanup_(entry_donep) struct mafs_entry *owned = NULL;
	int r;

	r = mafs_log_reader_next(reader, &entry, &position, fault);
	if (r <= 0)
		return r;
	owned = &entry;

	r = ops->entry(sink, &entry, &position);
	return r < 0 ? r : 1;
}

int mafs_replay_follow(struct mafs_log_reader *reader,
		       const struct mafs_replay_ops *ops, void *sink,
		       struct mafs_fault *fault)
{
	struct mafs_log_position end = { 0 };
	int n_entries = 0;
	int r;

	/* The bound only keeps the count an int; the next call goes on. */
	while (n_entries < INT_MAX) {
		r = replay_one(reader, ops, sink, fault);
		if (r < 0)
			return r;
		if (!r)
			break;
		n_entries++;
	}

	if (ops->end) {
		mafs_log_reader_end(reader, &end);
		r = ops->end(sink, mafs_log_reader_tail(reader), &end);
		if (r < 0)
			return r;
	}
	return n_entries;
}

int mafs_replay(struct mafs_media *media, const struct mafs_replay_ops *ops,
		void *sink, struct mafs_superblock *ret_sb,
		struct mafs_log_position *ret_end, struct mafs_fault *fault)
{
	_cleanup_(reader_closep) struct mafs_log_reader *reader = NULL;
	struct mafs_superblock sb = { 0 };
	int r;

	r = mafs_log_reader_open(media, &reader, &sb, fault);
	if (r < 0)
		return r;

	if (ops->begin) {
		r = ops->begin(sink, &sb);
		if (r < 0)
			return r;
	}

	r = mafs_replay_follow(reader, ops, sink, fault);
	if (r < 0)
		return r;

	if (ret_sb)
		*ret_sb = sb;
	if (ret_end)
		mafs_log_reader_end(reader, ret_end);
	return 0;
}
