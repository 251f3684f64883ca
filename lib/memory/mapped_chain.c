// SPDX-License-Identifier: Apache-2.0
/*
 * The chains of segments that the log slots are. Stores in order:
 *
 *	grow	run taken (in memory only); its bytes zeros, its head, flush;
 *		the last segment's link, flush; known
 *	cut	the last kept segment's link, flush; runs given back
 *
 * A link is one atomic store and checks itself. A crash before it reaches the
 * media leaves the chain as it was, and the run free, as the allocator is
 * rebuilt from the chains; behind it, the chain with that segment, or without
 * those that were cut. A segment is reused only behind the flushed cut.
 *
 * Who follows a chain that another host changes copies heads before he looks
 * at them. He may come by a link just before it is cut and find the segment in
 * other use: what is wrong is only wrong when it is so from the start again.
 */
#include "mapped.h"

#include <endian.h>
#include <errno.h>
#include <mafs/checked.h>
#include <mafs/crc.h>
#include <mafs/omf.h>
#include <string.h>

#define LINK_SHIFT 12U
#define LINK_CHECK ((1U << 24) - 1)
#define SEGMENTS_MAX (1U << 16)
#define FOLLOW_ATTEMPTS 5

static const uint64_t head_bytes = sizeof(struct mafs_omf_segment);

const char *chain_to_text(uint32_t slot)
{
	static const char *const texts[N_CHAINS] = {
		"log slot A",
		"log slot B",
		"table of memory files",
	};

	return texts[slot];
}

void chain_done(struct chain *chain)
{
	free(chain->segments);
	*chain = (struct chain){};
}

void chain_forget(struct chain *chain)
{
	chain->n = 0;
	chain->bytes = 0;
}

static uint64_t link_encode(const struct mapped *mapped, uint32_t slot,
			    uint64_t index, uint64_t next)
{
	struct mafs_omf_link link = {
		.next = htole64(next),
		.index = htole64(index),
		.slot = htole32(slot),
	};

	memcpy(link.device_uuid, mapped->base.uuid.bytes,
	       sizeof(link.device_uuid));
	return next << LINK_SHIFT |
	       (mafs_crc32c(0, &link, sizeof(link)) & LINK_CHECK);
}

static uint32_t head_crc(const struct mafs_omf_segment *head)
{
	struct mafs_omf_segment copy = *head;

	copy.crc = 0;
	copy.next = 0;
	return mafs_crc32c(0, &copy, sizeof(copy));
}

/* The head of a segment that is the last one. */
static struct mafs_omf_segment head_encode(const struct mapped *mapped,
					   uint32_t slot, uint64_t index,
					   uint64_t length)
{
	struct mafs_omf_segment head = {
		.magic = htole64(MAFS_OMF_SEGMENT_MAGIC),
		.slot = htole32(slot),
		.index = htole64(index),
		.length = htole64(length),
		.next = htole64(link_encode(mapped, slot, index, 0)),
	};

	memcpy(head.device_uuid, mapped->base.uuid.bytes,
	       sizeof(head.device_uuid));
	head.crc = htole32(head_crc(&head));
	return head;
}

/* What is wrong with the copy of a head; NULL: nothing. */
static const char *head_fault(const struct mapped *mapped, uint32_t slot,
			      uint64_t index, uint64_t offset,
			      const struct mafs_omf_segment *head, int *ret_err)
{
	uint64_t length = le64toh(head->length);

	*ret_err = -EUCLEAN;
	if (le64toh(head->magic) != MAFS_OMF_SEGMENT_MAGIC)
		return "bad magic";
	if (le32toh(head->crc) != head_crc(head)) {
		*ret_err = -EBADMSG;
		return "checksum mismatch";
	}
	if (memcmp(head->device_uuid, mapped->base.uuid.bytes,
		   sizeof(head->device_uuid)) != 0)
		return "of another device";
	if (le32toh(head->slot) != slot || le64toh(head->index) != index)
		return "of another place in the chains";
	if (length <= head_bytes || length % MAFS_OMF_ALIGN ||
	    !mafs_range_fits(offset, length, mapped->base.size_bytes))
		return "absurd length";
	return NULL;
}

static int segment_fault(struct mafs_fault *fault, int err, uint32_t slot,
			 uint64_t index, uint64_t offset, const char *why)
{
	return mafs_fault_at(fault, err, offset, "%s: segment %llu: %s",
			     chain_to_text(slot), (unsigned long long)index,
			     why);
}

static int chain_reserve_one(struct chain *chain)
{
	size_t capacity = chain->capacity ? 2 * chain->capacity : 8;
	struct segment *segments;

	if (chain->n < chain->capacity)
		return 0;
	segments = reallocarray(chain->segments, capacity, sizeof(*segments));
	if (!segments)
		return -ENOMEM;
	chain->segments = segments;
	chain->capacity = capacity;
	return 0;
}

/* Room is reserved. */
static void chain_append(struct chain *chain, uint64_t offset, uint64_t length)
{
	chain->segments[chain->n++] = (struct segment){
		.offset = offset,
		.length = length,
		.start = chain->bytes,
	};
	chain->bytes += length - head_bytes;
}

static uint64_t *link_of(const struct mapped *mapped,
			 const struct segment *segment)
{
	return (uint64_t *)(mapped->base.base + segment->offset +
			    offsetof(struct mafs_omf_segment, next));
}

/* The offset of the segment behind the last one that is known; 0: none. */
static int next_offset(struct mapped *mapped, uint32_t slot,
		       uint64_t *ret_offset, struct mafs_fault *fault)
{
	const struct chain *chain = &mapped->chains[slot];
	const struct segment *last;
	uint64_t link, next;
	int err;

	if (!chain->n) {
		*ret_offset = mapped->slot_offsets[slot];
		return 0;
	}
	last = &chain->segments[chain->n - 1];
	err = mafs_guarded_load(link_of(mapped, last), &link);
	if (err)
		return segment_fault(fault, err, slot, chain->n - 1,
				     last->offset, "cannot be read");
	link = le64toh(link);
	next = link >> (2 * LINK_SHIFT) << LINK_SHIFT;
	if (link != link_encode(mapped, slot, chain->n - 1, next))
		return segment_fault(fault, -EBADMSG, slot, chain->n - 1,
				     last->offset,
				     "link to the next: checksum mismatch");
	*ret_offset = next;
	return 0;
}

/* Reads the head at @offset and knows it. */
static int follow_to(struct mapped *mapped, uint32_t slot, uint64_t offset,
		     struct mafs_fault *fault)
{
	struct chain *chain = &mapped->chains[slot];
	struct mafs_omf_segment head;
	const char *why;
	int err;

	if (chain->n >= SEGMENTS_MAX)
		return segment_fault(fault, -EUCLEAN, slot, chain->n, offset,
				     "more than there can be");
	if (offset < MAFS_OMF_SEGMENTS_OFFSET || offset % SEGMENT_ALIGN ||
	    !mafs_range_fits(offset, head_bytes, mapped->base.size_bytes))
		return segment_fault(fault, -EUCLEAN, slot, chain->n, offset,
				     "not on the device");
	mafs_device_invalidate(&mapped->base, offset, head_bytes);
	err = mafs_guarded_copy(&head, mapped->base.base + offset,
				sizeof(head));
	if (err)
		return segment_fault(fault, err, slot, chain->n, offset,
				     "cannot be read");
	why = head_fault(mapped, slot, chain->n, offset, &head, &err);
	if (why)
		return segment_fault(fault, err, slot, chain->n, offset, why);
	err = chain_reserve_one(chain);
	if (err)
		return err;
	chain_append(chain, offset, le64toh(head.length));
	return 0;
}

static int follow(struct mapped *mapped, uint32_t slot, uint64_t bytes,
		  struct mafs_fault *fault)
{
	struct chain *chain = &mapped->chains[slot];
	uint64_t offset = 0;
	int err;

	while (chain->bytes < bytes) {
		err = next_offset(mapped, slot, &offset, fault);
		if (err || !offset)
			return err;
		err = follow_to(mapped, slot, offset, fault);
		if (err)
			return err;
	}
	return 0;
}

int chain_follow(struct mapped *mapped, uint32_t slot, uint64_t bytes,
		 struct mafs_fault *fault)
{
	int err = 0;

	for (int attempt = 0; attempt < FOLLOW_ATTEMPTS; attempt++) {
		err = follow(mapped, slot, bytes, fault);
		if (!err)
			return 0;
		chain_forget(&mapped->chains[slot]);
	}
	return err;
}

bool chain_find(const struct chain *chain, uint64_t offset, uint64_t *ret_at,
		uint64_t *ret_len)
{
	size_t low = 0, high = chain->n;
	const struct segment *segment;

	if (offset >= chain->bytes)
		return false;
	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;

		if (chain->segments[middle].start <= offset)
			low = middle;
		else
			high = middle;
	}
	segment = &chain->segments[low];
	offset -= segment->start;
	*ret_at = segment->offset + head_bytes + offset;
	*ret_len = segment->length - head_bytes - offset;
	return true;
}

/* The last known segment's link, persistent. */
static int store_link(struct mapped *mapped, uint32_t slot, size_t index,
		      uint64_t next)
{
	const struct segment *at = &mapped->chains[slot].segments[index];
	int err;

	err = mafs_guarded_store(
		link_of(mapped, at),
		htole64(link_encode(mapped, slot, index, next)));
	if (err)
		return err;
	return mafs_device_flush(&mapped->base, at->offset, head_bytes);
}

int chain_format(struct mapped *mapped, uint32_t slot, uint64_t offset,
		 uint64_t length)
{
	struct mafs_omf_segment head = head_encode(mapped, slot, 0, length);
	int err;

	err = mafs_guarded_copy(mapped->base.base + offset, &head,
				sizeof(head));
	if (err)
		return err;
	return mafs_device_flush(&mapped->base, offset, head_bytes);
}

/* A run for one more segment, taken also of the log's reserve. */
static int take_run(struct mapped *mapped, uint32_t slot, uint64_t bytes,
		    uint64_t *ret_offset, uint64_t *ret_length)
{
	struct chain *chain = &mapped->chains[slot];
	uint64_t want = bytes - chain->bytes + head_bytes;
	int err;

	mafs_guard(&mapped->base.lock);
	if (chain->n >= SEGMENTS_MAX)
		return -ENOSPC;
	/* So that segments are few; not of what is kept free for need. */
	if (want < chain->bytes / 4 &&
	    mapped_room_locked(mapped) > chain->bytes / 4)
		want = chain->bytes / 4;
	err = chain_reserve_one(chain);
	if (err)
		return err;
	return mafs_alloc_take(mapped->base.alloc, want, 0, ret_offset,
			       ret_length);
}

/* Zeros and the head, persistent; nothing refers to them yet. */
static int prepare_segment(struct mapped *mapped, uint32_t slot,
			   uint64_t offset, uint64_t length)
{
	struct mafs_omf_segment head =
		head_encode(mapped, slot, mapped->chains[slot].n, length);
	uint8_t *at = mapped->base.base + offset;
	int err;

	err = mafs_guarded_zero(at, length);
	if (!err)
		err = mafs_guarded_copy(at, &head, sizeof(head));
	if (!err)
		err = mafs_device_flush(&mapped->base, offset, length);
	return err;
}

static int add_segment(struct mapped *mapped, uint32_t slot, uint64_t bytes)
{
	struct chain *chain = &mapped->chains[slot];
	uint64_t offset = 0, length = 0;
	int err;

	err = take_run(mapped, slot, bytes, &offset, &length);
	if (err)
		return err;
	err = prepare_segment(mapped, slot, offset, length);
	if (err) {
		mapped_give(mapped, offset, length);
		return err;
	}
	/* A link that failed may be there all the same: the run stays taken. */
	err = store_link(mapped, slot, chain->n - 1, offset);
	if (err)
		return err;
	mafs_guard(&mapped->base.lock);
	chain_append(chain, offset, length);
	return 0;
}

int chain_grow(struct mapped *mapped, uint32_t slot, uint64_t bytes)
{
	struct chain *chain = &mapped->chains[slot];
	int err = 0;

	if (!chain->n)
		return -ENOSPC;
	while (!err && chain->bytes < bytes)
		err = add_segment(mapped, slot, bytes);
	return err;
}

int chain_cut(struct mapped *mapped, uint32_t slot, uint64_t bytes)
{
	struct chain *chain = &mapped->chains[slot];
	size_t keep = 1;
	int err;

	while (keep < chain->n && chain->segments[keep].start < bytes)
		keep++;
	if (keep >= chain->n)
		return 0;
	err = store_link(mapped, slot, keep - 1, 0);
	if (err)
		return err;
	mafs_guard(&mapped->base.lock);
	while (chain->n > keep) {
		const struct segment *last = &chain->segments[--chain->n];

		chain->bytes = last->start;
		mafs_alloc_give(mapped->base.alloc, last->offset, last->length);
	}
	return 0;
}
