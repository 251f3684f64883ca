// SPDX-License-Identifier: Apache-2.0
/*
 * Appending, by group commit: the first caller to find nobody storing becomes
 * the leader, stores what is queued as one batch and flushes it; those who come
 * meanwhile queue up and share the next batch. Sequences are given in queue
 * order, and a batch is stored only after the one before it is flushed.
 *
 * A failed store or flush may have left anything on the media, so the log is
 * then broken: nothing is ever appended behind it, every waiter and later
 * caller gets -EIO. What replay finds after a restart decides.
 */
#include "log_internal.h"

#include "entry.h"

#include <endian.h>
#include <errno.h>
#include <mafs/cleanup.h>
#include <string.h>

/* One caller's entries; lies on its stack. Under log->lock while queued. */
struct append_request {
	struct mafs_buffer records;
	uint32_t n_records;
	uint64_t last_seq;
	int err;
	bool done;
	struct append_request *next;
};

static void append_request_done(struct append_request *request)
{
	mafs_buffer_done(&request->records);
}

uint64_t mafs_log_switch_bytes(void)
{
	return BATCH_HEADER_BYTES + sizeof(struct mafs_omf_record) +
	       sizeof(struct mafs_omf_switch);
}

int mafs_log_store(struct mafs_media *media, enum mafs_region region,
		   uint64_t offset, struct mafs_buffer *bytes,
		   uint64_t stale_end)
{
	uint64_t end = offset + bytes->len;
	size_t len = bytes->len;
	int err;

	if (end < stale_end) {
		uint64_t n_zeros = stale_end - end;

		if (n_zeros > BATCH_HEADER_BYTES)
			n_zeros = BATCH_HEADER_BYTES;
		err = mafs_buffer_append_zeros(bytes, (size_t)n_zeros);
		if (err)
			return err;
	}
	err = media->ops->write(media, region, offset, bytes->bytes,
				bytes->len);
	bytes->len = len;
	return err;
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

/* Gives the records of @bytes their sequences, and a time to those that have
 * none. Return: the last sequence. */
static uint64_t stamp_records(uint8_t *bytes, size_t len, uint64_t seq)
{
	uint64_t time_ns = htole64(now_ns());
	size_t at = 0;

	while (at < len) {
		struct mafs_omf_record record;

		memcpy(&record, bytes + at, sizeof(record));
		record.seq = htole64(++seq);
		if (!record.time_ns)
			record.time_ns = time_ns;
		memcpy(bytes + at, &record, sizeof(record));
		at += le32toh(record.length);
	}
	return seq;
}

static void finish_request(struct append_request *request, int err)
{
	request->err = err;
	request->done = true;
}

/* Takes from the queue what goes into one batch. */
static struct append_request *take_group(struct mafs_log *log)
{
	struct append_request *group = log->first, *request;
	size_t bytes = group->records.len;

	for (request = group;
	     request->next &&
	     bytes + request->next->records.len <= LOG_STORE_BYTES;
	     request = request->next)
		bytes += request->next->records.len;
	log->first = request->next;
	if (!log->first)
		log->last_next = &log->first;
	request->next = NULL;
	return group;
}

/* Builds the batch of a group in log->batch; the requests get sequences. */
static int build_batch(struct mafs_log *log, struct append_request *group)
{
	uint64_t slot_bytes = log->slot_bytes[mafs_region_slot(log->region)];
	struct mafs_buffer *batch = &log->batch;
	uint64_t seq = log->seq;
	uint32_t n_records = 0;
	int err;

	batch->len = 0;
	err = mafs_buffer_append_zeros(batch, BATCH_HEADER_BYTES);
	for (struct append_request *r = group; r && !err; r = r->next) {
		size_t at = batch->len;

		err = mafs_buffer_append(batch, r->records.bytes,
					 r->records.len);
		if (err)
			break;
		seq = stamp_records(batch->bytes + at, r->records.len, seq);
		r->last_seq = seq;
		n_records += r->n_records;
	}
	if (err)
		return err;
	if (slot_bytes &&
	    log->offset + batch->len + mafs_log_switch_bytes() > slot_bytes)
		return -ENOSPC;
	mafs_batch_seal(batch->bytes, batch->len, log->salt, log->number,
			n_records);
	return 0;
}

int mafs_log_store_batch(struct mafs_log *log)
{
	int err;

	err = mafs_log_store(log->media, log->region, log->offset, &log->batch,
			     log->stale_end);
	if (err)
		return err;
	return log->media->ops->flush(log->media, log->region, log->offset,
				      log->batch.len);
}

/* Stores one batch of what is queued. Under log->lock, which is given up while
 * the media is at work. */
static void lead(struct mafs_log *log)
{
	struct append_request *group = take_group(log), *next;
	int err;

	if (log->broken) {
		err = -EIO;
	} else {
		err = build_batch(log, group);
		if (!err) {
			log->storing = true;
			pthread_mutex_unlock(&log->lock);
			err = mafs_log_store_batch(log) ? -EIO : 0;
			pthread_mutex_lock(&log->lock);
			log->storing = false;
			log->broken |= err != 0;
		}
	}
	for (; group; group = next) {
		next = group->next;
		if (!err)
			log->seq = group->last_seq;
		finish_request(group, err);
	}
	if (!err) {
		log->offset += log->batch.len;
		log->number++;
	}
	pthread_cond_broadcast(&log->changed);
}

/* checkpoint-begin, checkpoint-end and switch are the checkpoint's. */
static bool may_append(enum mafs_omf_type type)
{
	return type == MAFS_OMF_DEVICE_ADD || type >= MAFS_OMF_MAP;
}

static int encode_request(const struct mafs_entry *entries, size_t n_entries,
			  struct append_request *request)
{
	if (!n_entries)
		return -EINVAL;
	for (size_t i = 0; i < n_entries; i++) {
		int err;

		if (!may_append(entries[i].type))
			return -EINVAL;
		err = mafs_entry_encode(&entries[i], &request->records);
		if (err)
			return err;
		if (request->records.len > RECORD_BYTES_MAX)
			return -EINVAL;
	}
	/* A record has at least 24 bytes, so the count fits. */
	request->n_records = (uint32_t)n_entries;
	return 0;
}

int mafs_log_append(struct mafs_log *log, const struct mafs_entry *entries,
		    size_t n_entries, uint64_t *ret_seq)
{
	_cleanup_(append_request_done) struct append_request request = {};
	int err;

	err = encode_request(entries, n_entries, &request);
	if (err)
		return err;
	{
		mafs_guard(&log->lock);
		*log->last_next = &request;
		log->last_next = &request.next;
		while (!request.done) {
			if (log->storing || log->held)
				pthread_cond_wait(&log->changed, &log->lock);
			else
				lead(log);
		}
	}
	if (request.err)
		return request.err;
	if (ret_seq)
		*ret_seq = request.last_seq;
	return 0;
}

bool mafs_log_wants_checkpoint(struct mafs_log *log)
{
	mafs_guard(&log->lock);
	uint64_t slot_bytes = log->slot_bytes[mafs_region_slot(log->region)];
	uint64_t bound = 8U << 20;

	if (bound < log->checkpoint_bytes)
		bound = log->checkpoint_bytes;
	/* A slot that cannot grow must not fill up before. */
	if (slot_bytes > log->checkpoint_bytes &&
	    bound > (slot_bytes - log->checkpoint_bytes) / 2)
		bound = (slot_bytes - log->checkpoint_bytes) / 2;
	return !log->broken && !log->checkpointing &&
	       log->offset - log->checkpoint_bytes > bound;
}

uint64_t mafs_log_length(struct mafs_log *log)
{
	mafs_guard(&log->lock);
	return log->offset;
}
