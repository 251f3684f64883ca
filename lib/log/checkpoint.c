// SPDX-License-Identifier: Apache-2.0
/*
 * A checkpoint: a new lap in the other slot, so that the log stays as long as
 * what is live. While it is written, appends go on in the old lap.
 *
 *	1. checkpoint into the other slot          nothing refers to it
 *	2. copy of the tail, piece by piece        likewise
 *	3. appends held up: rest of the tail, flush
 *	4. `switch` at the old lap's end, flush    readers may follow it
 *	5. superblock flip, both copies            the new lap is the log
 *	6. old slot given back, appends go on
 *
 * A crash up to and within 4 without a valid `switch` leaves the old log, and
 * all that was acknowledged is in it; with a valid one, or later, the new lap,
 * which holds the same. What fails:
 *
 *	1 to 3	the other slot is emptied, the old log goes on;
 *	4	whether a reader will find the `switch` is unknown: an entry
 *		appended to either lap might never be read. Broken.
 *	5	readers follow the `switch`, the superblock may name either lap;
 *		both lead to the same entries as long as nothing is appended.
 *		Broken; the next open completes the flip.
 *	6	only space is lost.
 */
#include "lap_writer.h"
#include "log_internal.h"

#include <errno.h>
#include <mafs/cleanup.h>

/* Copied with appends held up; the rest before. */
#define HELD_COPY_BYTES (256U << 10)
/* A writer that appends faster than we copy must not keep us for ever. */
#define COPY_ROUNDS 8

/* How far the old lap was copied. */
struct tail_copy {
	uint64_t offset;
	uint64_t number;
	struct mafs_batch batch;
};

static enum mafs_region other_region(enum mafs_region region)
{
	return region == MAFS_REGION_LOG_A ? MAFS_REGION_LOG_B :
					     MAFS_REGION_LOG_A;
}

/* Nobody stores from here on; under log->lock. */
static void hold_appends(struct mafs_log *log)
{
	log->held = true;
	while (log->storing)
		pthread_cond_wait(&log->changed, &log->lock);
}

static void release_appends(struct mafs_log *log)
{
	log->held = false;
	pthread_cond_broadcast(&log->changed);
}

/* The state that the checkpoint stands for, and where the tail begins. */
static int checkpoint_begin(struct mafs_log *log,
			    struct mafs_lap_writer *writer,
			    struct tail_copy *tail)
{
	struct timespec now;

	mafs_guard(&log->lock);
	if (log->broken)
		return -EIO;
	if (log->checkpointing)
		return -EBUSY;
	hold_appends(log);
	if (log->broken) {
		release_appends(log);
		return -EIO;
	}
	clock_gettime(CLOCK_REALTIME, &now);
	writer->media = log->media;
	writer->region = other_region(log->region);
	writer->slot_bytes = log->slot_bytes[mafs_region_slot(writer->region)];
	writer->seq = log->seq;
	writer->time_ns =
		(uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
	tail->offset = log->offset;
	tail->number = log->number;
	log->checkpointing = true;
	release_appends(log);
	return 0;
}

static int emit_live(void *emit_context, const struct mafs_entry *entry)
{
	return mafs_lap_writer_live(emit_context, entry);
}

/* Copies the old lap's batches up to @end. They are flushed, so one that is
 * invalid now was damaged: it must not get a new checksum. */
static int copy_tail(struct mafs_log *log, struct mafs_lap_writer *writer,
		     struct tail_copy *tail, uint64_t end,
		     struct mafs_fault *fault)
{
	struct mafs_batch *batch = &tail->batch;

	while (tail->offset < end) {
		int err = mafs_batch_load(log->media, log->region, tail->offset,
					  log->salt, batch);

		if (err)
			return err;
		if (!batch->valid || batch->number != tail->number)
			return mafs_fault_at(
				fault, batch->valid ? -EUCLEAN : batch->err,
				tail->offset, "%s: batch %llu: %s",
				mafs_region_to_text(log->region),
				(unsigned long long)tail->number,
				batch->valid ? "batch number changed" :
					       batch->why);
		err = mafs_lap_writer_copy(writer, batch);
		if (err)
			return err;
		tail->offset += batch->bytes.len;
		tail->number++;
	}
	return 0;
}

/* Steps 1 and 2, beside running appends. */
static int write_checkpoint(struct mafs_log *log,
			    struct mafs_lap_writer *writer,
			    struct tail_copy *tail, mafs_log_live_fn *live,
			    void *context, struct mafs_fault *fault)
{
	int err;

	err = mafs_log_new_salt(log->salt, 0, &writer->salt);
	if (!err)
		err = mafs_lap_writer_begin(writer);
	if (!err)
		err = live(context, emit_live, writer);
	if (!err)
		err = mafs_lap_writer_end(writer);
	for (int round = 0; !err && round < COPY_ROUNDS; round++) {
		uint64_t end = mafs_log_length(log);

		if (end - tail->offset <= HELD_COPY_BYTES)
			break;
		err = copy_tail(log, writer, tail, end, fault);
	}
	/* Flushed now, so that the flush under hold is short. */
	return err ? err : mafs_lap_writer_flush(writer);
}

/* The `switch` in log->batch; under hold. Nothing is stored yet. */
static int build_switch(struct mafs_log *log,
			const struct mafs_lap_writer *writer)
{
	struct mafs_entry entry = {
		.type = MAFS_OMF_SWITCH,
		.seq = log->seq,
		.time_ns = writer->time_ns,
		.log_switch = {
			.slot = mafs_region_slot(writer->region),
			.salt = writer->salt,
			.offset = writer->checkpoint_bytes,
			.number = writer->checkpoint_batches,
		},
	};
	int err;

	log->batch.len = 0;
	err = mafs_buffer_append_zeros(&log->batch, BATCH_HEADER_BYTES);
	if (!err)
		err = mafs_entry_encode(&entry, &log->batch);
	if (!err)
		err = mafs_buffer_reserve(&log->batch, BATCH_HEADER_BYTES);
	if (err)
		return err;
	mafs_batch_seal(log->batch.bytes, log->batch.len, log->salt,
			log->number, 1);
	return 0;
}

/* Steps 4 and 5; under hold. */
static int switch_laps(struct mafs_log *log, struct mafs_lap_writer *writer,
		       struct mafs_fault *fault)
{
	int err;

	err = mafs_log_store_batch(log);
	if (err)
		return mafs_fault_at(fault, err, log->offset,
				     "%s: switch cannot be appended",
				     mafs_region_to_text(log->region));
	err = mafs_log_name_lap(log->media, writer->region, writer->salt,
				writer->seq, log->salt, fault);
	if (err)
		return err;
	log->region = writer->region;
	log->salt = writer->salt;
	log->offset = writer->offset;
	log->number = writer->number;
	log->checkpoint_bytes = writer->checkpoint_bytes;
	log->stale_end = writer->stale_end;
	return 0;
}

/* Steps 3 to 5. */
static int finish_checkpoint(struct mafs_log *log,
			     struct mafs_lap_writer *writer,
			     struct tail_copy *tail, struct mafs_fault *fault)
{
	int err;

	mafs_guard(&log->lock);
	hold_appends(log);
	err = log->broken ? -EIO : 0;
	if (!err)
		err = copy_tail(log, writer, tail, log->offset, fault);
	if (!err)
		err = mafs_lap_writer_flush(writer);
	/* What is queued was promised room. */
	if (!err &&
	    !mafs_log_slot_has_room(log, writer->region, writer->offset, 0))
		err = -ENOSPC;
	if (!err)
		err = build_switch(log, writer);
	if (!err && switch_laps(log, writer, fault)) {
		log->broken = true;
		err = -EIO;
	}
	release_appends(log);
	return err;
}

/* Space only. Broken: nobody knows which of the two slots is the log. */
static void give_back(struct mafs_log *log, enum mafs_region region)
{
	bool broken;

	pthread_mutex_lock(&log->lock);
	broken = log->broken;
	pthread_mutex_unlock(&log->lock);
	if (!broken)
		(void)log->media->ops->truncate(log->media, region, 0);
}

int mafs_log_checkpoint(struct mafs_log *log, mafs_log_live_fn *live,
			void *context, struct mafs_fault *fault)
{
	_cleanup_(mafs_lap_writer_done) struct mafs_lap_writer writer = {};
	struct tail_copy tail = {};
	int err;

	err = checkpoint_begin(log, &writer, &tail);
	if (err)
		return mafs_fault_set(fault, err, "log: no checkpoint now");
	if (fault)
		fault->what[0] = '\0';
	err = write_checkpoint(log, &writer, &tail, live, context, fault);
	if (!err)
		err = finish_checkpoint(log, &writer, &tail, fault);
	mafs_batch_done(&tail.batch);
	if (err && fault && !fault->what[0])
		mafs_fault_set(fault, err, "%s: checkpoint failed",
			       mafs_region_to_text(writer.region));
	give_back(log, err ? writer.region : other_region(writer.region));

	mafs_guard(&log->lock);
	log->checkpointing = false;
	return err;
}
