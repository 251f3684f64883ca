/* SPDX-License-Identifier: Apache-2.0 */
/* What can be done with bytes that cannot go down: kept elsewhere, or not. */
#pragma once

#include "attached.h"

#include <mafs/checker.h>

/**
 * mafs_salvage_to() - copy what only memory holds into a directory, and say so
 * @check: of the device
 * @directory: made when it is missing
 *
 * Return: 0, -errno; the fault is set.
 */
int mafs_salvage_to(const struct mafs_attached *device,
		    const struct mafs_check *check, const char *directory,
		    struct mafs_fault *fault);

/**
 * mafs_give_up() - destroy a volume's memory
 * @directory: what only memory holds is copied there before; NULL: it is lost
 *
 * The next mount settles the rest as after a power cut: it lists what was never
 * written back, and names get back what such files had replaced. The volume is
 * locked meanwhile. Return: 0; -EBUSY: a daemon serves it;
 * -errno. The fault is set, and memory is kept.
 */
int mafs_give_up(const struct mafs_volume_ref *volume, const char *directory,
		 struct mafs_fault *fault);
