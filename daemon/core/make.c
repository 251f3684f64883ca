/* SPDX-License-Identifier: Apache-2.0 */
/*
 * New names: nodes, directories, symbolic links, hard links.
 *
 * Objects are made at N under the caller's ids and umask, so that owner,
 * group, quota and default ACLs come out as N makes them. Descriptors are
 * opened before that.
 */
#include "names.h"

#include <string.h>

/**
 * struct making - one object about to be made
 * @mode: S_IFMT and permissions
 * @target: of a symbolic link
 */
struct making {
	const char *name;
	mode_t mode;
	dev_t rdev;
	const char *target;
};

static int make_at(int dirfd, const struct making *m)
{
	int r;

	if (S_ISDIR(m->mode))
		r = mkdirat(dirfd, m->name, m->mode & 07777);
	else if (S_ISLNK(m->mode))
		r = symlinkat(m->target, dirfd, m->name);
	else
		r = mknodat(dirfd, m->name, m->mode, m->rdev);
	return r < 0 ? -errno : 0;
}

static int make_as(int dirfd, const struct mafsd_caller *caller,
		   const struct making *m)
{
	mode_t saved = umask(caller->umask & 0777);
	int r;

	mafs_act_as(caller->uid, caller->gid);
	r = make_at(dirfd, m);
	mafs_act_as_self();
	umask(saved);
	return r;
}

/* The caller may be in the directory's group by a supplementary group, which
 * we do not have: N has then dropped the bit that the kernel has allowed. */
static int keep_setgid(struct mafsd *d, struct mafsd_inode *inode,
		       struct stat *st)
{
	char path[MAFSD_PROC_LEN];
	int fd, r;

	fd = mafsd_path_get(d, inode);
	if (fd < 0)
		return fd;
	mafsd_proc_path(fd, path);
	mafs_act_as(0, st->st_gid);
	r = chmod(path, (st->st_mode & 07777) | S_ISGID);
	if (r == 0)
		r = fstat(fd, st);
	if (r < 0)
		r = -errno;
	mafs_act_as_self();
	mafsd_path_put(d, inode);
	return r;
}

static int make(struct mafsd *d, const struct mafsd_caller *caller,
		uint64_t parent, const struct making *m,
		struct mafsd_entry *ret)
{
	struct mafsd_inode *dir = mafsd_inode_by_id(d, parent);
	struct mafsd_inode *inode;
	struct stat st;
	int fd, r;

	if (!dir)
		return -ESTALE;
	if (mafsd_name_hidden(d, dir, m->name))
		return -EPERM;
	fd = mafsd_path_get(d, dir);
	if (fd < 0)
		return fd;
	r = make_as(fd, caller, m);
	mafsd_path_put(d, dir);
	if (r < 0)
		return r;

	r = mafsd_child(d, dir, m->name, false, &inode, &st);
	if (r < 0)
		return r;
	mafsd_policy_of_new(inode);
	if (!S_ISDIR(m->mode) && !S_ISLNK(m->mode) && (m->mode & S_ISGID) &&
	    !(st.st_mode & S_ISGID))
		r = keep_setgid(d, inode, &st);
	if (r == 0)
		r = mafsd_entry_fill(d, inode, &st, ret);
	if (r < 0)
		mafsd_inode_forget(d, inode, 1);
	return r;
}

int mafsd_make_regular(struct mafsd *d, const struct mafsd_caller *caller,
		       uint64_t parent, const char *name, mode_t mode,
		       struct mafsd_entry *ret)
{
	return make(d, caller, parent,
		    &(struct making){
			    .name = name,
			    .mode = S_IFREG | (mode & 07777),
		    },
		    ret);
}

int mafsd_mknod(struct mafsd *d, const struct mafsd_caller *caller,
		uint64_t parent, const char *name, mode_t mode, dev_t rdev,
		struct mafsd_entry *ret)
{
	if (S_ISREG(mode) || !(mode & S_IFMT))
		return mafsd_make_regular(d, caller, parent, name, mode, ret);
	if (S_ISDIR(mode) || S_ISLNK(mode))
		return -EINVAL;
	return make(d, caller, parent,
		    &(struct making){
			    .name = name,
			    .mode = mode,
			    .rdev = rdev,
		    },
		    ret);
}

int mafsd_mkdir(struct mafsd *d, const struct mafsd_caller *caller,
		uint64_t parent, const char *name, mode_t mode,
		struct mafsd_entry *ret)
{
	return make(d, caller, parent,
		    &(struct making){
			    .name = name,
			    .mode = S_IFDIR | (mode & 07777),
		    },
		    ret);
}

int mafsd_symlink(struct mafsd *d, const struct mafsd_caller *caller,
		  const char *target, uint64_t parent, const char *name,
		  struct mafsd_entry *ret)
{
	return make(d, caller, parent,
		    &(struct making){
			    .name = name,
			    .mode = S_IFLNK,
			    .target = target,
		    },
		    ret);
}

/* ---- hard links ---- */

/* Context: inode->lock held. */
static int link_locked(struct mafsd *d, struct mafsd_inode *inode, int dirfd,
		       const char *name)
{
	struct mafsd_file *file = inode->file;
	char path[MAFSD_PROC_LEN];
	int fd, r;

	fd = mafsd_path_get(d, inode);
	if (fd < 0)
		return fd;
	mafsd_proc_path(fd, path);
	r = linkat(AT_FDCWD, path, dirfd, name, AT_SYMLINK_FOLLOW);
	if (r < 0)
		r = -errno;
	mafsd_path_put(d, inode);
	if (r < 0)
		return r;
	/* What was made without a name has one now. */
	mafsd_inode_rehash(d, inode);
	if (file) {
		mafsd_dirty_named(d, file, true);
		mafsd_intent_take_back(d, inode);
	}
	mafsd_attr_touched(d, inode);
	return 0;
}

int mafsd_link(struct mafsd *d, uint64_t nodeid, uint64_t parent,
	       const char *name, struct mafsd_entry *ret)
{
	struct mafsd_inode *inode = mafsd_inode_by_id(d, nodeid);
	struct mafsd_inode *dir = mafsd_inode_by_id(d, parent);
	int dirfd, r;

	if (!inode || !dir)
		return -ESTALE;
	if (mafsd_name_hidden(d, dir, name))
		return -EPERM;
	dirfd = mafsd_path_get(d, dir);
	if (dirfd < 0)
		return dirfd;
	pthread_mutex_lock(&inode->lock);
	r = link_locked(d, inode, dirfd, name);
	pthread_mutex_unlock(&inode->lock);
	mafsd_path_put(d, dir);
	if (r < 0)
		return r;
	return mafsd_child_entry(d, dir, name, ret);
}
