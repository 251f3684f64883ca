/* SPDX-License-Identifier: Apache-2.0 */
/* The end of a daemon that does not answer. */
#pragma once

#include <mafs/fault.h>
#include <mafs/volume.h>

/**
 * mafs_force_end() - abort its connection, kill it, take its mount away
 *
 * Its memory stays for the next mount. Asks nothing of the daemon and touches
 * no mount. Return: 0, -EBUSY: it hangs in the kernel and cannot die yet,
 * -errno; the fault says what to do.
 */
int mafs_force_end(const struct mafs_volume_ref *volume,
		   struct mafs_fault *fault);
