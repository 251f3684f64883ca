/* SPDX-License-Identifier: Apache-2.0 */
/* Which volume a path means, and where in it. */
#pragma once

#include <mafs/fault.h>
#include <mafs/mounts.h>
#include <mafs/volume.h>
#include <stdbool.h>

#define MAFS_FUSE_TYPE "fuse.mafs" /* of our mounts in mountinfo */

/**
 * struct mafs_where - a path in a volume that has a daemon
 * @relative: from the mount's root, "" for the root itself
 */
struct mafs_where {
	struct mafs_volume_ref volume;
	char relative[4096];
};

/* Is that errno of a call on a mount what is left of a daemon that died? */
bool mafs_where_is_dead(int error);

/**
 * mafs_where_find() - the volume of a path in a mount, or in its source
 *
 * Symbolic links are followed.
 *
 * Return: 0; -ENOENT: not there, or in no mounted volume; -ENOTCONN: the
 * daemon of that mount is gone; -errno. The fault says it.
 */
int mafs_where_find(const char *path, struct mafs_where *ret,
		    struct mafs_fault *fault);
void mafs_where_done(struct mafs_where *where);

/**
 * mafs_where_absolute() - a path from the root without asking any file system
 *
 * "." and ".." are taken out of the text, so a dead mount does no harm; links
 * are not followed. Return: 0, -ENAMETOOLONG, -errno of getcwd().
 */
int mafs_where_absolute(const char *path, char *ret, size_t len);

/* Is @path at or below @directory? Both absolute and normal. */
bool mafs_where_is_below(const char *path, const char *directory);

/* The mount that shows @path: the deepest, of several there the last. */
const struct mafs_mount *mafs_where_mount(const struct mafs_mounts *mounts,
					  const char *path);

/* Tells of what went wrong with @path, named once. */
void mafs_where_error(const char *path, const struct mafs_fault *fault);

/* "DIR on MNT", "DIR" when it is not mounted; for messages. Points into the
 * caller's buffer. */
const char *mafs_where_title(const struct mafs_volume_ref *volume, char *ret,
			     size_t len);
