// SPDX-License-Identifier: Apache-2.0
/*
 * Stores within what a file has: where they were, until they are flushed, and
 * when, until the log says so. Many note theirs at once, so each is one word
 * that is changed without a lock; stat(2) shows the time from the first moment.
 *
 * Who makes persistent takes both words before the bytes and the log: what is
 * noted meanwhile stays noted. The next one waits for its end (sync_lock), for
 * it must not say that all is persistent before.
 */
#include "memvol.h"

#define NS_PER_S 1000000000U

/* ---- where: the first page and the one behind the last, in one word ---- */

#define PAGE 4096U
#define PAGES_MAX UINT32_MAX /* so many or more */

static uint64_t first_of(uint64_t stored)
{
	return stored >> 32;
}

static uint64_t end_of(uint64_t stored)
{
	return stored & PAGES_MAX;
}

static uint64_t pages_max(uint64_t n)
{
	return n < PAGES_MAX ? n : PAGES_MAX;
}

static uint64_t pages_of(uint64_t start, uint64_t end)
{
	/* No end is beyond INT64_MAX. */
	return pages_max(start / PAGE) << 32 |
	       pages_max((end + PAGE - 1) / PAGE);
}

static uint64_t join(uint64_t a, uint64_t b)
{
	uint64_t first = first_of(a) < first_of(b) ? first_of(a) : first_of(b);
	uint64_t end = end_of(a) > end_of(b) ? end_of(a) : end_of(b);

	if (!a || !b)
		return a | b;
	return first << 32 | end;
}

static void note(struct mafsm_inode *inode, uint64_t pages)
{
	uint64_t old = atomic_load(&inode->stored), new;

	do {
		new = join(old, pages);
	} while (new != old &&
		 !atomic_compare_exchange_weak(&inode->stored, &old, new));
}

static int flush(struct mafsm *m, struct mafsm_inode *inode)
{
	uint64_t stored = atomic_exchange(&inode->stored, 0);
	uint64_t end = end_of(stored);
	int r;

	if (!stored)
		return 0;
	r = mafsm_read_begin(m, inode);
	if (r == 0) {
		r = mafs_pool_flush(m->pool, &inode->layout,
				    first_of(stored) * PAGE,
				    end < PAGES_MAX ? end * PAGE : UINT64_MAX);
		pthread_rwlock_unlock(&inode->io);
	}
	if (r < 0)
		note(inode, stored);
	return r;
}

/* ---- when ---- */

static struct timespec time_of(uint64_t ns)
{
	return (struct timespec){
		.tv_sec = (time_t)(ns / NS_PER_S),
		.tv_nsec = (long)(ns % NS_PER_S),
	};
}

static struct timespec later_of(struct timespec a, struct timespec b)
{
	if (a.tv_sec != b.tv_sec)
		return a.tv_sec > b.tv_sec ? a : b;
	return a.tv_nsec > b.tv_nsec ? a : b;
}

void mafsm_stat(const struct mafs_node *node, struct stat *ret)
{
	const struct mafsm_inode *inode = node->owner;
	uint64_t ns = inode ? atomic_load(&inode->stored_ns) : 0;

	mafs_names_stat(node, ret);
	if (!ns)
		return;
	ret->st_mtim = time_of(ns);
	ret->st_ctim = later_of(ret->st_mtim, ret->st_ctim);
}

void mafsm_forget_time(struct mafs_node *node)
{
	struct mafsm_inode *inode = node->owner;

	if (inode)
		atomic_store(&inode->stored_ns, 0);
}

/* Context: m->lock held exclusively. Return: 1: *@ret_ticket; 0: nothing to
 * tell. */
static int tell_times(struct mafsm *m, struct mafsm_inode *inode,
		      uint64_t *ret_ticket)
{
	uint64_t ns = atomic_exchange(&inode->stored_ns, 0), none = 0;
	struct timespec stored = time_of(ns);
	struct mafs_entry entry = {
		.type = MAFS_OMF_ATTR,
		.attr = {
			.id = inode->node->id,
			.mask = MAFS_OMF_ATTR_MTIME | MAFS_OMF_ATTR_CTIME,
			.mtime = stored,
			.ctime = later_of(stored, inode->node->ctime),
		},
	};
	int r;

	if (!ns)
		return 0;
	r = mafsm_commit(m, &entry, 1, ret_ticket);
	if (r < 0)
		atomic_compare_exchange_strong(&inode->stored_ns, &none, ns);
	return r < 0 ? r : 1;
}

static int log_times(struct mafsm *m, struct mafsm_inode *inode)
{
	uint64_t ticket;
	int r;

	pthread_rwlock_wrlock(&m->lock);
	r = tell_times(m, inode, &ticket);
	pthread_rwlock_unlock(&m->lock);
	return r > 0 ? mafsm_wait(m, ticket) : r;
}

/* ---- both ---- */

void mafsm_note_store(struct mafsm_inode *inode, uint64_t start, uint64_t end)
{
	struct timespec now = mafsm_now();

	note(inode, pages_of(start, end));
	atomic_store_explicit(&inode->stored_ns,
			      (uint64_t)now.tv_sec * NS_PER_S +
				      (uint64_t)now.tv_nsec,
			      memory_order_release);
}

bool mafsm_has_stored(const struct mafsm_inode *inode)
{
	return atomic_load(&inode->stored) || atomic_load(&inode->stored_ns);
}

int mafsm_sync_inode(struct mafsm *m, struct mafsm_inode *inode)
{
	int r;
	mafs_guard(&inode->sync_lock);

	r = flush(m, inode);
	return r < 0 ? r : log_times(m, inode);
}
