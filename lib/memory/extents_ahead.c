// SPDX-License-Identifier: Apache-2.0
/*
 * Units for files that grow. Appenders beside each other would share out the
 * device unit by unit; so one that has grown somewhat takes more than it needs,
 * and its next stores begin with that. Only memory knows of it: after a kill it
 * is free, and it counts as free before.
 */
#include "extents.h"

#include <errno.h>

#define FROM_BYTES (64U << 10)
#define MOST_BYTES (16U << 20)

/* What is ahead of [start, end) becomes the file's. */
static int use_ahead(struct extents *e, struct node *node, uint64_t start,
		     uint64_t end, struct mafs_layout *ret_used)
{
	struct mafs_layout used = { 0 };
	int r;

	r = mafs_pool_cut(e->pool, &node->ahead, start, end, &used);
	if (r < 0)
		return r;
	r = mafs_layout_merge(&node->content.layout, &used);
	e->ahead_bytes -= mafs_layout_bytes(&used);
	if (r < 0) {
		mafs_pool_give(e->pool, &used, true);
		mafs_layout_done(&used);
		return r;
	}
	*ret_used = used;
	return 0;
}

void extents_unfill(struct extents *e, struct node *node,
		    struct mafs_layout *added)
{
	struct content *content = &node->content;
	struct mafs_layout removed = { 0 };

	for (uint32_t i = 0; i < added->n_runs; i++) {
		const struct mafs_run *run = &added->runs[i];

		/* Without memory they stay taken until the next attach. */
		if (mafs_pool_cut(e->pool, &content->layout, run->file_offset,
				  run->file_offset + run->length,
				  &removed) == 0)
			mafs_pool_give(e->pool, &removed, true);
		mafs_layout_done(&removed);
	}
	mafs_layout_done(added);
	content->n_done = content->done_crc = 0;
}

int extents_fill(struct extents *e, struct node *node, uint64_t start,
		 uint64_t end, struct mafs_layout *ret_added)
{
	struct mafs_layout used = { 0 }, added = { 0 };
	uint64_t unit = extents_unit(e);
	int r = 0;

	start -= start % unit;
	if (!mafs_align_up(end, unit, &end))
		return -ENOSPC;
	if (node->ahead.n_runs)
		r = use_ahead(e, node, start, end, &used);
	if (r == 0)
		r = mafs_pool_fill(e->pool, &node->content.layout, start, end,
				   &added);
	if (r == 0) {
		r = mafs_layout_merge(&added, &used);
		if (r < 0)
			extents_unfill(e, node, &added);
	}
	if (r < 0) {
		extents_unfill(e, node, &used);
		return r;
	}
	mafs_layout_done(&used);
	*ret_added = added;
	return 0;
}

void extents_take_ahead(struct extents *e, struct node *node, uint64_t end)
{
	struct mafs_layout *layout = &node->content.layout;
	uint64_t bytes = end / 8, start = mafs_layout_end(layout);
	struct mafs_layout added = { 0 };

	if (end < FROM_BYTES || start < end || node->ahead.n_runs ||
	    node->removed)
		return;
	if (bytes < FROM_BYTES)
		bytes = FROM_BYTES;
	if (bytes > MOST_BYTES)
		bytes = MOST_BYTES;
	bytes -= bytes % extents_unit(e);
	/* Not when that makes space short. */
	if (mapped_room(e->mapped) / 16 < bytes ||
	    mafs_pool_fill(e->pool, layout, start, start + bytes, &added) < 0)
		return;
	mafs_layout_done(&added);
	mafs_layout_done(&node->ahead);
	/* Filled where it is best, but not the file's. Without memory to say
	 * so they stay with it, behind its end. */
	if (mafs_pool_cut(e->pool, layout, start, start + bytes,
			  &node->ahead) == 0)
		e->ahead_bytes += mafs_layout_bytes(&node->ahead);
	else
		e->used_bytes += bytes;
}

void extents_drop_ahead(struct extents *e, struct node *node)
{
	e->ahead_bytes -= mafs_layout_bytes(&node->ahead);
	mafs_pool_give(e->pool, &node->ahead, true);
	mafs_layout_done(&node->ahead);
}

bool extents_reclaim(struct extents *e, struct node *node)
{
	bool any = e->ahead_bytes > 0;

	if (!any)
		return false;
	if (node)
		extents_drop_ahead(e, node);
	mafs_guard(&e->lock);
	for (uint32_t i = 0; i < EXTENTS_N_BUCKETS; i++)
		for (struct node *n = e->buckets[i]; n; n = n->next) {
			/* Who holds it may wait for us. */
			if (n == node || pthread_rwlock_trywrlock(&n->lock))
				continue;
			extents_drop_ahead(e, n);
			pthread_rwlock_unlock(&n->lock);
		}
	return any;
}
