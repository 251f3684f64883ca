// SPDX-License-Identifier: Apache-2.0
/*
 * What changes where a memory file's bytes are, or how long it is. Each change
 * is made in memory and on the device, and then published by one state; when
 * that cannot be, what was made is undone.
 */
#include "extents.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

/* ---- publishing a layout ---- */

/**
 * struct change - a layout that is being published
 * @from: runs before this index are as they were, but for the length of the
 *	last of all; UINT32_MAX: any may be another
 */
struct change {
	uint32_t from;
};

/* All is stored; the lists that fell out of use are given back. */
static int publish(struct extents *e, struct node *node, struct change change)
{
	struct content *content = &node->content;
	struct old_lists old = { 0 };
	bool anew = change.from == UINT32_MAX;
	int r;

	if (node->removed)
		return 0;
	if (!content->n_lists && content->layout.n_runs > MAFS_OMF_FILE_RUNS)
		anew = true;
	r = anew ? content_store_anew(e, content, &old) :
		   content_store_tail(e, content, change.from);
	if (r < 0) {
		if (!anew)
			content_trim_lists(e, content);
		return r;
	}
	r = content_publish(e, content);
	if (r < 0 && anew)
		content_restore(e, content, &old);
	else
		extents_give_lists(e, &old);
	return r;
}

/* ---- growing ---- */

/* Zeros: what is new, and what lay behind the size and comes below it; but not
 * what is stored. */
static int clear_new(struct extents *e, const struct node *node,
		     const struct mafs_layout *added, uint64_t start,
		     uint64_t end, uint64_t size_bytes, bool stored)
{
	const struct content *content = &node->content;
	uint64_t from = content->size_bytes;
	int r;

	if (!stored)
		start = end = 0;
	r = mafs_pool_zero(e->pool, added, 0, start);
	if (r == 0)
		r = mafs_pool_zero(e->pool, added, end, UINT64_MAX);
	if (r < 0 || size_bytes <= from)
		return r;
	if (!stored || start >= size_bytes)
		return mafs_pool_zero(e->pool, &content->layout, from,
				      size_bytes);
	if (from < start)
		r = mafs_pool_zero(e->pool, &content->layout, from, start);
	if (r == 0 && end < size_bytes)
		r = mafs_pool_zero(e->pool, &content->layout,
				   from > end ? from : end, size_bytes);
	return r;
}

int extents_grow(struct extents *e, struct node *node, uint64_t start,
		 uint64_t end, uint64_t size_bytes, const void *bytes)
{
	struct content *content = &node->content;
	uint64_t old_end = mafs_layout_end(&content->layout);
	uint64_t old_size = content->size_bytes;
	uint32_t old_n = content->layout.n_runs;
	struct change change = { old_n ? old_n - 1 : 0 };
	struct mafs_layout added = { 0 };
	int r = 0;

	if (start < end)
		r = extents_fill(e, node, start, end, &added);
	if (r < 0)
		return r;
	if (added.n_runs && added.runs[0].file_offset < old_end)
		change.from = UINT32_MAX;
	r = clear_new(e, node, &added, start, end, size_bytes, bytes);
	if (r == 0 && bytes)
		r = mafs_pool_write(e->pool, &content->layout, bytes,
				    end - start, start);
	content->size_bytes = size_bytes;
	if (r == 0)
		r = publish(e, node, change);
	if (r < 0) {
		content->size_bytes = old_size;
		extents_unfill(e, node, &added);
	} else {
		e->used_bytes += mafs_layout_bytes(&added);
		if (added.n_runs && size_bytes > old_size && bytes)
			extents_take_ahead(e, node, size_bytes);
	}
	mafs_layout_done(&added);
	return r;
}

uint64_t extents_fitting_end(struct extents *e, struct node *node,
			     uint64_t start, uint64_t end)
{
	const struct mafs_layout *layout = &node->content.layout;
	uint64_t unit = extents_unit(e), room = mapped_room(e->mapped);
	uint64_t at = start - start % unit;

	if (room < end - start + 2 * unit && extents_reclaim(e, node))
		room = mapped_room(e->mapped);
	if (room >= end - start + 2 * unit)
		return end;
	/* One may be wanted for a list of runs. */
	room = room > unit ? room - unit : 0;
	while (at < end) {
		if (!mafs_layout_covers(layout, at, at + unit)) {
			if (room < unit)
				return at > start ? at : start;
			room -= unit;
		}
		at += unit;
	}
	return end;
}

/* ---- cutting ---- */

/* A layout without [start, end), published with the size that is set. */
static int cut(struct extents *e, struct node *node, uint64_t start,
	       uint64_t end)
{
	struct content *content = &node->content;
	struct mafs_layout removed = { 0 };
	struct change change;
	int r;

	extents_drop_ahead(e, node);
	r = mafs_pool_cut(e->pool, &content->layout, start, end, &removed);
	if (r < 0)
		return r;
	change.from = mafs_layout_end(&content->layout) <= start ?
			      content->layout.n_runs :
			      UINT32_MAX;
	r = publish(e, node, change);
	if (r < 0) {
		/* Room for them is there: that is where they were. */
		if (mafs_layout_merge(&content->layout, &removed) == 0)
			content->n_done = content->done_crc = 0;
	} else {
		content_trim_lists(e, content);
		e->used_bytes -= mafs_layout_bytes(&removed);
		mafs_pool_give(e->pool, &removed, true);
	}
	mafs_layout_done(&removed);
	return r;
}

static int set_size(struct extents *e, struct node *node, uint64_t size_bytes)
{
	struct content *content = &node->content;
	uint64_t old_size = content->size_bytes, unit = extents_unit(e);
	uint64_t start = size_bytes;
	int r;

	if (size_bytes >= old_size)
		return extents_grow(e, node, 0, 0, size_bytes, NULL);
	if (start % unit)
		start += unit - start % unit;
	content->size_bytes = size_bytes;
	r = cut(e, node, start, UINT64_MAX);
	if (r < 0)
		content->size_bytes = old_size;
	return r;
}

int extents_truncate(struct mafs_memory_file *file, uint64_t size_bytes)
{
	struct node *node = extents_file_of(file)->node;
	struct extents *e = extents_of(file->memory);
	int r;

	if (e->read_only)
		return -EROFS;
	if (size_bytes > INT64_MAX)
		return -EFBIG;
	pthread_rwlock_wrlock(&node->lock);
	clock_gettime(CLOCK_REALTIME_COARSE, &node->content.mtime);
	r = set_size(e, node, size_bytes);
	pthread_rwlock_unlock(&node->lock);
	return r;
}

/* ---- fallocate(2) ---- */

/* No unit for a list of runs: then they stay, as zeros. */
static int punch(struct extents *e, struct node *node, uint64_t start,
		 uint64_t end)
{
	struct content *content = &node->content;
	uint64_t unit = extents_unit(e), whole_end = end - end % unit;
	uint64_t whole = start + (unit - start % unit) % unit;
	int r;

	if (end >= content->size_bytes)
		whole_end = end + (unit - end % unit) % unit;
	if (whole >= whole_end)
		whole = whole_end = end;
	r = mafs_pool_zero(e->pool, &content->layout, start, whole);
	if (r == 0 && whole_end < end)
		r = mafs_pool_zero(e->pool, &content->layout, whole_end, end);
	if (r < 0)
		return r;
	r = cut(e, node, whole, whole_end);
	if (r != -ENOSPC)
		return r;
	r = mafs_pool_zero(e->pool, &content->layout, whole, whole_end);
	return r < 0 || node->removed ? r : content_publish(e, content);
}

static int allocate(struct extents *e, struct node *node, int mode,
		    uint64_t start, uint64_t end)
{
	struct content *content = &node->content;
	uint64_t size = content->size_bytes;
	int r = 0;

	if (mode & FALLOC_FL_PUNCH_HOLE)
		return punch(e, node, start, end);
	if (!(mode & FALLOC_FL_KEEP_SIZE) && end > size)
		size = end;
	r = extents_grow(e, node, start, end, size, NULL);
	if (r == -ENOSPC && extents_reclaim(e, node))
		r = extents_grow(e, node, start, end, size, NULL);
	if (r == 0 && mode & FALLOC_FL_ZERO_RANGE)
		r = mafs_pool_zero(e->pool, &content->layout, start, end);
	return r;
}

int extents_allocate(struct mafs_memory_file *file, int mode, uint64_t offset,
		     uint64_t len)
{
	struct node *node = extents_file_of(file)->node;
	struct extents *e = extents_of(file->memory);
	uint64_t end;
	int r;

	if (e->read_only)
		return -EROFS;
	if (!mafs_add_u64(offset, len, &end) || end > INT64_MAX)
		return -EFBIG;
	pthread_rwlock_wrlock(&node->lock);
	clock_gettime(CLOCK_REALTIME_COARSE, &node->content.mtime);
	r = allocate(e, node, mode, offset, end);
	pthread_rwlock_unlock(&node->lock);
	return r;
}
