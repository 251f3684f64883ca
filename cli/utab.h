/* SPDX-License-Identifier: Apache-2.0 */
/* What umount(8) is told of a mount of ours. */
#pragma once

/* So that umount(8) calls umount.mafs, where that is installed. As root. */
void mafs_utab_add(const char *source, const char *mountpoint);
void mafs_utab_remove(const char *mountpoint);
