/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attributes. They are N's, but for what a newer copy in memory decides: size,
 * blocks and times of a dirty file. And but for ctime: write-back moves N's,
 * which nothing can set back, so the one of the last real change is shown as
 * long as N's is still the one that write-back left.
 *
 * Invariant: each own change of a clean file's inode ends in
 * mafsd_attr_touched(), so that it is not taken for somebody else's.
 */
#include "names.h"

#include <string.h>

static bool is_zero(const struct timespec *t)
{
	return !t->tv_sec && !t->tv_nsec;
}

static bool is_equal(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

static bool is_later(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec > b->tv_sec ||
	       (a->tv_sec == b->tv_sec && a->tv_nsec > b->tv_nsec);
}

int mafsd_stat_n(struct mafsd *d, struct mafsd_inode *inode, struct stat *ret)
{
	int fd = mafsd_path_get(d, inode);
	int r = 0;

	if (fd < 0)
		return fd;
	if (fstat(fd, ret) < 0)
		r = -errno;
	else
		mafsd_hide_own_links(inode, ret);
	mafsd_path_put(d, inode);
	return r;
}

struct timespec mafsd_later_ctime(struct timespec shown, const struct stat *mem)
{
	/* An mtime that was set may lie in the future. */
	if (!is_later(&mem->st_mtim, &shown) ||
	    is_later(&mem->st_mtim, &mem->st_ctim))
		return shown;
	return mem->st_mtim;
}

static int show_memory(struct mafsd *d, struct mafsd_file *file,
		       struct stat *st)
{
	struct mafs_memory_file *mem;
	struct stat mem_st;
	int r;

	r = mafsd_mem_get(d, file, &mem);
	if (r < 0)
		return r;
	r = d->memory->ops->stat(mem, &mem_st);
	mafsd_mem_put(d, file);
	if (r < 0)
		return r;
	/* What fallocate(2) was promised is N's, and counts. */
	if (st->st_size > mem_st.st_size || st->st_blocks < mem_st.st_blocks)
		st->st_blocks = mem_st.st_blocks;
	st->st_size = mem_st.st_size;
	st->st_mtim = mem_st.st_mtim;
	st->st_atim = mem_st.st_atim;
	if (is_zero(&file->shown_ctime))
		st->st_ctim = mem_st.st_ctim;
	else if (file->mapped_writer)
		st->st_ctim = mafsd_later_ctime(file->shown_ctime, &mem_st);
	else
		st->st_ctim = file->shown_ctime;
	return 0;
}

/* A mapping may still change the file under attributes that the kernel has
 * cached. When nobody uses it any more, that is over. */
static bool is_volatile(struct mafsd *d, struct mafsd_inode *inode)
{
	struct mafsd_file *file = inode->file;
	enum mafs_use use;

	if ((file->path == MAFSD_M || file->path == MAFSD_D) && file->n_writers)
		return true;
	if (!file->maybe_mapped || file->n_open)
		return file->maybe_mapped;
	if (mafsd_in_memory(file) && !file->stale)
		use = mafsd_mem_use(d, file, false);
	else
		use = mafsd_n_use(d, inode, false);
	if (use == MAFS_USE_NONE)
		file->maybe_mapped = false;
	return file->maybe_mapped;
}

/* What @n, N's attributes, look like from outside. */
static int show_locked(struct mafsd *d, struct mafsd_inode *inode,
		       struct stat *n, bool *ret_volatile)
{
	struct mafsd_file *file = inode->file;
	bool is_vol;
	int r = 0;

	if (!file) {
		*ret_volatile = false;
		return 0;
	}
	is_vol = is_volatile(d, inode);
	if (mafsd_is_dirty(file))
		r = show_memory(d, file, n);
	else if (file->state == MAFSD_CLEAN && !file->stale &&
		 !is_zero(&file->shown_ctime) &&
		 is_equal(&n->st_ctim, &file->fingerprint.ctime))
		n->st_ctim = file->shown_ctime;
	if (r == 0)
		*ret_volatile = is_vol;
	return r;
}

int mafsd_stat_locked(struct mafsd *d, struct mafsd_inode *inode,
		      struct stat *ret, bool *ret_volatile)
{
	bool is_vol = false;
	struct stat st;
	int r;

	r = mafsd_stat_n(d, inode, &st);
	if (r == 0)
		r = show_locked(d, inode, &st, &is_vol);
	if (r < 0)
		return r;
	*ret = st;
	if (ret_volatile)
		*ret_volatile = is_vol;
	return 0;
}

void mafsd_attr_touched(struct mafsd *d, struct mafsd_inode *inode)
{
	struct mafsd_file *file = inode->file;
	struct stat st;

	if (!file || !mafsd_in_memory(file) || file->stale ||
	    file->unverified || mafsd_stat_n(d, inode, &st) < 0)
		return;
	/* ctime alone: a change of the bytes by others shows in mtime. */
	if (file->state == MAFSD_CLEAN ||
	    is_later(&st.st_ctim, &file->shown_ctime))
		file->shown_ctime = st.st_ctim;
	file->fingerprint.ctime = st.st_ctim;
}

int mafsd_entry_fill(struct mafsd *d, struct mafsd_inode *inode,
		     const struct stat *st, struct mafsd_entry *ret)
{
	struct mafsd_entry entry = {
		.nodeid = inode->nodeid,
		.generation = inode->nodeid >> 32,
		.st = *st,
	};
	int r = 0;
	mafs_guard(&inode->lock);

	/* @st may be from before what somebody has done to a hot file. */
	if (inode->file)
		r = mafsd_stat_locked(d, inode, &entry.st,
				      &entry.attr_volatile);
	if (r == 0)
		*ret = entry;
	return r;
}

int mafsd_getattr(struct mafsd *d, uint64_t nodeid, struct stat *ret,
		  bool *ret_volatile)
{
	struct mafsd_inode *inode = mafsd_inode_by_id(d, nodeid);
	int r;

	if (!inode)
		return -ESTALE;
	mafs_guard(&inode->lock);
	r = mafsd_stat_locked(d, inode, ret, ret_volatile);
	/* It may have been kept for a mapping alone. */
	mafsd_file_put(d, inode);
	return r;
}

int mafsd_statfs(struct mafsd *d, struct statvfs *ret)
{
	struct statvfs st;
	uint64_t reserved;
	int r;

	pthread_mutex_lock(&d->space.lock);
	r = mafsd_room_look(d);
	st = d->space.cached;
	reserved = d->space.reserved_bytes;
	pthread_mutex_unlock(&d->space.lock);
	if (r < 0)
		return r;
	if (st.f_frsize)
		reserved = (reserved + st.f_frsize - 1) / st.f_frsize;
	st.f_bavail -= reserved < st.f_bavail ? reserved : st.f_bavail;
	st.f_bfree -= reserved < st.f_bfree ? reserved : st.f_bfree;
	*ret = st;
	return 0;
}
