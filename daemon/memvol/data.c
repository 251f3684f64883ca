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
#define EXTENTS_MAX 500000U /* that a record of the log holds */

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

/* Those before it are as the log has them. */
static uint32_t first_changed(const struct mafs_map *old,
			      const struct mafs_map *map)
{
	uint32_t i = 0;

	while (i < old->n_extents && i < map->n_extents &&
	       same_extent(&old->extents[i], &map->extents[i]))
		i++;
	return i;
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
		     bool quiet)
{
	_cleanup_(mafs_map_done) struct mafs_map map = { 0 };
	struct mafs_entry entry = {
		.type = MAFS_OMF_EXTENTS,
		.quiet = quiet,
	};
	uint32_t first;
	int r;

	r = mafs_layout_to_map(m->pool, &inode->layout, &map);
	if (r < 0)
		return r;
	first = first_changed(&inode->node->map, &map);
	if (map.n_extents - first > EXTENTS_MAX)
		return -EFBIG;
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

/* Each store looks for itself, with nothing to wait for in between: behind a
 * lock or a flush that took its time what is stored into may be another
 * master's. */
static int store(struct mafsm *m, const struct mafs_layout *runs,
		 const void *bytes, size_t len, uint64_t offset)
{
	if (mafsm_is_fenced(m))
		return -EIO;
	return mafs_pool_write(m->pool, runs, bytes, len, offset);
}

static int zero_and_flush(struct mafsm *m, const struct mafs_layout *runs,
			  uint64_t start, uint64_t end)
{
	int r = mafsm_is_fenced(m) ? -EIO :
				     mafs_pool_zero(m->pool, runs, start, end);

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

/* As much of it as there is room for, unless @whole. Return: bytes, -errno. */
static ssize_t fill_some(struct mafsm *m, struct mafsm_inode *inode, size_t len,
			 uint64_t offset, bool whole,
			 struct mafs_layout *ret_added)
{
	uint64_t end = offset + len;
	int r = fill_for_write(m, inode, offset, end, ret_added);

	if (r == -ENOSPC && !whole) {
		end = mafs_pool_reach(m->pool, &inode->layout, offset, end);
		if (end > offset)
			r = fill_for_write(m, inode, offset, end, ret_added);
	}
	return r < 0 ? r : (ssize_t)(end - offset);
}

/* Context: inode->io held exclusively. */
static ssize_t write_alone(struct mafsm *m, struct mafsm_inode *inode,
			   const void *bytes, size_t len, uint64_t offset,
			   bool whole)
{
	_cleanup_(mafs_layout_done) struct mafs_layout added = { 0 };
	uint64_t size = inode->node->size_bytes, end;
	ssize_t n;
	int r;

	r = mafsm_load(m, inode);
	if (r < 0)
		return r;
	n = fill_some(m, inode, len, offset, whole, &added);
	if (n < 0)
		return n;
	end = offset + (uint64_t)n;
	r = zero_gap(m, inode, offset);
	if (r == 0)
		r = store(m, &inode->layout, bytes, (size_t)n, offset);
	if (r == 0)
		r = mafs_pool_flush(m->pool, &inode->layout, offset, end);
	if (end < size)
		end = size;
	if (r == 0 && added.n_runs)
		r = mafsm_log_layout(m, inode, end, false);
	else if (r == 0)
		r = mafsm_log_size(m, inode, end);
	if (r < 0)
		mafsm_take_back(m, inode, &added);
	return r < 0 ? r : n;
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
		r = store(m, &inode->layout, bytes, len, offset);
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
	if (atomic_load(&m->broken))
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
		/* The kernel cannot tell a program behind its back that its
		 * pages went in part. */
		n = write_alone(m, inode, bytes, len, offset, from_cache);
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
	      uint64_t end, uint64_t size, bool quiet)
{
	_cleanup_(mafs_layout_done) struct mafs_layout removed = { 0 };
	int r;

	r = mafs_pool_cut(m->pool, &inode->layout, start, end, &removed);
	if (r < 0)
		return r;
	if (removed.n_runs)
		r = mafsm_log_layout(m, inode, size, quiet);
	else if (!quiet)
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
		return mafsm_cut(m, inode, size, UINT64_MAX, size, false);
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
	(void)mafsm_cut(m, inode, start, UINT64_MAX, size, true);
}
