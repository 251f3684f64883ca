// SPDX-License-Identifier: Apache-2.0
/*
 * push and pull: between the tiers what a person names, a file or all files
 * below a directory. Files are pushed in batches, so that one flush of the
 * file system makes many of them durable. What cannot move is counted, and
 * the first of them is named with its reason.
 */
#include "intern.h"

#include <string.h>

#define BATCH_MAX 64

struct move {
	struct mafsd *d;
	struct mafs_fault *fault; /* the first that was kept */
	bool push;
	const atomic_bool *stop; /* or NULL */
	uint64_t n_moved, n_kept;
	struct mafsd_inode *batch[BATCH_MAX]; /* a reference each */
	size_t n_batch;
};

static const char *why_kept(int err)
{
	switch (err) {
	case -EBUSY:
		return "it is open, mapped or being changed";
	case -ENOSPC:
		return "no room for it in memory";
	case -EPERM:
		return "its policy is against it: see mafs unpin";
	default:
		return strerror(-err);
	}
}

static void keep(struct move *move, struct mafsd_inode *inode, int err)
{
	char path[4096];

	if (move->n_kept++)
		return;
	mafsd_path_to_text(move->d, inode, path, sizeof(path));
	mafs_fault_set(move->fault, err, "%.300s: %s", path, why_kept(err));
}

static void count(struct move *move, struct mafsd_inode *inode, int err)
{
	if (err < 0)
		keep(move, inode, err);
	else
		move->n_moved++;
}

/* Is there anything to move? */
static bool is_elsewhere(const struct move *move, struct mafsd_inode *inode)
{
	const struct mafsd_file *file;
	bool in_memory;

	mafs_guard(&inode->lock);
	file = inode->file;
	in_memory = file && mafsd_in_memory(file);
	if (move->push)
		return in_memory;
	return !in_memory || (file->stale && !mafsd_is_dirty(file));
}

static void end_batch(struct move *move)
{
	struct mafsd_inode *inode;
	int r = 0, r_evict;

	if (move->n_batch == 1)
		r = mafsd_write_back(move->d, move->batch[0], true);
	else if (move->n_batch > 1)
		r = mafsd_write_back_batch(move->d, move->batch, move->n_batch,
					   true);
	for (size_t i = 0; i < move->n_batch; i++) {
		inode = move->batch[i];
		r_evict = mafsd_evict(move->d, inode, true);
		/* Still dirty: the reason is why it did not go down. */
		count(move, inode, r_evict == -EBUSY && r < 0 ? r : r_evict);
		mafsd_inode_unref(move->d, inode);
	}
	move->n_batch = 0;
}

/* Takes over the reference. */
static void move_file(struct move *move, struct mafsd_inode *inode)
{
	if ((move->stop && atomic_load(move->stop)) ||
	    !is_elsewhere(move, inode)) {
		mafsd_inode_unref(move->d, inode);
		return;
	}
	if (!move->push) {
		count(move, inode, mafsd_promote(move->d, inode, move->stop));
		mafsd_inode_unref(move->d, inode);
		return;
	}
	move->batch[move->n_batch++] = inode;
	if (move->n_batch == BATCH_MAX)
		end_batch(move);
}

static void visit_file(void *context, struct mafsd_inode *inode)
{
	move_file(context, inode);
}

/* A directory that cannot be read is kept. */
static void visit_failed(void *context, struct mafsd_inode *inode, int err)
{
	keep(context, inode, err);
}

static int move_tree(struct mafsd *d, struct mafsd_inode *top, bool push,
		     const atomic_bool *stop, uint64_t *ret_n_moved,
		     uint64_t *ret_n_kept, struct mafs_fault *fault)
{
	struct move move = {
		.d = d,
		.fault = fault,
		.push = push,
		.stop = stop,
	};
	const struct mafsd_walk walk = {
		.context = &move,
		.file = visit_file,
		.failed = visit_failed,
	};
	int r;

	r = mafsd_walk(d, top, &walk);
	end_batch(&move);
	if (r < 0)
		return mafs_fault_set(fault, r, "%s", strerror(-r));
	*ret_n_moved = move.n_moved;
	*ret_n_kept = move.n_kept;
	return 0;
}

int mafsd_push_tree(struct mafsd *d, struct mafsd_inode *top,
		    const atomic_bool *stop, uint64_t *ret_n_moved,
		    uint64_t *ret_n_kept, struct mafs_fault *fault)
{
	return move_tree(d, top, true, stop, ret_n_moved, ret_n_kept, fault);
}

int mafsd_pull_tree(struct mafsd *d, struct mafsd_inode *top,
		    const atomic_bool *stop, uint64_t *ret_n_moved,
		    uint64_t *ret_n_kept, struct mafs_fault *fault)
{
	return move_tree(d, top, false, stop, ret_n_moved, ret_n_kept, fault);
}

static int move_path(struct mafsd *d, const char *path, bool push,
		     uint64_t *ret_n_moved, uint64_t *ret_n_kept,
		     struct mafs_fault *fault)
{
	struct mafsd_inode *top;
	int r;

	mafsd_thread_enter();
	r = mafsd_resolve_for(d, path, &top, fault);
	if (r < 0)
		return r;
	r = move_tree(d, top, push, NULL, ret_n_moved, ret_n_kept, fault);
	mafsd_inode_unref(d, top);
	return r;
}

int mafsd_push(struct mafsd *d, const char *path, uint64_t *ret_n_moved,
	       uint64_t *ret_n_kept, struct mafs_fault *fault)
{
	return move_path(d, path, true, ret_n_moved, ret_n_kept, fault);
}

int mafsd_pull(struct mafsd *d, const char *path, uint64_t *ret_n_moved,
	       uint64_t *ret_n_kept, struct mafs_fault *fault)
{
	return move_path(d, path, false, ret_n_moved, ret_n_kept, fault);
}
