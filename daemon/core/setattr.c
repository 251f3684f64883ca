/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changes of attributes. The mount's kernel has decided that the caller may;
 * what is done at N is done as root in the file's group, so that N keeps a
 * setgid bit and drops it nowhere by mistake.
 *
 * Order: owner before mode (a change of owner strips), size before times.
 * All steps may be made again: a size that would block comes back here.
 */
#include "names.h"

#include <string.h>
#include <time.h>

#define SET_TIMES                                                  \
	(MAFSD_SET_ATIME | MAFSD_SET_ATIME_NOW | MAFSD_SET_MTIME | \
	 MAFSD_SET_MTIME_NOW)

/* chown(2) takes setgid without group execute from who is not in the group;
 * N, asked by us, does not. */
static void drop_setgid(int fd, const struct mafsd_caller *caller,
			const struct stat *st)
{
	char path[MAFSD_PROC_LEN];

	if (!S_ISREG(st->st_mode) ||
	    (st->st_mode & (S_ISGID | S_IXGRP)) != S_ISGID || !caller ||
	    caller->uid == 0 || caller->gid == st->st_gid)
		return;
	mafsd_proc_path(fd, path);
	chmod(path, st->st_mode & 07777 & ~(mode_t)(S_ISUID | S_ISGID));
}

static int set_owner(int fd, const struct mafsd_caller *caller,
		     const struct stat *st, const struct stat *attr, int set)
{
	uid_t uid = set & MAFSD_SET_UID ? attr->st_uid : (uid_t)-1;
	gid_t gid = set & MAFSD_SET_GID ? attr->st_gid : (gid_t)-1;
	int r;

	/* N strips setuid, setgid with group execute and capabilities. */
	r = fchownat(fd, "", uid, gid, AT_EMPTY_PATH);
	if (r < 0)
		return -errno;
	drop_setgid(fd, caller, st);
	return 0;
}

static int set_mode(int fd, const struct stat *st, mode_t mode)
{
	char path[MAFSD_PROC_LEN];
	struct stat now;
	int r;

	if (S_ISLNK(st->st_mode))
		return -EOPNOTSUPP;
	if (fstat(fd, &now) < 0)
		return -errno;
	mafsd_proc_path(fd, path);
	mafs_act_as(0, now.st_gid);
	r = chmod(path, mode & 07777);
	if (r < 0)
		r = -errno;
	mafs_act_as_self();
	return r;
}

static void times_of(const struct stat *attr, int set,
		     struct timespec ret[static 2])
{
	ret[0] = ret[1] = (struct timespec){ .tv_nsec = UTIME_OMIT };
	if (set & MAFSD_SET_ATIME)
		ret[0] = attr->st_atim;
	if (set & MAFSD_SET_ATIME_NOW)
		ret[0].tv_nsec = UTIME_NOW;
	if (set & MAFSD_SET_MTIME)
		ret[1] = attr->st_mtim;
	if (set & MAFSD_SET_MTIME_NOW)
		ret[1].tv_nsec = UTIME_NOW;
}

/* Memory is newer: write-back carries the times to N. */
static int set_times_memory(struct mafsd *d, struct mafsd_file *file,
			    const struct timespec times[2])
{
	struct mafs_memory_file *mem;
	int r;

	r = mafsd_mem_get(d, file, &mem);
	if (r < 0)
		return r;
	r = d->memory->ops->set_times(mem, times);
	mafsd_mem_put(d, file);
	if (r < 0)
		return r;
	file->gen++;
	clock_gettime(CLOCK_REALTIME_COARSE, &file->shown_ctime);
	return 0;
}

/* A copy has N's times: they are shown as soon as it is dirty. */
static int copy_times_up(struct mafsd *d, struct mafsd_file *file,
			 const struct stat *n)
{
	const struct timespec times[2] = { n->st_atim, n->st_mtim };
	struct mafs_memory_file *mem;
	int r;

	r = mafsd_mem_get(d, file, &mem);
	if (r < 0)
		return r;
	r = d->memory->ops->set_times(mem, times);
	mafsd_mem_put(d, file);
	return r;
}

/* A clean copy stays clean when it was: N's mtime is now what we made it. */
static int set_times_n(struct mafsd *d, struct mafsd_inode *inode, int fd,
		       const struct timespec times[2])
{
	struct mafsd_file *file = inode->file;
	struct mafs_fingerprint before;
	char path[MAFSD_PROC_LEN];
	bool is_clean = false;
	struct stat st;

	if (file && file->state == MAFSD_CLEAN && !file->unverified &&
	    (!file->stale || d->shared.on)) {
		if (fstat(fd, &st) < 0)
			return -errno;
		mafs_fingerprint_of(&st, &before);
		/* Stale by ctime alone it may become dirty, and this mtime is
		 * no stranger's. */
		is_clean = file->stale ?
				   mafs_fingerprint_same_bytes(
					   &before, &file->fingerprint) :
				   mafs_fingerprint_equal(&before,
							  &file->fingerprint);
	}
	mafsd_proc_path(fd, path);
	if (utimensat(AT_FDCWD, path, times, 0) < 0)
		return -errno;
	if (!is_clean || fstat(fd, &st) < 0)
		return 0;
	file->fingerprint.mtime = st.st_mtim;
	return copy_times_up(d, file, &st);
}

static int set_times(struct mafsd *d, struct mafsd_inode *inode, int fd,
		     const struct stat *attr, int set)
{
	struct timespec times[2];

	times_of(attr, set, times);
	if (inode->file && mafsd_is_dirty(inode->file))
		return set_times_memory(d, inode->file, times);
	return set_times_n(d, inode, fd, times);
}

/* Context: inode->lock held, with a size also file->io. */
static int set_all(struct mafsd *d, const struct mafsd_caller *caller,
		   struct mafsd_inode *inode, int fd, const struct stat *attr,
		   int set)
{
	struct stat st;
	int r = 0;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (set & (MAFSD_SET_KILL_PRIV | MAFSD_SET_SIZE) || !set)
		mafsd_priv_strip(d, inode, caller);
	if (set & (MAFSD_SET_UID | MAFSD_SET_GID)) {
		r = set_owner(fd, caller, &st, attr, set);
		mafsd_priv_changed(inode);
	}
	if (r == 0 && (set & MAFSD_SET_MODE)) {
		r = set_mode(fd, &st, attr->st_mode);
		mafsd_priv_changed(inode);
	}
	if (r == 0 && (set & MAFSD_SET_SIZE))
		r = attr->st_size < 0 ?
			    -EINVAL :
			    mafsd_resize_locked(d, inode,
						(uint64_t)attr->st_size);
	if (r == 0 && (set & SET_TIMES))
		r = set_times(d, inode, fd, attr, set);
	if (set & ~(MAFSD_SET_SIZE | MAFSD_SET_KILL_PRIV))
		mafsd_attr_touched(d, inode);
	return r;
}

static int set_locked(struct mafsd *d, const struct mafsd_caller *caller,
		      struct mafsd_inode *inode, const struct stat *attr,
		      int set, struct stat *ret, bool *ret_volatile)
{
	int fd, r;

	fd = mafsd_path_get(d, inode);
	if (fd < 0)
		return fd;
	r = set_all(d, caller, inode, fd, attr, set);
	mafsd_path_put(d, inode);
	if (r < 0)
		return r;
	return mafsd_stat_locked(d, inode, ret, ret_volatile);
}

/* The data side, pinned and with @io held exclusively. *ret: NULL when there
 * is none. Return: 0, MAFSD_WOULD_BLOCK. */
static int io_lock(struct mafsd *d, struct mafsd_inode *inode, bool may_block,
		   struct mafsd_file **ret)
{
	struct mafsd_file *file = mafsd_file_pin(d, inode, false);

	*ret = file;
	if (!file)
		return 0;
	if (pthread_rwlock_trywrlock(&file->io) == 0)
		return 0;
	if (may_block) {
		pthread_rwlock_wrlock(&file->io);
		return 0;
	}
	mafsd_file_unpin(d, inode);
	return MAFSD_WOULD_BLOCK;
}

static void io_unlock(struct mafsd *d, struct mafsd_inode *inode,
		      struct mafsd_file *file)
{
	if (!file)
		return;
	pthread_rwlock_unlock(&file->io);
	mafsd_file_unpin(d, inode);
}

static int set_with_size(struct mafsd *d, const struct mafsd_caller *caller,
			 struct mafsd_inode *inode, const struct stat *attr,
			 int set, bool may_block, struct stat *ret,
			 bool *ret_volatile)
{
	struct mafsd_file *file;
	int r;

	if (!S_ISREG(inode->type))
		return S_ISDIR(inode->type) ? -EISDIR : -EINVAL;
	for (;;) {
		r = io_lock(d, inode, may_block, &file);
		if (r < 0)
			return r;
		pthread_mutex_lock(&inode->lock);
		if (inode->file == file)
			break;
		/* Opened in between. */
		pthread_mutex_unlock(&inode->lock);
		io_unlock(d, inode, file);
	}
	r = set_locked(d, caller, inode, attr, set, ret, ret_volatile);
	pthread_mutex_unlock(&inode->lock);
	io_unlock(d, inode, file);
	return r;
}

int mafsd_setattr(struct mafsd *d, const struct mafsd_caller *caller,
		  uint64_t nodeid, const struct stat *attr, int set,
		  bool may_block, struct stat *ret, bool *ret_volatile)
{
	struct mafsd_inode *inode = mafsd_inode_by_id(d, nodeid);

	if (!inode)
		return -ESTALE;
	if (set & MAFSD_SET_SIZE)
		return set_with_size(d, caller, inode, attr, set, may_block,
				     ret, ret_volatile);
	mafs_guard(&inode->lock);
	return set_locked(d, caller, inode, attr, set, ret, ret_volatile);
}
