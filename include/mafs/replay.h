/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Replay: a loop that hands each valid entry of the log to a sink. The sinks:
 * hot table (daemon), shadow writer, checker (fsck), printer.
 */
#pragma once

#include <mafs/log.h>

/**
 * struct mafs_replay_ops - a sink; all may be NULL but @entry
 *
 * Called from the replaying thread only. A negative return ends the replay
 * with that error.
 */
struct mafs_replay_ops {
	int (*begin)(void *sink, const struct mafs_superblock *sb);
	/* @entry is borrowed for the call. */
	int (*entry)(void *sink, const struct mafs_entry *entry,
		     const struct mafs_log_position *position);
	/* The end was reached; with --follow it may be called many times. */
	int (*end)(void *sink, enum mafs_log_tail tail,
		   const struct mafs_log_position *end);
};

/**
 * mafs_replay() - replay a whole log into a sink
 * @ret_sb, @ret_end: may be NULL
 *
 * Return: 0 or the error of the reader or of the sink; the fault says where.
 */
int mafs_replay(struct mafs_media *media, const struct mafs_replay_ops *ops,
		void *sink, struct mafs_superblock *ret_sb,
		struct mafs_log_position *ret_end, struct mafs_fault *fault);

/**
 * mafs_replay_follow() - go on with what was appended since
 * @reader: kept by the caller between calls
 *
 * Return: entries replayed, or an error as mafs_log_reader_next().
 */
int mafs_replay_follow(struct mafs_log_reader *reader,
		       const struct mafs_replay_ops *ops, void *sink,
		       struct mafs_fault *fault);
