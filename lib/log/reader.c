// SPDX-License-Identifier: Apache-2.0
/*
 * Reads the log record by record: each entry once, in order, from the live
 * checkpoint on, and then whatever is appended. Nothing is handed out that is
 * not in a valid batch of the lap with the next number and the next sequence.
 * After an error the place is unchanged: the next call finds it again.
 *
 * Called by replay, from one thread at a time.
 */
#include "reader_internal.h"

#include <errno.h>
#include <mafs/cleanup.h>
#include <string.h>

/* Borrows @media. */
static struct mafs_log_reader *reader_new(struct mafs_media *media,
					  const struct mafs_superblock *sb)
{
	struct mafs_log_reader *reader = calloc(1, sizeof(*reader));

	if (!reader)
		return NULL;
	reader->media = media;
	reader->first_lap = true;
	mafs_reader_start_lap(reader, sb);
	return reader;
}

int mafs_log_reader_open(struct mafs_media *media, struct mafs_log_reader **ret,
			 struct mafs_superblock *ret_superblock,
			 struct mafs_fault *fault)
{
	struct mafs_log_reader *reader;
	struct mafs_superblock sb;
	int err;

	err = mafs_superblock_read(media, &sb, NULL, fault);
	if (err)
		return err;
	if (sb.incompat & MAFS_OMF_INCOMPAT_SECONDARY)
		return mafs_fault_set(fault, -EOPNOTSUPP,
				      "superblock: a further device of a "
				      "volume; its first one has the log");
	reader = reader_new(media, &sb);
	if (!reader)
		return -ENOMEM;
	if (ret_superblock)
		*ret_superblock = sb;
	*ret = reader;
	return 0;
}

void mafs_log_reader_close(struct mafs_log_reader *reader)
{
	if (!reader)
		return;
	mafs_batch_done(&reader->batch);
	free(reader);
}

/* The fault of a record, with the place where it stands. */
static int record_fault(const struct mafs_log_reader *reader, int err,
			const struct mafs_fault *why, uint64_t seq,
			struct mafs_fault *fault)
{
	err = mafs_fault_at(fault, err,
			    reader->batch_offset + reader->record_at,
			    "%s: batch %llu: %.300s",
			    mafs_region_to_text(reader->lap.region),
			    (unsigned long long)reader->batch.number,
			    why->what);
	if (fault)
		fault->seq = seq;
	return err;
}

/* The record is the next of the lap. */
static int accept_record(struct mafs_log_reader *reader,
			 const struct mafs_entry *entry, size_t length,
			 struct mafs_fault *fault)
{
	struct mafs_fault why;
	int err;

	mafs_fault_clear(&why);
	err = mafs_lap_accept(&reader->lap, entry, &why);
	if (!err && reader->lap.phase == LAP_SWITCHED &&
	    reader->record_at + length < reader->batch.bytes.len) {
		reader->lap.phase = LAP_TAIL;
		err = mafs_fault_set(&why, -EUCLEAN,
				     "switch is not the last record");
	}
	return err ? record_fault(reader, err, &why, entry->seq, fault) : 0;
}

/* Decodes the next record of the batch and takes it into the lap. */
static int take_record(struct mafs_log_reader *reader, struct mafs_entry *ret,
		       struct mafs_log_position *ret_position,
		       struct mafs_fault *fault)
{
	const struct mafs_buffer *bytes = &reader->batch.bytes;
	struct mafs_fault why;
	size_t length;
	int err;

	mafs_fault_clear(&why);
	err = mafs_entry_decode(bytes->bytes + reader->record_at,
				bytes->len - reader->record_at, ret, &length,
				&why);
	if (err == -ENOMEM)
		return err;
	if (err)
		return record_fault(reader, err, &why, 0, fault);
	err = accept_record(reader, ret, length, fault);
	if (err) {
		mafs_entry_done(ret);
		return err;
	}
	*ret_position = (struct mafs_log_position){
		.region = reader->lap.region,
		.batch_offset = reader->batch_offset,
		.batch_number = reader->batch.number,
		.record_offset = reader->batch_offset + reader->record_at,
		.seq = ret->seq,
	};
	reader->record_at += length;
	return 0;
}

/* Is the entry new to the caller? Keeps what was handed out. */
static bool hand_out(struct mafs_log_reader *reader,
		     const struct mafs_entry *entry)
{
	switch (entry->type) {
	case MAFS_OMF_SWITCH:
		reader->next = entry->log_switch;
		return true;
	case MAFS_OMF_CHECKPOINT_END:
		if (reader->first_lap) {
			reader->complete = true;
			reader->handed = entry->seq;
		}
		return reader->first_lap;
	default:
		break;
	}
	if (!reader->complete)
		return reader->first_lap;
	if (entry->seq <= reader->handed)
		return false;
	reader->handed = entry->seq;
	return true;
}

/* The next batch; errors of the media have no words of their own. */
static int next_batch(struct mafs_log_reader *reader, struct mafs_fault *fault)
{
	struct mafs_fault why;
	int r;

	mafs_fault_clear(&why);
	r = reader->lap.phase == LAP_SWITCHED ?
		    mafs_reader_follow_switch(reader, &why) :
		    mafs_reader_load(reader, &why);
	if (r < 0 && !why.what[0])
		mafs_fault_at(&why, r, reader->offset,
			      "%s: batch %llu: cannot be read: %s",
			      mafs_region_to_text(reader->lap.region),
			      (unsigned long long)reader->number, strerror(-r));
	if (r < 0 && fault)
		*fault = why;
	return r;
}

int mafs_log_reader_next(struct mafs_log_reader *reader, struct mafs_entry *ret,
			 struct mafs_log_position *ret_position,
			 struct mafs_fault *fault)
{
	for (;;) {
		struct mafs_log_position position;
		int err;

		if (reader->record_at < reader->batch.bytes.len) {
			err = take_record(reader, ret, &position, fault);
			if (err)
				return err;
			if (hand_out(reader, ret)) {
				if (ret_position)
					*ret_position = position;
				return 1;
			}
			mafs_entry_done(ret);
			continue;
		}
		err = next_batch(reader, fault);
		if (err < 0 || err == READER_END)
			return err;
	}
}

enum mafs_log_tail mafs_log_reader_tail(const struct mafs_log_reader *reader)
{
	return reader->tail;
}

void mafs_log_reader_end(const struct mafs_log_reader *reader,
			 struct mafs_log_position *ret)
{
	*ret = (struct mafs_log_position){
		.region = reader->lap.region,
		.batch_offset = reader->offset,
		.batch_number = reader->number,
		.record_offset = reader->offset,
		.seq = reader->lap.seq,
	};
}

int mafs_reader_verify_lap(struct mafs_media *media,
			   const struct mafs_superblock *sb, uint64_t from_salt,
			   const struct mafs_log_position *end,
			   struct mafs_fault *fault)
{
	struct mafs_log_reader *reader = reader_new(media, sb);
	struct mafs_log_position reached;
	struct mafs_entry entry;
	int err;

	if (!reader)
		return -ENOMEM;
	reader->previous_salt = from_salt;
	while ((err = mafs_log_reader_next(reader, &entry, NULL, fault)) == 1)
		mafs_entry_done(&entry);
	mafs_log_reader_end(reader, &reached);
	mafs_log_reader_close(reader);
	if (err)
		return err;
	if (reached.region != end->region ||
	    reached.batch_offset != end->batch_offset ||
	    reached.batch_number != end->batch_number ||
	    reached.seq != end->seq)
		return mafs_fault_at(fault, -EUCLEAN, reached.batch_offset,
				     "%s: does not end where replay ended",
				     mafs_region_to_text(end->region));
	return 0;
}
