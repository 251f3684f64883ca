/* SPDX-License-Identifier: Apache-2.0 */
/* Between memory_volume.c and memory_master.c. */
#pragma once

#include <mafs/cleanup.h>
#include <mafs/memory_volume.h>
#include <mafs/replay.h>

/**
 * struct opened_memory - what stands around the volume that a caller sees
 * @named: the devices that the log names
 */
struct opened_memory {
	struct mafs_memory_volume volume;
	struct memory_devices {
		struct mafs_entry_device *list;
		size_t n;
	} named;
};

static inline struct opened_memory *volume_of(struct mafs_memory_volume *volume)
{
	return mafs_container_of(volume, struct opened_memory, volume);
}

/* Opens the primary device and reads its superblock; what was open goes. */
int mafs_memory_open_primary(struct mafs_memory_volume *volume, bool client,
			     bool lock, struct mafs_fault *fault);

/* ---- memory_master.c ---- */

/* Decides what we are, with the primary device open accordingly.
 * Return: 0; -EBUSY: somebody else is the master, the fault says who. */
int mafs_memory_role(struct mafs_memory_volume *volume,
		     const struct mafs_memory_volume_options *options,
		     struct mafs_fault *fault);
/* Our record in the superblock and the pulse, a new epoch. */
int mafs_memory_become_master(struct mafs_memory_volume *volume,
			      struct mafs_fault *fault);
/* A master's record goes. */
void mafs_memory_resign(struct mafs_memory_volume *volume);
