/* SPDX-License-Identifier: Apache-2.0 */
/*
 * O_TMPFILE: a file without a name, at N from its first byte (it may never get
 * a name, and then nobody would write it back). A descriptor or backing id
 * keeps it.
 */
#include "intern.h"
#include "path.h"

static int adopt_tmpfile(struct mafsd *d, int fd, int flags,
			 struct mafsd_entry *ret_entry, struct mafsd_open **ret)
{
	_cleanup_free_ struct mafsd_open *open = calloc(1, sizeof(*open));
	struct mafsd_inode *inode;
	struct mafsd_file *file;
	struct stat st;
	int r = -ENOMEM;

	if (!open)
		return -ENOMEM;
	if (fstat(fd, &st) < 0)
		return -errno;
	r = mafsd_inode_of(d, fd, &st, false, &inode);
	if (r < 0)
		return r;
	pthread_mutex_lock(&inode->lock);
	file = mafsd_file_get(inode);
	if (!file) {
		r = -ENOMEM;
		goto fail;
	}
	r = mafsd_pin_keep(d, inode, fd, false);
	if (r < 0)
		goto fail;
	file->on_n = true;
	file->path = d->pass_n ? MAFSD_D : MAFSD_C;
	if (file->path == MAFSD_D) {
		r = mafsd_path_backing(d, inode, MAFSD_D);
		if (r < 0)
			goto fail;
	}
	file->n_open++;
	file->n_writers++;
	atomic_fetch_add(&d->n_open, 1);
	open->file = file;
	open->flags = flags;
	open->passthrough = file->path == MAFSD_D;
	open->direct_io = !open->passthrough && !d->fs.page_cache_only;
	open->backing_id = file->backing_id;
	mafsd_usage_opened(d, open, false);
	pthread_mutex_unlock(&inode->lock);
	*ret_entry = (struct mafsd_entry){
		.nodeid = inode->nodeid,
		.generation = inode->nodeid >> 32,
		.st = st,
		.attr_volatile = true,
	};
	*ret = take_ptr(open);
	return 0;
fail:
	if (file)
		file->path = MAFSD_CLOSED;
	mafsd_file_put(d, inode);
	pthread_mutex_unlock(&inode->lock);
	mafsd_inode_forget(d, inode, 1);
	return r;
}

int mafsd_tmpfile(struct mafsd *d, const struct mafsd_caller *caller,
		  uint64_t parent, mode_t mode, int flags,
		  struct mafsd_entry *ret_entry, struct mafsd_open **ret)
{
	struct mafsd_inode *dir = mafsd_inode_by_id(d, parent);
	char path[MAFSD_PROC_LEN];
	_cleanup_close_ int fd = -1, path_fd = -1;
	mode_t saved;
	int dirfd;

	if (!dir)
		return -ESTALE;
	dirfd = mafsd_path_get(d, dir);
	if (dirfd < 0)
		return dirfd;
	mafsd_proc_path(dirfd, path);
	saved = umask(caller->umask & 0777);
	if (d->root)
		mafs_act_as(caller->uid, caller->gid);
	fd = open(path, O_TMPFILE | O_RDWR | O_CLOEXEC | (flags & O_EXCL),
		  mode & 07777);
	if (fd < 0)
		fd = -errno;
	if (d->root)
		mafs_act_as_self();
	umask(saved);
	mafsd_path_put(d, dir);
	if (fd < 0)
		return fd;
	/* Only O_PATH is kept: a real descriptor would look like a user. */
	mafsd_proc_path(fd, path);
	path_fd = open(path, O_PATH | O_CLOEXEC);
	if (path_fd < 0)
		return -errno;
	return adopt_tmpfile(d, path_fd, flags, ret_entry, ret);
}
