// SPDX-License-Identifier: Apache-2.0
/*
 * Queues of files: the dirty ones by when their write-back is due, and those of
 * them that a round of write-back has taken; the clean ones in memory that are
 * pinned; and all other clean ones, which the policy of eviction has. A file
 * is in one of them or none; file->queue says which of the first three.
 *
 * A file that was taken stays so until its write-back ends, whoever does it:
 * mafsd_queue_dirty() puts it back, mafsd_queue_clean() and
 * mafsd_queue_remove() say that it is dirty no more.
 *
 * Locks: table.lock (a reference is taken) nests within queue_lock.
 */
#include "intern.h"

/* Puts @file behind @prev; NULL: to the front. */
static void link_behind(struct mafsd_queue *queue, struct mafsd_file *prev,
			struct mafsd_file *file)
{
	struct mafsd_file *next = prev ? prev->queue_next : queue->first;

	file->queue_prev = prev;
	file->queue_next = next;
	*(prev ? &prev->queue_next : &queue->first) = file;
	*(next ? &next->queue_prev : &queue->last) = file;
	file->queue = queue;
	queue->n++;
}

static void unlink_file(struct mafsd_file *file)
{
	struct mafsd_queue *queue = file->queue;
	struct mafsd_file *prev = file->queue_prev, *next = file->queue_next;

	if (!queue)
		return;
	*(prev ? &prev->queue_next : &queue->first) = next;
	*(next ? &next->queue_prev : &queue->last) = prev;
	file->queue_prev = file->queue_next = NULL;
	file->queue = NULL;
	queue->n--;
}

static void count_dirty(struct mafsd *d)
{
	d->n_dirty = d->dirty_queue.n + d->taken_queue.n;
}

/* The last one that is due no later. Nearly always that is the very last:
 * everybody waits equally long; "now" goes to the front. */
static struct mafsd_file *place_of(const struct mafsd_queue *queue,
				   int64_t due_ms)
{
	struct mafsd_file *prev = queue->last;

	if (queue->first && queue->first->due_ms > due_ms)
		return NULL;
	while (prev && prev->due_ms > due_ms)
		prev = prev->queue_prev;
	return prev;
}

/* Under queue_lock, and read without. */
static void set_due(struct mafsd_file *file, int64_t due_ms)
{
	__atomic_store_n(&file->due_ms, due_ms, __ATOMIC_RELAXED);
}

static void queue_dirty(struct mafsd *d, struct mafsd_file *file,
			int64_t due_ms, bool patient)
{
	mafs_guard(&d->queue_lock);
	if (file->queue != &d->dirty_queue && file->queue != &d->taken_queue)
		file->n_syncs = d->n_syncs;
	unlink_file(file);
	d->policy_ops->remove(d->policy, &file->policy);
	set_due(file, due_ms);
	file->patient = patient;
	if (!file->unlinked)
		link_behind(&d->dirty_queue, place_of(&d->dirty_queue, due_ms),
			    file);
	count_dirty(d);
}

void mafsd_queue_dirty(struct mafsd *d, struct mafsd_file *file, int64_t due_ms)
{
	queue_dirty(d, file, due_ms, false);
}

void mafsd_queue_hasten(struct mafsd *d, int64_t due_ms)
{
	struct mafsd_queue *queue = &d->dirty_queue;
	struct mafsd_file *file, *next, *last;
	mafs_guard(&d->queue_lock);

	last = queue->last;
	file = place_of(queue, due_ms);
	for (file = file ? file->queue_next : queue->first; file; file = next) {
		next = file == last ? NULL : file->queue_next;
		if (!file->patient) {
			set_due(file, due_ms);
			continue;
		}
		unlink_file(file);
		link_behind(queue, queue->last, file);
	}
}

void mafsd_queue_patient(struct mafsd *d, struct mafsd_file *file,
			 int64_t due_ms)
{
	queue_dirty(d, file, due_ms, true);
}

static void count_pinned(struct mafsd *d, struct mafsd_file *file,
			 uint64_t bytes)
{
	d->pinned_bytes += bytes - file->pinned_bytes; /* may wrap around */
	file->pinned_bytes = bytes;
}

void mafsd_queue_clean(struct mafsd *d, struct mafsd_file *file)
{
	bool pinned = mafsd_policy_of(d, file->inode) == MAFSD_POLICY_PINNED;
	uint64_t size = file->fingerprint.size_bytes;

	mafs_guard(&d->queue_lock);
	unlink_file(file);
	if (pinned)
		d->policy_ops->remove(d->policy, &file->policy);
	if (!file->policy.queue) {
		file->policy.key = file->inode->hash;
		file->policy.size_bytes = size;
	}
	if (pinned)
		link_behind(&d->pinned_queue, d->pinned_queue.last, file);
	else
		d->policy_ops->admit(d->policy, &file->policy);
	count_pinned(d, file, pinned ? mafsd_in_blocks(size) : 0);
	count_dirty(d);
}

/* Directories moved: who is still pinned shows when it is to be evicted. */
void mafsd_queue_unpin_all(struct mafsd *d)
{
	struct mafsd_file *file;
	mafs_guard(&d->queue_lock);

	while ((file = d->pinned_queue.first)) {
		unlink_file(file);
		d->policy_ops->admit(d->policy, &file->policy);
		count_pinned(d, file, 0);
	}
}

uint64_t mafsd_queue_pinned(struct mafsd *d, const struct mafsd_file *file)
{
	mafs_guard(&d->queue_lock);

	return file ? file->pinned_bytes : d->pinned_bytes;
}

void mafsd_queue_remove(struct mafsd *d, struct mafsd_file *file)
{
	mafs_guard(&d->queue_lock);
	unlink_file(file);
	d->policy_ops->remove(d->policy, &file->policy);
	count_pinned(d, file, 0);
	count_dirty(d);
}

void mafsd_queue_used(struct mafsd *d, struct mafsd_file *file)
{
	mafs_guard(&d->queue_lock);
	d->policy_ops->use(d->policy, &file->policy);
}

void mafsd_queue_evicted(struct mafsd *d, struct mafsd_file *file)
{
	mafs_guard(&d->queue_lock);
	d->policy_ops->evicted(d->policy, &file->policy);
}

void mafsd_queue_raw(struct mafsd *d, struct mafsd_file *file, bool on)
{
	mafs_guard(&d->queue_lock);

	if (on) {
		file->raw_prev = NULL;
		file->raw_next = d->raw_files;
		if (d->raw_files)
			d->raw_files->raw_prev = file;
		d->raw_files = file;
		return;
	}
	if (file->raw_prev)
		file->raw_prev->raw_next = file->raw_next;
	else
		d->raw_files = file->raw_next;
	if (file->raw_next)
		file->raw_next->raw_prev = file->raw_prev;
	file->raw_prev = file->raw_next = NULL;
}

/* Next time they are taken from @file on. Context: queue_lock held. */
static void begin_raw_at(struct mafsd *d, struct mafsd_file *file)
{
	struct mafsd_file *last = file;

	while (last->raw_next)
		last = last->raw_next;
	last->raw_next = d->raw_files;
	d->raw_files->raw_prev = last;
	file->raw_prev->raw_next = NULL;
	file->raw_prev = NULL;
	d->raw_files = file;
}

size_t mafsd_queue_take_raw(struct mafsd *d, struct mafsd_inode **ret,
			    size_t n_max)
{
	struct mafsd_file *file;
	size_t n = 0;
	mafs_guard(&d->queue_lock);

	for (file = d->raw_files; file && n < n_max; file = file->raw_next)
		ret[n++] = mafsd_inode_ref(d, file->inode);
	if (file && n > 0)
		begin_raw_at(d, file);
	return n;
}

static struct mafsd_inode *take(struct mafsd *d, struct mafsd_file *file)
{
	unlink_file(file);
	link_behind(&d->taken_queue, d->taken_queue.last, file);
	return mafsd_inode_ref(d, file->inode);
}

size_t mafsd_queue_take_due(struct mafsd *d, bool urgent,
			    struct mafsd_inode **ret, size_t n_max,
			    int64_t *ret_next_due_ms)
{
	struct mafsd_queue *queue = &d->dirty_queue;
	struct mafsd_file *file, *next;
	int64_t now = mafsd_now_ms();
	size_t n = 0;

	mafs_guard(&d->queue_lock);
	for (file = queue->first; file && n < n_max; file = next) {
		next = file->queue_next;
		if (file->due_ms > now && !urgent)
			break;
		if (file->due_ms <= now || !file->patient)
			ret[n++] = take(d, file);
	}
	*ret_next_due_ms = queue->first ? queue->first->due_ms : INT64_MAX;
	return n;
}

uint64_t mafsd_queue_begin_sync(struct mafsd *d)
{
	mafs_guard(&d->queue_lock);

	return ++d->n_syncs;
}

size_t mafsd_queue_take_for_sync(struct mafsd *d, uint64_t sync,
				 struct mafsd_inode **ret, size_t n_max,
				 bool *ret_in_hand)
{
	struct mafsd_file *file, *next;
	bool in_hand = false;
	size_t n = 0;

	mafs_guard(&d->queue_lock);
	for (file = d->taken_queue.first; file; file = file->queue_next)
		in_hand |= file->n_syncs < sync;
	for (file = d->dirty_queue.first; file && n < n_max; file = next) {
		next = file->queue_next;
		if (file->n_syncs >= sync)
			continue;
		file->n_syncs = sync;
		ret[n++] = take(d, file);
	}
	*ret_in_hand = in_hand;
	return n;
}

size_t mafsd_queue_n_clean(struct mafsd *d)
{
	mafs_guard(&d->queue_lock);
	return d->policy_ops->count(d->policy);
}

struct mafsd_inode *mafsd_queue_victim(struct mafsd *d)
{
	struct mafs_policy_file *victim;
	mafs_guard(&d->queue_lock);

	victim = d->policy_ops->victim(d->policy);
	if (!victim)
		return NULL;
	return mafsd_inode_ref(
		d, mafs_container_of(victim, struct mafsd_file, policy)->inode);
}

void mafsd_account_dirty(struct mafsd *d, struct mafsd_file *file,
			 uint64_t before, uint64_t after)
{
	/* Wraps around to a subtraction. */
	d->dirty_bytes += after - before;
}
