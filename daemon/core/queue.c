// SPDX-License-Identifier: Apache-2.0
/*
 * Two queues of files: the dirty ones by when their write-back is due, the
 * clean ones in memory by their last use. A file is in one of them or none,
 * and file->queue says which.
 *
 * A dirty file that was taken for write-back is out of the list, but
 * file->queue still says dirty_queue, and it still counts in d->n_dirty: until
 * mafsd_queue_dirty() links it again, or mafsd_queue_clean() or
 * mafsd_queue_remove() says that it is dirty no more. So n_dirty is the number
 * of files whose queue is the dirty one.
 *
 * Locks: table.lock (a reference is taken) nests within queue_lock.
 */
#include "intern.h"

static bool is_linked(const struct mafsd_file *file)
{
	return file->queue && (file->queue_prev || file->queue->first == file);
}

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

/* Leaves file->queue as it is. */
static void unlink_file(struct mafsd_file *file)
{
	struct mafsd_queue *queue = file->queue;
	struct mafsd_file *prev = file->queue_prev, *next = file->queue_next;

	if (!is_linked(file))
		return;
	*(prev ? &prev->queue_next : &queue->first) = next;
	*(next ? &next->queue_prev : &queue->last) = prev;
	file->queue_prev = file->queue_next = NULL;
	queue->n--;
}

/* Off its queue, and its count with it. */
static void leave(struct mafsd *d, struct mafsd_file *file)
{
	unlink_file(file);
	if (file->queue == &d->dirty_queue)
		d->n_dirty--;
	file->queue = NULL;
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

void mafsd_queue_dirty(struct mafsd *d, struct mafsd_file *file, int64_t due_ms)
{
	mafs_guard(&d->queue_lock);
	leave(d, file);
	file->due_ms = due_ms;
	link_behind(&d->dirty_queue, place_of(&d->dirty_queue, due_ms), file);
	d->n_dirty++;
}

/* Also for a file that is there already: it was used, and moves to the end. */
void mafsd_queue_clean(struct mafsd *d, struct mafsd_file *file)
{
	mafs_guard(&d->queue_lock);
	leave(d, file);
	link_behind(&d->clean_queue, d->clean_queue.last, file);
}

void mafsd_queue_remove(struct mafsd *d, struct mafsd_file *file)
{
	mafs_guard(&d->queue_lock);
	leave(d, file);
}

size_t mafsd_queue_take_dirty(struct mafsd *d, int64_t due_by_ms,
			      struct mafsd_inode **ret, size_t n_max,
			      int64_t *ret_next_due_ms)
{
	struct mafsd_queue *queue = &d->dirty_queue;
	struct mafsd_file *file;
	size_t n = 0;

	mafs_guard(&d->queue_lock);
	while (n < n_max && (file = queue->first) &&
	       file->due_ms <= due_by_ms) {
		unlink_file(file);
		ret[n++] = mafsd_inode_ref(d, file->inode);
	}
	if (ret_next_due_ms)
		*ret_next_due_ms = queue->first ? queue->first->due_ms :
						  INT64_MAX;
	return n;
}

/* They stay queued, at the end: what cannot be evicted now does not stand in
 * the way of the next. */
size_t mafsd_queue_take_clean(struct mafsd *d, struct mafsd_inode **ret,
			      size_t n_max)
{
	struct mafsd_queue *queue = &d->clean_queue;
	struct mafsd_file *file;
	size_t n = 0;

	mafs_guard(&d->queue_lock);
	if (n_max > queue->n)
		n_max = queue->n;
	while (n < n_max) {
		file = queue->first;
		unlink_file(file);
		link_behind(queue, queue->last, file);
		ret[n++] = mafsd_inode_ref(d, file->inode);
	}
	return n;
}

void mafsd_account_dirty(struct mafsd *d, struct mafsd_file *file,
			 uint64_t before, uint64_t after)
{
	/* Wraps around to a subtraction. */
	d->dirty_bytes += after - before;
}
