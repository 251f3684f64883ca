/* SPDX-License-Identifier: Apache-2.0 */
/* A volume's memory device, for commands that only read it. */
#pragma once

#include <mafs/fault.h>
#include <mafs/memory.h>
#include <mafs/volume.h>
#include <stdbool.h>

struct mafs_attached {
	struct mafs_volume_ref volume;
	struct mafs_memory *memory; /* owned */
	bool live; /* a daemon is at work on it */
};

/**
 * mafs_attached_open() - find a volume and open its memory for reading
 * @ret: mafs_attached_done(), on success
 *
 * Return: 0; -ENODATA: the volume has nothing in memory; -errno. The fault
 * says it.
 */
int mafs_attached_open(const char *source, struct mafs_attached *ret,
		       struct mafs_fault *fault);
void mafs_attached_done(struct mafs_attached *device);
