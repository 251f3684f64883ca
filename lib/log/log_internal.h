/* SPDX-License-Identifier: Apache-2.0 */
/* The writer's state, shared by writer.c (appending), open.c (format, open,
 * close) and checkpoint.c. */
#pragma once

#include "batch.h"
#include "lap.h"

#include <mafs/log.h>
#include <pthread.h>

/* What is stored in one go; more waits for the next. */
#define LOG_STORE_BYTES (1U << 20)

/* Of tail, where the superblock does not say. */
#define CHECKPOINT_AFTER_BYTES (8U << 20)

/**
 * struct mafs_log_group - entries that will be stored as one batch
 * @bytes: room for the header, then the records with their sequences
 * @last_seq: of its last record
 */
struct mafs_log_group {
	struct mafs_buffer bytes;
	uint32_t n_records;
	uint64_t last_seq;
	struct mafs_log_group *next;
};

/**
 * struct mafs_log
 *
 * @lock guards all but what is marked otherwise. While @storing is set, one
 * thread owns the end of the slot and stores without the lock; while @held is
 * set, nobody may begin to store but the checkpoint that set it. Whoever
 * clears one of them broadcasts @changed.
 */
struct mafs_log {
	struct mafs_media *media;
	pthread_mutex_t lock;
	pthread_cond_t changed;

	enum mafs_region region;
	uint64_t salt;
	uint64_t offset; /* end of the slot: where the next batch goes */
	uint64_t number; /* of the next batch */
	uint64_t seq; /* of the last entry stored */
	uint64_t submitted_seq; /* of the last entry submitted */
	uint64_t checkpoint_bytes; /* of the lap's checkpoint */
	uint64_t stale_end; /* bytes of earlier laps may lie before it */
	uint64_t slot_bytes[2]; /* 0: grows as needed */
	uint64_t checkpoint_after; /* bytes of tail */
	bool broken;
	bool storing;
	bool held;
	bool checkpointing;
	struct mafs_log_group *first, *last; /* queue; at most @last grows */
	uint64_t queued_bytes; /* with the group that is being stored */
	struct mafs_log_group *spare; /* empty, kept for the next */

	struct mafs_buffer batch; /* of the storing thread */
};

/**
 * mafs_log_store() - store bytes at the end of a slot and, where bytes of an
 * earlier lap may follow, zeros for the next header
 *
 * With them a reader sees a clean end, not a torn one. Not flushed.
 */
int mafs_log_store(struct mafs_media *media, enum mafs_region region,
		   uint64_t offset, struct mafs_buffer *bytes,
		   uint64_t stale_end);

/* Stores and flushes log->batch at the log's end; the caller owns the end. */
int mafs_log_store_batch(struct mafs_log *log);

void mafs_log_group_free(struct mafs_log_group *group);

/* Is there room for what is queued and @len more behind @offset of a slot? */
bool mafs_log_slot_has_room(const struct mafs_log *log, enum mafs_region region,
			    uint64_t offset, size_t len);

/* Bytes that a slot keeps free for the `switch` that ends it. */
uint64_t mafs_log_switch_bytes(void);

/* Random, never 0, never one of the two. */
int mafs_log_new_salt(uint64_t not_a, uint64_t not_b, uint64_t *ret);

/* Makes the lap at @region live in both superblock copies. @from_salt: of the
 * lap that the superblock must name now. */
int mafs_log_name_lap(struct mafs_media *media, enum mafs_region region,
		      uint64_t salt, uint64_t first_seq, uint64_t from_salt,
		      struct mafs_fault *fault);
