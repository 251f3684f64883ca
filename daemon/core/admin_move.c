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
	uint64_t n_moved, n_kept;
	struct mafsd_inode *batch[BATCH_MAX]; /* a reference each */
	size_t n_batch;
	/* directories to walk, as paths; owned */
	char **todo;
	size_t n_todo, capacity;
};

static const char *why_kept(int err)
{
	switch (err) {
	case -EBUSY:
		return "it is open, mapped or being changed";
	case -ENOSPC:
		return "no room for it in memory";
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
	if (!is_elsewhere(move, inode)) {
		mafsd_inode_unref(move->d, inode);
		return;
	}
	if (!move->push) {
		count(move, inode, mafsd_promote(move->d, inode, NULL));
		mafsd_inode_unref(move->d, inode);
		return;
	}
	move->batch[move->n_batch++] = inode;
	if (move->n_batch == BATCH_MAX)
		end_batch(move);
}

/* A directory to walk later. */
static int add_todo(struct move *move, const char *dir_path)
{
	size_t capacity = move->capacity ? 2 * move->capacity : 16;
	char **todo, *path;

	if (move->n_todo == move->capacity) {
		todo = reallocarray(move->todo, capacity, sizeof(char *));
		if (!todo)
			return -ENOMEM;
		move->todo = todo;
		move->capacity = capacity;
	}
	path = strdup(dir_path);
	if (!path)
		return -ENOMEM;
	move->todo[move->n_todo++] = path;
	return 0;
}

static int visit_name(struct move *move, const char *dir_path, const char *name)
{
	_cleanup_free_ char *path = NULL;
	struct mafsd_inode *inode;
	int r;

	if (asprintf(&path, "%s%s%s", dir_path, *dir_path ? "/" : "", name) < 0)
		return -ENOMEM;
	r = mafsd_resolve(move->d, path, &inode);
	if (r < 0)
		return 0; /* gone meanwhile */
	if (S_ISREG(inode->type)) {
		move_file(move, inode);
		return 0;
	}
	r = S_ISDIR(inode->type) ? add_todo(move, path) : 0;
	mafsd_inode_unref(move->d, inode);
	return r;
}

static int visit_dir(struct move *move, const char *path,
		     struct mafsd_inode *inode)
{
	struct mafsd_dir *dir;
	const char *name;
	struct stat st;
	off_t offset = 0;
	int r;

	r = mafsd_opendir(move->d, inode->nodeid, &dir);
	if (r < 0)
		return r;
	while ((r = mafsd_readdir(dir, offset, &name, &st, &offset)) > 0)
		if (strcmp(name, ".") && strcmp(name, "..")) {
			r = visit_name(move, path, name);
			if (r < 0)
				break;
		}
	mafsd_closedir(dir);
	return r;
}

/* Directories that were found on the way. One that cannot be read is kept. */
static int visit_todo(struct move *move)
{
	struct mafsd_inode *inode;
	int r = 0;

	while (r != -ENOMEM && move->n_todo) {
		_cleanup_free_ char *path = move->todo[--move->n_todo];

		if (mafsd_resolve(move->d, path, &inode) < 0)
			continue; /* gone meanwhile */
		r = visit_dir(move, path, inode);
		if (r < 0)
			keep(move, inode, r);
		mafsd_inode_unref(move->d, inode);
	}
	return r == -ENOMEM ? r : 0;
}

static int visit_path(struct move *move, const char *path)
{
	struct mafsd_inode *inode;
	int r;

	r = mafsd_resolve(move->d, path, &inode);
	if (r < 0)
		return mafs_fault_set(move->fault, r, "%s: %s", path,
				      strerror(-r));
	if (S_ISREG(inode->type)) {
		move_file(move, inode);
		return 0;
	}
	r = S_ISDIR(inode->type) ? visit_dir(move, path, inode) : -EINVAL;
	mafsd_inode_unref(move->d, inode);
	if (r < 0)
		return mafs_fault_set(move->fault, r, "%s: %s", path,
				      r == -EINVAL ? "neither a file nor a "
						     "directory" :
						     strerror(-r));
	return visit_todo(move);
}

static int move_path(struct mafsd *d, const char *path, bool push,
		     uint64_t *ret_n_moved, uint64_t *ret_n_kept,
		     struct mafs_fault *fault)
{
	struct move move = { .d = d, .fault = fault, .push = push };
	int r;

	mafsd_thread_enter();
	r = visit_path(&move, path);
	end_batch(&move);
	while (move.n_todo)
		free(move.todo[--move.n_todo]);
	free(move.todo);
	if (r < 0)
		return r;
	*ret_n_moved = move.n_moved;
	*ret_n_kept = move.n_kept;
	return 0;
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
