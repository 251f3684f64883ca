// SPDX-License-Identifier: Apache-2.0
/*
 * push, pull, evict, flush: bytes between the tiers as a person names them, of
 * a file or of all files below a directory. What goes down goes in batches, so
 * that one flush of the file system makes many files durable. What cannot move
 * is counted, and the first of them is named with its reason.
 */
#include "intern.h"

#include <string.h>

#define BATCH_MAX 64

struct move {
	struct mafsd *d;
	enum mafsd_action action;
	struct mafs_fault *fault; /* the first that was kept */
	struct mafsd_progress *progress;
	struct mafsd_inode *batch[BATCH_MAX]; /* a reference each */
	uint64_t batch_bytes[BATCH_MAX];
	size_t n_batch;
};

/* What it takes to have it done to a file. */
static int access_for(enum mafsd_action action)
{
	return action == MAFSD_PULL ? R_OK : W_OK;
}

/* ---- what could not ---- */

static const char *why_kept(enum mafsd_action action, int err)
{
	switch (err) {
	case -EBUSY:
		return "it is open, mapped or being changed";
	case -ENOTUNIQ:
		return "it is not on the disk yet: mafs push writes it back";
	case -ENOSPC:
		return action == MAFSD_PULL ? "no room for it in memory" :
					      "the disk is full";
	case -EPERM:
		return "its policy is against it: see mafs unpin";
	default:
		return strerror(-err);
	}
}

static void keep(struct move *move, struct mafsd_inode *inode, int err)
{
	char path[4096];

	if (move->progress->n_kept++)
		return;
	mafsd_path_to_text(move->d, inode, path, sizeof(path));
	mafs_fault_set(move->fault, err, "%.300s: %s", path,
		       why_kept(move->action, err));
}

/* ---- how far it is ---- */

static bool is_stopped(const struct move *move)
{
	return move->progress->stop && atomic_load(move->progress->stop);
}

static void begin_bytes(struct move *move, uint64_t bytes)
{
	struct mafsd_progress *progress = move->progress;

	progress->at_before = *progress->at_counter;
	progress->at_bytes = bytes;
}

static void count(struct move *move, struct mafsd_inode *inode, uint64_t bytes,
		  int err)
{
	if (err == -EBUSY && is_stopped(move))
		return; /* left off in the middle */
	if (err < 0) {
		keep(move, inode, err);
		return;
	}
	move->progress->n_moved++;
	move->progress->bytes_moved += bytes;
}

uint64_t mafsd_progress_bytes(const struct mafsd_progress *progress)
{
	const atomic_uint_fast64_t *counter = progress->at_counter;
	uint64_t bytes = progress->bytes_moved, of_this = 0;

	if (counter)
		of_this = *counter - progress->at_before;
	if (of_this > progress->at_bytes)
		of_this = progress->at_bytes;
	return bytes + of_this;
}

/* ---- one file ---- */

/* Is there anything to do, and with how many bytes? */
static bool is_wanted(const struct move *move, struct mafsd_inode *inode,
		      uint64_t *ret_bytes)
{
	const struct mafsd_file *file;
	bool in_memory, wanted;
	struct stat st;
	mafs_guard(&inode->lock);

	file = inode->file;
	in_memory = file && mafsd_in_memory(file);
	if (move->action == MAFSD_PULL)
		wanted = !in_memory || (file->stale && !mafsd_is_dirty(file));
	else if (move->action == MAFSD_FLUSH)
		wanted = in_memory && mafsd_is_dirty(file);
	else
		wanted = in_memory;
	if (!wanted)
		return false;
	if (move->action == MAFSD_FLUSH)
		*ret_bytes = file->dirty_bytes;
	else if (mafsd_stat_locked(move->d, inode, &st, NULL) == 0)
		*ret_bytes = (uint64_t)st.st_size;
	else
		*ret_bytes = 0;
	return true;
}

static bool is_dirty(struct mafsd_inode *inode)
{
	mafs_guard(&inode->lock);

	return inode->file && mafsd_is_dirty(inode->file);
}

/* After its write-back, which went as @r says for the batch. */
static int end_one(struct move *move, struct mafsd_inode *inode, int r)
{
	int r_evict;

	if (move->action == MAFSD_FLUSH)
		return is_dirty(inode) ? r : 0;
	r_evict = mafsd_evict(move->d, inode, true);
	/* Still dirty: the reason is why it did not go down. */
	return r_evict == -EBUSY && r < 0 ? r : r_evict;
}

static void end_batch(struct move *move)
{
	uint64_t bytes = 0;
	int r = 0;

	for (size_t i = 0; i < move->n_batch; i++)
		bytes += move->batch_bytes[i];
	begin_bytes(move, bytes);
	if (move->n_batch == 1)
		r = mafsd_write_back(move->d, move->batch[0], true);
	else if (move->n_batch > 1)
		r = mafsd_write_back_batch(move->d, move->batch, move->n_batch,
					   true);
	begin_bytes(move, 0);
	for (size_t i = 0; i < move->n_batch; i++) {
		count(move, move->batch[i], move->batch_bytes[i],
		      end_one(move, move->batch[i], r));
		mafsd_inode_unref(move->d, move->batch[i]);
	}
	move->n_batch = 0;
}

static int move_now(struct move *move, struct mafsd_inode *inode,
		    uint64_t bytes)
{
	int r;

	if (move->action == MAFSD_EVICT) {
		r = mafsd_evict(move->d, inode, true);
		return r == -EBUSY && is_dirty(inode) ? -ENOTUNIQ : r;
	}
	begin_bytes(move, bytes);
	r = mafsd_promote(move->d, inode, true, move->progress->stop);
	begin_bytes(move, 0);
	return r;
}

/* Takes over the reference. */
static void move_file(void *context, struct mafsd_inode *inode)
{
	struct move *move = context;
	uint64_t bytes;

	if (is_stopped(move) || !is_wanted(move, inode, &bytes)) {
		mafsd_inode_unref(move->d, inode);
		return;
	}
	if (move->action == MAFSD_PULL || move->action == MAFSD_EVICT) {
		count(move, inode, bytes, move_now(move, inode, bytes));
		mafsd_inode_unref(move->d, inode);
		return;
	}
	move->batch[move->n_batch] = inode;
	move->batch_bytes[move->n_batch++] = bytes;
	if (move->n_batch == BATCH_MAX)
		end_batch(move);
}

/* A directory that cannot be read is kept, a file that is not for him too. */
static void move_failed(void *context, struct mafsd_inode *inode, int err)
{
	keep(context, inode, err);
}

/* ---- counted before ---- */

/* Takes over the reference. */
static void count_file(void *context, struct mafsd_inode *inode)
{
	struct move *move = context;
	uint64_t bytes;

	if (is_wanted(move, inode, &bytes)) {
		move->progress->n_total++;
		move->progress->bytes_total += bytes;
	}
	mafsd_inode_unref(move->d, inode);
}

static void count_failed(void *context, struct mafsd_inode *inode, int err)
{
	struct move *move = context;

	move->progress->n_total++; /* it will be kept */
}

/* ---- all of them ---- */

int mafsd_act_tree(struct mafsd *d, const struct mafs_who *who,
		   enum mafsd_action action, struct mafsd_inode *top,
		   bool counted, struct mafsd_progress *progress,
		   struct mafs_fault *fault)
{
	struct move move = {
		.d = d,
		.action = action,
		.fault = fault,
		.progress = progress,
	};
	struct mafsd_walk walk = {
		.who = who,
		.access = access_for(action),
		.context = &move,
		.file = count_file,
		.failed = count_failed,
		.stop = progress->stop,
	};
	int r = 0;

	progress->at_counter = action == MAFSD_PULL ? &d->promoted_bytes :
						      &d->written_back_bytes;
	begin_bytes(&move, 0);
	if (counted)
		r = mafsd_walk(d, top, &walk);
	progress->counted = counted;
	walk.file = move_file;
	walk.failed = move_failed;
	if (r == 0)
		r = mafsd_walk(d, top, &walk);
	end_batch(&move);
	if (r < 0)
		return mafs_fault_set(fault, r, "%s", strerror(-r));
	return 0;
}

int mafsd_act(struct mafsd *d, const struct mafs_who *who,
	      enum mafsd_action action, const char *path, bool counted,
	      struct mafsd_progress *progress, struct mafs_fault *fault)
{
	struct mafsd_inode *top;
	int r;

	mafsd_thread_enter();
	/* Of a directory the files below are what counts. */
	r = mafsd_resolve_as(d, who, path, F_OK, &top, fault);
	if (r < 0)
		return r;
	if (!S_ISREG(top->type) && !S_ISDIR(top->type))
		r = mafs_fault_set(fault, -EINVAL,
				   "%.300s: neither a file nor a directory",
				   path);
	else if (S_ISREG(top->type))
		r = mafsd_admits(d, who, top, access_for(action));
	else
		r = mafsd_admits(d, who, top, R_OK | X_OK);
	if (r == -EACCES || r == -EROFS)
		mafs_fault_set(fault, r, "%.300s: %s", *path ? path : "/",
			       strerror(-r));
	if (r == 0)
		r = mafsd_act_tree(d, who, action, top, counted, progress,
				   fault);
	mafsd_inode_unref(d, top);
	return r;
}
