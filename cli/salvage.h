/* SPDX-License-Identifier: Apache-2.0 */
/* What can be done with bytes that cannot go down: kept elsewhere, or not. */
#pragma once

#include "device.h"

#include <mafs/checker.h>

/**
 * mafs_salvage_to() - copy what only memory holds into a directory, and say so
 * @check: of the device
 * @directory: made when it is missing
 *
 * Return: 0, -errno; the fault is set.
 */
int mafs_salvage_to(const struct mafs_device *device,
		    const struct mafs_check *check, const char *directory,
		    struct mafs_fault *fault);

/* The same, for a volume without a daemon. */
int mafs_salvage_volume(const struct mafs_volume_ref *volume,
			const char *directory, struct mafs_fault *fault);

/**
 * mafs_discard() - destroy a volume's memory and end its session
 *
 * The volume has no daemon. Return: 0, -errno; the fault is set.
 */
int mafs_discard(const struct mafs_volume_ref *volume,
		 struct mafs_fault *fault);
