// SPDX-License-Identifier: Apache-2.0
/* A small log in slot A, for tests that damage it. */
#include "log_damaged.h"

#include "lib/log/batch.h"

#include <mafs/cleanup.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

struct mafs_buffer *slot_a(struct damaged *damaged)
{
	return &damaged->memory->regions[MAFS_REGION_LOG_A];
}

struct damaged make_log(size_t n_entries, size_t slot_bytes)
{
	struct damaged damaged = { .n_entries = n_entries };
	struct mafs_log *log;

	damaged.memory = media_memory_new(slot_bytes);
	damaged.sb = t_log_format(&damaged.memory->media, slot_bytes);
	log = t_log_open(&damaged.memory->media);
	for (size_t i = 0; i < n_entries; i++) {
		damaged.batch_offsets[i] = mafs_log_length(log);
		assert_int_equal(t_append(log, i + 1), 0);
	}
	damaged.batch_offsets[n_entries] = mafs_log_length(log);
	mafs_log_close(log);
	return damaged;
}

void damaged_done(struct damaged *damaged)
{
	media_memory_free(damaged->memory);
}
/* A batch of one entry, sealed with the log's salt. */
void seal_entry(const struct damaged *damaged, const struct mafs_entry *entry,
		uint64_t number, struct mafs_buffer *ret)
{
	assert_int_equal(mafs_buffer_append_zeros(ret, BATCH_HEADER_BYTES), 0);
	assert_int_equal(mafs_entry_encode(entry, ret), 0);
	mafs_batch_seal(ret->bytes, ret->len, damaged->sb.slots[0].salt, number,
			1);
}

/* Appends a batch behind the end as another program might. */
void append_raw(struct damaged *damaged, struct mafs_entry entry, uint64_t seq,
		uint64_t number)
{
	_cleanup_(mafs_buffer_done) struct mafs_buffer batch = {};
	struct mafs_media *media = &damaged->memory->media;

	entry.seq = seq;
	seal_entry(damaged, &entry, number, &batch);
	assert_int_equal(
		media->ops->write(media, MAFS_REGION_LOG_A,
				  damaged->batch_offsets[damaged->n_entries],
				  batch.bytes, batch.len),
		0);
}
