/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From names to inodes. Each step is one openat() below the parent without
 * following links; the descriptor stays in the inode's slot, so that what
 * comes next (attributes, open) needs no path.
 *
 * What is mounted below N never shows where N is a private clone; elsewhere it
 * is refused by its device number.
 */
#include "names.h"

#include <string.h>

static bool is_dot(const char *name)
{
	return !strcmp(name, ".");
}

static bool is_dot_dot(const char *name)
{
	return !strcmp(name, "..");
}

static int open_child(struct mafsd *d, struct mafsd_inode *parent,
		      const char *name, struct stat *ret_st)
{
	_cleanup_close_ int fd = -1;
	int dirfd;

	if (mafsd_name_hidden(d, parent, name))
		return -ENOENT;
	if (parent->nodeid == MAFSD_ROOT_ID && is_dot_dot(name))
		name = ".";
	dirfd = mafsd_path_get(d, parent);
	if (dirfd < 0)
		return dirfd;
	fd = openat(dirfd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		fd = -errno;
	mafsd_path_put(d, parent);
	if (fd < 0)
		return fd;
	if (fstat(fd, ret_st) < 0)
		return -errno;
	/* Overlayfs shows the layers' devices for what is not a directory. */
	if (!d->cloned && ret_st->st_dev != d->n_dev &&
	    !(d->n_overlay && !S_ISDIR(ret_st->st_mode)))
		return -EACCES;
	return take_fd(fd);
}

int mafsd_child(struct mafsd *d, struct mafsd_inode *parent, const char *name,
		bool as_ref, struct mafsd_inode **ret, struct stat *ret_st)
{
	_cleanup_close_ int fd = -1;
	struct mafsd_inode *inode;
	int r;

	fd = open_child(d, parent, name, ret_st);
	if (fd < 0)
		return fd;
	r = mafsd_inode_of(d, fd, ret_st, as_ref, &inode);
	if (r < 0)
		return r;
	mafsd_hide_own_links(inode, ret_st);
	*ret = inode;
	if (inode->nodeid == MAFSD_ROOT_ID)
		return 0;
	mafsd_slot_fill(&d->slots, &inode->path_slot, take_fd(fd), NULL);
	mafsd_slot_unpin(&d->slots, &inode->path_slot);
	/* "." and ".." come from file handles of NFS and name nothing. */
	if (!is_dot(name) && !is_dot_dot(name))
		mafsd_name_set(d, inode, parent, name);
	return 0;
}

int mafsd_child_entry(struct mafsd *d, struct mafsd_inode *parent,
		      const char *name, struct mafsd_entry *ret)
{
	struct mafsd_inode *inode;
	struct stat st;
	int r;

	r = mafsd_child(d, parent, name, false, &inode, &st);
	if (r < 0)
		return r;
	r = mafsd_entry_fill(d, inode, &st, ret);
	if (r < 0)
		mafsd_inode_forget(d, inode, 1);
	return r;
}

int mafsd_lookup(struct mafsd *d, uint64_t parent, const char *name,
		 struct mafsd_entry *ret)
{
	struct mafsd_inode *dir = mafsd_inode_by_id(d, parent);

	if (!dir)
		return -ESTALE;
	return mafsd_child_entry(d, dir, name, ret);
}

void mafsd_forget(struct mafsd *d, uint64_t nodeid, uint64_t n)
{
	struct mafsd_inode *inode = mafsd_inode_by_id(d, nodeid);

	if (inode)
		mafsd_inode_forget(d, inode, n);
}

int mafsd_readlink(struct mafsd *d, uint64_t nodeid, char *ret, size_t len)
{
	struct mafsd_inode *inode = mafsd_inode_by_id(d, nodeid);
	ssize_t n;
	int fd;

	if (!inode || !len)
		return inode ? -EINVAL : -ESTALE;
	fd = mafsd_path_get(d, inode);
	if (fd < 0)
		return fd;
	n = readlinkat(fd, "", ret, len);
	if (n < 0)
		n = -errno;
	mafsd_path_put(d, inode);
	if (n < 0)
		return (int)n;
	if ((size_t)n == len)
		return -ENAMETOOLONG;
	ret[n] = '\0';
	return 0;
}

int mafsd_resolve(struct mafsd *d, const char *path, struct mafsd_inode **ret)
{
	struct mafsd_inode *at = mafsd_inode_ref(d, d->root_inode);
	char name[MAFS_NAME_MAX + 1];

	for (;;) {
		struct mafsd_inode *next;
		struct stat st;
		size_t len;
		int r;

		path += strspn(path, "/");
		if (!*path)
			break;
		len = strcspn(path, "/");
		r = len > MAFS_NAME_MAX ? -ENAMETOOLONG : 0;
		if (r == 0) {
			memcpy(name, path, len);
			name[len] = '\0';
			path += len;
			if (is_dot(name))
				continue;
			/* It would not lead where people think it does. */
			r = is_dot_dot(name) ? -EINVAL : 0;
		}
		if (r == 0)
			r = mafsd_child(d, at, name, true, &next, &st);
		mafsd_inode_unref(d, at);
		if (r < 0)
			return r;
		at = next;
	}
	*ret = at;
	return 0;
}
