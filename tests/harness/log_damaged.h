/* SPDX-License-Identifier: Apache-2.0 */
/* A small log in slot A, for tests that damage it. */
#pragma once

#include "log_fixture.h"
#include "media_memory.h"

#include <mafs/buffer.h>

/**
 * struct damaged
 * @batch_offsets: of the appended entries, one batch each; then the end
 */
struct damaged {
	struct media_memory *memory;
	struct mafs_superblock sb;
	uint64_t batch_offsets[8];
	size_t n_entries;
};

/* Entries 1 to @n_entries. @slot_bytes: 0: slots grow. */
struct damaged make_log(size_t n_entries, size_t slot_bytes);
void damaged_done(struct damaged *damaged);
#define _cleanup_damaged_ __attribute__((cleanup(damaged_done)))

struct mafs_buffer *slot_a(struct damaged *damaged);
/* A batch of one entry, sealed with the log's salt. */
void seal_entry(const struct damaged *damaged, const struct mafs_entry *entry,
		uint64_t number, struct mafs_buffer *ret);
/* Stores a batch behind the end as another program might. */
void append_raw(struct damaged *damaged, struct mafs_entry entry, uint64_t seq,
		uint64_t number);
