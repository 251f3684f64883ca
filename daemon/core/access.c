/* SPDX-License-Identifier: Apache-2.0 */
/*
 * On whose behalf something is asked of a path: the kernel is asked about N's
 * own modes, owners and ACLs, under the ids of who asks, for each directory on
 * the way and for the file. So nobody gets by the control socket at what the
 * mount would refuse. Called by what stands in admin.h.
 */
#include "names.h"

#include <string.h>

/* What lies above the mount point may shut somebody out as well; the mount
 * itself is not asked, as that would be us. */
static int reaches_mount(struct mafsd *d, const struct mafs_who *who)
{
	_cleanup_free_ char *parent = NULL;
	const char *slash;
	int fd;

	slash = d->options.mountpoint ? strrchr(d->options.mountpoint, '/') :
					NULL;
	if (!slash)
		return -EACCES;
	parent = strndup(d->options.mountpoint,
			 (size_t)(slash - d->options.mountpoint) + 1);
	if (!parent)
		return -ENOMEM;
	fd = mafs_open_as(who, AT_FDCWD, parent, X_OK);
	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

int mafsd_admits(struct mafsd *d, const struct mafs_who *who,
		 struct mafsd_inode *inode, int access)
{
	int path_fd, fd;

	if (!who)
		return 0;
	path_fd = mafsd_path_get(d, inode);
	if (path_fd < 0)
		return path_fd;
	fd = mafs_open_as(who, path_fd, "", access);
	mafsd_path_put(d, inode);
	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

/* Is what @who reaches by @path, with @access, this very inode? */
static int admits_path(struct mafsd *d, const struct mafs_who *who,
		       const char *path, int access, const struct stat *st)
{
	_cleanup_close_ int fd = -1;
	struct stat reached;

	fd = mafs_open_as(who, d->n_fd, path, access);
	if (fd < 0)
		return fd;
	if (fstat(fd, &reached) < 0)
		return -errno;
	return reached.st_ino == st->st_ino && reached.st_dev == st->st_dev ?
		       0 :
		       -ESTALE; /* renamed beside us */
}

static int resolve_as(struct mafsd *d, const struct mafs_who *who,
		      const char *path, int access, struct mafsd_inode **ret)
{
	struct mafsd_inode *inode;
	struct stat st;
	int r, r_resolve;

	r = who ? reaches_mount(d, who) : 0;
	if (r < 0)
		return r;
	r_resolve = mafsd_resolve(d, path, &inode);
	/* Also when it is not there: who may not look gets to know nothing. */
	if (r_resolve < 0 && who) {
		r = mafs_open_as(who, d->n_fd, path, access);
		if (r >= 0)
			close(r);
		return r < 0 ? r : r_resolve;
	}
	if (r_resolve < 0 || !who) {
		if (r_resolve == 0)
			*ret = inode;
		return r_resolve;
	}
	r = mafsd_stat_n(d, inode, &st);
	if (r == 0)
		r = admits_path(d, who, path, access, &st);
	if (r < 0) {
		mafsd_inode_unref(d, inode);
		return r;
	}
	*ret = inode;
	return 0;
}

static const char *access_text(int access)
{
	if (access & W_OK)
		return "write to";
	return access & R_OK ? "read" : "reach";
}

int mafsd_resolve_as(struct mafsd *d, const struct mafs_who *who,
		     const char *path, int access, struct mafsd_inode **ret,
		     struct mafs_fault *fault)
{
	const char *shown = *path ? path : "/";
	int r;

	/* openat2() takes no path that begins with a slash. */
	path += strspn(path, "/");
	r = resolve_as(d, who, path, access, ret);
	if (r == -EPERM && who)
		return mafs_fault_set(fault, r,
				      "the daemon is not root's and answers "
				      "its own user and root alone");
	if (r == -EACCES && who)
		return mafs_fault_set(fault, r, "%.300s: user %u may not %s it",
				      shown, (unsigned int)who->uid,
				      access_text(access));
	if (r < 0)
		return mafs_fault_set(fault, r, "%.300s: %s", shown,
				      strerror(-r));
	return 0;
}
