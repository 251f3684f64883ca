/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Open and release of regular files. Truncation comes after the path was
 * chosen, never before: an open that fails has changed nothing.
 */
#include "names.h"
#include "path.h"

/* Who empties a file is mostly about to fill it. */
#define EMPTY_DELAY_MS 1000

static bool is_writer(int flags)
{
	return (flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC);
}

/* A writer of a file that is open as M. */
static bool goes_past_us(struct mafsd *d, struct mafsd_inode *inode, int flags)
{
	return inode->file->raw && mafsd_raw_wanted(d, inode, flags);
}

/* M with a writer: stores through its mapping go unseen, and where it goes past
 * us also writes, so the file is dirty in whole from before the reply. */
static int admit_mapped_writer(struct mafsd *d, struct mafsd_inode *inode)
{
	struct mafsd_file *file = inode->file;
	bool was_dirty = mafsd_is_dirty(file);
	struct stat st;
	int r;

	r = mafsd_stat_locked(d, inode, &st, NULL);
	if (r == 0)
		r = mafsd_hot_dirty(d, inode);
	if (r < 0)
		return r;
	if (!was_dirty) /* nothing has changed so far */
		file->shown_ctime = st.st_ctim;
	mafsd_due_again(d, file);
	file->dirty_whole = true;
	file->mapped_writer = true;
	file->gen++;
	return 0;
}

/* Without room for its holes the file goes by copy, or, where others have it
 * open as M, its writer is X. */
static void begin_raw(struct mafsd *d, struct mafsd_inode *inode, bool first,
		      int flags)
{
	struct mafsd_file *file = inode->file;

	if (is_writer(flags) && !file->raw &&
	    mafsd_raw_wanted(d, inode, flags) &&
	    mafsd_raw_begin(d, inode) < 0 && first)
		file->path = MAFSD_C;
}

/* A file begins in memory; at N when that is full. */
static int make_for_raw(struct mafsd *d, struct mafsd_inode *inode,
			bool *ret_made)
{
	struct mafsd_file *file = inode->file;
	struct mafs_memory_file *mem;
	struct stat st;
	int r;

	r = mafsd_stat_n(d, inode, &st);
	if (r == 0)
		r = mafsd_hot_make(d, inode, &st);
	*ret_made = r == 0;
	if (r == 0 && mafsd_mem_get(d, file, &mem) == 0) {
		/* An open is no change. */
		const struct timespec times[2] = { st.st_atim, st.st_mtim };

		d->memory->ops->set_times(mem, times);
		mafsd_mem_put(d, file);
		file->shown_ctime = st.st_ctim;
	}
	if (r != -ENOSPC)
		return r;
	file->on_n = true;
	file->path = d->pass_n ? MAFSD_D : MAFSD_C;
	return 0;
}

static int truncate_at_open(struct mafsd *d, const struct mafsd_caller *caller,
			    struct mafsd_inode *inode)
{
	struct mafsd_file *file = inode->file;
	struct stat st;
	int r;

	mafsd_priv_strip(d, inode, caller);
	/* In memory N keeps its old bytes until they are written over. */
	if (file->path == MAFSD_C && !file->on_n && !mafsd_in_memory(file)) {
		r = mafsd_stat_n(d, inode, &st);
		if (r < 0)
			return r;
		if (st.st_size > 0) {
			r = mafsd_hot_make(d, inode, &st);
			if (r != -ENOSPC)
				return r;
			file->on_n = true; /* memory is full */
		}
	}
	return mafsd_resize_locked(d, inode, 0);
}

static int admit(struct mafsd *d, const struct mafsd_caller *caller,
		 struct mafsd_inode *inode, enum mafsd_path path,
		 struct mafsd_open *open)
{
	struct mafsd_file *file = inode->file;
	bool first = file->path == MAFSD_CLOSED;
	bool made = false;
	int r = 0;

	file->path = path;
	if (path == MAFSD_M && !mafsd_in_memory(file))
		r = make_for_raw(d, inode, &made);
	if (r == 0 && file->path == MAFSD_M)
		begin_raw(d, inode, first, open->flags);
	if (r == 0 && (file->path == MAFSD_M || file->path == MAFSD_D))
		r = mafsd_path_backing(d, inode, file->path);
	if (r == 0 && file->path == MAFSD_M && is_writer(open->flags))
		r = admit_mapped_writer(d, inode);
	if (r == 0 && (open->flags & O_TRUNC))
		r = truncate_at_open(d, caller, inode);
	if (r < 0) {
		if (first) {
			if (file->raw)
				mafsd_raw_end(d, file);
			if (made)
				mafsd_hot_drop(d, inode);
			file->path = MAFSD_CLOSED;
			if (file->backing_id > 0)
				d->kernel->backing_close(d->kernel_context,
							 file->backing_id);
			file->backing_id = 0;
		}
		return r;
	}
	path = file->path;
	open->passthrough = path != MAFSD_C;
	open->backing_id = open->passthrough ? file->backing_id : 0;
	if (path == MAFSD_M && is_writer(open->flags))
		open->direct_io = !goes_past_us(d, inode, open->flags); /* X */
	if (path == MAFSD_C)
		open->direct_io = d->pass_n || (is_writer(open->flags) &&
						!d->fs.page_cache_only);
	if (path == MAFSD_C && !open->direct_io) {
		open->keep_cache = !d->shared.on &&
				   inode->k_seen == inode->n_changes;
		inode->k_seen = inode->n_changes;
	}
	return 0;
}

/* Context: file->io held exclusively where @open truncates, then the lock. */
static int open_locked(struct mafsd *d, const struct mafsd_caller *caller,
		       struct mafsd_inode *inode, bool is_new, bool may_block,
		       struct mafsd_open *open)
{
	struct mafsd_file *file = inode->file;
	int path, r;

	/* Its last name went on the way here, and its bytes with it. */
	if (file->path == MAFSD_CLOSED && !mafsd_inode_is_hashed(inode))
		return -ESTALE;
	file->move_cancel = true;
	path = mafsd_path_choose(d, inode, open->flags, is_new, may_block);
	if (path < 0)
		return path;
	r = admit(d, caller, inode, path, open);
	if (r < 0)
		return r;
	open->file = file;
	open->error_seq = file->wb_error_seq;
	file->n_open++;
	if (mafsd_in_memory(file))
		mafsd_queue_used(d, file);
	if (file->on_n)
		mafsd_promote_opened(d, inode, is_writer(open->flags));
	atomic_fetch_add(&d->n_open, 1);
	mafsd_usage_opened(d, open, !is_writer(open->flags));
	if (is_writer(open->flags)) {
		file->n_writers++;
		if (!d->root) /* it may be open for reading only */
			mafsd_slot_close(&d->slots, &file->n_slot);
		file->last_write_open_ms = mafsd_now_ms();
	}
	return 0;
}

/* A hot file is written in memory, so its bytes must be there. */
static bool comes_up_first(struct mafsd *d, struct mafsd_inode *inode)
{
	const struct mafsd_file *file;
	mafs_guard(&inode->lock);

	file = inode->file;
	return d->pass_m && mafsd_policy_of(d, inode) == MAFSD_POLICY_HOT &&
	       (!file || (file->path == MAFSD_CLOSED &&
			  (!mafsd_in_memory(file) || file->stale)));
}

static int open_inode(struct mafsd *d, const struct mafsd_caller *caller,
		      struct mafsd_inode *inode, int flags, bool is_new,
		      bool may_block, struct mafsd_open **ret)
{
	_cleanup_free_ struct mafsd_open *open = calloc(1, sizeof(*open));
	bool exclusive = flags & O_TRUNC;
	struct mafsd_file *file;
	int r;

	if (!open)
		return -ENOMEM;
	if (!S_ISREG(inode->type))
		return -EOPNOTSUPP; /* the kernel opens these itself */
	if (!is_new && is_writer(flags) && !(flags & O_TRUNC) &&
	    comes_up_first(d, inode)) {
		if (!may_block)
			return MAFSD_WOULD_BLOCK;
		(void)mafsd_promote(d, inode, true,
				    NULL); /* else it goes on at N */
	}
	open->flags = flags;
	file = mafsd_file_pin(d, inode, true);
	if (!file)
		return -ENOMEM;
	if (exclusive) {
		if (may_block)
			pthread_rwlock_wrlock(&file->io);
		else if (pthread_rwlock_trywrlock(&file->io) != 0) {
			mafsd_file_unpin(d, inode);
			return MAFSD_WOULD_BLOCK;
		}
	}
	pthread_mutex_lock(&inode->lock);
	r = open_locked(d, caller, inode, is_new, may_block, open);
	pthread_mutex_unlock(&inode->lock);
	if (exclusive)
		pthread_rwlock_unlock(&file->io);
	mafsd_file_unpin(d, inode);
	if (r < 0)
		return r;
	*ret = take_ptr(open);
	return 0;
}

int mafsd_open(struct mafsd *d, const struct mafsd_caller *caller,
	       uint64_t nodeid, int flags, bool may_block,
	       struct mafsd_open **ret)
{
	struct mafsd_inode *inode = mafsd_inode_by_id(d, nodeid);

	if (!inode)
		return -ESTALE;
	if (d->options.read_only && is_writer(flags))
		return -EROFS;
	return open_inode(d, caller, inode, flags, false, may_block, ret);
}

int mafsd_create(struct mafsd *d, const struct mafsd_caller *caller,
		 uint64_t parent, const char *name, mode_t mode, int flags,
		 struct mafsd_entry *ret_entry, struct mafsd_open **ret)
{
	struct mafsd_entry entry;
	bool is_new = true;
	int r;

	r = mafsd_make_regular(d, caller, parent, name, mode, &entry);
	if (r == -EEXIST && !(flags & O_EXCL)) {
		is_new = false; /* made beside us; open it */
		r = mafsd_lookup(d, parent, name, &entry);
	}
	if (r < 0)
		return r;
	r = open_inode(d, caller, mafsd_inode_by_id(d, entry.nodeid),
		       is_new ? flags & ~O_TRUNC : flags, is_new, true, ret);
	if (r < 0) {
		mafsd_forget(d, entry.nodeid, 1);
		return r;
	}
	*ret_entry = entry;
	return 0;
}

/* ---- release ---- */

/* Its bytes were all truncated away and nothing came: N follows soon, so that
 * `> huge.log` frees disk space. */
static bool settled_empty(struct mafsd *d, struct mafsd_inode *inode)
{
	struct mafsd_file *file = inode->file;
	struct mafs_memory_file *mem;
	struct stat st;
	bool empty;

	if (!mafsd_is_dirty(file) || file->wb_busy || file->n_valid != 0 ||
	    mafsd_mem_get(d, file, &mem) < 0)
		return false;
	empty = d->memory->ops->stat(mem, &st) == 0 && st.st_size == 0;
	mafsd_mem_put(d, file);
	return empty;
}

static void last_release(struct mafsd *d, struct mafsd_inode *inode)
{
	struct mafsd_file *file = inode->file;

	file->path = MAFSD_CLOSED;
	file->on_n = false;
	if (file->backing_id > 0)
		d->kernel->backing_close(d->kernel_context, file->backing_id);
	file->backing_id = 0;
	if (file->raw)
		mafsd_raw_end(d, file);
	if (file->unlinked) {
		file->maybe_mapped = false;
		mafsd_hot_drop(d, inode);
		mafsd_slot_close(&d->slots, &file->n_slot);
		return;
	}
	if (mafsd_is_dirty(file) && file->wb_attempts == 0) {
		int64_t due = mafsd_due_closed(d);

		file->due_empty = settled_empty(d, inode);
		if (file->due_empty && due > mafsd_now_ms() + EMPTY_DELAY_MS)
			due = mafsd_now_ms() + EMPTY_DELAY_MS;
		if (due < mafsd_due_ms(file))
			mafsd_queue_dirty(d, file, due);
	}
	mafsd_promote_closed(d, inode);
}

void mafsd_release(struct mafsd *d, struct mafsd_open *open)
{
	struct mafsd_file *file = open->file;
	struct mafsd_inode *inode = file->inode;
	bool writer = is_writer(open->flags);
	bool passed = open->passthrough && writer;
	uint64_t nodeid = inode->nodeid;

	/* Dropping bytes may take the last reference. */
	mafsd_inode_ref(d, inode);
	pthread_mutex_lock(&inode->lock);
	mafsd_usage_closed(d, open);
	file->n_open--;
	atomic_fetch_sub(&d->n_open, 1);
	if (writer)
		file->n_writers--;
	if (passed) {
		if ((open->flags & O_ACCMODE) == O_RDWR)
			file->maybe_mapped = true;
		inode->n_changes++;
	}
	if (file->n_open == 0)
		last_release(d, inode);
	mafsd_file_put(d, inode);
	pthread_mutex_unlock(&inode->lock);
	if (passed)
		d->kernel->inval_attr(d->kernel_context, nodeid);
	mafsd_inode_unref(d, inode);
	free(open);
}
