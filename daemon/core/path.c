/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The data path of an inode: chosen when it is first opened, kept until its
 * last close. The kernel answers any mix but these with EIO: M with M and X
 * (by policy writers are M, too: raw.c),
 * D with D, C with C (and K, where nothing can pass through).
 *
 * Invariant: while an inode's path is M its bytes are the memory file's, while
 * it is D they are N's, while it is C they are the memory file's or, with
 * on_n, N's. Called from open.c with inode->lock held.
 */
#include "intern.h"
#include "path.h"

#include <time.h>

#define WRITER_WINDOW_MS 60000
#define TICKS_NS 20000000

static bool is_writer(int flags)
{
	return (flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC);
}

/* A file that keeps being written is read as C or D, not M, so that a tailed
 * log does not pin its writer to memory. */
static bool keeps_being_written(const struct mafsd_file *file)
{
	return file->last_write_open_ms != 0 &&
	       mafsd_now_ms() - file->last_write_open_ms < WRITER_WINDOW_MS &&
	       mafsd_is_dirty(file);
}

static bool without_holes(struct mafsd *d, struct mafsd_file *file)
{
	struct mafs_memory_file *mem;
	struct stat st;
	off_t hole = 0;
	int r;

	if (mafsd_mem_get(d, file, &mem) < 0)
		return false;
	r = d->memory->ops->stat(mem, &st);
	if (r == 0 && file->dense_end < (uint64_t)st.st_size)
		hole = d->memory->ops->seek(mem, 0, SEEK_HOLE);
	if (hole > 0)
		file->dense_end = (uint64_t)hole;
	mafsd_mem_put(d, file);
	return r == 0 && file->dense_end >= (uint64_t)st.st_size;
}

static int choose_for_reading(struct mafsd *d, struct mafsd_inode *inode)
{
	struct mafsd_file *file = inode->file;
	int r;

	if (mafsd_in_memory(file)) {
		r = mafsd_hot_verify(d, inode);
		if (r < 0)
			return r;
		if (r > 0) {
			file->on_n = false;
			if (!d->pass_m || !without_holes(d, file) ||
			    (keeps_being_written(file) &&
			     !mafsd_raw_wanted(d, inode, O_RDWR)))
				return MAFSD_C;
			return MAFSD_M;
		}
	}
	file->on_n = true;
	return d->pass_n ? MAFSD_D : MAFSD_C;
}

/* May a new or truncated file begin in memory? What is there already must: at
 * N its old bytes would be gone before the new ones come. */
static bool memory_for_new(struct mafsd *d, struct mafsd_inode *inode,
			   int flags, bool is_new)
{
	if ((flags & (O_DSYNC | O_SYNC)) || mafsd_journal_knows(d, inode) ||
	    mafsd_policy_of(d, inode) == MAFSD_POLICY_COLD)
		return false;
	if (!is_new && (flags & O_TRUNC))
		return true;
	if (atomic_load(&d->pressure.is_short))
		return false;
	return atomic_load(&d->dirty_bytes) < d->dirty_max_bytes;
}

static int choose_for_new(struct mafsd *d, struct mafsd_inode *inode, int flags,
			  bool is_new, bool may_block)
{
	struct mafsd_file *file = inode->file;

	if (!is_new && mafsd_n_use(d, inode, may_block) != MAFS_USE_NONE) {
		if (!may_block)
			return MAFSD_WOULD_BLOCK;
		file->on_n = true;
		return MAFSD_D;
	}
	file->on_n = !memory_for_new(d, inode, flags, is_new);
	if (file->on_n && d->pass_n)
		return MAFSD_D;
	if (!file->on_n && mafsd_raw_wanted(d, inode, flags))
		return MAFSD_M;
	return MAFSD_C;
}

bool mafsd_may_share_tick(const struct timespec *then,
			  const struct timespec *now)
{
	int64_t seconds = (int64_t)now->tv_sec - then->tv_sec;

	return seconds < 0 ||
	       (seconds <= 1 &&
		seconds * 1000000000 + now->tv_nsec < then->tv_nsec + TICKS_NS);
}

/* Will N's fingerprint tell that N was written past us from now on? */
static bool write_will_show(const struct mafsd_file *file)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return !mafsd_may_share_tick(&file->fingerprint.ctime, &now);
}

static int path_in_memory(struct mafsd *d, struct mafsd_inode *inode, int flags)
{
	return mafsd_raw_wanted(d, inode, flags) ? MAFSD_M : MAFSD_C;
}

/* A clean copy whose file is about to be written. */
static int choose_for_clean(struct mafsd *d, struct mafsd_inode *inode,
			    int flags, bool may_block)
{
	struct mafsd_file *file = inode->file;
	int r;

	r = mafsd_hot_verify(d, inode);
	if (r < 0)
		return r;
	if (mafsd_is_dirty(file)) { /* somebody mapped it before a restart */
		file->on_n = false;
		return path_in_memory(d, inode, flags);
	}
	if (r > 0 && mafsd_raw_wanted(d, inode, flags)) {
		file->on_n = false;
		return MAFSD_M;
	}
	if (r > 0 && mafsd_mem_use(d, file, may_block) != MAFS_USE_NONE) {
		if (!may_block)
			return MAFSD_WOULD_BLOCK;
		file->on_n = false;
		return MAFSD_M; /* and X for this writer */
	}
	if (!mafsd_in_memory(file) || r == 0 || d->pass_n) {
		if (mafsd_in_memory(file) && (flags & O_TRUNC)) {
			r = mafsd_hot_drop(d, inode);
			if (r < 0)
				return r;
			return choose_for_new(d, inode, flags, false,
					      may_block);
		}
		if (r > 0 && !write_will_show(file)) {
			r = mafsd_hot_drop(d, inode);
			if (r < 0)
				return r;
		}
		file->stale = mafsd_in_memory(file);
		file->on_n = true;
		return d->pass_n ? MAFSD_D : MAFSD_C;
	}
	file->on_n = false;
	return MAFSD_C;
}

static int choose_for_writing(struct mafsd *d, struct mafsd_inode *inode,
			      int flags, bool is_new, bool may_block)
{
	struct mafsd_file *file = inode->file;
	struct stat st;
	int r;

	if (mafsd_is_dirty(file)) {
		file->on_n = false;
		return path_in_memory(d, inode, flags);
	}
	if (mafsd_in_memory(file))
		return choose_for_clean(d, inode, flags, may_block);
	if (is_new || (flags & O_TRUNC))
		return choose_for_new(d, inode, flags, is_new, may_block);
	r = mafsd_stat_n(d, inode, &st);
	if (r < 0)
		return r;
	if (st.st_size == 0 && st.st_nlink > 0)
		return choose_for_new(d, inode, flags, false, may_block);
	file->on_n = true;
	return d->pass_n ? MAFSD_D : MAFSD_C;
}

int mafsd_path_choose(struct mafsd *d, struct mafsd_inode *inode, int flags,
		      bool is_new, bool may_block)
{
	if (inode->file->path != MAFSD_CLOSED)
		return inode->file->path;
	if (!is_writer(flags))
		return choose_for_reading(d, inode);
	return choose_for_writing(d, inode, flags, is_new, may_block);
}

/* ---- backing ids ---- */

/* One id an inode, until its last release. N's files are registered under the
 * owner's ids: its disk reserve and quota count for all who write. */
int mafsd_path_backing(struct mafsd *d, struct mafsd_inode *inode,
		       enum mafsd_path path)
{
	struct mafsd_file *file = inode->file;
	_cleanup_close_ int mem_fd = -1;
	struct stat st;
	int fd, id;

	if (file->backing_id > 0)
		return 0;
	if (path == MAFSD_M) {
		mem_fd = d->memory->ops->backing_fd(d->memory, &file->map);
		if (mem_fd < 0)
			return mem_fd;
		id = d->kernel->backing_open(d->kernel_context, mem_fd);
	} else {
		fd = mafsd_path_get(d, inode);
		if (fd < 0)
			return fd;
		if (fstat(fd, &st) < 0)
			id = -errno;
		else {
			mafsd_act_as_owner(d, &st);
			id = d->kernel->backing_open(d->kernel_context, fd);
			mafs_act_as_self();
		}
		mafsd_path_put(d, inode);
	}
	if (id <= 0)
		return id < 0 ? id : -EIO;
	file->backing_id = id;
	return 0;
}
