// SPDX-License-Identifier: Apache-2.0
/*
 * Makes an empty log, and opens a log for appending behind what replay found.
 *
 * Opening leaves one lap and nothing behind its end: it completes a flip that
 * a crash left undone (the replay was led to its lap by a `switch`), empties
 * the other slot, and removes what a torn batch left, so that it can never be
 * taken for anything once new batches stand before it.
 */
#include "lap_writer.h"
#include "log_internal.h"
#include "reader_internal.h"
#include "superblock_codec.h"

#include <endian.h>
#include <errno.h>
#include <mafs/cleanup.h>
#include <string.h>
#include <sys/random.h>

int mafs_log_new_salt(uint64_t not_a, uint64_t not_b, uint64_t *ret)
{
	uint64_t salt;

	do {
		if (getrandom(&salt, sizeof(salt), 0) != sizeof(salt))
			return -EIO;
	} while (!salt || salt == not_a || salt == not_b);
	*ret = salt;
	return 0;
}

int mafs_log_name_lap(struct mafs_media *media, enum mafs_region region,
		      uint64_t salt, uint64_t first_seq, uint64_t from_salt,
		      struct mafs_fault *fault)
{
	uint32_t slot = mafs_region_slot(region);
	struct mafs_superblock sb;
	int err;

	/* Read anew: its owner may have changed other fields meanwhile. */
	err = mafs_superblock_read(media, &sb, NULL, fault);
	if (err)
		return err;
	if (sb.live_slot == slot || sb.slots[!slot].salt != from_salt)
		return mafs_fault_set(fault, -EPROTO,
				      "superblock: names a log that is not "
				      "this one");
	sb.live_slot = slot;
	sb.slots[slot].salt = salt;
	sb.slots[slot].first_seq = first_seq;
	err = mafs_superblock_flip(media, &sb, fault);
	if (err)
		return err;
	/* The other copy, too: with the newest one damaged, the older would
	 * name a slot that is about to be emptied. */
	return mafs_superblock_flip(media, &sb, fault);
}

static int write_empty_lap(struct mafs_media *media,
			   const struct mafs_superblock *sb)
{
	_cleanup_(mafs_lap_writer_done) struct mafs_lap_writer writer = {
		.media = media,
		.region = MAFS_REGION_LOG_A,
		.salt = sb->slots[0].salt,
		.slot_bytes = sb->slots[0].length,
	};
	int err;

	err = mafs_lap_writer_begin(&writer);
	if (err)
		return err;
	err = mafs_lap_writer_end(&writer);
	if (err)
		return err;
	return mafs_lap_writer_flush(&writer);
}

int mafs_log_format(struct mafs_media *media, struct mafs_superblock *sb,
		    struct mafs_fault *fault)
{
	struct mafs_superblock next = *sb;
	int err;

	err = mafs_superblock_media_generation(media, &next.generation);
	if (err)
		return mafs_fault_set(fault, err, "superblock: cannot be read");
	err = mafs_log_new_salt(0, 0, &next.slots[0].salt);
	if (err)
		return mafs_fault_set(fault, err, "log: no random bytes");
	next.live_slot = 0;
	next.slots[0].first_seq = 0;
	next.slots[1].salt = 0;
	next.slots[1].first_seq = 0;
	err = media->ops->truncate(media, MAFS_REGION_LOG_B, 0);
	if (!err)
		err = write_empty_lap(media, &next);
	if (err)
		return mafs_fault_set(fault, err, "log: cannot be written");
	/* Both copies, so that none of an earlier format is left. */
	err = mafs_superblock_flip(media, &next, fault);
	if (!err)
		err = mafs_superblock_flip(media, &next, fault);
	if (err)
		return err;
	*sb = next;
	return 0;
}

/* Salt and sequence of the lap that stands in @region: of its batch 0. */
static int read_first_batch(struct mafs_media *media, enum mafs_region region,
			    uint64_t *ret_salt, uint64_t *ret_first_seq,
			    struct mafs_fault *fault)
{
	_cleanup_(mafs_batch_done) struct mafs_batch batch = {};
	struct mafs_omf_batch header = {};
	struct mafs_entry entry;
	size_t length;
	ssize_t n;
	int err;

	n = media->ops->read(media, region, 0, &header, sizeof(header));
	if (n < 0)
		return mafs_fault_set(fault, (int)n, "%s: cannot be read",
				      mafs_region_to_text(region));
	err = mafs_batch_load(media, region, 0, le64toh(header.salt), &batch);
	if (err)
		return mafs_fault_set(fault, err, "%s: cannot be read",
				      mafs_region_to_text(region));
	if (!batch.valid || batch.number ||
	    mafs_entry_decode(batch.bytes.bytes + BATCH_HEADER_BYTES,
			      batch.bytes.len - BATCH_HEADER_BYTES, &entry,
			      &length, NULL))
		return mafs_fault_at(fault, -EUCLEAN, 0,
				     "%s: batch 0: no checkpoint",
				     mafs_region_to_text(region));
	*ret_salt = le64toh(header.salt);
	*ret_first_seq = entry.seq;
	mafs_entry_done(&entry);
	return 0;
}

/* Removes what stands behind the end: at most one batch was being stored. */
static int clear_behind(struct mafs_log *log)
{
	struct mafs_media *media = log->media;
	_cleanup_free_ uint8_t *bytes = NULL;
	size_t window = MAFS_OMF_BATCH_MAX, torn;
	ssize_t n;
	int err;

	err = media->ops->truncate(media, log->region, log->offset);
	if (err)
		return err;
	err = media->ops->length(media, log->region, &log->stale_end);
	if (err || log->stale_end <= log->offset)
		return err;
	if (window > log->stale_end - log->offset)
		window = (size_t)(log->stale_end - log->offset);
	bytes = malloc(window);
	if (!bytes)
		return -ENOMEM;
	n = media->ops->read(media, log->region, log->offset, bytes, window);
	if (n < 0)
		return (int)n;
	for (torn = (size_t)n; torn && !bytes[torn - 1]; torn--)
		;
	if (!torn)
		return 0;
	memset(bytes, 0, torn);
	err = media->ops->write(media, log->region, log->offset, bytes, torn);
	if (err)
		return err;
	return media->ops->flush(media, log->region, log->offset, torn);
}

/* The checkpoint's length, for the bound on the tail: checkpoint-end has a
 * batch of its own. A guess may be wrong, replay has validated the log. */
static int find_checkpoint_end(struct mafs_log *log)
{
	uint64_t offset = 0;

	while (offset < log->offset) {
		struct {
			struct mafs_omf_batch batch;
			struct mafs_omf_record record;
		} head;
		ssize_t n = log->media->ops->read(log->media, log->region,
						  offset, &head, sizeof(head));

		if (n < 0)
			return (int)n;
		if ((size_t)n < sizeof(head))
			return 0;
		offset += sizeof(head.batch) + le32toh(head.batch.length);
		if (le16toh(head.record.type) == MAFS_OMF_CHECKPOINT_END) {
			if (offset <= log->offset)
				log->checkpoint_bytes = offset;
			return 0;
		}
	}
	return 0;
}

/* Replay was led to a lap that the superblock does not name yet: completes the
 * flip, once the lap is known to hold all that the one before holds. */
static int complete_flip(struct mafs_log *log, const struct mafs_superblock *sb,
			 const struct mafs_log_position *end,
			 struct mafs_fault *fault)
{
	uint32_t slot = mafs_region_slot(log->region);
	uint64_t from_salt = sb->slots[sb->live_slot].salt;
	struct mafs_superblock next = *sb;
	uint64_t first_seq = 0;
	int err;

	err = read_first_batch(log->media, log->region, &log->salt, &first_seq,
			       fault);
	if (err)
		return err;
	next.live_slot = slot;
	next.slots[slot].salt = log->salt;
	next.slots[slot].first_seq = first_seq;
	err = mafs_reader_verify_lap(log->media, &next, from_salt, end, fault);
	if (err)
		return err;
	return mafs_log_name_lap(log->media, log->region, log->salt, first_seq,
				 from_salt, fault);
}

/* Takes over the lap in which replay ended. */
static int open_lap(struct mafs_log *log, const struct mafs_superblock *sb,
		    const struct mafs_log_position *end,
		    struct mafs_fault *fault)
{
	int err;

	if (log->region == mafs_slot_region(sb->live_slot)) {
		log->salt = sb->slots[sb->live_slot].salt;
	} else {
		err = complete_flip(log, sb, end, fault);
		if (err)
			return err;
	}
	err = clear_behind(log);
	if (!err)
		err = find_checkpoint_end(log);
	if (err)
		return mafs_fault_at(fault, err, log->offset,
				     "%s: cannot be prepared for appending",
				     mafs_region_to_text(log->region));
	/* Space only: what stands there is of no lap that counts. */
	(void)log->media->ops->truncate(log->media,
					log->region == MAFS_REGION_LOG_A ?
						MAFS_REGION_LOG_B :
						MAFS_REGION_LOG_A,
					0);
	return 0;
}

int mafs_log_open(struct mafs_media *media, const struct mafs_superblock *sb,
		  const struct mafs_log_position *end, struct mafs_log **ret,
		  struct mafs_fault *fault)
{
	struct mafs_log *log;
	int err;

	if (sb->ro_compat & ~MAFS_OMF_RO_COMPAT_KNOWN)
		return mafs_fault_set(fault, -EOPNOTSUPP,
				      "superblock: unknown features 0x%llx: "
				      "read only",
				      (unsigned long long)sb->ro_compat);
	if (end->seq > UINT64_MAX / 2)
		return mafs_fault_set(fault, -EUCLEAN,
				      "log: sequence %llu leaves no room",
				      (unsigned long long)end->seq);
	log = calloc(1, sizeof(*log));
	if (!log)
		return -ENOMEM;
	log->media = media;
	log->region = end->region;
	log->offset = end->batch_offset;
	log->number = end->batch_number;
	log->seq = end->seq;
	log->submitted_seq = end->seq;
	log->slot_bytes[0] = sb->slots[0].length;
	log->slot_bytes[1] = sb->slots[1].length;
	log->checkpoint_after = sb->checkpoint_after_bytes ?
					sb->checkpoint_after_bytes :
					CHECKPOINT_AFTER_BYTES;
	pthread_mutex_init(&log->lock, NULL);
	pthread_cond_init(&log->changed, NULL);
	err = open_lap(log, sb, end, fault);
	if (err) {
		mafs_log_close(log);
		return err;
	}
	*ret = log;
	return 0;
}

void mafs_log_close(struct mafs_log *log)
{
	if (!log)
		return;
	for (struct mafs_log_group *group = log->first, *next; group;
	     group = next) {
		next = group->next;
		mafs_log_group_free(group);
	}
	mafs_log_group_free(log->spare);
	mafs_buffer_done(&log->batch);
	pthread_cond_destroy(&log->changed);
	pthread_mutex_destroy(&log->lock);
	free(log);
}
