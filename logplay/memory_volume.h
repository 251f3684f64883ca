/* SPDX-License-Identifier: Apache-2.0 */
/* What the files that open a memory volume share. */
#pragma once

#include <mafs/memory_volume.h>

/* ---- memory_master.c ---- */

/**
 * memory_master_become() - nobody else writes from here on
 * @device: the primary one
 * @ret_took: true: another's place, who may still have stores under way
 *
 * Return: 0, -EBUSY, -errno; the fault says who is in the way.
 */
int memory_master_become(struct mafs_device *device, bool takeover,
			 uint64_t *ret_epoch, bool *ret_took,
			 struct mafs_fault *fault);
/* Does the superblock name another machine? */
int memory_master_is_elsewhere(struct mafs_device *device, bool *ret,
			       struct mafs_fault *fault);
/* Is the superblock's master at work? By its lock, where it is of this boot,
 * else by its heartbeat. */
bool memory_master_is_alive(struct mafs_device *device,
			    const struct mafs_superblock *sb);
/* The end of it, when nobody took over meanwhile. */
void memory_master_resign(struct mafs_device *device, uint64_t epoch);
/* A further device, likewise. Return: 0, -EBUSY. */
int memory_master_lock(struct mafs_device *device, uint64_t epoch,
		       struct mafs_fault *fault);

/* ---- memory_devices.c ---- */

/* What a `device-add` says. Return: 0, -ENOMEM. */
int memory_devices_note(struct mafs_memory_volume *volume,
			const struct mafs_entry *entry);
/* Opens what was noted and is not in the pool. */
int memory_devices_open(struct mafs_memory_volume *volume,
			const struct mafs_memory_volume_options *options,
			struct mafs_fault *fault);
/* Formats the memfds among the options and adds them. */
int memory_devices_make(struct mafs_memory_volume *volume,
			const struct mafs_memory_volume_options *options,
			struct mafs_fault *fault);
void memory_devices_done(struct mafs_memory_volume *volume);
