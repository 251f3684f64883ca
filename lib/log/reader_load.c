// SPDX-License-Identifier: Apache-2.0
/*
 * The reader's way from batch to batch: what it does where there is no valid
 * one. A writer may be at work in another process, so nothing is believed on
 * first sight:
 *
 *  - An invalid batch may be half stored, or its slot may be in use for
 *    another lap. The superblock is read, then the batch again; only if the
 *    superblock still names this lap does its content mean anything.
 *  - If it names another lap, and that one's checkpoint stands for no more
 *    than was handed out, the reader goes on there and skips what it had.
 *    Otherwise it was overtaken: -ESTALE.
 *  - Corruption is declared only after both were looked at once more.
 */
#include "reader_internal.h"

#include "scan.h"

#include <errno.h>
#include <mafs/cleanup.h>
#include <string.h>

/* No record of the present batch is left to be read. */
static void reader_drop_batch(struct mafs_log_reader *reader)
{
	reader->batch.bytes.len = 0;
	reader->record_at = 0;
}

void mafs_reader_start_lap(struct mafs_log_reader *reader,
			   const struct mafs_superblock *sb)
{
	const struct mafs_superblock_slot *slot = &sb->slots[sb->live_slot];

	reader->sb = *sb;
	reader->lap = (struct mafs_lap){
		.region = mafs_slot_region(sb->live_slot),
		.salt = slot->salt,
		.seq = slot->first_seq,
	};
	reader->previous_salt = 0;
	reader->offset = 0;
	reader->number = 0;
	reader_drop_batch(reader);
	reader->scanned = false;
}

/* Does the superblock still name this lap, or the one that led here? */
static int lap_is_current(struct mafs_log_reader *reader,
			  struct mafs_superblock *ret_sb,
			  struct mafs_fault *fault)
{
	const struct mafs_superblock_slot *live;
	int err;

	err = mafs_superblock_read(reader->media, ret_sb, NULL, fault);
	if (err)
		return err;
	if (!mafs_uuid_equal(&ret_sb->fs_uuid, &reader->sb.fs_uuid) ||
	    !mafs_uuid_equal(&ret_sb->device_uuid, &reader->sb.device_uuid))
		return 0;
	live = &ret_sb->slots[ret_sb->live_slot];
	if (mafs_slot_region(ret_sb->live_slot) == reader->lap.region)
		return live->salt == reader->lap.salt;
	return reader->previous_salt && live->salt == reader->previous_salt;
}

static int reader_overtaken(struct mafs_log_reader *reader,
			    const struct mafs_superblock *sb,
			    struct mafs_fault *fault)
{
	uint64_t first_seq = sb->slots[sb->live_slot].first_seq;

	if (!mafs_uuid_equal(&sb->fs_uuid, &reader->sb.fs_uuid) ||
	    !mafs_uuid_equal(&sb->device_uuid, &reader->sb.device_uuid))
		return mafs_fault_set(fault, -ESTALE,
				      "log: the device was formatted anew");
	if (!reader->complete || reader->handed < first_seq)
		return mafs_fault_set(
			fault, -ESTALE,
			"log: overtaken at sequence %llu by a checkpoint of "
			"%llu",
			(unsigned long long)reader->handed,
			(unsigned long long)first_seq);
	mafs_reader_start_lap(reader, sb);
	reader->first_lap = false;
	reader->by_superblock = true;
	return READER_MOVED;
}

/* @err, unless the lap is no longer the log. */
static int reader_corrupt(struct mafs_log_reader *reader, int err,
			  const char *why, struct mafs_fault *fault)
{
	struct mafs_superblock sb;
	int current;

	current = lap_is_current(reader, &sb, fault);

	if (current < 0)
		return current;
	if (!current)
		return reader_overtaken(reader, &sb, fault);
	return mafs_fault_at(fault, err, reader->offset, "%s: batch %llu: %s",
			     mafs_region_to_text(reader->lap.region),
			     (unsigned long long)reader->number, why);
}

/* The batch is valid: it must also be the next one, and add up. */
static int check_next_batch(struct mafs_log_reader *reader,
			    struct mafs_fault *fault)
{
	const struct mafs_batch *batch = &reader->batch;
	size_t at = 0;

	if (batch->number < reader->number)
		return reader_corrupt(reader, -EPROTO,
				      "batch number goes backwards", fault);
	if (batch->number > reader->number)
		return reader_corrupt(reader, -EUCLEAN,
				      "batch is missing before this one",
				      fault);
	if (mafs_batch_check_records(batch, &at))
		return mafs_fault_at(
			fault, -EUCLEAN, reader->offset + at,
			"%s: batch %llu: lengths of the records do not add up",
			mafs_region_to_text(reader->lap.region),
			(unsigned long long)reader->number);
	return 0;
}

static int reader_take(struct mafs_log_reader *reader, struct mafs_fault *fault)
{
	int err = check_next_batch(reader, fault);

	if (err) { /* or moved, and already dropped */
		reader_drop_batch(reader);
		return err;
	}
	reader->batch_offset = reader->offset;
	reader->record_at = BATCH_HEADER_BYTES;
	reader->offset += reader->batch.bytes.len;
	reader->number++;
	reader->scanned = false;
	return READER_LOADED;
}

static int reader_load_batch(struct mafs_log_reader *reader)
{
	return mafs_batch_load(reader->media, reader->lap.region,
			       reader->offset, reader->lap.salt,
			       &reader->batch);
}

/* What a later valid batch says about the invalid one here. */
static int reader_later_found(struct mafs_log_reader *reader,
			      uint64_t found_offset, struct mafs_fault *fault)
{
	char why[128];
	int err;

	/* It may have been completed while we looked further. */
	err = reader_load_batch(reader);
	if (err)
		return err;
	if (reader->batch.valid)
		return reader_take(reader, fault);
	(void)snprintf(why, sizeof(why),
		       "%s, with a valid later batch at offset %llu",
		       reader->batch.why, (unsigned long long)found_offset);
	return reader_corrupt(reader, reader->batch.err, why, fault);
}

/* The header as it is now: what a scan's result is remembered for. */
static int read_header(struct mafs_log_reader *reader,
		       struct mafs_omf_batch *ret)
{
	ssize_t n;

	*ret = (struct mafs_omf_batch){};
	n = reader->media->ops->read(reader->media, reader->lap.region,
				     reader->offset, ret, sizeof(*ret));
	return n < 0 ? (int)n : 0;
}

/* No valid batch here, and the lap is the log: its end, or damage. */
static int reader_at_end(struct mafs_log_reader *reader,
			 struct mafs_fault *fault)
{
	struct mafs_omf_batch header;
	uint64_t found_offset = 0;
	int err;

	/* Everything up to the flip or the switch was flushed before it. */
	if (reader->lap.phase != LAP_TAIL)
		return reader_corrupt(reader, reader->batch.err,
				      "checkpoint is incomplete", fault);
	if (reader->lap.seq < reader->handed)
		return reader_corrupt(
			reader,
			reader->by_superblock ? -ESTALE : reader->batch.err,
			"the log ends before the sequence it had", fault);
	err = read_header(reader, &header);
	if (err)
		return err;
	if (reader->scanned &&
	    !memcmp(&header, &reader->scanned_header, sizeof(header)))
		return READER_END;
	err = mafs_log_scan(reader->media, reader->lap.region, reader->offset,
			    reader->lap.salt, reader->number, &found_offset);
	if (err < 0)
		return err;
	if (err)
		return reader_later_found(reader, found_offset, fault);
	reader->scanned = true;
	reader->scanned_header = header;
	reader->tail = reader->batch.blank ? MAFS_LOG_TAIL_CLEAN :
					     MAFS_LOG_TAIL_TORN;
	return READER_END;
}

int mafs_reader_load(struct mafs_log_reader *reader, struct mafs_fault *fault)
{
	struct mafs_superblock sb;
	int err, current;

	err = reader_load_batch(reader);
	if (err)
		return err;
	if (reader->batch.valid)
		return reader_take(reader, fault);
	current = lap_is_current(reader, &sb, fault);
	if (current < 0)
		return current;
	err = reader_load_batch(reader);
	if (err)
		return err;
	if (reader->batch.valid)
		return reader_take(reader, fault);
	if (!current)
		return reader_overtaken(reader, &sb, fault);
	return reader_at_end(reader, fault);
}

/* Bytes of a batch that holds only checkpoint-begin or checkpoint-end. */
#define MARK_BATCH_BYTES                                       \
	(BATCH_HEADER_BYTES + sizeof(struct mafs_omf_record) + \
	 sizeof(struct mafs_omf_checkpoint))

/* Does batch @number at @offset of the lap hold just this mark? Return: 1 and
 * the sequence that the checkpoint stands for, 0, -errno. */
static int read_mark(struct mafs_media *media, const struct mafs_lap *lap,
		     uint64_t offset, uint64_t number, enum mafs_omf_type type,
		     uint64_t *ret_seq)
{
	_cleanup_(mafs_batch_done) struct mafs_batch batch = {};
	_cleanup_(mafs_entry_done) struct mafs_entry entry = {};
	size_t length;
	int err;

	err = mafs_batch_load(media, lap->region, offset, lap->salt, &batch);
	if (err)
		return err;
	if (!batch.valid || batch.number != number || batch.n_records != 1 ||
	    batch.bytes.len != MARK_BATCH_BYTES ||
	    mafs_entry_decode(batch.bytes.bytes + BATCH_HEADER_BYTES,
			      batch.bytes.len - BATCH_HEADER_BYTES, &entry,
			      &length, NULL) ||
	    entry.type != type)
		return 0;
	*ret_seq = entry.seq;
	return 1;
}

/* Does a whole checkpoint end where the `switch` leads? Return: as above. */
static int check_target(struct mafs_log_reader *reader,
			const struct mafs_lap *lap, uint64_t *ret_first_seq)
{
	const struct mafs_entry_switch *to = &reader->next;
	uint64_t end_seq = 0;
	int found;

	if (to->number < 2 || to->offset < 2 * MARK_BATCH_BYTES)
		return 0;
	found = read_mark(reader->media, lap, 0, 0, MAFS_OMF_CHECKPOINT_BEGIN,
			  ret_first_seq);
	if (found <= 0)
		return found;
	found = read_mark(reader->media, lap, to->offset - MARK_BATCH_BYTES,
			  to->number - 1, MAFS_OMF_CHECKPOINT_END, &end_seq);
	if (found <= 0)
		return found;
	return end_seq == *ret_first_seq && end_seq <= reader->lap.seq;
}

int mafs_reader_follow_switch(struct mafs_log_reader *reader,
			      struct mafs_fault *fault)
{
	const struct mafs_entry_switch *to = &reader->next;
	struct mafs_lap lap = {
		.region = mafs_slot_region(to->slot),
		.salt = to->salt,
		.phase = LAP_TAIL,
	};
	int found;

	/* A lap is never gone back to: a log in a circle would not end. */
	if (lap.region == reader->lap.region || lap.salt == reader->lap.salt ||
	    lap.salt == reader->previous_salt)
		return reader_corrupt(reader, -EUCLEAN,
				      "switch goes back to a lap that was read",
				      fault);
	found = check_target(reader, &lap, &lap.seq);
	if (found < 0)
		return found;
	if (!found)
		return reader_corrupt(reader, -EUCLEAN,
				      "switch to a lap that is not there",
				      fault);
	reader->previous_salt = reader->lap.salt;
	reader->lap = lap;
	reader->offset = to->offset;
	reader->number = to->number;
	reader_drop_batch(reader);
	reader->first_lap = false;
	reader->by_superblock = false;
	reader->scanned = false;
	return READER_MOVED;
}
