/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names that go: unlink, rmdir, and what a rename replaces.
 *
 * Before the last name of a file goes that is open as M or C, it is pinned:
 * nothing else keeps N's inode until the last release. Before the last name of
 * a dirty file goes, `drop intent` is logged: after a crash its bytes are then
 * known to be unwanted. The path descriptor stays pinned from before to after,
 * so that the inode can be asked how many names it has left.
 */
#include "names.h"
#include "replaced.h"

#include <string.h>

/* Who has the name? Takes a reference. NULL: nobody that we know. */
static struct mafsd_inode *find_named(struct mafsd *d, int dirfd,
				      const char *name)
{
	struct mafs_handle handle = { 0 };
	struct stat st = { 0 };
	int r = mafs_handle_of(dirfd, name, &handle);

	if (r == -EOPNOTSUPP &&
	    fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return NULL;
	if (r < 0 && r != -EOPNOTSUPP)
		return NULL;
	return mafsd_inode_find(d, &handle, st.st_ino);
}

/* Context: inode->lock held. */
static int pin_if_open(struct mafsd *d, struct mafsd_inode *inode, int fd)
{
	const struct mafsd_file *file = inode->file;

	if (!file->n_open || (file->path != MAFSD_M && file->path != MAFSD_C))
		return 0;
	return mafsd_pin_keep(d, inode, fd, true);
}

int mafsd_intent_take_back(struct mafsd *d, struct mafsd_inode *inode)
{
	struct mafsd_file *file = inode->file;
	uint32_t flags = MAFS_OMF_MAP_DIRTY;
	bool intended = file->drop_intent;

	file->drop_intent = false;
	if (!intended || !mafsd_is_dirty(file))
		return 0;
	if (file->writing_logged)
		flags |= MAFS_OMF_MAP_WRITING;
	return mafsd_hot_log_map(d, inode, flags);
}

/* Context: inode->lock held. Return: 1: logged; 0: nothing to do; -errno. */
static int log_intent(struct mafsd *d, struct mafsd_file *file)
{
	int r;

	if (!mafsd_is_dirty(file) || file->drop_intent)
		return 0;
	r = mafsd_journal_id(d, MAFS_OMF_DROP_INTENT, file->id);
	if (r < 0)
		return r;
	file->drop_intent = true;
	return 1;
}

/* Context: inode->lock held. */
static int prepare_file(struct mafsd *d, struct mafsd_victim *victim)
{
	struct mafsd_file *file = victim->inode->file;
	struct stat st;
	int r;

	if (!file)
		return 0;
	if (fstat(victim->fd, &st) < 0)
		return -errno;
	mafsd_hide_own_links(victim->inode, &st);
	if (st.st_nlink != 1)
		return 0;
	r = pin_if_open(d, victim->inode, victim->fd);
	if (r < 0)
		return r;
	r = log_intent(d, file);
	if (r < 0)
		return r;
	victim->intent = r > 0;
	return 0;
}

int mafsd_victim_prepare(struct mafsd *d, struct mafsd_inode *dir, int dirfd,
			 const char *name, struct mafsd_victim *ret)
{
	struct mafsd_victim victim = { .fd = -1 };
	int r = 0;

	*ret = victim;
	victim.inode = find_named(d, dirfd, name);
	if (!victim.inode)
		return 0;
	pthread_mutex_lock(&victim.inode->lock);
	victim.fd = mafsd_path_get(d, victim.inode);
	if (victim.fd == -ESTALE) {
		/* Its known name went, and it has no handle: this one it has. */
		mafsd_name_set(d, victim.inode, dir, name);
		victim.fd = mafsd_path_get(d, victim.inode);
	}
	if (victim.fd < 0)
		r = victim.fd;
	else
		r = prepare_file(d, &victim);
	if (r < 0 && victim.fd >= 0)
		mafsd_path_put(d, victim.inode);
	pthread_mutex_unlock(&victim.inode->lock);
	if (r < 0) {
		mafsd_inode_unref(d, victim.inode);
		return r;
	}
	*ret = victim;
	return 0;
}

/* Directories have one name; some file systems count it otherwise. */
static bool is_nameless(const struct mafsd_victim *victim)
{
	struct stat st;

	if (S_ISDIR(victim->inode->type))
		return true;
	if (fstat(victim->fd, &st) < 0)
		return false;
	mafsd_hide_own_links(victim->inode, &st);
	return st.st_nlink == 0;
}

/* No name is left. Context: inode->lock held. */
static void lose_file(struct mafsd *d, struct mafsd_victim *victim)
{
	struct mafsd_inode *inode = victim->inode;
	struct mafsd_file *file = inode->file;

	mafsd_inode_unhash(d, inode);
	if (!file)
		return;
	mafsd_dirty_named(d, file, false);
	/* It may have been opened and written since it was prepared. */
	pin_if_open(d, inode, victim->fd);
	log_intent(d, file);
	if (file->n_open)
		return;
	file->maybe_mapped = false;
	mafsd_hot_drop(d, inode);
	mafsd_file_put(d, inode);
}

void mafsd_victim_finish(struct mafsd *d, struct mafsd_victim *victim,
			 bool removed)
{
	struct mafsd_inode *inode = victim->inode;
	struct mafsd_replaced *awaited = NULL;

	if (!inode)
		return;
	pthread_mutex_lock(&inode->lock);
	if (removed && is_nameless(victim)) {
		if (inode->file)
			awaited = take_ptr(inode->file->replaced);
		lose_file(d, victim);
	} else {
		if (victim->intent && inode->file)
			mafsd_intent_take_back(d, inode);
		if (removed)
			mafsd_attr_touched(d, inode);
	}
	/* Closes the descriptor, too, when no name is left. */
	mafsd_path_put(d, inode);
	pthread_mutex_unlock(&inode->lock);
	mafsd_replaced_release(d, awaited);
	mafsd_inode_unref(d, inode);
	victim->inode = NULL;
}

static int remove_name(struct mafsd *d, uint64_t parent, const char *name,
		       int flags)
{
	struct mafsd_inode *dir = mafsd_inode_by_id(d, parent);
	struct mafsd_victim victim;
	int dirfd, r;

	if (!dir)
		return -ESTALE;
	if (mafsd_name_hidden(d, dir, name))
		return -ENOENT;
	dirfd = mafsd_path_get(d, dir);
	if (dirfd < 0)
		return dirfd;
	r = mafsd_victim_prepare(d, dir, dirfd, name, &victim);
	if (r == 0) {
		if (unlinkat(dirfd, name, flags) < 0)
			r = -errno;
		else if (victim.inode)
			mafsd_name_unset(d, victim.inode, dir, name);
		mafsd_victim_finish(d, &victim, r == 0);
	}
	mafsd_path_put(d, dir);
	return r;
}

int mafsd_unlink(struct mafsd *d, uint64_t parent, const char *name)
{
	return remove_name(d, parent, name, 0);
}

int mafsd_rmdir(struct mafsd *d, uint64_t parent, const char *name)
{
	return remove_name(d, parent, name, AT_REMOVEDIR);
}
