// SPDX-License-Identifier: Apache-2.0
/*
 * Bytes. A write within what a file has is a copy into the mapping, beside
 * others. One that takes new extents or moves the end is alone (inode->io):
 *
 *	1. extents taken from the pool		free again after a crash
 *	2. their rest zeroed, bytes stored, flushed
 *	3. log `extents` or `size`, flushed	the bytes are the file's
 *
 * So what a map or a size in the log promises is there. Beyond a file's end its
 * extents hold anything: whoever moves the end out zeroes up to there first.
 */
#include "memvol.h"

#include <string.h>

#define AHEAD_MAX_BYTES (8U << 20)
#define AHEAD_PART 4
#define SETTLE_TRIES 4

/* ---- reading ---- */

ssize_t mafsm_read_locked(struct mafsm *m, struct mafsm_inode *inode,
			  void *bytes, size_t len, uint64_t offset)
{
	uint64_t size = inode->node->size_bytes;
	int r;

	if (offset >= size)
		return 0;
	if (len > size - offset)
		len = (size_t)(size - offset);
	r = mafs_pool_read(m->pool, &inode->layout, bytes, len, offset);
	return r < 0 ? r : (ssize_t)len;
}

int mafsm_read_begin(struct mafsm *m, struct mafsm_inode *inode)
{
	int r;

	for (;;) {
		pthread_rwlock_rdlock(&inode->io);
		if (inode->loaded)
			return 0;
		pthread_rwlock_unlock(&inode->io);
		pthread_rwlock_wrlock(&inode->io);
		r = mafsm_load(m, inode);
		pthread_rwlock_unlock(&inode->io);
		if (r < 0)
			return r;
		/* A client's may be out of date again. */
	}
}

ssize_t mafsm_read_bytes(struct mafsd_fs *fs, struct mafsd_open *open,
			 void *bytes, size_t len, uint64_t offset)
{
	struct mafsm *m = mafsm_of(fs);
	struct mafsm_inode *inode = mafsm_opened(open);
	ssize_t n;

	if (!m->log)
		return mafsm_client_read(m, inode, bytes, len, offset);
	n = mafsm_read_begin(m, inode);
	if (n < 0)
		return n;
	n = mafsm_read_locked(m, inode, bytes, len, offset);
	pthread_rwlock_unlock(&inode->io);
	/* What was copied may be somebody else's by now. */
	return n > 0 && mafsm_is_fenced(m) ? -EIO : n;
}

/* ---- what the log is told ---- */

static bool same_extent(const struct mafs_extent *a,
			const struct mafs_extent *b)
{
	return mafs_uuid_equal(&a->device_uuid, &b->device_uuid) &&
	       a->offset_bytes == b->offset_bytes &&
	       a->length_bytes == b->length_bytes;
}

/* The first extent that an append has changed: the last one, or none of those
 * that were there. */
static uint32_t first_changed(const struct mafs_map *old,
			      const struct mafs_map *map)
{
	size_t n = old->n_extents;

	if (n == 0 || map->n_extents < n)
		return 0;
	if (same_extent(&old->extents[n - 1], &map->extents[n - 1]))
		return (uint32_t)n;
	return (uint32_t)(n - 1);
}

static int log_now(struct mafsm *m, struct mafsm_inode *inode,
		   struct mafs_entry *entry)
{
	uint64_t ticket;
	int r;

	pthread_rwlock_wrlock(&m->lock);
	r = mafsm_commit(m, entry, 1, &ticket);
	if (r == 0 && !entry->quiet)
		mafsm_forget_time(inode->node);
	pthread_rwlock_unlock(&m->lock);
	return r < 0 ? r : mafsm_wait(m, ticket);
}

int mafsm_log_layout(struct mafsm *m, struct mafsm_inode *inode, uint64_t size,
		     unsigned int how)
{
	_cleanup_(mafs_map_done) struct mafs_map map = { 0 };
	struct mafs_entry entry = {
		.type = MAFS_OMF_EXTENTS,
		.quiet = how & MAFSM_QUIET,
	};
	uint32_t first = 0;
	int r;

	r = mafs_layout_to_map(m->pool, &inode->layout, &map);
	if (r < 0)
		return r;
	if (how & MAFSM_APPENDED)
		first = first_changed(&inode->node->map, &map);
	entry.extents = (struct mafs_entry_extents){
		.id = inode->node->id,
		.size_bytes = size,
		.mtime = mafsm_now(),
		.first = first,
		.map = { .extents = map.extents + first,
			 .n_extents = map.n_extents - first },
	};
	return log_now(m, inode, &entry);
}

int mafsm_log_size(struct mafsm *m, struct mafsm_inode *inode, uint64_t size)
{
	struct mafs_entry entry = {
		.type = MAFS_OMF_SIZE,
		.size = {
			.id = inode->node->id,
			.size_bytes = size,
			.mtime = mafsm_now(),
		},
	};

	return log_now(m, inode, &entry);
}

/* ---- space ---- */

/* What was given back and is not free yet may be enough. */
static int take_settled(struct mafsm *m, struct mafsm_inode *inode,
			uint64_t start, uint64_t end,
			struct mafs_layout *ret_added)
{
	int r = mafs_pool_fill(m->pool, &inode->layout, start, end, ret_added);

	if (r != -ENOSPC)
		return r;
	mafs_pool_settle(m->pool);
	return mafs_pool_fill(m->pool, &inode->layout, start, end, ret_added);
}

static int zero_and_flush(struct mafsm *m, const struct mafs_layout *runs,
			  uint64_t start, uint64_t end)
{
	int r = mafs_pool_zero(m->pool, runs, start, end);

	return r < 0 ? r : mafs_pool_flush(m->pool, runs, start, end);
}

/* All of @added but [start, end). */
static int zero_around(struct mafsm *m, const struct mafs_layout *added,
		       uint64_t start, uint64_t end)
{
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < added->n_runs; i++) {
		uint64_t at = added->runs[i].file_offset;
		uint64_t run_end = at + added->runs[i].length;

		if (at < start)
			r = zero_and_flush(m, added, at,
					   run_end < start ? run_end : start);
		if (r == 0 && run_end > end)
			r = zero_and_flush(m, added, at > end ? at : end,
					   run_end);
	}
	return r;
}

void mafsm_take_back(struct mafsm *m, struct mafsm_inode *inode,
		     const struct mafs_layout *added)
{
	/* What the log may have been told is not to be given away. */
	if (atomic_load(&m->broken))
		return;
	for (uint32_t i = 0; i < added->n_runs; i++) {
		_cleanup_(mafs_layout_done) struct mafs_layout removed = { 0 };

		if (mafs_pool_cut(
			    m->pool, &inode->layout, added->runs[i].file_offset,
			    added->runs[i].file_offset + added->runs[i].length,
			    &removed) == 0)
			mafs_pool_give(m->pool, &removed, true);
	}
}

int mafsm_fill(struct mafsm *m, struct mafsm_inode *inode, uint64_t start,
	       uint64_t end, struct mafs_layout *ret_added)
{
	int r = take_settled(m, inode, start, end, ret_added);

	if (r < 0)
		return r;
	r = zero_around(m, ret_added, inode->node->size_bytes, UINT64_MAX);
	if (r < 0)
		mafsm_take_back(m, inode, ret_added);
	return r;
}

/* ---- writing ---- */

/* A file that grows by appending gets more than it asked for, so that its
 * extents are few; the last close gives it back. */
static uint64_t ahead_of(const struct mafsm_inode *inode, uint64_t start,
			 uint64_t end)
{
	uint64_t size = inode->node->size_bytes, ahead;

	if (start == 0 || start != size)
		return end;
	ahead = size / AHEAD_PART;
	return end + (ahead < AHEAD_MAX_BYTES ? ahead : AHEAD_MAX_BYTES);
}

static int fill_for_write(struct mafsm *m, struct mafsm_inode *inode,
			  uint64_t start, uint64_t end,
			  struct mafs_layout *ret_added)
{
	uint64_t ahead = ahead_of(inode, start, end);
	uint64_t layout_end = mafs_layout_end(&inode->layout);
	int r = -ENOSPC;

	/* Beyond the end nothing is read, so nothing is zeroed. */
	if (ahead > end)
		r = mafs_pool_fill(m->pool, &inode->layout, start, ahead,
				   ret_added);
	if (r == 0 && !inode->ahead) {
		inode->ahead = true;
		inode->ahead_start = layout_end;
	}
	if (r == -ENOSPC)
		r = take_settled(m, inode, start, end, ret_added);
	if (r < 0)
		return r;
	r = zero_around(m, ret_added, start,
			end < inode->node->size_bytes ? end : UINT64_MAX);
	if (r < 0)
		mafsm_take_back(m, inode, ret_added);
	return r;
}

int mafsm_zero(struct mafsm *m, struct mafsm_inode *inode, uint64_t start,
	       uint64_t end)
{
	return zero_and_flush(m, &inode->layout, start, end);
}

/* What lies between the old end and a later one reads as zeros. */
static int zero_gap(struct mafsm *m, struct mafsm_inode *inode, uint64_t until)
{
	uint64_t size = inode->node->size_bytes;

	if (until <= size)
		return 0;
	return zero_and_flush(m, &inode->layout, size, until);
}

/* Context: inode->io held exclusively. */
static ssize_t write_alone(struct mafsm *m, struct mafsm_inode *inode,
			   const void *bytes, size_t len, uint64_t offset)
{
	_cleanup_(mafs_layout_done) struct mafs_layout added = { 0 };
	uint64_t end = offset + len, size = inode->node->size_bytes;
	uint64_t layout_end;
	bool appended;
	int r;

	r = mafsm_load(m, inode);
	if (r < 0)
		return r;
	layout_end = mafs_layout_end(&inode->layout);
	appended = offset >= layout_end ||
		   mafs_layout_covers(&inode->layout, offset, layout_end);
	r = fill_for_write(m, inode, offset, end, &added);
	if (r < 0)
		return r;
	r = zero_gap(m, inode, offset);
	if (r == 0)
		r = mafs_pool_write(m->pool, &inode->layout, bytes, len,
				    offset);
	if (r == 0)
		r = mafs_pool_flush(m->pool, &inode->layout, offset, end);
	if (end < size)
		end = size;
	if (r == 0 && added.n_runs)
		r = mafsm_log_layout(m, inode, end,
				     appended ? MAFSM_APPENDED : 0);
	else if (r == 0)
		r = mafsm_log_size(m, inode, end);
	if (r < 0)
		mafsm_take_back(m, inode, &added);
	return r < 0 ? r : (ssize_t)len;
}

/* Return: -EAGAIN: it has to be done alone. */
static ssize_t write_beside(struct mafsm *m, struct mafsm_inode *inode,
			    const void *bytes, size_t len, uint64_t offset)
{
	uint64_t end = offset + len;
	ssize_t r;

	r = mafsm_read_begin(m, inode);
	if (r < 0)
		return r;
	if (end > inode->node->size_bytes ||
	    !mafs_layout_covers(&inode->layout, offset, end))
		r = -EAGAIN;
	else
		r = mafs_pool_write(m->pool, &inode->layout, bytes, len,
				    offset);
	if (r == 0)
		mafsm_note_store(inode, offset, end);
	pthread_rwlock_unlock(&inode->io);
	return r < 0 ? r : (ssize_t)len;
}

ssize_t mafsm_write_bytes(struct mafsd_fs *fs,
			  const struct mafsd_caller *caller,
			  struct mafsd_open *open, const void *bytes,
			  size_t len, uint64_t offset, int flags,
			  bool from_cache, bool may_block)
{
	struct mafsm *m = mafsm_of(fs);
	struct mafsm_inode *inode = mafsm_opened(open);
	ssize_t n;
	int r;

	if (!m->log)
		return -EROFS;
	/* Also a store in place would be into what is somebody else's. */
	if (atomic_load(&m->broken) || mafsm_is_fenced(m))
		return -EIO;
	if (len == 0)
		return 0;
	if (offset > INT64_MAX - len)
		return -EFBIG;
	r = mafsm_strip(m, from_cache ? NULL : caller, inode->node);
	if (r < 0)
		return r;
	n = write_beside(m, inode, bytes, len, offset);
	if (n == -EAGAIN) {
		pthread_rwlock_wrlock(&inode->io);
		n = write_alone(m, inode, bytes, len, offset);
		pthread_rwlock_unlock(&inode->io);
	}
	if (n > 0 && flags & (O_SYNC | O_DSYNC)) {
		r = mafsm_sync_inode(m, inode);
		if (r < 0)
			return r;
	}
	return n;
}

/* ---- size ---- */

int mafsm_cut(struct mafsm *m, struct mafsm_inode *inode, uint64_t start,
	      uint64_t end, uint64_t size, unsigned int how)
{
	_cleanup_(mafs_layout_done) struct mafs_layout removed = { 0 };
	int r;

	r = mafs_pool_cut(m->pool, &inode->layout, start, end, &removed);
	if (r < 0)
		return r;
	if (removed.n_runs)
		r = mafsm_log_layout(m, inode, size, how);
	else if (!(how & MAFSM_QUIET))
		r = mafsm_log_size(m, inode, size);
	if (r == 0)
		mafs_pool_give(m->pool, &removed, false);
	else
		inode->loaded = false; /* as the log has it */
	return r;
}

int mafsm_resize(struct mafsm *m, struct mafsm_inode *inode, uint64_t size)
{
	int r;

	if (size > INT64_MAX)
		return -EFBIG;
	r = mafsm_load(m, inode);
	if (r < 0)
		return r;
	if (inode->ahead_start > size)
		inode->ahead_start = size;
	if (size < inode->node->size_bytes)
		return mafsm_cut(m, inode, size, UINT64_MAX, size, 0);
	r = zero_gap(m, inode, size);
	return r < 0 ? r : mafsm_log_size(m, inode, size);
}

void mafsm_trim(struct mafsm *m, struct mafsm_inode *inode)
{
	uint64_t size = inode->node->size_bytes;
	uint64_t start = inode->ahead_start > size ? inode->ahead_start : size;

	if (!inode->ahead || !inode->loaded || atomic_load(&m->broken))
		return;
	inode->ahead = false;
	(void)mafsm_cut(m, inode, start, UINT64_MAX, size, MAFSM_QUIET);
}
