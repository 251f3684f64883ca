/* SPDX-License-Identifier: Apache-2.0 */
/* The end of a volume: its daemon's, or of what a dead daemon left. */
#pragma once

#include <mafs/fault.h>
#include <mafs/volume.h>
#include <stdbool.h>

/**
 * mafs_finish_wait() - wait until a daemon has written all back and ended
 * @pidfd: of the daemon, taken before it was asked to end
 *
 * Shows progress, and each file that cannot be written back, once; goes on
 * as long as the daemon does.
 */
void mafs_finish_wait(const struct mafs_volume_ref *volume, int pidfd);

/* Does memory of the volume still hold files? */
bool mafs_finish_is_left(const struct mafs_volume_ref *volume);

/**
 * mafs_finish_offline() - write back what a dead daemon left, without mount
 *
 * Runs mafs-fused --offline. Return: 0 or -errno, the fault set.
 */
int mafs_finish_offline(const struct mafs_volume_ref *volume,
			struct mafs_fault *fault);
