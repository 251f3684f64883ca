// SPDX-License-Identifier: Apache-2.0
/*
 * Promotion by use: a cold file that is opened for reading twice within a
 * window comes up after the last close; a hot or pinned one always, also when
 * it was written to at N. One thread has the small files, which
 * come up at once, and one the large. Each waits for nobody but the disk: a
 * file that is open again is left alone, and a list that is full takes no more.
 * Nothing is lost by that, the next reads ask again.
 *
 * Locks: promote.lock is a leaf.
 */
#include "intern.h"

#include <time.h>

#define SMALL_BYTES (1U << 20)
/* Right after a close a lease is refused for a moment. */
#define N_TRIES 4
#define WAIT_NS 5000000L

static bool is_wanted(enum mafsd_policy policy)
{
	return policy == MAFSD_POLICY_HOT || policy == MAFSD_POLICY_PINNED;
}

void mafsd_promote_opened(struct mafsd *d, struct mafsd_inode *inode,
			  bool writer)
{
	enum mafsd_policy policy = mafsd_policy_of(d, inode);
	uint32_t now = (uint32_t)mafsd_now_ms() | 1; /* 0: never */

	if (is_wanted(policy) ||
	    (!writer && policy == MAFSD_POLICY_TIERED && inode->last_read_ms &&
	     now - inode->last_read_ms < mafsd_setting(d, promote)))
		inode->file->promote = true;
	inode->last_read_ms = writer ? 0 : now;
}

/* Takes over the reference, unless the list is full. */
static bool put(struct mafsd_promoter *promoter, struct mafsd_inode *inode)
{
	mafs_guard(&promoter->lock);

	if (promoter->n == MAFS_ARRAY_SIZE(promoter->ring) ||
	    !promoter->running)
		return false;
	promoter->ring[(promoter->first + promoter->n++) %
		       MAFS_ARRAY_SIZE(promoter->ring)] = inode;
	pthread_cond_signal(&promoter->wake);
	return true;
}

/* Waits for work. Return: NULL: stop. */
static struct mafsd_inode *take(struct mafsd_promoter *promoter)
{
	struct mafsd_inode *inode;
	mafs_guard(&promoter->lock);

	while (!promoter->n && !atomic_load(&promoter->stop))
		pthread_cond_wait(&promoter->wake, &promoter->lock);
	if (!promoter->n)
		return NULL;
	inode = promoter->ring[promoter->first];
	promoter->first =
		(promoter->first + 1) % MAFS_ARRAY_SIZE(promoter->ring);
	promoter->n--;
	return inode;
}

void mafsd_promote_closed(struct mafsd *d, struct mafsd_inode *inode)
{
	struct mafsd_file *file = inode->file;

	if (!file->promote)
		return;
	file->promote = false;
	if (mafsd_in_memory(file) && (mafsd_is_dirty(file) || !file->stale))
		return;
	if (!put(&d->promote_small, mafsd_inode_ref(d, inode)))
		mafsd_inode_unref(d, inode);
}

static void promote(struct mafsd_promoter *promoter, struct mafsd_inode *inode)
{
	struct timespec wait = { .tv_nsec = WAIT_NS };

	for (int i = 0; i < N_TRIES && !atomic_load(&promoter->stop); i++) {
		if (mafsd_promote(promoter->d, inode, false, &promoter->stop) !=
		    -EBUSY)
			return;
		nanosleep(&wait, NULL);
		wait.tv_nsec *= 2;
	}
}

static uint64_t size_of(struct mafsd *d, struct mafsd_inode *inode)
{
	struct stat st;
	mafs_guard(&inode->lock);

	return mafsd_stat_n(d, inode, &st) == 0 ? (uint64_t)st.st_size : 0;
}

static void *run(void *argument)
{
	struct mafsd_promoter *promoter = argument;
	struct mafsd *d = promoter->d;
	struct mafsd_inode *inode;
	uint64_t size;

	mafsd_thread_enter();
	while ((inode = take(promoter))) {
		size = size_of(d, inode);
		if (promoter == &d->promote_small && size > SMALL_BYTES &&
		    put(&d->promote_large, inode))
			continue;
		if ((promoter == &d->promote_large || size <= SMALL_BYTES) &&
		    (size <= d->memory_size_bytes / 2 ||
		     mafsd_policy_of(d, inode) == MAFSD_POLICY_PINNED) &&
		    !atomic_load(&d->pressure.is_short))
			promote(promoter, inode);
		mafsd_inode_unref(d, inode);
	}
	return NULL;
}

static int start(struct mafsd *d, struct mafsd_promoter *promoter)
{
	int r;
	mafs_guard(&promoter->lock);

	promoter->d = d;
	r = pthread_create(&promoter->thread, NULL, run, promoter);
	promoter->running = r == 0;
	return -r;
}

int mafsd_promote_start(struct mafsd *d)
{
	int r;

	r = start(d, &d->promote_large);
	return r < 0 ? r : start(d, &d->promote_small);
}

static void stop(struct mafsd_promoter *promoter)
{
	bool running;

	pthread_mutex_lock(&promoter->lock);
	running = promoter->running;
	promoter->running = false;
	atomic_store(&promoter->stop, true);
	pthread_cond_signal(&promoter->wake);
	pthread_mutex_unlock(&promoter->lock);
	if (running)
		pthread_join(promoter->thread, NULL);
}

void mafsd_promote_stop(struct mafsd *d)
{
	stop(&d->promote_small);
	stop(&d->promote_large);
}
