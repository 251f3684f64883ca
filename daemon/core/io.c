/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes of files open by copy (and of X): read, write, lseek. Reads and writes
 * hold file->io shared; where the bytes are (memory or N) changes only under
 * file->io held exclusively, but for the first byte of a new file.
 *
 * Order of a write to memory: log `map` dirty, bytes, dirty range. A write
 * that finds memory full makes room, then spills (resize.c).
 */
#include "intern.h"

#include <string.h>
#include <time.h>

#define RELIEFS_MAX 64
#define THROTTLE_MS 200

/* ---- N's descriptor ---- */

int mafsd_n_get(struct mafsd *d, struct mafsd_file *file)
{
	int fd;

	if (!mafsd_slot_pin(&d->slots, &file->n_slot)) {
		fd = mafsd_n_open(d, file->inode,
				  d->options.read_only ? O_RDONLY : O_RDWR);
		if (fd == -EACCES && file->n_writers > 0)
			fd = mafsd_n_open_admitted(d, file->inode, O_RDWR);
		if (fd == -EACCES || fd == -ETXTBSY) /* may only be read */
			fd = mafsd_n_open(d, file->inode, O_RDONLY);
		if (fd < 0)
			return fd;
		mafsd_slot_fill(&d->slots, &file->n_slot, fd, NULL);
	}
	return file->n_slot.fd;
}

void mafsd_n_put(struct mafsd *d, struct mafsd_file *file)
{
	mafsd_slot_unpin(&d->slots, &file->n_slot);
}

void mafsd_act_as_owner(struct mafsd *d, const struct stat *st)
{
	if (d->root)
		mafs_act_as(st->st_uid, st->st_gid);
}

/* ---- where the bytes are ---- */

/* Stays so while file->io is held. */
static bool bytes_in_memory(struct mafsd_file *file)
{
	mafs_guard(&file->inode->lock);

	return mafsd_in_memory(file) && !file->on_n && file->path != MAFSD_D;
}

static ssize_t read_n(struct mafsd *d, struct mafsd_file *file, void *bytes,
		      size_t len, uint64_t offset)
{
	int fd = mafsd_n_get(d, file);
	ssize_t n;

	if (fd < 0)
		return fd;
	n = d->tier->pread(fd, bytes, len, offset);
	mafsd_n_put(d, file);
	return n;
}

static ssize_t read_memory(struct mafsd *d, struct mafsd_file *file,
			   void *bytes, size_t len, uint64_t offset)
{
	struct mafs_memory_file *mem;
	ssize_t n;
	int r;

	r = mafsd_mem_get(d, file, &mem);
	if (r < 0)
		return r;
	n = d->memory->ops->pread(mem, bytes, len, offset);
	mafsd_mem_put(d, file);
	return n;
}

ssize_t mafsd_read(struct mafsd *d, struct mafsd_open *open, void *bytes,
		   size_t len, uint64_t offset)
{
	struct mafsd_file *file = open->file;
	ssize_t n;

	pthread_rwlock_rdlock(&file->io);
	if (bytes_in_memory(file))
		n = read_memory(d, file, bytes, len, offset);
	else
		n = read_n(d, file, bytes, len, offset);
	pthread_rwlock_unlock(&file->io);
	if (n > 0)
		mafsd_usage_read(d, open, (uint64_t)n);
	return n;
}

/* ---- writing ---- */

/* Before the bytes: the file is in memory, dirty in the log, and N has room.
 * Context: file->io held shared.
 * Return: 1: to memory, 0: to N, -ENOSPC: N is full, -EXFULL: memory is. */
static int prepare_write(struct mafsd *d, const struct mafsd_caller *caller,
			 struct mafsd_file *file, uint64_t start, uint64_t end)
{
	struct mafsd_inode *inode = file->inode;
	struct stat st;
	int r;
	mafs_guard(&inode->lock);

	if (caller)
		mafsd_priv_strip(d, inode, caller);
	inode->n_changes++;
	if (file->on_n || file->path == MAFSD_D)
		return 0;
	if (!mafsd_in_memory(file)) {
		r = mafsd_stat_n(d, inode, &st);
		if (r < 0)
			return r;
		r = mafsd_hot_make(d, inode, &st);
		if (r < 0)
			return r == -ENOSPC ? -EXFULL : r;
	}
	r = mafsd_space_reserve(d, file, start, end, true);
	if (r < 0)
		return r;
	r = mafsd_hot_dirty(d, inode);
	if (r < 0)
		return r;
	mafsd_due_again(d, file);
	file->n_stores++;
	return 1;
}

/* After the bytes, @n of them or -errno. Context: file->io held shared. */
static void end_store(struct mafsd *d, struct mafsd_file *file, uint64_t start,
		      ssize_t n)
{
	mafs_guard(&file->inode->lock);

	file->n_stores--;
	if (n <= 0)
		return;
	mafsd_dirty_add(d, file, start, start + (uint64_t)n);
	if (start <= file->dense_end && start + (uint64_t)n > file->dense_end)
		file->dense_end = start + (uint64_t)n;
	file->gen++;
	clock_gettime(CLOCK_REALTIME_COARSE, &file->shown_ctime);
}

static ssize_t write_n(struct mafsd *d, struct mafsd_file *file,
		       const void *bytes, size_t len, uint64_t offset)
{
	int fd = mafsd_n_get(d, file);
	struct stat st;
	int r;

	if (fd < 0)
		return fd;
	r = d->tier->stat(fd, &st);
	if (r == 0) {
		mafsd_act_as_owner(d, &st);
		r = d->tier->pwrite(fd, bytes, len, offset);
		mafs_act_as_self();
	}
	mafsd_n_put(d, file);
	return r < 0 ? r : (ssize_t)len;
}

static ssize_t write_memory(struct mafsd *d, struct mafsd_file *file,
			    const void *bytes, size_t len, uint64_t offset)
{
	struct mafs_memory_file *mem;
	ssize_t n;
	int r;

	r = mafsd_mem_get(d, file, &mem);
	if (r < 0)
		return r;
	n = d->memory->ops->pwrite(mem, bytes, len, offset);
	mafsd_mem_put(d, file);
	return n == -ENOSPC ? -EXFULL : n;
}

/* Return: bytes, perhaps short; -EXFULL when memory is full. */
static ssize_t write_some(struct mafsd *d, const struct mafsd_caller *caller,
			  struct mafsd_file *file, const void *bytes,
			  size_t len, uint64_t offset)
{
	ssize_t n;
	int r;

	pthread_rwlock_rdlock(&file->io);
	r = prepare_write(d, caller, file, offset, offset + len);
	if (r < 0)
		n = r;
	else if (r > 0)
		n = write_memory(d, file, bytes, len, offset);
	else
		n = write_n(d, file, bytes, len, offset);
	if (r > 0)
		end_store(d, file, offset, n);
	pthread_rwlock_unlock(&file->io);
	return n;
}

/* Memory is full: other files go first, then this one goes on at N, also when
 * others always take the room first. A file with passthrough readers cannot
 * leave memory: its writer sees ENOSPC. */
static int relieve(struct mafsd *d, struct mafsd_file *file, size_t len,
		   bool may_stay)
{
	if (may_stay && mafsd_space_make_room(d, len) == 0)
		return 0;
	if (file->path == MAFSD_M)
		return -ENOSPC;
	return mafsd_spill(d, file->inode);
}

/* N seems full: what is reserved may only wait to be written. */
static int settle_disk(struct mafsd *d)
{
	return mafsd_write_back_all(d);
}

static ssize_t write_all(struct mafsd *d, const struct mafsd_caller *caller,
			 struct mafsd_file *file, const uint8_t *bytes,
			 size_t len, uint64_t offset, bool may_block)
{
	unsigned int n_relieved = 0;
	bool settled = false;
	size_t done = 0;
	ssize_t n;
	int r;

	while (done < len) {
		n = write_some(d, caller, file, bytes + done, len - done,
			       offset + done);
		if (n > 0) {
			done += (size_t)n;
			continue;
		}
		if (n != -EXFULL && n != -ENOSPC)
			return done > 0 ? (ssize_t)done : n;
		/* From the pool it is begun anew: bytes twice are the same. */
		if (!may_block)
			return MAFSD_WOULD_BLOCK;
		if (n == -ENOSPC) {
			if (settled)
				return done > 0 ? (ssize_t)done : -ENOSPC;
			settle_disk(d);
			settled = true;
			continue;
		}
		r = relieve(d, file, len - done, n_relieved++ < RELIEFS_MAX);
		if (r < 0)
			return done > 0 ? (ssize_t)done : r;
	}
	return (ssize_t)done;
}

/* Too much is dirty: writers wait for write-back, for a while. */
static void throttle(struct mafsd *d)
{
	int64_t until_ms = mafsd_now_ms() + THROTTLE_MS;

	mafsd_write_back_kick(d);
	pthread_mutex_lock(&d->wb_lock);
	while (atomic_load(&d->dirty_bytes) > d->dirty_max_bytes &&
	       mafsd_wait_until(&d->wb_round, &d->wb_lock, until_ms) == 0)
		;
	pthread_mutex_unlock(&d->wb_lock);
}

ssize_t mafsd_write(struct mafsd *d, const struct mafsd_caller *caller,
		    struct mafsd_open *open, const void *bytes, size_t len,
		    uint64_t offset, int flags, bool from_cache, bool may_block)
{
	struct mafsd_file *file = open->file;
	bool sync = flags & (O_DSYNC | O_SYNC);
	bool heavy = atomic_load(&d->dirty_bytes) > d->dirty_max_bytes;
	ssize_t n;
	int r;

	if ((sync || heavy) && !may_block)
		return MAFSD_WOULD_BLOCK;
	if (heavy)
		throttle(d);
	n = write_all(d, from_cache ? NULL : caller, file, bytes, len, offset,
		      may_block);
	if (n > 0)
		mafsd_usage_written(d, open, (uint64_t)n);
	if (n < 0 || !sync)
		return n;
	r = mafsd_fsync(d, open, (flags & O_SYNC) != O_SYNC);
	return r < 0 ? r : n;
}

/* ---- flush, fsync, lseek ---- */

int mafsd_flush(struct mafsd *d, struct mafsd_open *open)
{
	struct mafsd_file *file = open->file;
	mafs_guard(&file->inode->lock);

	if (file->wb_error_seq == open->error_seq)
		return 0;
	open->error_seq = file->wb_error_seq;
	return -file->wb_error;
}

/* Where N's log does not carry the name, the directory is flushed as well. */
static int flush_name(struct mafsd *d, struct mafsd_inode *inode)
{
	_cleanup_close_ int fd = -1;
	struct mafsd_inode *parent;
	int r;

	if (d->names_by_log)
		return 0;
	pthread_mutex_lock(&d->names_lock);
	parent = inode->parent ? mafsd_inode_ref(d, inode->parent) : NULL;
	pthread_mutex_unlock(&d->names_lock);
	if (!parent)
		return 0;
	fd = mafsd_n_open(d, parent, O_RDONLY | O_DIRECTORY);
	mafsd_inode_unref(d, parent);
	r = fd < 0 ? fd : d->tier->flush(fd, false);
	return r;
}

static int flush_n(struct mafsd *d, struct mafsd_file *file, bool data_only)
{
	int fd = mafsd_n_get(d, file);
	int r;

	if (fd < 0)
		return fd;
	r = d->tier->flush(fd, data_only);
	mafsd_n_put(d, file);
	return r;
}

int mafsd_fsync(struct mafsd *d, struct mafsd_open *open, bool data_only)
{
	struct mafsd_file *file = open->file;
	struct mafsd_inode *inode = file->inode;
	bool dirty;
	int r;

	pthread_mutex_lock(&inode->lock);
	dirty = mafsd_is_dirty(file);
	pthread_mutex_unlock(&inode->lock);
	if (dirty) {
		r = data_only ? mafsd_write_back_data(d, inode) :
				mafsd_write_back(d, inode, true);
		if (r < 0) {
			mafsd_flush(d, open); /* it is told now */
			return r;
		}
	}
	/* A spill may have taken them down before us, without a flush. */
	if (!dirty || !bytes_in_memory(file)) {
		r = flush_n(d, file, data_only);
		if (r < 0)
			return r;
	}
	r = mafsd_flush(d, open);
	return r < 0 ? r : flush_name(d, inode);
}

off_t mafsd_lseek(struct mafsd *d, struct mafsd_open *open, off_t offset,
		  int whence)
{
	struct mafsd_file *file = open->file;
	struct mafs_memory_file *mem;
	off_t at;
	int r;

	pthread_rwlock_rdlock(&file->io);
	if (bytes_in_memory(file)) {
		r = mafsd_mem_get(d, file, &mem);
		at = r < 0 ? r : d->memory->ops->seek(mem, offset, whence);
		if (r == 0)
			mafsd_mem_put(d, file);
	} else {
		r = mafsd_n_get(d, file);
		at = r < 0 ? r : lseek(r, offset, whence);
		if (r >= 0 && at < 0)
			at = -errno;
		if (r >= 0)
			mafsd_n_put(d, file);
	}
	pthread_rwlock_unlock(&file->io);
	return at;
}
