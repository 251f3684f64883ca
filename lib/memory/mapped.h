/* SPDX-License-Identifier: Apache-2.0 */
/* Private to lib/memory: a mapped device and the chains of its log. */
#pragma once

#include <mafs/cleanup.h>
#include <mafs/device.h>

#define SEGMENT_ALIGN 4096U
#define N_SLOTS 2U /* of the log */
#define N_CHAINS 3U /* and the table of a tiered volume's memory files */

/**
 * struct segment - one piece of a log slot
 * @offset, @length: on the device, with its head
 * @start: of its first byte, in the slot
 */
struct segment {
	uint64_t offset, length, start;
};

/**
 * struct chain - what is known of a slot's segments, from the first on
 * @bytes: that they hold, without their heads
 */
struct chain {
	struct segment *segments;
	size_t n, capacity;
	uint64_t bytes;
};

/**
 * struct mapped - the device behind struct mafs_device
 * @data_bytes: what the superblock promises, whole units
 * @slot_offsets: of the first segments; 0: it has no such chain
 * @chains: under base.lock. A chain that is ours is changed only by who stores
 *	to its region, so that one may read it without the lock
 */
struct mapped {
	struct mafs_device base;
	struct mafs_mapping *mapping;
	uint64_t data_bytes;
	uint64_t slot_offsets[N_CHAINS];
	uint64_t checkpoint_after_bytes;
	struct chain chains[N_CHAINS];
};

static inline struct mapped *mapped_of(struct mafs_device *device)
{
	return mafs_container_of(device, struct mapped, base);
}

/* Nobody else changes the chains. */
static inline bool mapped_owns_log(const struct mapped *mapped)
{
	return mapped->base.alloc && !mapped->base.read_only;
}

extern const struct mafs_media_ops mapped_media_ops;

/* Takes over what a superblock says of the device. */
void mapped_take_superblock(struct mapped *mapped,
			    const struct mafs_superblock *sb);

/* ---- mapped_space.c: free units; they take base.lock ---- */

/* For data, which leaves the log's reserve. As mafs_alloc_take(). */
int mapped_take(struct mapped *mapped, uint64_t len, uint64_t goal,
		uint64_t *ret_offset, uint64_t *ret_len);
void mapped_give(struct mapped *mapped, uint64_t offset, uint64_t len);
/* Bytes that data may take; 0 without an allocator. */
uint64_t mapped_room(struct mapped *mapped);
uint64_t mapped_room_locked(const struct mapped *mapped);

/* ---- mapped_chain.c ---- */

/* "log slot A", ... */
const char *chain_to_text(uint32_t slot);
void chain_done(struct chain *chain);
/* What is known may be old. Under base.lock. */
void chain_forget(struct chain *chain);
/**
 * chain_follow() - know as many segments as hold @bytes, or all
 *
 * Of a chain that others change. Context: base.lock. Return: 0, -EUCLEAN or
 * -EBADMSG with the fault, -EIO, -ENOMEM.
 */
int chain_follow(struct mapped *mapped, uint32_t slot, uint64_t bytes,
		 struct mafs_fault *fault);
/* Where byte @offset of the slot stands on the device, and how many follow it
 * there; false: beyond the end. */
bool chain_find(const struct chain *chain, uint64_t offset, uint64_t *ret_at,
		uint64_t *ret_len);
/* Of our own chain: links segments until it holds @bytes. Return: 0, -ENOSPC,
 * -EIO, -ENOMEM. */
int chain_grow(struct mapped *mapped, uint32_t slot, uint64_t bytes);
/* Of our own chain: gives back the segments that lie behind @bytes. */
int chain_cut(struct mapped *mapped, uint32_t slot, uint64_t bytes);
/* Stores the head of a first segment, last of its chain. */
int chain_format(struct mapped *mapped, uint32_t slot, uint64_t offset,
		 uint64_t length);
