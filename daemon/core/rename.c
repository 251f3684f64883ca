/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rename, exchange. One renameat2() at N; what it replaces is a victim as in
 * unlink. Children of a directory name their parent, not a path, so a moved
 * directory needs no change below it.
 */
#include "names.h"

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

/* The name that @inode now has is @to's. */
static void moved(struct mafsd *d, struct mafsd_inode *inode,
		  const struct side *to)
{
	if (!inode)
		return;
	mafsd_name_set(d, inode, to->dir, to->name);
	touch(d, inode);
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

static int exchange(struct mafsd *d, struct side *from, struct side *to)
{
	int r;

	meet(d, to);
	r = do_rename(from, to, RENAME_EXCHANGE);
	if (r == 0) {
		moved(d, from->inode, to);
		moved(d, to->inode, from);
	}
	if (to->inode)
		mafsd_inode_unref(d, to->inode);
	return r;
}

static int replace(struct mafsd *d, struct side *from, struct side *to,
		   unsigned int flags)
{
	struct mafsd_victim victim = { 0 };
	int r = 0;

	if (!(flags & RENAME_NOREPLACE))
		r = mafsd_victim_prepare(d, to->dir, to->dirfd, to->name,
					 &victim);
	if (r < 0)
		return r;
	r = do_rename(from, to, flags);
	if (r == 0) {
		/* Two names of one file: rename(2) does nothing. */
		bool same = victim.inode && victim.inode == from->inode;

		if (victim.inode && !same)
			mafsd_name_unset(d, victim.inode, to->dir, to->name);
		if (!same)
			moved(d, from->inode, to);
	}
	mafsd_victim_finish(d, &victim, r == 0 && victim.inode != from->inode);
	return r;
}

static int rename_between(struct mafsd *d, struct side *from, struct side *to,
			  unsigned int flags)
{
	int r;

	meet(d, from);
	if (flags & RENAME_EXCHANGE)
		r = exchange(d, from, to);
	else
		r = replace(d, from, to, flags);
	if (from->inode)
		mafsd_inode_unref(d, from->inode);
	return r;
}

int mafsd_rename(struct mafsd *d, uint64_t parent, const char *name,
		 uint64_t new_parent, const char *new_name, unsigned int flags)
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
	r = rename_between(d, &from, &to, flags);
	mafsd_path_put(d, to.dir);
	mafsd_path_put(d, from.dir);
	return r;
}
