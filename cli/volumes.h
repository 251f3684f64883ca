/* SPDX-License-Identifier: Apache-2.0 */
/* The volumes that a command is about: those named, or all. */
#pragma once

#include <mafs/volume.h>
#include <stddef.h>

struct mafs_volumes {
	struct mafs_volume_ref *refs; /* owned */
	size_t n_refs;
};

/**
 * mafs_volumes_find() - find volumes by name
 * @names: directories, mount points or UUIDs; none: all volumes here, the
 *	deepest mount point first, so that one mounted in another goes before it
 *
 * Return: 0 or -errno, the fault set.
 */
int mafs_volumes_find(char **names, size_t n_names, struct mafs_volumes *ret,
		      struct mafs_fault *fault);
void mafs_volumes_done(struct mafs_volumes *volumes);
