/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Privileges that a file loses when a stranger changes it. With KILLPRIV_V2
 * the kernel leaves this to the daemon, and a write that lands in memory or
 * passes through under our credentials strips nothing at N.
 */
#include "names.h"

#include <sys/xattr.h>

static bool is_ignored(int error)
{
	return error == ENODATA || error == EOPNOTSUPP;
}

/* Return: was something there? *ret_left: and still is. */
static bool strip_mode(const char *path, const struct stat *st, bool *ret_left)
{
	mode_t mode = st->st_mode & ~(mode_t)S_ISUID;
	int r;

	if (mode & S_IXGRP)
		mode &= ~(mode_t)S_ISGID;
	*ret_left = false;
	if (mode == st->st_mode)
		return false;
	/* A setgid bit that stays does so for a member of the group only. */
	if (mode & S_ISGID)
		mafs_act_as(0, st->st_gid);
	r = chmod(path, mode & 07777);
	if (mode & S_ISGID)
		mafs_act_as_self();
	*ret_left = r < 0;
	return r == 0;
}

static bool strip_capability(const char *path, bool *ret_left)
{
	int r = removexattr(path, "security.capability");

	*ret_left = r < 0 && !is_ignored(errno);
	return r == 0;
}

void mafsd_priv_strip(struct mafsd *d, struct mafsd_inode *inode,
		      const struct mafsd_caller *caller)
{
	bool stripped, mode_left, capability_left;
	char path[MAFSD_PROC_LEN];
	struct stat st;
	int fd;

	/* Who sets them past the mount is only known where N is watched. */
	if (!S_ISREG(inode->type) ||
	    (inode->no_priv && (!d->shared.on || d->shared.watched)))
		return;
	fd = mafsd_path_get(d, inode);
	if (fd < 0)
		return;
	if (fstat(fd, &st) == 0) {
		mafsd_proc_path(fd, path);
		stripped = strip_capability(path, &capability_left);
		if (!caller || caller->uid != 0)
			stripped |= strip_mode(path, &st, &mode_left);
		else /* root's writes leave the mode, but no capability */
			mode_left = st.st_mode & (S_ISUID | S_ISGID);
		inode->no_priv = !mode_left && !capability_left;
	} else {
		stripped = false;
	}
	mafsd_path_put(d, inode);

	if (!stripped)
		return;
	inode->n_priv_changes++;
	mafsd_attr_touched(d, inode);
	if (d->kernel)
		d->kernel->inval_attr(d->kernel_context, inode->nodeid);
}

void mafsd_priv_changed(struct mafsd_inode *inode)
{
	inode->no_priv = false;
	inode->n_priv_changes++;
}

/* ---- write-back ---- */

void mafsd_capability_save(int fd, struct mafsd_capability *ret)
{
	ssize_t n = fgetxattr(fd, "security.capability", ret->bytes,
			      sizeof(ret->bytes));

	ret->len = n > 0 ? (size_t)n : 0;
}

void mafsd_capability_restore(int fd, const struct mafsd_capability *saved)
{
	if (saved->len > 0)
		fsetxattr(fd, "security.capability", saved->bytes, saved->len,
			  0);
}

void mafsd_set_ids_restore(int fd, mode_t mode)
{
	if (mode & (S_ISUID | S_ISGID))
		fchmod(fd, mode & 07777);
}
