// SPDX-License-Identifier: Apache-2.0
/*
 * Free units of a mapped device: made from the superblock and the chains, then
 * shared by the log and by data, which leaves the log its reserve. Called by
 * the pool and by those who replay.
 */
#include "mapped.h"

#include <errno.h>
#include <mafs/checked.h>
#include <mafs/omf.h>

static uint64_t max_u64(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* Bytes before the first unit that may be given out. */
static int head_end(const struct mapped *mapped, uint64_t *ret)
{
	uint64_t end = MAFS_OMF_SEGMENTS_OFFSET;

	for (uint32_t slot = 0; slot < N_CHAINS; slot++) {
		const struct chain *chain = &mapped->chains[slot];

		/* The head was validated: it lies on the device. */
		if (chain->n)
			end = max_u64(end, chain->segments[0].offset +
						   chain->segments[0].length);
	}
	return mafs_align_up(end, mapped->base.unit_bytes, ret) ? 0 : -EUCLEAN;
}

static bool firsts_cross(const struct chain *a, const struct chain *b)
{
	return a->n && b->n &&
	       a->segments[0].offset <
		       b->segments[0].offset + b->segments[0].length &&
	       b->segments[0].offset <
		       a->segments[0].offset + a->segments[0].length;
}

static bool first_segments_cross(const struct mapped *mapped)
{
	const struct chain *chains = mapped->chains;

	return firsts_cross(&chains[0], &chains[1]) ||
	       firsts_cross(&chains[0], &chains[2]) ||
	       firsts_cross(&chains[1], &chains[2]);
}

static int claim_segments(const struct mapped *mapped, uint32_t slot,
			  struct mafs_alloc *alloc, struct mafs_fault *fault)
{
	const struct chain *chain = &mapped->chains[slot];

	for (size_t i = 1; i < chain->n; i++) {
		const struct segment *segment = &chain->segments[i];
		struct mafs_fault why = MAFS_FAULT_INIT;

		if (mafs_alloc_claim(alloc, segment->offset, segment->length,
				     &why))
			return mafs_fault_at(fault, -EUCLEAN, segment->offset,
					     "%s: segment %zu: %.300s",
					     chain_to_text(slot), i, why.what);
	}
	return 0;
}

static int claim_all(struct mapped *mapped, struct mafs_alloc *alloc,
		     struct mafs_fault *fault)
{
	uint64_t end = 0;
	int err;

	for (uint32_t slot = 0; slot < N_CHAINS; slot++) {
		chain_forget(&mapped->chains[slot]);
		err = chain_follow(mapped, slot, UINT64_MAX, fault);
		if (err)
			return err;
	}
	if (first_segments_cross(mapped))
		return mafs_fault_at(fault, -EUCLEAN, mapped->slot_offsets[1],
				     "log slots: their first segments overlap");
	err = head_end(mapped, &end);
	if (!err)
		err = mafs_alloc_claim(alloc, 0, end, NULL);
	if (err)
		return mafs_fault_at(fault, -EUCLEAN, 0,
				     "log slots: no room for data behind them");
	for (uint32_t slot = 0; slot < N_CHAINS && !err; slot++)
		err = claim_segments(mapped, slot, alloc, fault);
	return err;
}

int mafs_device_alloc_begin(struct mafs_device *device,
			    const struct mafs_superblock *sb,
			    struct mafs_fault *fault)
{
	struct mapped *mapped = mapped_of(device);
	struct mafs_alloc *alloc = NULL;
	int err;

	if (sb->device_size_bytes > device->size_bytes)
		return mafs_fault_set(fault, -EUCLEAN,
				      "superblock: promises %llu bytes on a "
				      "device of %llu",
				      (unsigned long long)sb->device_size_bytes,
				      (unsigned long long)device->size_bytes);
	mafs_guard(&device->lock);
	mapped_take_superblock(mapped, sb);
	err = mafs_alloc_new(sb->device_size_bytes, sb->alloc_unit_bytes,
			     &alloc);
	if (err)
		return mafs_fault_set(
			fault, err == -EINVAL ? -EUCLEAN : err,
			"superblock: units of %u bytes on a "
			"device of %llu",
			sb->alloc_unit_bytes,
			(unsigned long long)sb->device_size_bytes);
	err = claim_all(mapped, alloc, fault);
	if (err) {
		mafs_alloc_free(alloc);
		return err;
	}
	mafs_alloc_free(device->alloc);
	device->alloc = alloc;
	return 0;
}

uint64_t mafs_device_log_bytes(struct mafs_device *device)
{
	struct mapped *mapped = mapped_of(device);
	uint64_t bytes = 0;

	mafs_guard(&device->lock);
	for (uint32_t slot = 0; slot < N_SLOTS; slot++)
		for (size_t i = 1; i < mapped->chains[slot].n; i++)
			bytes += mapped->chains[slot].segments[i].length;
	return bytes;
}

/* The live lap's tail may grow by a quarter more than checkpoint_after, or than
 * the live state is long, which is at most the longer slot; the other slot must
 * become as long as that one, and take what is appended meanwhile, a quarter
 * more again. Each grows by whole units: one more, besides the one that rounding
 * leaves. And half as much again is for live state that grows without being
 * asked, and for those who append at the time. */
static uint64_t log_reserve(const struct mapped *mapped)
{
	uint64_t a = mapped->chains[0].bytes, b = mapped->chains[1].bytes;
	uint64_t tail = max_u64(mapped->checkpoint_after_bytes, max_u64(a, b));

	if (!mapped->slot_offsets[0])
		return 0;
	return 2 * (tail + mapped->base.unit_bytes) + (a > b ? a - b : b - a);
}

uint64_t mafs_device_log_reserve(struct mafs_device *device)
{
	mafs_guard(&device->lock);
	return log_reserve(mapped_of(device));
}

uint64_t mapped_room_locked(const struct mapped *mapped)
{
	const struct mafs_alloc *alloc = mapped->base.alloc;
	uint64_t free_bytes, reserve = log_reserve(mapped);

	if (!alloc)
		return 0;
	free_bytes = mafs_alloc_free_bytes(alloc);
	if (free_bytes <= reserve)
		return 0;
	free_bytes -= reserve;
	return free_bytes - free_bytes % mapped->base.unit_bytes;
}

uint64_t mapped_room(struct mapped *mapped)
{
	mafs_guard(&mapped->base.lock);
	return mapped_room_locked(mapped);
}

int mapped_take(struct mapped *mapped, uint64_t len, uint64_t goal,
		uint64_t *ret_offset, uint64_t *ret_len)
{
	uint64_t most;

	mafs_guard(&mapped->base.lock);
	most = mapped_room_locked(mapped);
	if (!most)
		return -ENOSPC;
	return mafs_alloc_take(mapped->base.alloc, len < most ? len : most,
			       goal, ret_offset, ret_len);
}

void mapped_give(struct mapped *mapped, uint64_t offset, uint64_t len)
{
	mafs_guard(&mapped->base.lock);
	mafs_alloc_give(mapped->base.alloc, offset, len);
}
