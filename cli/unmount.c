// SPDX-License-Identifier: Apache-2.0
/*
 * umount2() where we may, else the set-uid fusermount3. Called by umount, and
 * by mount for the dead mount that it replaces.
 */
#include "unmount.h"

#include "spawn.h"
#include "utab.h"
#include "where.h"

#include <errno.h>
#include <mafs/cleanup.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/vfs.h>

#define N_STACKED_MAX 16

/* fusermount3 tells what went wrong only in words. */
static int unmount_by_helper(const char *mountpoint, bool lazy,
			     struct mafs_fault *fault)
{
	const char *argv[] = { "fusermount3", lazy ? "-uz" : "-u", "--",
			       mountpoint, NULL };
	char said[256];
	int r;

	r = mafs_spawn(argv, said, sizeof(said));
	if (r == 0)
		return 0;
	if (r == -ENOENT)
		return mafs_fault_set(fault, r,
				      "fusermount3 is missing; install the "
				      "package fuse3");
	if (strstr(said, "busy"))
		return mafs_fault_set(fault, -EBUSY, "%s is in use",
				      mountpoint);
	return mafs_fault_set(fault, -EPERM, "%s",
			      *said ? said : "fusermount3 failed");
}

int mafs_unmount(const char *mountpoint, bool lazy, struct mafs_fault *fault)
{
	if (geteuid() != 0)
		return unmount_by_helper(mountpoint, lazy, fault);
	if (umount2(mountpoint, UMOUNT_NOFOLLOW | (lazy ? MNT_DETACH : 0)) ==
	    0) {
		mafs_utab_remove(mountpoint);
		return 0;
	}
	if (errno == EBUSY)
		return mafs_fault_set(fault, -EBUSY, "%s is in use",
				      mountpoint);
	return mafs_fault_set(fault, -errno, "cannot unmount %s: %s",
			      mountpoint, strerror(errno));
}

/* Ours, and every call on it fails at once. */
static bool is_dead_mount(const char *path)
{
	struct mafs_mounts mounts = { 0 };
	const struct mafs_mount *mount;
	struct statfs fs;
	bool ours;

	if (mafs_mounts_read(NULL, &mounts) < 0)
		return false;
	mount = mafs_mounts_at(&mounts, path);
	ours = mount && !strcmp(mount->type, MAFS_FUSE_TYPE);
	mafs_mounts_done(&mounts);
	/* The kernel may know attributes by heart, but statfs goes through. */
	return ours && statfs(path, &fs) < 0 && mafs_where_is_dead(errno);
}

int mafs_detach_dead(const char *mountpoint, struct mafs_fault *fault)
{
	int n = 0, r;

	while (n < N_STACKED_MAX && is_dead_mount(mountpoint)) {
		r = mafs_unmount(mountpoint, true, fault);
		if (r < 0)
			return r;
		n++;
	}
	return n;
}
