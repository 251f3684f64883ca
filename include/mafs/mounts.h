/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The mounts that this process sees (lib/platform), read from
 * /proc/self/mountinfo: never touches a mount, so a dead or hanging one does
 * no harm.
 */
#pragma once

#include <stddef.h>
#include <sys/types.h>

/**
 * struct mafs_mount - one line; texts are unescaped and owned by the list
 */
struct mafs_mount {
	unsigned int id, parent_id;
	dev_t dev;
	char *root; /* of the mount, in its file system */
	char *path; /* where it is mounted */
	char *type; /* "ext4", "fuse.mafs" */
	char *source;
	char *options; /* of the file system */
};

/**
 * struct mafs_mounts - all of them, in the order in which they were mounted:
 * of several at one path the last one is seen
 */
struct mafs_mounts {
	struct mafs_mount *mounts; /* owned */
	size_t n_mounts;
	char *text; /* owned: what the mounts' texts point into */
};

/**
 * mafs_mounts_read() - read the list
 * @file: NULL for /proc/self/mountinfo
 *
 * A line that cannot be understood is left out. Return: 0, -ENOMEM, -errno.
 */
int mafs_mounts_read(const char *file, struct mafs_mounts *ret);
void mafs_mounts_done(struct mafs_mounts *mounts);

/* What is seen at exactly @path (absolute, no symlinks, no "//"); or NULL. */
const struct mafs_mount *mafs_mounts_at(const struct mafs_mounts *mounts,
					const char *path);
/* Does @options, separated by commas, hold @option? */
_Bool mafs_mount_has_option(const struct mafs_mount *mount, const char *option);
