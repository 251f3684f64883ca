/* SPDX-License-Identifier: Apache-2.0 */
/* Taking a mount away, as root or by fusermount3. */
#pragma once

#include <mafs/fault.h>
#include <stdbool.h>

/**
 * mafs_unmount() - unmount what is seen at a path
 * @lazy: also when it is in use: for mounts whose daemon is dead
 *
 * Return: 0, -EBUSY, -errno; the fault says why.
 */
int mafs_unmount(const char *mountpoint, bool lazy, struct mafs_fault *fault);

/**
 * mafs_detach_dead() - take away our mounts at a path whose daemon is gone
 *
 * Several may lie on each other. Anything else is left as it is.
 * Return: how many were detached, -errno.
 */
int mafs_detach_dead(const char *mountpoint, struct mafs_fault *fault);
