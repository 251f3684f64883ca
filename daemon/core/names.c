/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where an inode is: its descriptor, and the last name it was seen under.
 *
 * An inode is opened by file handle where that can be had; else by its chain
 * of names from the root, and what is found must be the same file. The chain
 * is also what people read in messages, and the hint in the log.
 *
 * Invariants: a parent is referenced by each child that names it, so the chain
 * above a known inode lives as long as names_lock is held; the root has none.
 */
#include "names.h"

#include <mafs/longpath.h>

#include <string.h>

void mafsd_proc_path(int fd, char ret[static MAFSD_PROC_LEN])
{
	snprintf(ret, MAFSD_PROC_LEN, "/proc/self/fd/%d", fd);
}

bool mafsd_name_hidden(struct mafsd *d, const struct mafsd_inode *parent,
		       const char *name)
{
	return parent->nodeid == MAFSD_ROOT_ID &&
	       !strcmp(name, MAFS_VOLUME_DIR);
}

/* ---- names ---- */

/* N changed by others under cached names could make a ring of parents.
 * Context: names_lock held. */
static bool is_above(const struct mafsd_inode *inode,
		     const struct mafsd_inode *below)
{
	if (!S_ISDIR(inode->type))
		return false;
	while (below && below != inode)
		below = below->parent;
	return below;
}

void mafsd_name_set(struct mafsd *d, struct mafsd_inode *inode,
		    struct mafsd_inode *parent, const char *name)
{
	struct mafsd_inode *old_parent, *unused = NULL;
	char *copy, *old_name;

	if (inode->nodeid == MAFSD_ROOT_ID)
		return;
	pthread_mutex_lock(&d->names_lock);
	if (inode->parent == parent && inode->name &&
	    !strcmp(inode->name, name)) {
		pthread_mutex_unlock(&d->names_lock);
		return;
	}
	pthread_mutex_unlock(&d->names_lock);

	/* Without memory the name is unknown, never wrong. */
	copy = strdup(name);
	if (copy)
		mafsd_inode_ref(d, parent);
	pthread_mutex_lock(&d->names_lock);
	if (copy && is_above(inode, parent)) {
		unused = parent;
		free(take_ptr(copy));
	}
	old_parent = inode->parent;
	old_name = inode->name;
	inode->parent = copy ? parent : NULL;
	inode->name = copy;
	pthread_mutex_unlock(&d->names_lock);

	free(old_name);
	if (unused)
		mafsd_inode_unref(d, unused);
	if (old_parent)
		mafsd_inode_unref(d, old_parent);
}

void mafsd_name_unset(struct mafsd *d, struct mafsd_inode *inode,
		      struct mafsd_inode *parent, const char *name)
{
	char *old_name = NULL;

	pthread_mutex_lock(&d->names_lock);
	if (inode->parent == parent && inode->name &&
	    !strcmp(inode->name, name)) {
		old_name = take_ptr(inode->name);
		inode->parent = NULL;
	}
	pthread_mutex_unlock(&d->names_lock);

	if (!old_name)
		return;
	free(old_name);
	mafsd_inode_unref(d, parent);
}

void mafsd_hint_of(struct mafsd *d, struct mafsd_inode *inode,
		   struct mafs_hint *ret)
{
	mafs_guard(&d->names_lock);

	memset(ret, 0, sizeof(*ret));
	if (!inode->parent || strlen(inode->name) > MAFS_NAME_MAX)
		return;
	mafsd_inode_handle(inode->parent, &ret->parent);
	strcpy(ret->name, inode->name);
}

void mafsd_path_to_text(struct mafsd *d, struct mafsd_inode *inode, char *ret,
			size_t len)
{
	size_t at = len - 1;
	bool whole = true;
	mafs_guard(&d->names_lock);

	if (len < 4) {
		if (len)
			ret[0] = '\0';
		return;
	}
	/* From the end; two bytes stay for "?/". */
	ret[at] = '\0';
	for (; inode->nodeid != MAFSD_ROOT_ID; inode = inode->parent) {
		size_t name_len = inode->parent ? strlen(inode->name) : 0;
		bool slash = ret[at] != '\0';

		whole = inode->parent && name_len + slash + 2 <= at;
		if (!whole)
			break;
		if (slash)
			ret[--at] = '/';
		at -= name_len;
		memcpy(ret + at, inode->name, name_len);
	}
	if (!whole) {
		if (ret[at])
			ret[--at] = '/';
		ret[--at] = '?';
	}
	memmove(ret, ret + at, len - at);
}

/* The path from the root, of any length. Return: -ESTALE when it is not
 * known whole, -ENOMEM. */
static int path_of(struct mafsd *d, const struct mafsd_inode *inode, char **ret)
{
	const struct mafsd_inode *i;
	size_t len = 0;
	char *path;
	mafs_guard(&d->names_lock);

	for (i = inode; i->nodeid != MAFSD_ROOT_ID; i = i->parent) {
		if (!i->parent)
			return -ESTALE;
		len += strlen(i->name) + 1;
	}
	path = malloc(len + 1);
	if (!path)
		return -ENOMEM;
	path[len] = '\0';
	for (i = inode; i->nodeid != MAFSD_ROOT_ID; i = i->parent) {
		size_t name_len = strlen(i->name);

		len -= name_len;
		memcpy(path + len, i->name, name_len);
		path[--len] = '/';
	}
	*ret = path;
	return 0;
}

/* ---- descriptors ---- */

static bool is_same(const struct mafsd_inode *inode, int fd)
{
	struct mafs_handle handle;
	struct stat st;

	if (inode->handle_len)
		return mafs_handle_of(fd, "", &handle) == 0 &&
		       handle.type == inode->handle_type &&
		       handle.length == inode->handle_len &&
		       !memcmp(handle.bytes, inode->handle, handle.length);
	return fstat(fd, &st) == 0 && st.st_ino == inode->ino &&
	       (st.st_mode & S_IFMT) == inode->type;
}

static int open_by_names(struct mafsd *d, const struct mafsd_inode *inode)
{
	_cleanup_free_ char *path = NULL;
	_cleanup_close_ int fd = -1;
	int r;

	r = path_of(d, inode, &path);
	if (r < 0)
		return r;
	fd = mafs_open_longpath(d->n_fd, path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return fd == -ENOENT || fd == -ENOTDIR ? -ESTALE : fd;
	if (!is_same(inode, fd))
		return -ESTALE;
	return take_fd(fd);
}

static bool by_handle(struct mafsd *d, const struct mafsd_inode *inode)
{
	return d->handles && d->root && inode->handle_len;
}

/* A file without a name lives by its pin alone. Files' data sides are only
 * looked at by callers that keep them from going away. */
static bool is_pinned(const struct mafsd_inode *inode)
{
	return S_ISREG(inode->type) && inode->file &&
	       mafsd_pin_has(inode->file);
}

static int open_path(struct mafsd *d, const struct mafsd_inode *inode)
{
	struct mafs_handle handle;

	if (is_pinned(inode))
		return mafsd_pin_open(d, inode->file);
	if (!by_handle(d, inode))
		return open_by_names(d, inode);
	mafsd_inode_handle(inode, &handle);
	return mafs_handle_open(d->n_fd, &handle,
				O_PATH | O_NOFOLLOW | O_CLOEXEC);
}

int mafsd_path_get(struct mafsd *d, struct mafsd_inode *inode)
{
	int fd;

	if (inode->nodeid == MAFSD_ROOT_ID)
		return d->n_fd;
	if (!mafsd_slot_pin(&d->slots, &inode->path_slot)) {
		fd = open_path(d, inode);
		if (fd < 0)
			return fd;
		mafsd_slot_fill(&d->slots, &inode->path_slot, fd, NULL);
	}
	return inode->path_slot.fd;
}

void mafsd_path_put(struct mafsd *d, struct mafsd_inode *inode)
{
	if (inode->nodeid == MAFSD_ROOT_ID)
		return;
	mafsd_slot_unpin(&d->slots, &inode->path_slot);
	/* It would keep the disk blocks of a file that has no name. */
	if (S_ISREG(inode->type) && !mafsd_inode_is_hashed(inode))
		mafsd_slot_close(&d->slots, &inode->path_slot);
}

int mafsd_n_open(struct mafsd *d, struct mafsd_inode *inode, int flags)
{
	char path[MAFSD_PROC_LEN];
	struct mafs_handle handle;
	int fd;

	flags = (flags & ~(O_CREAT | O_EXCL | O_NOFOLLOW)) | O_CLOEXEC;
	if (by_handle(d, inode) && !is_pinned(inode)) {
		mafsd_inode_handle(inode, &handle);
		return mafs_handle_open(d->n_fd, &handle, flags);
	}
	/* Whatever the descriptor is by now, it is this very file. */
	fd = mafsd_path_get(d, inode);
	if (fd < 0)
		return fd;
	mafsd_proc_path(fd, path);
	fd = open(path, flags);
	if (fd < 0)
		fd = -errno;
	mafsd_path_put(d, inode);
	return fd;
}

/* Opens a file of the daemon's own user whose mode does not let it: the mode
 * gives way for that moment. Return: fd or -EACCES. */
static int open_own(const char *path, int flags)
{
	struct stat st, now;
	int fd;

	if (stat(path, &st) < 0 || !S_ISREG(st.st_mode) ||
	    st.st_uid != geteuid() || (st.st_mode & 0600) == 0600 ||
	    chmod(path, (st.st_mode & 07777) | 0600) < 0)
		return -EACCES;
	fd = open(path, flags | O_CLOEXEC);
	if (stat(path, &now) == 0 && now.st_mode == (st.st_mode | 0600))
		chmod(path, st.st_mode & 07777);
	return fd < 0 ? -EACCES : fd;
}

int mafsd_n_open_admitted(struct mafsd *d, struct mafsd_inode *inode, int flags)
{
	char path[MAFSD_PROC_LEN];
	int fd;

	fd = mafsd_n_open(d, inode, flags);
	if (fd != -EACCES || d->root)
		return fd;
	fd = mafsd_path_get(d, inode);
	if (fd < 0)
		return fd;
	mafsd_proc_path(fd, path);
	fd = open_own(path, flags);
	mafsd_path_put(d, inode);
	return fd;
}
