/* SPDX-License-Identifier: Apache-2.0 */
/* The reader's state, shared by reader.c (records) and reader_load.c (batches,
 * the end, moving to another lap). */
#pragma once

#include "batch.h"
#include "lap.h"

#include <mafs/log.h>

/**
 * struct mafs_log_reader
 * @sb: as it was when the present lap was last known to be the log
 * @lap: that is being read
 * @previous_salt: of the lap whose `switch` led here; 0: none did
 * @next: the target of the `switch` that was read (phase LAP_SWITCHED)
 * @offset, @number: of the next batch
 * @batch, @batch_offset: the present batch
 * @record_at: in @batch, of the next record; at its end: none left
 * @complete: a whole checkpoint was handed out
 * @handed: sequence up to which entries were handed out
 * @first_lap: checkpoint records are handed out
 * @by_superblock: not `switch` but the superblock led to this lap
 * @scanned: nothing valid lies behind @offset as long as the header there is
 *	@scanned_header
 */
struct mafs_log_reader {
	struct mafs_media *media;
	struct mafs_superblock sb;
	struct mafs_lap lap;
	uint64_t previous_salt;
	struct mafs_entry_switch next;
	uint64_t offset;
	uint64_t number;
	struct mafs_batch batch;
	uint64_t batch_offset;
	size_t record_at;
	bool complete;
	uint64_t handed;
	bool first_lap;
	bool by_superblock;
	enum mafs_log_tail tail;
	bool scanned;
	struct mafs_omf_batch scanned_header;
};

/* Starts at the beginning of the lap that the superblock names. */
void mafs_reader_start_lap(struct mafs_log_reader *reader,
			   const struct mafs_superblock *sb);

enum mafs_reader_load {
	READER_END, /* for now */
	READER_LOADED, /* the next batch, its records add up */
	READER_MOVED, /* to another lap: load again */
};

/* The next batch of the lap. Return: enum mafs_reader_load, -errno as
 * mafs_log_reader_next(). */
int mafs_reader_load(struct mafs_log_reader *reader, struct mafs_fault *fault);
/* Goes on where the `switch` just read points to. Return: likewise. */
int mafs_reader_follow_switch(struct mafs_log_reader *reader,
			      struct mafs_fault *fault);

/**
 * mafs_reader_verify_lap() - read all of a lap that the superblock does not
 * name yet
 * @sb: as if it did
 * @from_salt: of the lap whose `switch` led there
 * @end: where it must end
 *
 * Return: 0, -EUCLEAN (it ends elsewhere), -errno as mafs_log_reader_next().
 */
int mafs_reader_verify_lap(struct mafs_media *media,
			   const struct mafs_superblock *sb, uint64_t from_salt,
			   const struct mafs_log_position *end,
			   struct mafs_fault *fault);
