// SPDX-License-Identifier: Apache-2.0
/*
 * A sorted set of disjoint, not touching byte ranges: what is dirty in a file.
 * It is on the write path, so a write behind the last one is O(1); everything
 * else is a binary search and one memmove.
 */
#include <errno.h>
#include <mafs/extent.h>
#include <stdlib.h>
#include <string.h>

#define RANGES_FIRST 8

void mafs_ranges_done(struct mafs_ranges *set)
{
	if (!set)
		return;
	free(set->ranges);
	*set = (struct mafs_ranges){};
}

static int ranges_reserve_one(struct mafs_ranges *set)
{
	struct mafs_range *ranges;
	size_t capacity;

	if (set->n_ranges < set->capacity)
		return 0;
	capacity = set->capacity ? set->capacity * 2 : RANGES_FIRST;
	ranges = reallocarray(set->ranges, capacity, sizeof(*ranges));
	if (!ranges)
		return -ENOMEM;
	set->ranges = ranges;
	set->capacity = capacity;
	return 0;
}

/* Index of the first range that ends at or behind @offset. */
static size_t first_ending_from(const struct mafs_ranges *set, uint64_t offset)
{
	size_t low = 0, high = set->n_ranges;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (set->ranges[middle].end < offset)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Replaces @n_old ranges from @first on by @n_new uninitialised ones. Room for
 * one more than there is must be reserved when @n_new > @n_old. */
static void ranges_splice(struct mafs_ranges *set, size_t first, size_t n_old,
			  size_t n_new)
{
	size_t n_behind = set->n_ranges - first - n_old;

	if (n_behind && n_old != n_new)
		memmove(set->ranges + first + n_new,
			set->ranges + first + n_old,
			n_behind * sizeof(*set->ranges));
	set->n_ranges = set->n_ranges - n_old + n_new;
}

static int ranges_insert(struct mafs_ranges *set, size_t first, uint64_t start,
			 uint64_t end)
{
	int err = ranges_reserve_one(set);

	if (err)
		return err;
	ranges_splice(set, first, 0, 1);
	set->ranges[first] = (struct mafs_range){ start, end };
	return 0;
}

int mafs_ranges_add(struct mafs_ranges *set, uint64_t start, uint64_t end)
{
	struct mafs_range *last;
	size_t first, n_joined = 0;

	if (start >= end)
		return 0;
	if (!set->n_ranges)
		return ranges_insert(set, 0, start, end);
	last = &set->ranges[set->n_ranges - 1];
	if (start > last->end)
		return ranges_insert(set, set->n_ranges, start, end);
	if (start >= last->start) {
		if (end > last->end)
			last->end = end;
		return 0;
	}
	first = first_ending_from(set, start);
	while (first + n_joined < set->n_ranges &&
	       set->ranges[first + n_joined].start <= end)
		n_joined++;
	if (!n_joined)
		return ranges_insert(set, first, start, end);
	if (set->ranges[first].start < start)
		start = set->ranges[first].start;
	if (set->ranges[first + n_joined - 1].end > end)
		end = set->ranges[first + n_joined - 1].end;
	ranges_splice(set, first, n_joined, 1);
	set->ranges[first] = (struct mafs_range){ start, end };
	return 0;
}

int mafs_ranges_remove(struct mafs_ranges *set, uint64_t start, uint64_t end)
{
	size_t first, n_gone = 0;
	int err;

	if (start >= end)
		return 0;
	first = first_ending_from(set, start);
	if (first == set->n_ranges)
		return 0;
	if (set->ranges[first].start < start) {
		struct mafs_range *cut = &set->ranges[first];

		if (cut->end > end) {
			uint64_t behind_end = cut->end;

			err = ranges_insert(set, first + 1, end, behind_end);
			if (err)
				return err;
			set->ranges[first].end = start;
			return 0;
		}
		cut->end = start;
		first++;
	}
	while (first + n_gone < set->n_ranges &&
	       set->ranges[first + n_gone].end <= end)
		n_gone++;
	ranges_splice(set, first, n_gone, 0);
	if (first < set->n_ranges && set->ranges[first].start < end)
		set->ranges[first].start = end;
	return 0;
}

uint64_t mafs_ranges_overlap(const struct mafs_ranges *set, uint64_t start,
			     uint64_t end)
{
	uint64_t bytes = 0;

	for (size_t i = first_ending_from(set, start);
	     i < set->n_ranges && set->ranges[i].start < end; i++) {
		const struct mafs_range *range = &set->ranges[i];
		uint64_t from = range->start > start ? range->start : start;
		uint64_t to = range->end < end ? range->end : end;

		if (from < to)
			bytes += to - from;
	}
	return bytes;
}

uint64_t mafs_ranges_total(const struct mafs_ranges *set)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < set->n_ranges; i++)
		bytes += set->ranges[i].end - set->ranges[i].start;
	return bytes;
}

int mafs_ranges_merge(struct mafs_ranges *to, const struct mafs_ranges *from)
{
	for (size_t i = 0; i < from->n_ranges; i++) {
		int err = mafs_ranges_add(to, from->ranges[i].start,
					  from->ranges[i].end);

		if (err)
			return err;
	}
	return 0;
}
