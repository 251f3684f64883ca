/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Write-back: by age, at pressure, at fsync, at unmount. One thread takes what
 * is due in rounds; a round of many small files is flushed by one syncfs, on a
 * descriptor opened before its first store, so that no error is missed.
 */
#include "copy_down.h"

#include <string.h>
#include <time.h>

/* From here on one syncfs is cheaper than a flush for each file. */
#define FLUSH_ALL_FROM 8
/* The thread looks so often, also when nothing wakes it. */
#define WAIT_MS_MAX 1000

/* No mark is gone for good before the bytes are down. */
static int settle_and_unmark(struct mafsd *d, struct mafsd_copy *copy)
{
	int r = d->tier->settle(copy->n_fd);

	if (r == 0)
		mafsd_copy_unmark(d, copy);
	return r;
}

/* Times and the like reach the disk by themselves; what says whether the bytes
 * are there is flushed with them. */
static bool wants_metadata(const struct mafsd_copy *copy)
{
	return mafsd_copy_is_marked(copy) || copy->is_new;
}

static int write_back(struct mafsd *d, struct mafsd_inode *inode, bool durable,
		      bool data_only)
{
	struct mafsd_copy copy;
	int r;

	r = mafsd_copy_begin(d, inode, true, !durable, &copy);
	if (r <= 0)
		return r;
	r = mafsd_copy_bytes(d, &copy);
	if (r == 0 && copy.cuts)
		r = d->tier->flush(copy.n_fd, true);
	if (r == 0)
		r = mafsd_copy_seal(d, &copy);
	data_only = data_only && !wants_metadata(&copy);
	/* Unflushed, a rename under way may yet let go what awaits them. */
	if (r == 0 &&
	    (mafsd_copy_is_marked(&copy) || (copy.is_new && !durable)))
		r = settle_and_unmark(d, &copy);
	if (r == 0 && durable)
		r = d->tier->flush(copy.n_fd, data_only);
	return mafsd_copy_end(d, &copy, r, durable);
}

int mafsd_write_back(struct mafsd *d, struct mafsd_inode *inode, bool durable)
{
	return write_back(d, inode, durable, false);
}

int mafsd_write_back_data(struct mafsd *d, struct mafsd_inode *inode)
{
	return write_back(d, inode, true, true);
}

int mafsd_copy_down(struct mafsd *d, struct mafsd_inode *inode)
{
	return mafsd_write_back(d, inode, false);
}

/* ---- rounds ---- */

static int copy_and_seal(struct mafsd *d, struct mafsd_copy *copy)
{
	int r;

	r = mafsd_copy_bytes(d, copy);
	if (r == 0 && copy->cuts)
		r = d->tier->flush(copy->n_fd, true);
	if (r == 0)
		r = mafsd_copy_seal(d, copy);
	return r;
}

static void flush_each(struct mafsd *d, struct mafsd_copy *copies, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (copies[i].error == 0 && mafsd_copy_is_marked(&copies[i]))
			copies[i].error = settle_and_unmark(d, &copies[i]);
		if (copies[i].error == 0)
			copies[i].error = d->tier->flush(copies[i].n_fd, false);
	}
}

static void flush_together(struct mafsd *d, int fd, struct mafsd_copy *copies,
			   size_t n)
{
	bool marked = false;
	size_t i;
	int r;

	r = d->tier->flush_all(fd);
	for (i = 0; i < n && r == 0; i++) {
		if (copies[i].error < 0 || !mafsd_copy_is_marked(&copies[i]))
			continue;
		mafsd_copy_unmark(d, &copies[i]);
		marked = true;
	}
	if (marked) /* what is clean does not get back what it replaced */
		r = d->tier->flush_all(fd);
	for (i = 0; i < n; i++)
		if (copies[i].error == 0)
			copies[i].error = r;
}

/* Those that another thread had in hand, one by one after our own. Without
 * memory for a batch: all, one by one. */
static int one_by_one(struct mafsd *d, struct mafsd_inode **inodes,
		      const bool *busy, size_t n)
{
	int r, first = 0;
	size_t i;

	for (i = 0; i < n; i++) {
		r = !busy || busy[i] ? mafsd_write_back(d, inodes[i], true) : 0;
		if (r < 0 && first == 0)
			first = r;
	}
	return first;
}

int mafsd_write_back_batch(struct mafsd *d, struct mafsd_inode **inodes,
			   size_t n, bool wait)
{
	_cleanup_free_ bool *busy = calloc(n, sizeof(*busy));
	_cleanup_free_ struct mafsd_copy *copies = calloc(n, sizeof(*copies));
	_cleanup_close_ int fd =
		openat(d->n_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	size_t i, n_begun = 0;
	int r, first = 0;

	if (!copies || !busy)
		return one_by_one(d, inodes, NULL, n);
	for (i = 0; i < n; i++) {
		r = mafsd_copy_begin(d, inodes[i], false, false,
				     &copies[n_begun]);
		busy[i] = r == -EBUSY;
		if (r < 0 && !busy[i] && first == 0)
			first = r;
		if (r <= 0)
			continue;
		copies[n_begun].error = copy_and_seal(d, &copies[n_begun]);
		n_begun++;
	}
	if (n_begun >= FLUSH_ALL_FROM && fd >= 0)
		flush_together(d, fd, copies, n_begun);
	else
		flush_each(d, copies, n_begun);
	for (i = 0; i < n_begun; i++) {
		r = mafsd_copy_end(d, &copies[i], copies[i].error, true);
		if (r < 0 && first == 0)
			first = r;
	}
	pthread_mutex_lock(&d->wb_lock);
	pthread_cond_broadcast(&d->wb_round);
	pthread_mutex_unlock(&d->wb_lock);
	r = wait ? one_by_one(d, inodes, busy, n) : 0;
	return first < 0 ? first : r;
}

/* Writes back what was taken, and gives the references back. */
static int round_of(struct mafsd *d, struct mafsd_inode **taken, size_t n,
		    bool wait)
{
	size_t i;
	int r;

	r = mafsd_write_back_batch(d, taken, n, wait);
	for (i = 0; i < n; i++)
		mafsd_inode_unref(d, taken[i]);
	return r;
}

/* What others have in hand is waited for: when it failed there or was written
 * to meanwhile, it comes back to the queue, and to us. */
int mafsd_write_back_all(struct mafsd *d)
{
	const struct timespec wait = { .tv_nsec = 2000000 };
	_cleanup_free_ struct mafsd_inode **taken =
		calloc(d->batch_max, sizeof(struct mafsd_inode *));
	int r, first = 0;
	uint64_t sync;
	bool in_hand;
	size_t n;

	if (!taken)
		return -ENOMEM;
	mafs_guard(&d->sync_lock);
	sync = mafsd_queue_begin_sync(d);
	do {
		n = mafsd_queue_take_for_sync(d, sync, taken, d->batch_max,
					      &in_hand);
		r = n > 0 ? round_of(d, taken, n, true) : 0;
		if (r < 0 && first == 0)
			first = r;
		if (n == 0 && in_hand)
			nanosleep(&wait, NULL);
	} while (n > 0 || in_hand);
	return first;
}

/* ---- the thread ---- */

static void wait_until(struct mafsd *d, int64_t due_ms)
{
	int64_t now_ms = mafsd_now_ms();

	if (due_ms <= now_ms)
		return;
	if (due_ms > now_ms + WAIT_MS_MAX)
		due_ms = now_ms + WAIT_MS_MAX;
	pthread_mutex_lock(&d->wb_lock);
	if (!d->wb_urgent && !d->stopping)
		mafsd_wait_until(&d->wb_wake, &d->wb_lock, due_ms);
	pthread_mutex_unlock(&d->wb_lock);
}

static bool take_urgent(struct mafsd *d)
{
	bool urgent;
	mafs_guard(&d->wb_lock);

	urgent = d->wb_urgent;
	d->wb_urgent = false;
	return urgent;
}

static bool is_stopping(struct mafsd *d)
{
	mafs_guard(&d->wb_lock);

	return d->stopping;
}

/* One round of what is due. Return: files taken. */
static size_t due_round(struct mafsd *d, bool urgent, int64_t *ret_next_ms)
{
	_cleanup_free_ struct mafsd_inode **taken =
		calloc(d->batch_max, sizeof(struct mafsd_inode *));
	size_t n;

	*ret_next_ms = INT64_MAX;
	if (!taken)
		return 0;
	n = mafsd_queue_take_due(d, urgent, taken, d->batch_max, ret_next_ms);
	if (n > 0)
		round_of(d, taken, n, false); /* each file has its error */
	return n;
}

static void *write_back_main(void *argument)
{
	struct mafsd *d = argument;
	int64_t next;
	bool urgent;
	size_t n;

	mafsd_thread_enter();
	while (!is_stopping(d)) {
		urgent = take_urgent(d) ||
			 atomic_load(&d->dirty_bytes) > d->writeback_at_bytes;
		do {
			n = due_round(d, urgent, &next);
			if (atomic_load(&d->dirty_bytes) <
			    d->writeback_at_bytes / 2)
				urgent = false;
			mafsd_journal_tend(d);
		} while (n > 0 && !is_stopping(d));
		wait_until(d, next);
	}
	return NULL;
}

int mafsd_write_back_start(struct mafsd *d)
{
	int r = pthread_create(&d->wb_thread, NULL, write_back_main, d);

	d->wb_running = r == 0;
	return -r;
}

void mafsd_write_back_kick(struct mafsd *d)
{
	mafs_guard(&d->wb_lock);

	d->wb_urgent = true;
	pthread_cond_signal(&d->wb_wake);
}

void mafsd_write_back_look(struct mafsd *d)
{
	mafs_guard(&d->wb_lock);

	pthread_cond_signal(&d->wb_wake);
}

void mafsd_write_back_stop(struct mafsd *d)
{
	if (!d->wb_running)
		return;
	pthread_mutex_lock(&d->wb_lock);
	d->stopping = true;
	pthread_cond_broadcast(&d->wb_wake);
	pthread_mutex_unlock(&d->wb_lock);
	pthread_join(d->wb_thread, NULL);
	d->wb_running = false;
}
