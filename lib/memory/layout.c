// SPDX-License-Identifier: Apache-2.0
/*
 * Where a file's bytes are: a sorted array of disjoint runs. Runs that touch
 * in the file and on the device are one. Appending is O(1); all else is a
 * binary search and at most one pass over the array.
 */
#include "layout.h"

#include <errno.h>
#include <mafs/cleanup.h>
#include <string.h>

#define LAYOUT_FIRST 4U

void mafs_layout_done(struct mafs_layout *layout)
{
	if (!layout)
		return;
	free(layout->runs);
	*layout = (struct mafs_layout){};
}

uint64_t mafs_layout_bytes(const struct mafs_layout *layout)
{
	uint64_t bytes = 0;

	for (uint32_t i = 0; i < layout->n_runs; i++)
		bytes += layout->runs[i].length;
	return bytes;
}

uint64_t mafs_layout_end(const struct mafs_layout *layout)
{
	return layout->n_runs ? run_end(&layout->runs[layout->n_runs - 1]) : 0;
}

uint32_t layout_first(const struct mafs_layout *layout, uint64_t offset)
{
	uint32_t low = 0, high = layout->n_runs;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (run_end(&layout->runs[middle]) <= offset)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

bool mafs_layout_covers(const struct mafs_layout *layout, uint64_t start,
			uint64_t end)
{
	uint32_t i = layout_first(layout, start);

	while (start < end) {
		const struct mafs_run *run = &layout->runs[i++];

		if (i > layout->n_runs || run->file_offset > start)
			return false;
		start = run_end(run);
	}
	return true;
}

static off_t seek_data(const struct mafs_layout *layout, uint64_t offset)
{
	uint32_t i = layout_first(layout, offset);

	if (i == layout->n_runs)
		return -ENXIO;
	if (layout->runs[i].file_offset > offset)
		offset = layout->runs[i].file_offset;
	return (off_t)offset;
}

static off_t seek_hole(const struct mafs_layout *layout, uint64_t offset)
{
	for (uint32_t i = layout_first(layout, offset);
	     i < layout->n_runs && layout->runs[i].file_offset <= offset; i++)
		offset = run_end(&layout->runs[i]);
	return (off_t)offset;
}

off_t mafs_layout_seek(const struct mafs_layout *layout, uint64_t size,
		       off_t offset, int whence)
{
	off_t found;

	if (whence != SEEK_DATA && whence != SEEK_HOLE)
		return -EINVAL;
	if (offset < 0 || (uint64_t)offset >= size)
		return -ENXIO;
	if (whence == SEEK_DATA) {
		found = seek_data(layout, (uint64_t)offset);
		return found >= 0 && (uint64_t)found >= size ? -ENXIO : found;
	}
	found = seek_hole(layout, (uint64_t)offset);
	return (uint64_t)found > size ? (off_t)size : found;
}

int layout_reserve(struct mafs_layout *layout, size_t n)
{
	size_t need = layout->n_runs + n;
	size_t capacity = layout->capacity ? layout->capacity : LAYOUT_FIRST;
	struct mafs_run *runs;

	if (need <= layout->capacity)
		return 0;
	if (need > UINT32_MAX)
		return -ENOMEM;
	while (capacity < need)
		capacity *= 2;
	if (capacity > UINT32_MAX)
		capacity = UINT32_MAX;
	runs = reallocarray(layout->runs, capacity, sizeof(*runs));
	if (!runs)
		return -ENOMEM;
	layout->runs = runs;
	layout->capacity = (uint32_t)capacity;
	return 0;
}

static bool runs_touch(const struct mafs_run *a, const struct mafs_run *b)
{
	return a->device == b->device && run_end(a) == b->file_offset &&
	       a->offset + a->length == b->offset;
}

/* Room is reserved. */
static void append_merged(struct mafs_layout *layout,
			  const struct mafs_run *run)
{
	struct mafs_run *last = layout->runs + layout->n_runs - 1;

	if (layout->n_runs && runs_touch(last, run))
		last->length += run->length;
	else
		layout->runs[layout->n_runs++] = *run;
}

int layout_append(struct mafs_layout *layout, const struct mafs_run *run)
{
	int err = layout_reserve(layout, 1);

	if (!err)
		append_merged(layout, run);
	return err;
}

/* Both sorted: what lies from the first new run on is moved to the end of the
 * room, then both are appended in turn. The gap between is never used up: at
 * most as many runs are appended as were taken from either. */
int mafs_layout_merge(struct mafs_layout *layout,
		      const struct mafs_layout *runs)
{
	uint32_t first, n_behind, n_new = runs->n_runs;
	const struct mafs_run *behind, *new = runs->runs;
	const struct mafs_run *new_end = new + n_new, *behind_end;
	int err;

	if (!n_new)
		return 0;
	err = layout_reserve(layout, n_new);
	if (err)
		return err;
	first = layout_first(layout, new->file_offset);
	n_behind = layout->n_runs - first;
	behind_end = layout->runs + layout->n_runs + n_new;
	behind = behind_end - n_behind;
	if (n_behind)
		memmove(layout->runs + first + n_new, layout->runs + first,
			n_behind * sizeof(*layout->runs));
	layout->n_runs = first;
	while (new < new_end || behind < behind_end) {
		struct mafs_run run;

		if (behind == behind_end ||
		    (new < new_end &&new->file_offset < behind->file_offset))
			run = *new ++;
		else
			run = *behind++;
		append_merged(layout, &run);
	}
	return 0;
}

struct mafs_run run_part(const struct mafs_run *run, uint64_t start,
			 uint64_t end)
{
	struct mafs_run part = *run;

	if (part.file_offset < start) {
		part.offset += start - part.file_offset;
		part.length -= start - part.file_offset;
		part.file_offset = start;
	}
	if (run_end(&part) > end)
		part.length = end - part.file_offset;
	return part;
}

/* [start, end) are whole units, not empty. */
static int cut_units(struct mafs_layout *layout, uint64_t start, uint64_t end,
		     struct mafs_layout *ret_removed)
{
	uint32_t first = layout_first(layout, start), last = first, n_kept = 0;
	struct mafs_layout removed = {};
	struct mafs_run kept[2];
	int err;

	while (last < layout->n_runs && layout->runs[last].file_offset < end)
		last++;
	if (first == last) {
		*ret_removed = removed;
		return 0;
	}
	err = layout_reserve(layout, 1);
	if (!err)
		err = layout_reserve(&removed, last - first);
	if (err)
		return err;
	for (uint32_t i = first; i < last; i++)
		removed.runs[removed.n_runs++] =
			run_part(&layout->runs[i], start, end);
	if (layout->runs[first].file_offset < start)
		kept[n_kept++] = run_part(&layout->runs[first], 0, start);
	if (run_end(&layout->runs[last - 1]) > end)
		kept[n_kept++] =
			run_part(&layout->runs[last - 1], end, UINT64_MAX);
	memmove(layout->runs + first + n_kept, layout->runs + last,
		(layout->n_runs - last) * sizeof(*layout->runs));
	memcpy(layout->runs + first, kept, n_kept * sizeof(*kept));
	layout->n_runs -= last - first - n_kept;
	*ret_removed = removed;
	return 0;
}

int mafs_pool_cut(struct mafs_pool *pool, struct mafs_layout *layout,
		  uint64_t start, uint64_t end, struct mafs_layout *ret_removed)
{
	uint64_t unit = mafs_pool_unit(pool);

	end -= end % unit;
	if (start % unit) {
		start -= start % unit;
		/* No overflow: @end is a multiple that is larger. */
		if (start >= end) {
			*ret_removed = (struct mafs_layout){};
			return 0;
		}
		start += unit;
	}
	if (start >= end) {
		*ret_removed = (struct mafs_layout){};
		return 0;
	}
	return cut_units(layout, start, end, ret_removed);
}
