/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rename, exchange. One renameat2() at N; what it replaces is a victim as in
 * unlink. Children of a directory name their parent, not a path, so a moved
 * directory needs no change below it.
 *
 * A name must not lead to bytes that a power cut would take: what a file
 * replaces of which N has no version is kept until its bytes are down
 * (replaced.c), and where that cannot be, and for an exchange, they are
 * written back before.
 */
#include "names.h"
#include "replaced.h"

#include <string.h>

/**
 * struct side - one end of a rename
 * @inode: what has the name before; referenced, NULL: not known
 */
struct side {
	struct mafsd_inode *dir;
	int dirfd;
	const char *name;
	struct mafsd_inode *inode;
};

static void touch(struct mafsd *d, struct mafsd_inode *inode)
{
	mafs_guard(&inode->lock);

	mafsd_attr_touched(d, inode);
}

/* A file that was pinned by its directory may not be any more. */
static void look_at_pins(struct mafsd *d, struct mafsd_inode *inode)
{
	if (S_ISDIR(inode->type)) {
		mafsd_queue_unpin_all(d);
		return;
	}
	mafs_guard(&inode->lock);
	if (inode->file && inode->file->state == MAFSD_CLEAN)
		mafsd_queue_clean(d, inode->file);
}

/* The name that @inode now has is @to's, no more @from's. */
static void moved(struct mafsd *d, struct mafsd_inode *inode,
		  const struct side *from, const struct side *to)
{
	if (!inode)
		return;
	mafsd_name_set(d, inode, to->dir, to->name);
	touch(d, inode);
	if (from->dir != to->dir)
		look_at_pins(d, inode);
}

/* References what has the name; nothing about it changes. */
static void meet(struct mafsd *d, struct side *side)
{
	struct mafs_handle handle = { 0 };
	struct stat st = { 0 };
	int r = mafs_handle_of(side->dirfd, side->name, &handle);

	if (r == -EOPNOTSUPP)
		r = fstatat(side->dirfd, side->name, &st, AT_SYMLINK_NOFOLLOW);
	if (r == 0)
		side->inode = mafsd_inode_find(d, &handle, st.st_ino);
}

static int do_rename(const struct side *from, const struct side *to,
		     unsigned int flags)
{
	if (renameat2(from->dirfd, from->name, to->dirfd, to->name, flags) < 0)
		return -errno;
	return 0;
}

/* ---- exchange ---- */

/* Return: 0: its bytes are down; MAFSD_WOULD_BLOCK, -errno. */
static int bring_down(struct mafsd *d, struct mafsd_inode *inode,
		      bool may_block)
{
	bool dirty;

	if (!inode)
		return 0;
	pthread_mutex_lock(&inode->lock);
	dirty = inode->file && mafsd_is_dirty(inode->file);
	pthread_mutex_unlock(&inode->lock);
	if (!dirty)
		return 0;
	return may_block ? mafsd_write_back(d, inode, true) : MAFSD_WOULD_BLOCK;
}

static int exchange(struct mafsd *d, struct side *from, struct side *to,
		    bool may_block)
{
	int r;

	meet(d, to);
	r = bring_down(d, from->inode, may_block);
	if (r == 0)
		r = bring_down(d, to->inode, may_block);
	if (r == 0)
		r = do_rename(from, to, RENAME_EXCHANGE);
	if (r == 0) {
		moved(d, from->inode, from, to);
		moved(d, to->inode, to, from);
	}
	if (to->inode)
		mafsd_inode_unref(d, to->inode);
	return r;
}

/* ---- replacing ---- */

/* One name replaced again and again: now and then the bytes go down. */
#define CHAIN_MAX 16

/* A file that is held cannot become clean. Return: NULL: nothing of it is
 * awaited. */
static struct mafsd_file *hold_awaited(struct mafsd_inode *inode)
{
	struct mafsd_file *file;
	mafs_guard(&inode->lock);

	file = inode->file;
	if (!file || !mafsd_replaced_awaits(file))
		return NULL;
	file->n_pins++;
	file->n_stores++;
	return file;
}

static bool exists(const struct side *side)
{
	struct stat st;

	return fstatat(side->dirfd, side->name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* How many links await the bytes of what loses its name. */
static unsigned int depth_of(struct mafsd_inode *victim)
{
	const struct mafsd_replaced *newest;
	mafs_guard(&victim->lock);

	newest = victim->file ? victim->file->replaced : NULL;
	return newest ? newest->depth : 0;
}

/* Return: 0; *ret is NULL when nothing is replaced, or all is down. */
static int keep_victim(struct mafsd *d, const struct side *from,
		       const struct side *to, const struct mafsd_victim *victim,
		       bool may_block, struct mafsd_replaced **ret)
{
	unsigned int depth = victim->inode ? depth_of(victim->inode) : 0;
	struct mafs_hint hint = { 0 };
	int r = -EOPNOTSUPP;

	if (!victim->inode && !exists(to))
		return 0;
	if (victim->inode && depth < CHAIN_MAX) {
		mafsd_inode_handle(to->dir, &hint.parent);
		(void)snprintf(hint.name, sizeof(hint.name), "%s", to->name);
		r = mafsd_replaced_keep(d, from->inode, victim->inode,
					victim->fd, &hint, ret);
		if (r == 0)
			(*ret)->depth = depth + 1;
	}
	return r < 0 ? bring_down(d, from->inode, may_block) : 0;
}

/* If the victim's own bytes never came, what it had replaced waits for those
 * that have its name now; unless it has another one. */
static struct mafsd_replaced *take_awaited(const struct mafsd_victim *victim)
{
	struct stat st;
	mafs_guard(&victim->inode->lock);

	if (!victim->inode->file || fstat(victim->fd, &st) < 0)
		return NULL;
	mafsd_hide_own_links(victim->inode, &st);
	if (st.st_nlink > 0)
		return NULL;
	return take_ptr(victim->inode->file->replaced);
}

/* @list waits for @file's bytes, if they are not down: flushed, as else they
 * are given back, or by a spill, which settles them. */
static void let_go(struct mafsd *d, struct mafsd_file *file,
		   struct mafsd_replaced *list)
{
	struct mafsd_inode *inode = file->inode;

	pthread_mutex_lock(&inode->lock);
	file->n_stores--;
	if (list && mafsd_replaced_awaits(file))
		mafsd_replaced_push(file, take_ptr(list));
	pthread_mutex_unlock(&inode->lock);
	mafsd_replaced_release(d, list);
	mafsd_file_unpin(d, inode);
}

/* What @to names, @from's bytes replace: kept until they are down. */
static int rename_held(struct mafsd *d, struct side *from, struct side *to,
		       const struct mafsd_victim *victim,
		       struct mafsd_file *file, unsigned int flags,
		       bool may_block)
{
	struct mafsd_replaced *kept = NULL;
	int r;

	r = keep_victim(d, from, to, victim, may_block, &kept);
	if (r == 0)
		r = do_rename(from, to, flags);
	if (r < 0) {
		mafsd_replaced_release(d, kept);
		kept = NULL;
	}
	if (kept)
		kept->next = take_awaited(victim);
	let_go(d, file, kept);
	return r;
}

static int replace(struct mafsd *d, struct side *from, struct side *to,
		   unsigned int flags, bool may_block)
{
	struct mafsd_victim victim = { 0 };
	struct mafsd_file *held = NULL;
	int r = 0;

	if (!(flags & RENAME_NOREPLACE))
		r = mafsd_victim_prepare(d, to->dir, to->dirfd, to->name,
					 &victim);
	if (r < 0)
		return r;
	if (!(flags & RENAME_NOREPLACE) && from->inode &&
	    victim.inode != from->inode)
		held = hold_awaited(from->inode);
	r = held ? rename_held(d, from, to, &victim, held, flags, may_block) :
		   do_rename(from, to, flags);
	if (r == 0) {
		/* Two names of one file: rename(2) does nothing. */
		bool same = victim.inode && victim.inode == from->inode;

		if (victim.inode && !same)
			mafsd_name_unset(d, victim.inode, to->dir, to->name);
		if (!same)
			moved(d, from->inode, from, to);
	}
	mafsd_victim_finish(d, &victim, r == 0 && victim.inode != from->inode);
	return r;
}

static int rename_between(struct mafsd *d, struct side *from, struct side *to,
			  unsigned int flags, bool may_block)
{
	int r;

	meet(d, from);
	if (flags & RENAME_EXCHANGE)
		r = exchange(d, from, to, may_block);
	else
		r = replace(d, from, to, flags, may_block);
	if (from->inode)
		mafsd_inode_unref(d, from->inode);
	return r;
}

int mafsd_try_rename(struct mafsd *d, uint64_t parent, const char *name,
		     uint64_t new_parent, const char *new_name,
		     unsigned int flags, bool may_block)
{
	struct side from = {
		.dir = mafsd_inode_by_id(d, parent),
		.name = name,
	};
	struct side to = {
		.dir = mafsd_inode_by_id(d, new_parent),
		.name = new_name,
	};
	int r;

	if (!from.dir || !to.dir)
		return -ESTALE;
	if (flags & ~(unsigned int)(RENAME_NOREPLACE | RENAME_EXCHANGE) ||
	    flags == (RENAME_NOREPLACE | RENAME_EXCHANGE))
		return -EINVAL;
	if (mafsd_name_hidden(d, from.dir, name) ||
	    mafsd_name_hidden(d, to.dir, new_name))
		return -EPERM;
	from.dirfd = mafsd_path_get(d, from.dir);
	if (from.dirfd < 0)
		return from.dirfd;
	to.dirfd = mafsd_path_get(d, to.dir);
	if (to.dirfd < 0) {
		mafsd_path_put(d, from.dir);
		return to.dirfd;
	}
	r = rename_between(d, &from, &to, flags, may_block);
	mafsd_path_put(d, to.dir);
	mafsd_path_put(d, from.dir);
	return r;
}

int mafsd_rename(struct mafsd *d, uint64_t parent, const char *name,
		 uint64_t new_parent, const char *new_name, unsigned int flags)
{
	return mafsd_try_rename(d, parent, name, new_parent, new_name, flags,
				true);
}
