/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One file's way down: what is dirty is taken (begin), copied to N (copy), N's
 * size and times are set (seal), and after a flush the file is clean (end).
 *
 * Order on N and in the log: `writing`; data and zeros in place; where N is to
 * be cut a flush; size; times; data settled, marks for a power cut taken back
 * (unmark); flush; `clean`. From `writing` to `clean`
 * memory wins after a crash. A write that comes in between raises file->gen:
 * the file then stays dirty, and what was taken and failed is given back.
 */
#include "copy_down.h"
#include "replaced.h"
#include "sums.h"

#include <string.h>
#include <sys/xattr.h>

#define BACKOFF_MAX_MS 30000
#define HELD_OFF_MS 20

/* ---- begin ---- */

static void take_dirty(struct mafsd *d, struct mafsd_file *file,
		       struct mafsd_copy *copy)
{
	file->wb_reserved = file->reserved_bytes;
	mafsd_dirty_take(d, file, &copy->ranges);
	copy->n_valid = file->n_valid;
	copy->whole = file->dirty_whole;
	copy->sums = file->sums;
	file->dirty_whole = false;
	copy->gen = file->gen;
	copy->n_priv_changes = file->inode->n_priv_changes;
	copy->id = file->id;
	copy->pending = file->pending;
	copy->replaced = take_ptr(file->replaced);
	copy->is_new = mafsd_replaced_awaits(file);
	file->wb_new = copy->is_new;
	file->n_valid = UINT64_MAX;
}

static void give_back(struct mafsd *d, struct mafsd_file *file,
		      struct mafsd_copy *copy)
{
	mafsd_dirty_give_back(d, file, &copy->ranges);
	file->dirty_whole |= copy->whole;
	if (copy->n_valid < file->n_valid)
		file->n_valid = copy->n_valid;
}

/* A program that mapped the memory file for writing stores unseen until it
 * unmaps it. Asked before the copy: what it stored by then is in the copy. */
static bool may_be_stored_to(struct mafsd *d, struct mafsd_file *file,
			     bool wait)
{
	return file->path == MAFSD_M ||
	       mafsd_mem_use(d, file, wait) != MAFS_USE_NONE;
}

/* It stays dirty, and is tried again. */
static void note_failure(struct mafsd *d, struct mafsd_file *file, int error)
{
	int64_t now = mafsd_now_ms(), backoff;
	unsigned int n = file->wb_attempts < 6 ? file->wb_attempts : 6;

	backoff = 500LL << n;
	if (backoff > BACKOFF_MAX_MS)
		backoff = BACKOFF_MAX_MS;
	if (file->wb_attempts++ == 0)
		file->wb_first_failure_ms = now;
	file->wb_error = -error;
	file->wb_error_seq++;
	mafsd_queue_patient(d, file, now + backoff);
}

/* Return: 1: begun; 0: nothing to do; -EBUSY: another is at it. */
static int begin_locked(struct mafsd *d, struct mafsd_inode *inode, bool wait,
			bool nameless, struct mafsd_copy *copy)
{
	struct mafsd_file *file = inode->file;
	int r;

	while (file && file->wb_busy) {
		if (!wait)
			return -EBUSY;
		pthread_cond_wait(&file->wb_done, &inode->lock);
		file = inode->file;
	}
	if (!file || !mafsd_is_dirty(file))
		return 0;
	if (file->unlinked && !nameless)
		return 0; /* its bytes go with its last close */
	r = mafsd_conflict_settle(d, inode);
	if (r == 0 && !mafsd_is_dirty(file)) { /* dropped meanwhile */
		mafsd_file_put(d, inode);
		return 0;
	}
	if (r == 0)
		r = mafsd_hot_writing(d, file);
	if (r < 0) {
		note_failure(d, file, r);
		return r;
	}
	file->wb_busy = true;
	if (file->mapped_writer) {
		file->dirty_whole = true;
		file->mapped_writer = may_be_stored_to(d, file, wait);
	}
	take_dirty(d, file, copy);
	return 1;
}

int mafsd_copy_begin(struct mafsd *d, struct mafsd_inode *inode, bool wait,
		     bool nameless, struct mafsd_copy *ret)
{
	struct mafsd_copy copy = { .inode = inode, .n_fd = -1 };
	int r;

	pthread_mutex_lock(&inode->lock);
	r = begin_locked(d, inode, wait, nameless, &copy);
	pthread_mutex_unlock(&inode->lock);
	if (r <= 0)
		return r;
	mafsd_inode_ref(d, inode);
	*ret = copy;
	return 1;
}

/* ---- seal ---- */

static bool is_same_time(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

static int seal(struct mafsd *d, struct mafsd_copy *copy)
{
	uint64_t size = (uint64_t)copy->mem_st.st_size;
	struct timespec times[2];
	struct stat st;
	int r;

	/* Sizes and times of now: a later change raised gen anyway. */
	times[0] = copy->mem_st.st_atim;
	times[1] = copy->mem_st.st_mtim;
	r = d->tier->stat(copy->n_fd, &st);
	if (r == 0 && !copy->changes_n && (uint64_t)st.st_size == size &&
	    is_same_time(&st.st_mtim, &times[1]))
		return 0; /* a disk that sleeps goes on doing so */
	if (r == 0 && (uint64_t)st.st_size != size) {
		mafsd_act_as_owner(d, &copy->n_st);
		r = d->tier->truncate(copy->n_fd, size);
		mafs_act_as_self();
	}
	if (r < 0)
		return r;
	pthread_mutex_lock(&copy->inode->lock);
	if (copy->n_priv_changes == copy->inode->n_priv_changes) {
		if (!d->root) /* the stores took them away */
			mafsd_set_ids_restore(copy->n_fd, copy->n_st.st_mode);
		mafsd_capability_restore(copy->n_fd, &copy->capability);
	}
	pthread_mutex_unlock(&copy->inode->lock);
	return d->tier->set_times(copy->n_fd, times);
}

int mafsd_copy_seal(struct mafsd *d, struct mafsd_copy *copy)
{
	int r = seal(d, copy);

	return r < 0 ? r : d->tier->stat(copy->n_fd, &copy->sealed_st);
}

/* ---- unmark ---- */

/* A user's own file may be read-only by now, which its mode forbids him. */
static void take_pending(struct mafsd *d, int fd)
{
	const char *name = mafsd_pending_xattr(d);
	struct stat st;

	if (fremovexattr(fd, name) == 0 || errno != EACCES || d->root ||
	    fstat(fd, &st) < 0 || fchmod(fd, st.st_mode | S_IWUSR) < 0)
		return;
	fremovexattr(fd, name);
	fchmod(fd, st.st_mode);
}

void mafsd_copy_unmark(struct mafsd *d, struct mafsd_copy *copy)
{
	if (copy->pending) {
		take_pending(d, copy->n_fd);
		copy->pending = false;
	}
	mafsd_replaced_release(d, take_ptr(copy->replaced));
}

/* ---- end ---- */

/* What N has of it from now on. Was it changed past us since all was there, it
 * is not what we left: a clean copy is stale then, and of a file that stays
 * dirty nobody knows whose N's change is. */
static void note_left(struct mafsd_file *file, const struct mafsd_copy *copy,
		      const struct stat *st)
{
	struct mafs_fingerprint now;

	mafs_fingerprint_of(st, &now);
	mafs_fingerprint_of(&copy->sealed_st, &file->fingerprint);
	file->n_torn = !mafs_fingerprint_same_bytes(&now, &file->fingerprint);
	if (!file->n_torn) /* marks were taken back, a mode was set */
		file->fingerprint = now;
}

static int become_clean(struct mafsd *d, struct mafsd_file *file)
{
	struct mafs_entry entry = {
		.type = MAFS_OMF_CLEAN,
		.clean = { .id = file->id, .shown_ctime = file->shown_ctime },
	};
	int r;

	entry.clean.fingerprint = file->fingerprint;
	r = mafsd_journal_append(d, &entry);
	if (r < 0)
		return r; /* memory wins */
	file->state = MAFSD_CLEAN;
	file->writing_logged = false;
	file->wb_attempts = 0;
	file->wb_error = 0;
	file->wb_first_failure_ms = 0;
	atomic_fetch_add(&d->n_written_back, 1);
	mafsd_queue_clean(d, file);
	return 0;
}

static bool is_held_off(const struct mafsd_file *file,
			const struct mafsd_copy *copy, bool flushed)
{
	return flushed && file->n_stores && !file->n_writers &&
	       !file->mapped_writer && file->gen == copy->gen;
}

/* Bytes came in between, or may have come, or no flush was asked for. @held:
 * none came, but a rename that is under way held it off. */
static void stay_dirty(struct mafsd *d, struct mafsd_file *file, bool held)
{
	if (held) {
		mafsd_queue_dirty(d, file, mafsd_now_ms() + HELD_OFF_MS);
	} else if (file->mapped_writer) {
		file->dirty_whole = true;
		mafsd_queue_patient(d, file, mafsd_due_changed(d));
	} else if (file->n_writers > 0) {
		/* Perhaps in the middle of being rewritten: N would be cut to
		 * what has come so far. */
		mafsd_queue_dirty(d, file, mafsd_due_changed(d));
	} else {
		mafsd_queue_dirty(d, file, mafsd_due_closed(d));
	}
}

/* What wrote past us has set mtime, and ctime with it. */
static void note_shown(struct mafsd_file *file, const struct mafsd_copy *copy)
{
	if (copy->whole)
		file->shown_ctime =
			mafsd_later_ctime(file->shown_ctime, &copy->mem_st);
}

/* Every way out of here leaves the file where it belongs: gone, among the
 * clean, or among the dirty. */
static int end_locked(struct mafsd *d, struct mafsd_copy *copy, int error,
		      bool flushed)
{
	struct mafsd_file *file = copy->inode->file;
	struct stat st;
	int r;

	file->wb_busy = false;
	file->wb_reserved = 0;
	file->pending &= copy->pending;
	file->wb_new = false;
	pthread_cond_broadcast(&file->wb_done);
	r = copy->n_fd < 0 ? copy->n_fd : d->tier->stat(copy->n_fd, &st);
	if (r == 0)
		mafsd_dirty_on_n(d, file, &st);
	else if (error == 0)
		error = r;
	if (error < 0 || !flushed) {
		give_back(d, file, copy);
		if (file->sums)
			file->sums->n = 0;
	} else {
		if (copy->sums)
			mafsd_sums_note(copy->sums, &copy->sealed_st);
		note_shown(file, copy);
	}
	if (file->wb_drop && mafsd_hot_drop(d, copy->inode) == 0)
		return error;
	if (error == 0) {
		note_left(file, copy, &st);
		if (!flushed || file->mapped_writer || file->n_stores ||
		    file->gen != copy->gen)
			stay_dirty(d, file, is_held_off(file, copy, flushed));
		else
			error = become_clean(d, file);
	}
	if (error < 0)
		note_failure(d, file, error);
	mafsd_space_settle(d, file);
	return error;
}

/* Its last name went while it was written back: N has no such file. The
 * intent stands before the name goes, `unlinked` after. */
static bool is_gone(const struct mafsd_file *file, int error)
{
	return error == -ESTALE && (file->unlinked || file->drop_intent);
}

int mafsd_copy_end(struct mafsd *d, struct mafsd_copy *copy, int error,
		   bool flushed)
{
	struct mafsd_inode *inode = copy->inode;
	struct mafsd_replaced *awaited;
	bool gone;

	if (copy->mem_pinned)
		mafsd_mem_put(d, inode->file);
	/* A closed file's memory must have no descriptor of ours when it is
	 * looked at for users; the slot is closed by whoever looks. */
	pthread_mutex_lock(&inode->lock);
	gone = flushed && is_gone(inode->file, error);
	error = end_locked(d, copy, error, flushed);
	/* Before anybody asks whether N's file is in use: who truncates it
	 * would do so on N. */
	mafs_closep(&copy->n_fd);
	mafsd_replaced_push(inode->file, take_ptr(copy->replaced));
	awaited = NULL;
	if (!mafsd_is_dirty(inode->file) || inode->file->unlinked)
		awaited = take_ptr(inode->file->replaced);
	mafsd_file_put(d, inode);
	pthread_mutex_unlock(&inode->lock);
	/* Nameless, and not down: who has the name now may not be, either. */
	if (error < 0 && !gone)
		mafsd_replaced_done(awaited);
	else
		mafsd_replaced_release(d, awaited);
	mafs_ranges_done(&copy->ranges);
	mafsd_inode_unref(d, inode);
	return gone ? 0 : error;
}
