// SPDX-License-Identifier: Apache-2.0
/*
 * Writes a new lap into a slot that nothing refers to yet: the checkpoint, then
 * the tail. Nothing here counts before mafs_lap_writer_flush(), so the batches
 * are stored in large pieces; batch 0, checkpoint-begin alone, comes last and
 * tells how many files there are. checkpoint-end has a batch of its own, too.
 * Called by format and by the checkpoint.
 */
#include "lap_writer.h"

#include "log_internal.h"

#include <errno.h>

static const size_t checkpoint_record_bytes =
	sizeof(struct mafs_omf_record) + sizeof(struct mafs_omf_checkpoint);

void mafs_lap_writer_done(struct mafs_lap_writer *writer)
{
	mafs_buffer_done(&writer->records);
	mafs_buffer_done(&writer->out);
}

int mafs_lap_writer_begin(struct mafs_lap_writer *writer)
{
	struct mafs_media *media = writer->media;
	int err;

	err = media->ops->truncate(media, writer->region, 0);
	if (err)
		return err;
	err = media->ops->length(media, writer->region, &writer->stale_end);
	if (err)
		return err;
	writer->offset = BATCH_HEADER_BYTES + checkpoint_record_bytes;
	writer->number = 1;
	return 0;
}

static int store_out(struct mafs_lap_writer *writer)
{
	int err;

	if (!writer->out.len)
		return 0;
	err = mafs_log_store(writer->media, writer->region,
			     writer->offset - writer->out.len, &writer->out,
			     writer->stale_end);
	if (err)
		return err;
	writer->out.len = 0;
	return 0;
}

/* Room for the header comes first, then the records, then the seal. */
static int put_batch(struct mafs_lap_writer *writer, const uint8_t *records,
		     size_t len, uint32_t n_records)
{
	size_t batch_len = BATCH_HEADER_BYTES + len;
	size_t at = writer->out.len;
	int err;

	if (writer->slot_bytes &&
	    writer->offset + batch_len + mafs_log_switch_bytes() >
		    writer->slot_bytes)
		return -ENOSPC;
	err = mafs_buffer_reserve(&writer->out, batch_len);
	if (err)
		return err;
	(void)mafs_buffer_append_zeros(&writer->out, BATCH_HEADER_BYTES);
	(void)mafs_buffer_append(&writer->out, records, len);
	mafs_batch_seal(writer->out.bytes + at, batch_len, writer->salt,
			writer->number, n_records);
	writer->offset += batch_len;
	writer->number++;
	return writer->out.len < LOG_STORE_BYTES ? 0 : store_out(writer);
}

static int put_records(struct mafs_lap_writer *writer)
{
	int err;

	if (!writer->n_records)
		return 0;
	err = put_batch(writer, writer->records.bytes, writer->records.len,
			writer->n_records);
	writer->records.len = 0;
	writer->n_records = 0;
	return err;
}

static size_t n_extents(const struct mafs_entry *entry)
{
	switch (entry->type) {
	case MAFS_OMF_MAP:
		return entry->map.map.n_extents;
	case MAFS_OMF_EXTENTS:
		return entry->extents.map.n_extents;
	default:
		return 0;
	}
}

int mafs_lap_writer_live(struct mafs_lap_writer *writer,
			 const struct mafs_entry *entry)
{
	struct mafs_entry live = *entry; /* extents borrowed */
	int err;

	if (!mafs_lap_is_live(entry->type))
		return -EINVAL;
	live.seq = writer->seq;
	if (!live.time_ns)
		live.time_ns = writer->time_ns;
	/* A large record has a batch of its own, so that none is too long. */
	if (writer->records.len >= LOG_STORE_BYTES / 2) {
		err = put_records(writer);
		if (err)
			return err;
	}
	if (n_extents(entry) >=
	    LOG_STORE_BYTES / 2 / sizeof(struct mafs_omf_extent)) {
		err = put_records(writer);
		if (err)
			return err;
	}
	err = mafs_entry_encode(&live, &writer->records);
	if (err)
		return err;
	writer->n_records++;
	writer->n_files += mafs_lap_is_file(entry->type);
	return 0;
}

static int encode_mark(struct mafs_lap_writer *writer, enum mafs_omf_type type)
{
	struct mafs_entry mark = {
		.type = type,
		.seq = writer->seq,
		.time_ns = writer->time_ns,
		.checkpoint = {
			.n_live = writer->n_files,
			.seq = writer->seq,
		},
	};

	return mafs_entry_encode(&mark, &writer->records);
}

/* Batch 0 has a fixed length and a fixed place. */
static int store_begin(struct mafs_lap_writer *writer)
{
	struct mafs_media *media = writer->media;
	struct mafs_buffer *records = &writer->records;
	int err;

	err = mafs_buffer_append_zeros(records, BATCH_HEADER_BYTES);
	if (err)
		return err;
	err = encode_mark(writer, MAFS_OMF_CHECKPOINT_BEGIN);
	if (err)
		return err;
	mafs_batch_seal(records->bytes, records->len, writer->salt, 0, 1);
	err = media->ops->write(media, writer->region, 0, records->bytes,
				records->len);
	records->len = 0;
	return err;
}

int mafs_lap_writer_end(struct mafs_lap_writer *writer)
{
	int err;

	err = put_records(writer);
	if (err)
		return err;
	err = encode_mark(writer, MAFS_OMF_CHECKPOINT_END);
	if (err)
		return err;
	writer->n_records = 1;
	err = put_records(writer);
	if (err)
		return err;
	writer->checkpoint_bytes = writer->offset;
	writer->checkpoint_batches = writer->number;
	return store_begin(writer);
}

int mafs_lap_writer_copy(struct mafs_lap_writer *writer,
			 const struct mafs_batch *batch)
{
	return put_batch(writer, batch->bytes.bytes + BATCH_HEADER_BYTES,
			 batch->bytes.len - BATCH_HEADER_BYTES,
			 batch->n_records);
}

int mafs_lap_writer_flush(struct mafs_lap_writer *writer)
{
	int err;

	err = store_out(writer);
	if (err)
		return err;
	err = writer->media->ops->flush(writer->media, writer->region,
					writer->flushed,
					writer->offset - writer->flushed);
	if (err)
		return err;
	writer->flushed = writer->offset;
	return 0;
}
