// SPDX-License-Identifier: Apache-2.0
/*
 * Appending, by group commit. Whoever submits gives its entries their sequences
 * and adds them to the last group of the queue; a sequence is also the ticket
 * to wait with. The first waiter to find nobody storing stores the first group
 * as one batch and flushes it; the others wait. A batch is stored only after
 * the one before it is flushed.
 *
 * What can fail without harm (memory, room in a slot of fixed length) fails at
 * submit, so that nobody who waits is left behind by another one's error. A
 * failed store or flush may have left anything on the media, so the log is
 * then broken: nothing is ever appended behind it, every waiter and later
 * caller gets -EIO. What replay finds after a restart decides.
 */
#include "log_internal.h"

#include "entry.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <mafs/cleanup.h>
#include <string.h>

void mafs_log_group_free(struct mafs_log_group *group)
{
	if (!group)
		return;
	mafs_buffer_done(&group->bytes);
	free(group);
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

/* The first group of the queue; its bytes go to log->batch. */
static struct mafs_log_group *take_group(struct mafs_log *log)
{
	struct mafs_log_group *group = log->first;
	struct mafs_buffer emptied = log->batch;

	log->first = group->next;
	if (!log->first)
		log->last = NULL;
	log->batch = group->bytes;
	emptied.len = 0;
	group->bytes = emptied;
	return group;
}

/* It was stored, or never will be: kept for the next one. */
static void keep_group(struct mafs_log *log, struct mafs_log_group *group)
{
	mafs_log_group_free(log->spare);
	group->n_records = 0;
	group->next = NULL;
	log->spare = group;
}

/* Stores the first group of the queue. Under log->lock, which is given up
 * while the media is at work. */
static void lead(struct mafs_log *log)
{
	struct mafs_log_group *group = take_group(log);
	int err;

	log->storing = true;
	pthread_mutex_unlock(&log->lock);
	mafs_batch_seal(log->batch.bytes, log->batch.len, log->salt,
			log->number, group->n_records);
	err = mafs_log_store_batch(log);
	pthread_mutex_lock(&log->lock);
	log->storing = false;
	log->queued_bytes -= log->batch.len;
	if (err) {
		log->broken = true;
	} else {
		log->seq = group->last_seq;
		log->offset += log->batch.len;
		log->number++;
	}
	keep_group(log, group);
	pthread_cond_broadcast(&log->changed);
}

/* checkpoint-begin, checkpoint-end and switch are the checkpoint's. */
static bool may_append(enum mafs_omf_type type)
{
	return type == MAFS_OMF_DEVICE_ADD || type >= MAFS_OMF_MAP;
}

static int encode_entries(const struct mafs_entry *entries, size_t n_entries,
			  struct mafs_buffer *records)
{
	if (!n_entries)
		return -EINVAL;
	for (size_t i = 0; i < n_entries; i++) {
		int err;

		if (!may_append(entries[i].type))
			return -EINVAL;
		err = mafs_entry_encode(&entries[i], records);
		if (err)
			return err;
		if (records->len > RECORD_BYTES_MAX)
			return -EINVAL;
	}
	return 0;
}

/* An empty group at the end of the queue, with room for its header. */
static int add_group(struct mafs_log *log)
{
	struct mafs_log_group *group = take_ptr(log->spare);
	int err;

	if (!group)
		group = calloc(1, sizeof(*group));
	if (!group)
		return -ENOMEM;
	err = mafs_buffer_append_zeros(&group->bytes, BATCH_HEADER_BYTES);
	if (err) {
		mafs_log_group_free(group);
		return err;
	}
	if (log->last)
		log->last->next = group;
	else
		log->first = group;
	log->last = group;
	log->queued_bytes += group->bytes.len;
	return 0;
}

bool mafs_log_slot_has_room(const struct mafs_log *log, enum mafs_region region,
			    uint64_t offset, size_t len)
{
	uint64_t slot_bytes = log->slot_bytes[mafs_region_slot(region)];

	return !slot_bytes ||
	       offset + log->queued_bytes + len + mafs_log_switch_bytes() <=
		       slot_bytes;
}

/* Adds records to the queue. Under log->lock. */
static int queue_records(struct mafs_log *log, struct mafs_buffer *records,
			 size_t n_entries)
{
	struct mafs_log_group *group = log->last;
	int err;

	if (log->broken)
		return -EIO;
	/* It may get a batch of its own. */
	if (!mafs_log_slot_has_room(log, log->region, log->offset,
				    BATCH_HEADER_BYTES + records->len))
		return -ENOSPC;
	if (!group || group->bytes.len + records->len > LOG_STORE_BYTES) {
		err = add_group(log);
		if (err)
			return err;
		group = log->last;
	}
	/* With the zeros that mafs_log_store() may put behind a batch. */
	err = mafs_buffer_reserve(&group->bytes,
				  records->len + BATCH_HEADER_BYTES);
	if (err)
		return err;
	log->submitted_seq =
		stamp_records(records->bytes, records->len, log->submitted_seq);
	(void)mafs_buffer_append(&group->bytes, records->bytes, records->len);
	log->queued_bytes += records->len;
	/* A record has at least 24 bytes, so the count fits. */
	group->n_records += (uint32_t)n_entries;
	group->last_seq = log->submitted_seq;
	return 0;
}

int mafs_log_submit(struct mafs_log *log, const struct mafs_entry *entries,
		    size_t n_entries, uint64_t *ret_ticket)
{
	_cleanup_(mafs_buffer_done) struct mafs_buffer records = {};
	int err;

	err = encode_entries(entries, n_entries, &records);
	if (err)
		return err;
	mafs_guard(&log->lock);
	err = queue_records(log, &records, n_entries);
	if (!err)
		*ret_ticket = log->submitted_seq;
	return err;
}

int mafs_log_wait(struct mafs_log *log, uint64_t ticket)
{
	mafs_guard(&log->lock);
	while (log->seq < ticket && !log->broken) {
		if (log->storing || log->held) {
			pthread_cond_wait(&log->changed, &log->lock);
			continue;
		}
		assert(log->first); /* else nobody gave out the ticket */
		lead(log);
	}
	return log->seq < ticket ? -EIO : 0;
}

int mafs_log_append(struct mafs_log *log, const struct mafs_entry *entries,
		    size_t n_entries, uint64_t *ret_seq)
{
	uint64_t ticket;
	int err;

	err = mafs_log_submit(log, entries, n_entries, &ticket);
	if (err)
		return err;
	err = mafs_log_wait(log, ticket);
	if (!err && ret_seq)
		*ret_seq = ticket;
	return err;
}

/* How long the tail may be; under log->lock. */
static uint64_t tail_bound(const struct mafs_log *log)
{
	uint64_t slot_bytes = log->slot_bytes[mafs_region_slot(log->region)];
	uint64_t bound = log->checkpoint_after;

	if (bound < log->checkpoint_bytes)
		bound = log->checkpoint_bytes;
	/* A slot that cannot grow must not fill up before. */
	if (slot_bytes > log->checkpoint_bytes &&
	    bound > (slot_bytes - log->checkpoint_bytes) / 2)
		bound = (slot_bytes - log->checkpoint_bytes) / 2;
	return bound;
}

bool mafs_log_wants_checkpoint(struct mafs_log *log)
{
	mafs_guard(&log->lock);
	return !log->broken && !log->checkpointing &&
	       log->offset - log->checkpoint_bytes > tail_bound(log);
}

bool mafs_log_is_overdue(struct mafs_log *log)
{
	mafs_guard(&log->lock);
	uint64_t bound = tail_bound(log);

	return !log->broken &&
	       log->offset - log->checkpoint_bytes > bound + bound / 4;
}

uint64_t mafs_log_length(struct mafs_log *log)
{
	mafs_guard(&log->lock);
	return log->offset;
}

uint64_t mafs_log_tail_length(struct mafs_log *log)
{
	mafs_guard(&log->lock);
	return log->offset - log->checkpoint_bytes;
}

uint64_t mafs_log_last_seq(struct mafs_log *log)
{
	mafs_guard(&log->lock);
	return log->seq;
}
