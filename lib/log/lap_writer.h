/* SPDX-License-Identifier: Apache-2.0 */
/* Writes the checkpoint of a new lap, and the tail behind it. */
#pragma once

#include "batch.h"
#include "lap.h"

#include <mafs/entry.h>

/**
 * struct mafs_lap_writer
 * @offset, @number: of the next batch
 * @records: of the batch that is being filled
 * @out: sealed batches not stored yet; they end at @offset
 * @slot_bytes: 0: grows as needed
 */
struct mafs_lap_writer {
	struct mafs_media *media;
	enum mafs_region region;
	uint64_t salt;
	uint64_t seq; /* that the checkpoint stands for */
	uint64_t time_ns;
	uint64_t n_files;
	uint64_t offset;
	uint64_t number;
	uint64_t checkpoint_bytes; /* of the whole checkpoint, once it ends */
	uint64_t checkpoint_batches;
	uint64_t flushed; /* up to here */
	uint64_t stale_end;
	uint64_t slot_bytes;
	struct mafs_buffer records;
	uint32_t n_records;
	struct mafs_buffer out;
};

/* Empties the slot. Return: 0, -errno of the media. */
int mafs_lap_writer_begin(struct mafs_lap_writer *writer);
/* A live entry. Return: 0, -EINVAL, -ENOMEM, -ENOSPC, -errno of the media. */
int mafs_lap_writer_live(struct mafs_lap_writer *writer,
			 const struct mafs_entry *entry);
/* checkpoint-end, and now that the number of files is known, batch 0. */
int mafs_lap_writer_end(struct mafs_lap_writer *writer);
/* The batch of another lap, as the next one of this. */
int mafs_lap_writer_copy(struct mafs_lap_writer *writer,
			 const struct mafs_batch *batch);
/* All that was written is stored and flushed when it returns. */
int mafs_lap_writer_flush(struct mafs_lap_writer *writer);
void mafs_lap_writer_done(struct mafs_lap_writer *writer);
