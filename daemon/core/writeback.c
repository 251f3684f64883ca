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

/* No mark is gone for good before the bytes are down. */
static int settle_and_unmark(struct mafsd *d, struct mafsd_copy *copy)
{
	int r = d->tier->settle(copy->n_fd);

	if (r == 0)
		mafsd_copy_unmark(d, copy);
	return r;
}

int mafsd_write_back(struct mafsd *d, struct mafsd_inode *inode, bool durable)
{
	struct mafsd_copy copy;
	int r;

	r = mafsd_copy_begin(d, inode, true, !durable, &copy);
	if (r <= 0)
		return r;
	r = mafsd_copy_bytes(d, &copy);
	if (r == 0 && durable && copy.cuts)
		r = d->tier->flush(copy.n_fd, true);
	if (r == 0)
		r = mafsd_copy_seal(d, &copy);
	if (r == 0 && mafsd_copy_is_marked(&copy))
		r = settle_and_unmark(d, &copy);
	if (r == 0 && durable)
		r = d->tier->flush(copy.n_fd, false);
	return mafsd_copy_end(d, &copy, r, durable);
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

/* Those that another thread had in hand, one by one after our own. */
static int wait_for_busy(struct mafsd *d, struct mafsd_inode **inodes,
			 const bool *busy, size_t n)
{
	int r, first = 0;
	size_t i;

	for (i = 0; i < n; i++) {
		r = busy[i] ? mafsd_write_back(d, inodes[i], true) : 0;
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
		return -ENOMEM;
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
	r = wait ? wait_for_busy(d, inodes, busy, n) : 0;
	return first < 0 ? first : r;
}

/* One round. Return: files taken; *ret_next_ms: when the next is due. */
static size_t round_of(struct mafsd *d, int64_t due_by_ms, bool wait,
		       int64_t *ret_next_ms, int *ret_error)
{
	_cleanup_free_ struct mafsd_inode **inodes =
		calloc(d->batch_max, sizeof(*inodes));
	size_t i, n;
	int r;

	if (!inodes)
		return 0;
	n = mafsd_queue_take_dirty(d, due_by_ms, inodes, d->batch_max,
				   ret_next_ms);
	if (n == 0)
		return 0;
	r = mafsd_write_back_batch(d, inodes, n, wait);
	if (r < 0 && ret_error && *ret_error == 0)
		*ret_error = r;
	for (i = 0; i < n; i++)
		mafsd_inode_unref(d, inodes[i]);
	return n;
}

static bool all_down(struct mafsd *d)
{
	return atomic_load(&d->n_dirty) == 0;
}

/* What was dirty at the call: files that are written on meanwhile come back
 * to the queue, so the rounds are bounded by what there was. */
int mafsd_write_back_all(struct mafsd *d)
{
	uint64_t n_left = atomic_load(&d->n_dirty);
	int64_t next;
	size_t n;
	int r = 0;

	while (!all_down(d)) {
		n = round_of(d, INT64_MAX, true, &next, &r);
		if (n == 0) {
			/* Others have them in hand: wait for their end. */
			struct timespec wait = { .tv_nsec = 2000000 };

			if (r < 0)
				break;
			nanosleep(&wait, NULL);
			continue;
		}
		n_left = n_left > n ? n_left - n : 0;
		if (n_left == 0)
			break;
	}
	return r;
}

/* ---- the thread ---- */

static void wait_until(struct mafsd *d, int64_t due_ms)
{
	struct timespec until;
	int64_t wait_ms = due_ms - mafsd_now_ms();

	if (wait_ms <= 0)
		return;
	if (wait_ms > 1000)
		wait_ms = 1000;
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += wait_ms / 1000;
	until.tv_nsec += wait_ms % 1000 * 1000000L;
	if (until.tv_nsec >= 1000000000L) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000L;
	}
	pthread_mutex_lock(&d->wb_lock);
	if (!d->wb_urgent && !d->stopping)
		pthread_cond_timedwait(&d->wb_wake, &d->wb_lock, &until);
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

static void *write_back_main(void *argument)
{
	struct mafsd *d = argument;
	int64_t due, next;
	bool urgent;
	int r;

	mafsd_thread_enter();
	while (!is_stopping(d)) {
		urgent = take_urgent(d) ||
			 atomic_load(&d->dirty_bytes) > d->dirty_max_bytes;
		due = urgent ? INT64_MAX : mafsd_now_ms();
		next = INT64_MAX;
		r = 0;
		/* What failed waits for its time also when it is urgent. */
		while (round_of(d, due, false, &next, &r) > 0 && r == 0 &&
		       !is_stopping(d))
			if (urgent && atomic_load(&d->dirty_bytes) <
					      d->dirty_max_bytes / 2)
				due = mafsd_now_ms();
		mafsd_journal_tend(d);
		if (next == INT64_MAX || r < 0)
			next = mafsd_now_ms() + (r < 0 ? 250 : 1000);
		if (r < 0)
			take_urgent(d);
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
