/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What changes sizes and places: truncate, fallocate, copy_file_range, spill.
 * They hold file->io exclusively, so no read or write is under way.
 *
 * Spill order: bytes down to N, log `drop`, go on at N, free the memory. A
 * daemon killed before `drop` has the memory copy, after it N's. What programs
 * have mapped does not spill.
 */
#include "intern.h"

#include <time.h>

#define COPY_CHUNK (1U << 20)

static int resize_n(struct mafsd *d, struct mafsd_inode *inode, uint64_t size)
{
	_cleanup_close_ int fd = -1;
	struct stat st;
	int r;

	fd = mafsd_n_open_admitted(d, inode, O_WRONLY);
	if (fd < 0)
		return fd;
	r = d->tier->stat(fd, &st);
	if (r < 0)
		return r;
	inode->n_changes++;
	mafsd_act_as_owner(d, &st);
	r = d->tier->truncate(fd, size);
	mafs_act_as_self();
	return r;
}

/* Context: inode->lock held, mem pinned. */
static void note_cut(struct mafsd *d, struct mafsd_file *file, uint64_t size)
{
	mafsd_dirty_cut(d, file, size);
	if (size < file->n_valid)
		file->n_valid = size;
	mafsd_space_settle(d, file);
}

static int resize_memory(struct mafsd *d, struct mafsd_inode *inode,
			 uint64_t size)
{
	struct mafsd_file *file = inode->file;
	struct mafs_memory_file *mem;
	struct stat st;
	int r;

	r = mafsd_hot_dirty(d, inode);
	if (r < 0)
		return r;
	r = mafsd_mem_get(d, file, &mem);
	if (r < 0)
		return r;
	r = d->memory->ops->stat(mem, &st);
	if (r == 0)
		r = d->memory->ops->truncate(mem, size);
	mafsd_mem_put(d, file);
	if (r < 0)
		return r;
	inode->n_changes++;
	file->gen++;
	if (size < (uint64_t)st.st_size)
		note_cut(d, file, size);
	if (size < file->dense_end)
		file->dense_end = size;
	if (size < file->raw_end) /* with the room behind it */
		file->raw_end = size;
	if (size < file->raw_size)
		file->raw_size = size;
	clock_gettime(CLOCK_REALTIME, &file->shown_ctime);
	return 0;
}

int mafsd_resize_locked(struct mafsd *d, struct mafsd_inode *inode,
			uint64_t size)
{
	struct mafsd_file *file = inode->file;
	struct stat st;
	int r;

	if (!file || file->path == MAFSD_D ||
	    (file->path == MAFSD_C && file->on_n))
		return resize_n(d, inode, size);
	if (mafsd_is_dirty(file))
		return resize_memory(d, inode, size);
	if (file->path == MAFSD_CLOSED) {
		if (!mafsd_in_memory(file))
			return resize_n(d, inode, size);
		/* Who wrote it across a restart made it dirty just now. */
		if (mafsd_hot_verify(d, inode) > 0 &&
		    (mafsd_is_dirty(file) ||
		     mafsd_mem_use(d, file, false) != MAFS_USE_NONE))
			return resize_memory(d, inode, size);
		if (mafsd_in_memory(file)) {
			r = mafsd_hot_drop(d, inode);
			if (r < 0)
				return r;
		}
		return resize_n(d, inode, size);
	}
	if (!mafsd_in_memory(file)) { /* new, open as C */
		r = mafsd_stat_n(d, inode, &st);
		if (r < 0)
			return r;
		if ((uint64_t)st.st_size == size) /* it has a new mtime */
			return resize_n(d, inode, size);
		r = mafsd_hot_make(d, inode, &st);
		if (r == -ENOSPC) {
			file->on_n = true;
			return resize_n(d, inode, size);
		}
		if (r < 0)
			return r;
	}
	return resize_memory(d, inode, size);
}

/* ---- spill ---- */

/* All of it, also times that are set while it is copied. Context: file->io
 * held exclusively, and inode->lock, which is let go meanwhile. */
static int copy_all_down(struct mafsd *d, struct mafsd_inode *inode)
{
	struct mafsd_file *file = inode->file;
	uint64_t gen;
	int r = 0;

	do {
		gen = file->gen;
		if (mafsd_is_dirty(file)) {
			pthread_mutex_unlock(&inode->lock);
			r = mafsd_copy_down(d, inode);
			pthread_mutex_lock(&inode->lock);
		}
		/* A write-back begun since would copy old bytes over what N
		 * gets. */
		while (file->wb_busy)
			pthread_cond_wait(&file->wb_done, &inode->lock);
		/* Or it replaced a file, which awaits these bytes. */
	} while (r == 0 && (file->gen != gen || file->replaced));
	return r;
}

/* A mapping would go on in memory that nobody reads any more. */
static bool is_mapped(struct mafsd *d, struct mafsd_file *file)
{
	return mafsd_in_memory(file) &&
	       (file->mapped_writer ||
		mafsd_mem_use(d, file, true) != MAFS_USE_NONE);
}

int mafsd_spill(struct mafsd *d, struct mafsd_inode *inode)
{
	struct mafsd_file *file = inode->file;
	int r;

	pthread_rwlock_wrlock(&file->io);
	mafsd_inode_ref(d, inode); /* the hot reference goes below */
	pthread_mutex_lock(&inode->lock);
	r = copy_all_down(d, inode);
	if (r == 0 && is_mapped(d, file))
		r = -ENOSPC;
	if (r == 0 && file->path == MAFSD_C) {
		r = mafsd_hot_drop(d, inode);
		if (r == 0) {
			file->on_n = true;
			atomic_fetch_add(&d->n_spilled, 1);
		}
	}
	pthread_mutex_unlock(&inode->lock);
	pthread_rwlock_unlock(&file->io);
	mafsd_inode_unref(d, inode);
	return r;
}

/* ---- fallocate ---- */

static int fallocate_n(struct mafsd *d, struct mafsd_file *file, int mode,
		       uint64_t offset, uint64_t len)
{
	struct stat st;
	int fd, r;

	fd = mafsd_n_get(d, file);
	if (fd < 0)
		return fd;
	r = d->tier->stat(fd, &st);
	if (r == 0) {
		mafsd_act_as_owner(d, &st);
		if (fallocate(fd, mode, (off_t)offset, (off_t)len) < 0)
			r = -errno;
		mafs_act_as_self();
	}
	mafsd_n_put(d, file);
	return r;
}

/* The range reads as zeros: punched in memory, zeros owed to N. tmpfs has no
 * ZERO_RANGE. Context: inode->lock and file->io held exclusively. */
static int zero_memory(struct mafsd *d, struct mafsd_file *file,
		       uint64_t offset, uint64_t len)
{
	struct mafs_memory_file *mem;
	struct stat st;
	uint64_t end;
	int r;

	r = mafsd_mem_get(d, file, &mem);
	if (r < 0)
		return r;
	r = d->memory->ops->stat(mem, &st);
	if (r == 0)
		r = d->memory->ops->allocate(
			mem, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset,
			len);
	mafsd_mem_put(d, file);
	if (r < 0)
		return r;
	end = offset + len;
	if (end > (uint64_t)st.st_size)
		end = (uint64_t)st.st_size;
	if (offset < file->dense_end)
		file->dense_end = offset;
	file->gen++;
	if (offset >= end)
		return 0;
	mafsd_dirty_add(d, file, offset, end);
	return 0;
}

/* It counts as a change also where no byte and no size has changed. */
static int note_allocated(struct mafsd *d, struct mafsd_file *file,
			  struct stat *ret)
{
	static const struct timespec now[2] = {
		{ .tv_nsec = UTIME_OMIT },
		{ .tv_nsec = UTIME_NOW },
	};
	struct mafs_memory_file *mem;
	int r;

	r = mafsd_mem_get(d, file, &mem);
	if (r < 0)
		return r;
	r = d->memory->ops->set_times(mem, now);
	if (r == 0)
		r = d->memory->ops->stat(mem, ret);
	mafsd_mem_put(d, file);
	file->gen++;
	clock_gettime(CLOCK_REALTIME, &file->shown_ctime);
	return r;
}

/* Blocks for later writes are N's to promise: they are allocated there, also
 * beyond its present end, and the memory file only grows. N is then not what
 * the log says, hence `writing`: memory wins. */
static int fallocate_memory(struct mafsd *d, struct mafsd_inode *inode,
			    int mode, uint64_t offset, uint64_t len)
{
	struct mafsd_file *file = inode->file;
	struct stat st;
	int r;

	if (!mafsd_in_memory(file)) {
		r = mafsd_stat_n(d, inode, &st);
		if (r == 0)
			r = mafsd_hot_make(d, inode, &st);
		if (r < 0)
			return r;
	}
	r = mafsd_hot_dirty(d, inode);
	if (r < 0)
		return r;
	if (mode & FALLOC_FL_PUNCH_HOLE)
		return zero_memory(d, file, offset, len);
	r = mafsd_hot_writing(d, file);
	if (r == 0)
		r = fallocate_n(d, file, FALLOC_FL_KEEP_SIZE, offset, len);
	if (r < 0)
		return r;
	if (mafsd_stat_n(d, inode, &st) == 0)
		mafsd_dirty_on_n(d, file, &st);
	if (mode & FALLOC_FL_ZERO_RANGE)
		r = zero_memory(d, file, offset, len);
	mafsd_space_settle(d, file);
	if (r < 0)
		return r;
	r = note_allocated(d, file, &st);
	if (mode & FALLOC_FL_KEEP_SIZE)
		return r;
	if (r == 0 && offset + len > (uint64_t)st.st_size)
		r = resize_memory(d, inode, offset + len);
	return r;
}

int mafsd_fallocate(struct mafsd *d, const struct mafsd_caller *caller,
		    struct mafsd_open *open, int mode, uint64_t offset,
		    uint64_t len, bool may_block)
{
	const int known = FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE |
			  FALLOC_FL_ZERO_RANGE;
	struct mafsd_file *file = open->file;
	struct mafsd_inode *inode = file->inode;
	int r;

	if (mode & ~known)
		return -EOPNOTSUPP;
	if (!may_block)
		return MAFSD_WOULD_BLOCK;
	pthread_rwlock_wrlock(&file->io);
	pthread_mutex_lock(&inode->lock);
	mafsd_priv_strip(d, inode, caller);
	inode->n_changes++;
	if (file->path == MAFSD_D || file->on_n) {
		pthread_mutex_unlock(&inode->lock);
		r = fallocate_n(d, file, mode, offset, len);
	} else {
		r = fallocate_memory(d, inode, mode, offset, len);
		pthread_mutex_unlock(&inode->lock);
	}
	pthread_rwlock_unlock(&file->io);
	return r;
}

/* ---- copy_file_range ---- */

/* Both at N: the file system may share blocks. */
static ssize_t copy_at_n(struct mafsd *d, const struct mafsd_caller *caller,
			 struct mafsd_file *in, uint64_t offset_in,
			 struct mafsd_file *out, uint64_t offset_out,
			 size_t len)
{
	off_t from = (off_t)offset_in, to = (off_t)offset_out;
	int fd_in, fd_out;
	struct stat st;
	ssize_t n;

	fd_in = mafsd_n_get(d, in);
	if (fd_in < 0)
		return fd_in;
	fd_out = mafsd_n_get(d, out);
	if (fd_out < 0) {
		mafsd_n_put(d, in);
		return fd_out;
	}
	pthread_mutex_lock(&out->inode->lock);
	mafsd_priv_strip(d, out->inode, caller);
	out->inode->n_changes++;
	pthread_mutex_unlock(&out->inode->lock);
	n = d->tier->stat(fd_out, &st);
	if (n == 0) {
		mafsd_act_as_owner(d, &st);
		n = copy_file_range(fd_in, &from, fd_out, &to, len, 0);
		if (n < 0)
			n = -errno;
		mafs_act_as_self();
	}
	mafsd_n_put(d, out);
	mafsd_n_put(d, in);
	return n;
}

static bool at_n(struct mafsd_file *file)
{
	mafs_guard(&file->inode->lock);

	return file->path == MAFSD_D || (file->path == MAFSD_C && file->on_n);
}

ssize_t mafsd_copy_file_range(struct mafsd *d,
			      const struct mafsd_caller *caller,
			      struct mafsd_open *in, uint64_t offset_in,
			      struct mafsd_open *out, uint64_t offset_out,
			      size_t len)
{
	_cleanup_free_ uint8_t *bytes = NULL;
	size_t chunk, done = 0;
	ssize_t n, written;

	if (at_n(in->file) && at_n(out->file) && in->file != out->file)
		return copy_at_n(d, caller, in->file, offset_in, out->file,
				 offset_out, len);
	chunk = len < COPY_CHUNK ? len : COPY_CHUNK;
	bytes = malloc(chunk);
	if (!bytes)
		return -ENOMEM;
	while (done < len) {
		size_t want = len - done < chunk ? len - done : chunk;

		n = mafsd_read(d, in, bytes, want, offset_in + done);
		if (n > 0)
			n = (written = mafsd_write(d, caller, out, bytes,
						   (size_t)n, offset_out + done,
						   out->flags, false, true));
		if (n <= 0)
			return done > 0 ? (ssize_t)done : n;
		done += (size_t)written;
	}
	return (ssize_t)done;
}
