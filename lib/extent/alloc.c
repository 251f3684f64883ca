// SPDX-License-Identifier: Apache-2.0
/*
 * Free space of a device: a bitmap of its units, and over it a tree that knows
 * of each piece how many units are free at its front, at most in a row, and at
 * its end. So the first run that is long enough, or the longest there is, is
 * found without looking at what is taken.
 *
 * Claims of a replay only set bits; the tree is made before the first use.
 * Called by lib/memory under the device's lock.
 */
#include <mafs/alloc.h>

#include <assert.h>
#include <errno.h>
#include <mafs/checked.h>
#include <mafs/cleanup.h>
#include <string.h>

#define WORD_UNITS 64U
#define LEAF_UNITS 1024U
#define LEAF_WORDS (LEAF_UNITS / WORD_UNITS)
#define UNIT_MIN 4096U
#define UNIT_MAX (1U << 30)

/* Free units of one piece. */
struct piece {
	uint64_t front, longest, back;
};

/**
 * struct mafs_alloc
 * @taken: a bit for each unit; whole leaves, set behind the last unit
 * @n_leaves: of the tree, a power of two; those without bits hold nothing free
 * @tree: node n is made of 2n and 2n + 1, the first leaf is node n_leaves
 * @tree_is_old: bits were set since
 */
struct mafs_alloc {
	uint32_t unit_bytes;
	uint64_t n_units, n_free;
	uint64_t *taken;
	size_t n_leaves, n_leaves_used;
	struct piece *tree;
	bool tree_is_old;
};

static uint64_t max_u64(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* The first unit of [from, end) that is taken, or free; else @end. */
static uint64_t next_unit(const struct mafs_alloc *alloc, uint64_t from,
			  uint64_t end, bool taken)
{
	uint64_t flip = taken ? 0 : UINT64_MAX;

	while (from < end) {
		uint64_t word = alloc->taken[from / WORD_UNITS] ^ flip;

		word >>= from % WORD_UNITS;
		if (word)
			return min_u64(end,
				       from + (uint64_t)__builtin_ctzll(word));
		from += WORD_UNITS - from % WORD_UNITS;
	}
	return end;
}

static void mark_units(struct mafs_alloc *alloc, uint64_t from, uint64_t end,
		       bool taken)
{
	while (from < end) {
		uint64_t *word = &alloc->taken[from / WORD_UNITS];
		uint64_t n =
			min_u64(WORD_UNITS - from % WORD_UNITS, end - from);
		uint64_t mask = (UINT64_MAX >> (WORD_UNITS - n))
				<< from % WORD_UNITS;

		*word = taken ? *word | mask : *word & ~mask;
		from += n;
	}
}

/* Are there @n bits in a row? */
static bool has_run(uint64_t bits, uint64_t n)
{
	uint64_t len = 1;

	while (len < n && bits) {
		uint64_t more = min_u64(len, n - len);

		bits &= bits >> more;
		len += more;
	}
	return bits;
}

/* By words, as it is made anew at each change. */
static struct piece piece_of_leaf(const struct mafs_alloc *alloc, size_t leaf)
{
	struct piece piece = {};
	const uint64_t *words;
	bool any_taken = false;
	uint64_t run = 0; /* free up to here */

	if (leaf >= alloc->n_leaves_used)
		return piece;
	words = alloc->taken + leaf * LEAF_WORDS;
	for (size_t i = 0; i < LEAF_WORDS; i++) {
		if (!words[i]) {
			run += WORD_UNITS;
			continue;
		}
		run += (uint64_t)__builtin_ctzll(words[i]);
		if (!any_taken)
			piece.front = run;
		any_taken = true;
		piece.longest = max_u64(piece.longest, run);
		while (piece.longest < WORD_UNITS &&
		       has_run(~words[i], piece.longest + 1))
			piece.longest++;
		run = (uint64_t)__builtin_clzll(words[i]);
	}
	piece.back = run;
	piece.longest = max_u64(piece.longest, run);
	if (!any_taken)
		piece.front = run;
	return piece;
}

/* Two pieces of @n units each. */
static struct piece piece_of_two(const struct piece *left,
				 const struct piece *right, uint64_t n)
{
	uint64_t longest = max_u64(left->longest, right->longest);

	return (struct piece){
		.front = left->front == n ? n + right->front : left->front,
		.longest = max_u64(longest, left->back + right->front),
		.back = right->back == n ? n + left->back : right->back,
	};
}

static bool piece_set(struct piece *piece, struct piece value)
{
	bool changes = piece->front != value.front ||
		       piece->longest != value.longest ||
		       piece->back != value.back;

	*piece = value;
	return changes;
}

/* Brings the tree over the leaves [first, last] up to date, as far up as
 * anything changes. */
static void tree_update(struct mafs_alloc *alloc, size_t first, size_t last)
{
	bool changed = false;
	uint64_t n = LEAF_UNITS;

	for (size_t leaf = first; leaf <= last; leaf++)
		changed |= piece_set(&alloc->tree[alloc->n_leaves + leaf],
				     piece_of_leaf(alloc, leaf));
	first += alloc->n_leaves;
	last += alloc->n_leaves;
	while (changed && first > 1) {
		changed = false;
		first /= 2;
		last /= 2;
		for (size_t node = first; node <= last; node++)
			changed |= piece_set(
				&alloc->tree[node],
				piece_of_two(&alloc->tree[2 * node],
					     &alloc->tree[2 * node + 1], n));
		n *= 2;
	}
}

static void set_units(struct mafs_alloc *alloc, uint64_t from, uint64_t n,
		      bool taken)
{
	mark_units(alloc, from, from + n, taken);
	if (taken)
		alloc->n_free -= n;
	else
		alloc->n_free += n;
	if (!alloc->tree_is_old)
		tree_update(alloc, (size_t)(from / LEAF_UNITS),
			    (size_t)((from + n - 1) / LEAF_UNITS));
}

int mafs_alloc_new(uint64_t size_bytes, uint32_t unit_bytes,
		   struct mafs_alloc **ret)
{
	struct mafs_alloc *alloc;

	if (unit_bytes < UNIT_MIN || unit_bytes > UNIT_MAX ||
	    (unit_bytes & (unit_bytes - 1)) || size_bytes < unit_bytes)
		return -EINVAL;
	alloc = calloc(1, sizeof(*alloc));
	if (!alloc)
		return -ENOMEM;
	alloc->unit_bytes = unit_bytes;
	alloc->n_units = alloc->n_free = size_bytes / unit_bytes;
	alloc->n_leaves_used =
		(size_t)((alloc->n_units + LEAF_UNITS - 1) / LEAF_UNITS);
	for (alloc->n_leaves = 1; alloc->n_leaves < alloc->n_leaves_used;)
		alloc->n_leaves *= 2;
	alloc->taken = calloc(alloc->n_leaves_used, LEAF_UNITS / 8);
	alloc->tree = calloc(2 * alloc->n_leaves, sizeof(*alloc->tree));
	if (!alloc->taken || !alloc->tree) {
		mafs_alloc_free(alloc);
		return -ENOMEM;
	}
	mark_units(alloc, alloc->n_units,
		   (uint64_t)alloc->n_leaves_used * LEAF_UNITS, true);
	alloc->tree_is_old = true;
	*ret = alloc;
	return 0;
}

void mafs_alloc_free(struct mafs_alloc *alloc)
{
	if (!alloc)
		return;
	free(alloc->taken);
	free(alloc->tree);
	free(alloc);
}

int mafs_alloc_claim(struct mafs_alloc *alloc, uint64_t offset, uint64_t len,
		     struct mafs_fault *fault)
{
	uint64_t unit = alloc->unit_bytes, first, end, used;

	if (!len || offset % unit || len % unit ||
	    !mafs_range_fits(offset, len, alloc->n_units * unit))
		return mafs_fault_at(fault, -ERANGE, offset,
				     "%llu bytes at %llu: no whole units of "
				     "%llu bytes on a device of %llu",
				     (unsigned long long)len,
				     (unsigned long long)offset,
				     (unsigned long long)unit,
				     (unsigned long long)alloc->n_units * unit);
	first = offset / unit;
	end = first + len / unit;
	used = next_unit(alloc, first, end, true);
	if (used < end)
		return mafs_fault_at(fault, -EEXIST, used * unit,
				     "%llu bytes at %llu: in use twice from "
				     "%llu on",
				     (unsigned long long)len,
				     (unsigned long long)offset,
				     (unsigned long long)(used * unit));
	alloc->tree_is_old = true;
	set_units(alloc, first, end - first, true);
	return 0;
}

/* The first run of @n free units; there is one. */
static uint64_t find_run(const struct mafs_alloc *alloc, uint64_t n)
{
	uint64_t units = (uint64_t)alloc->n_leaves * LEAF_UNITS;
	uint64_t start = 0, end, at;
	size_t node = 1;

	while (node < alloc->n_leaves) {
		const struct piece *left = &alloc->tree[2 * node];

		units /= 2;
		node *= 2;
		if (left->longest >= n)
			continue;
		if (left->back + left[1].front >= n)
			return start + units - left->back;
		node++;
		start += units;
	}
	end = start + units;
	for (at = start;; start = at) {
		at = next_unit(alloc, start, end, false);
		start = at;
		at = next_unit(alloc, start, end, true);
		if (at - start >= n)
			return start;
		assert(at < end);
	}
}

int mafs_alloc_take(struct mafs_alloc *alloc, uint64_t len, uint64_t goal,
		    uint64_t *ret_offset, uint64_t *ret_len)
{
	uint64_t unit = alloc->unit_bytes, first = goal / unit;
	uint64_t n = len / unit + (len % unit != 0), at_goal = 0;

	assert(len);
	if (alloc->tree_is_old) {
		tree_update(alloc, 0, alloc->n_leaves - 1);
		alloc->tree_is_old = false;
	}
	if (!alloc->tree[1].longest)
		return -ENOSPC;
	if (goal && goal % unit == 0 && first < alloc->n_units)
		at_goal = next_unit(alloc, first,
				    first + min_u64(n, alloc->n_units - first),
				    true) -
			  first;
	if (at_goal) {
		n = at_goal;
	} else {
		n = min_u64(n, alloc->tree[1].longest);
		first = find_run(alloc, n);
	}
	set_units(alloc, first, n, true);
	*ret_offset = first * unit;
	*ret_len = n * unit;
	return 0;
}

void mafs_alloc_give(struct mafs_alloc *alloc, uint64_t offset, uint64_t len)
{
	uint64_t unit = alloc->unit_bytes;
	uint64_t first = offset / unit, n = len / unit;

	assert(n && offset % unit == 0 && len % unit == 0);
	assert(next_unit(alloc, first, first + n, false) == first + n);
	set_units(alloc, first, n, false);
}

uint32_t mafs_alloc_unit(const struct mafs_alloc *alloc)
{
	return alloc->unit_bytes;
}

uint64_t mafs_alloc_free_bytes(const struct mafs_alloc *alloc)
{
	return alloc->n_free * alloc->unit_bytes;
}

int mafs_alloc_visit_free(const struct mafs_alloc *alloc,
			  int (*visit)(void *context, uint64_t offset,
				       uint64_t len),
			  void *context)
{
	uint64_t at = 0, end = alloc->n_units;
	int err = 0;

	while (!err && (at = next_unit(alloc, at, end, false)) < end) {
		uint64_t stop = next_unit(alloc, at, end, true);

		err = visit(context, at * alloc->unit_bytes,
			    (stop - at) * alloc->unit_bytes);
		at = stop;
	}
	return err;
}
