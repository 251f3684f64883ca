/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What people want of files and directories: the policy is stored on N, then
 * what follows from it is done: pinned files come up, cold ones go down, and
 * what was pinned may be evicted again. Called by the control API and for the
 * xattr, from any thread, with no locks held.
 */
#include "names.h"

#include <string.h>

/* ---- does it fit? ---- */

/**
 * struct measure - what pinning a tree would add
 * @top: of the tree, and whose policy it has now
 */
struct measure {
	struct mafsd *d;
	struct mafsd_inode *top, *top_from;
	uint64_t bytes;
};

static uint64_t size_in_memory(struct mafsd *d, struct mafsd_inode *inode)
{
	struct stat st;
	mafs_guard(&inode->lock);

	if (inode->file && mafsd_queue_pinned(d, inode->file))
		return 0; /* counted already */
	return mafsd_stat_locked(d, inode, &st, NULL) == 0 ?
		       mafsd_in_blocks((uint64_t)st.st_size) :
		       0;
}

/* Something between it and the top may say otherwise. */
static bool follows_top(const struct measure *measure,
			struct mafsd_inode *inode)
{
	struct mafsd_inode *from = mafsd_policy_from(measure->d, inode);
	bool follows = from == measure->top || from == measure->top_from;

	if (from)
		mafsd_inode_unref(measure->d, from);
	return follows;
}

static void measure_file(void *context, struct mafsd_inode *inode)
{
	struct measure *measure = context;

	if (follows_top(measure, inode))
		measure->bytes += size_in_memory(measure->d, inode);
	mafsd_inode_unref(measure->d, inode);
}

static void ignore(void *context, struct mafsd_inode *inode, int err)
{
	(void)context;
	(void)inode;
	(void)err;
}

static int check_fits(struct mafsd *d, struct mafsd_inode *top,
		      struct mafs_fault *fault)
{
	struct measure measure = {
		.d = d,
		.top = top,
		.top_from = mafsd_policy_from(d, top),
	};
	const struct mafsd_walk walk = {
		.context = &measure,
		.file = measure_file,
		.failed = ignore,
	};
	uint64_t pinned = mafsd_queue_pinned(d, NULL);
	int r;

	r = mafsd_walk(d, top, &walk);
	if (measure.top_from)
		mafsd_inode_unref(d, measure.top_from);
	if (r < 0)
		return mafs_fault_set(fault, r, "%s", strerror(-r));
	if (measure.bytes + pinned <= d->memory_size_bytes)
		return 0;
	return mafs_fault_set(fault, -ENOSPC,
			      "memory does not hold it: %llu MiB to be pinned, "
			      "%llu MiB are already, of %llu MiB; nothing was "
			      "changed: unpin something, or mount with more "
			      "memory",
			      (unsigned long long)(measure.bytes >> 20),
			      (unsigned long long)(pinned >> 20),
			      (unsigned long long)(d->memory_size_bytes >> 20));
}

/* ---- what follows ---- */

static void requeue_file(void *context, struct mafsd_inode *inode)
{
	struct mafsd *d = context;

	pthread_mutex_lock(&inode->lock);
	if (inode->file && inode->file->state == MAFSD_CLEAN)
		mafsd_queue_clean(d, inode->file);
	pthread_mutex_unlock(&inode->lock);
	mafsd_inode_unref(d, inode);
}

/* Who is pinned, and who no more. */
static int requeue(struct mafsd *d, struct mafsd_inode *top)
{
	const struct mafsd_walk walk = {
		.context = d,
		.file = requeue_file,
		.failed = ignore,
	};

	return mafsd_walk(d, top, &walk);
}

/* Files go where they belong. */
static int follow(struct mafsd *d, const struct mafs_who *who,
		  struct mafsd_inode *top, bool count,
		  struct mafsd_progress *progress, struct mafs_fault *fault)
{
	switch (mafsd_policy_of(d, top)) {
	case MAFSD_POLICY_PINNED:
		return mafsd_act_tree(d, who, MAFSD_PULL, top, count, progress,
				      fault);
	case MAFSD_POLICY_COLD:
		return mafsd_act_tree(d, who, MAFSD_PUSH, top, count, progress,
				      fault);
	default:
		return 0;
	}
}

/* @flags: of setxattr(2). */
static int change(struct mafsd *d, struct mafsd_inode *top,
		  enum mafsd_policy policy, int flags, struct mafs_fault *fault)
{
	enum mafsd_policy before = mafsd_policy_of(d, top);
	int r;

	if (!S_ISREG(top->type) && !S_ISDIR(top->type))
		return mafs_fault_set(fault, -EINVAL,
				      "neither a file nor a directory");
	if (d->options.read_only)
		return mafs_fault_set(fault, -EROFS, "the mount is read-only");
	if (policy == MAFSD_POLICY_PINNED && before != policy) {
		r = check_fits(d, top, fault);
		if (r < 0)
			return r;
	}
	r = mafsd_policy_store(d, top, policy, flags);
	if (r < 0)
		return mafs_fault_set(fault, r, "%s", strerror(-r));
	if (before == MAFSD_POLICY_PINNED || policy == MAFSD_POLICY_PINNED)
		return requeue(d, top);
	return 0;
}

/* ---- by path ---- */

/* As for the xattr: modes say who may use a file, not who may rule it. */
static int check_owned(struct mafsd *d, const struct mafs_who *who,
		       struct mafsd_inode *inode)
{
	struct stat st;
	int r;

	if (!who)
		return 0;
	r = mafsd_stat_n(d, inode, &st);
	return r < 0 ? r : st.st_uid == who->uid ? 0 : -EACCES;
}

static int resolve_owned(struct mafsd *d, const struct mafs_who *who,
			 const char *path, struct mafsd_inode **ret,
			 struct mafs_fault *fault)
{
	struct mafsd_inode *inode;
	int r;

	r = mafsd_resolve_as(d, who, path, F_OK, &inode, fault);
	if (r < 0)
		return r;
	r = check_owned(d, who, inode);
	if (r < 0) {
		mafsd_inode_unref(d, inode);
		return mafs_fault_set(fault, r,
				      "%.300s: user %u does not own it: its "
				      "policy is its owner's to set",
				      path, (unsigned int)who->uid);
	}
	*ret = inode;
	return 0;
}

int mafsd_policy_get(struct mafsd *d, const struct mafs_who *who,
		     const char *path, struct mafsd_policy_info *ret,
		     struct mafs_fault *fault)
{
	struct mafsd_inode *inode, *from;
	int r;

	mafsd_thread_enter();
	r = mafsd_resolve_as(d, who, path, R_OK, &inode, fault);
	if (r < 0)
		return r;
	ret->own = mafsd_policy_own(d, inode);
	ret->effective = mafsd_policy_of(d, inode);
	ret->from[0] = '\0';
	from = mafsd_policy_from(d, inode);
	if (from) {
		mafsd_path_to_text(d, from, ret->from, sizeof(ret->from));
		mafsd_inode_unref(d, from);
	}
	mafsd_inode_unref(d, inode);
	return 0;
}

int mafsd_policy_set(struct mafsd *d, const struct mafs_who *who,
		     const char *path, enum mafsd_policy policy, bool count,
		     struct mafsd_progress *progress, struct mafs_fault *fault)
{
	struct mafsd_inode *inode;
	int r;

	mafsd_thread_enter();
	r = resolve_owned(d, who, path, &inode, fault);
	if (r < 0)
		return r;
	r = change(d, inode, policy, 0, fault);
	if (r == -ENODATA && policy == MAFSD_POLICY_INHERIT)
		r = 0; /* there was none */
	if (r == 0)
		r = follow(d, who, inode, count, progress, fault);
	mafsd_inode_unref(d, inode);
	return r;
}

/* ---- unpin ---- */

struct unpin {
	struct mafsd *d;
	const struct mafs_who *who;
	uint64_t n;
	int error; /* the first */
};

static void unpin_one(void *context, struct mafsd_inode *inode)
{
	struct unpin *unpin = context;
	int r;

	if (mafsd_policy_own(unpin->d, inode) != MAFSD_POLICY_PINNED)
		return;
	r = check_owned(unpin->d, unpin->who, inode);
	if (r == 0)
		r = mafsd_policy_store(unpin->d, inode, MAFSD_POLICY_INHERIT,
				       0);
	if (r == 0)
		unpin->n++;
	else if (unpin->error == 0)
		unpin->error = r;
}

static void unpin_file(void *context, struct mafsd_inode *inode)
{
	struct unpin *unpin = context;

	unpin_one(context, inode);
	mafsd_inode_unref(unpin->d, inode);
}

static int unpin_tree(struct mafsd *d, const struct mafs_who *who,
		      struct mafsd_inode *top, uint64_t *ret_n,
		      struct mafs_fault *fault)
{
	struct unpin unpin = { .d = d, .who = who };
	const struct mafsd_walk walk = {
		.who = who,
		.context = &unpin,
		.file = unpin_file,
		.directory = unpin_one,
		.failed = ignore,
	};
	int r;

	r = mafsd_walk(d, top, &walk);
	if (r == 0)
		r = requeue(d, top);
	if (r == 0)
		r = unpin.error;
	*ret_n = unpin.n;
	return r < 0 ? mafs_fault_set(fault, r, "%s", strerror(-r)) : 0;
}

/* Is it pinned by a directory above? Then that one is in the fault. */
static int check_above(struct mafsd *d, struct mafsd_inode *top,
		       struct mafs_fault *fault)
{
	struct mafsd_inode *from = mafsd_policy_from(d, top);
	char path[4096];
	int r = 0;

	if (from && from != top &&
	    mafsd_policy_own(d, from) == MAFSD_POLICY_PINNED) {
		mafsd_path_to_text(d, from, path, sizeof(path));
		r = mafs_fault_set(fault, -EBUSY,
				   "the directory /%.300s above it is pinned: "
				   "unpin that",
				   path);
	}
	if (from)
		mafsd_inode_unref(d, from);
	return r;
}

int mafsd_unpin(struct mafsd *d, const struct mafs_who *who, const char *path,
		uint64_t *ret_n_unpinned, struct mafs_fault *fault)
{
	struct mafsd_inode *inode;
	int r;

	mafsd_thread_enter();
	r = resolve_owned(d, who, path, &inode, fault);
	if (r < 0)
		return r;
	r = check_above(d, inode, fault);
	if (r == 0)
		r = unpin_tree(d, who, inode, ret_n_unpinned, fault);
	mafsd_inode_unref(d, inode);
	return r;
}

/* ---- by xattr ---- */

static int check_owner(struct mafsd *d, const struct mafsd_caller *caller,
		       struct mafsd_inode *inode)
{
	struct stat st;
	int r = mafsd_stat_n(d, inode, &st);

	if (r < 0)
		return r;
	return caller->uid == 0 || caller->uid == st.st_uid ? 0 : -EPERM;
}

struct following {
	struct mafsd *d;
	struct mafsd_inode *top; /* referenced */
};

static void run_follow(void *argument)
{
	struct following *following = argument;
	struct mafsd *d = following->d;
	struct mafsd_progress progress = { .stop = &d->promote_large.stop };

	(void)follow(d, NULL, following->top, false, &progress, NULL);
	mafsd_inode_unref(d, following->top);
	free(following);
}

/* The kernel holds the inode's lock until we answer, so the files go up or
 * down after that; what fails then, the next open asks for again. */
static void follow_later(struct mafsd *d, struct mafsd_inode *top)
{
	struct following *following = malloc(sizeof(*following));

	if (!following)
		return;
	following->d = d;
	following->top = mafsd_inode_ref(d, top);
	if (mafsd_pool_submit(d->fs.pool, run_follow, following) == 0)
		return;
	mafsd_inode_unref(d, top);
	free(following);
}

int mafsd_policy_setxattr(struct mafsd *d, const struct mafsd_caller *caller,
			  uint64_t nodeid, const void *value, size_t len,
			  int flags)
{
	struct mafsd_inode *inode = mafsd_inode_by_id(d, nodeid);
	enum mafsd_policy policy = MAFSD_POLICY_INHERIT;
	int r;

	if (!inode)
		return -ESTALE;
	r = check_owner(d, caller, inode);
	if (r == 0 && value)
		r = mafsd_policy_from_text(value, len, &policy);
	if (r == 0)
		r = change(d, inode, policy, flags, NULL);
	if (r == 0)
		follow_later(d, inode);
	return r;
}
