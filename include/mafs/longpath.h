/* SPDX-License-Identifier: Apache-2.0 */
/* Paths of any length below a directory (lib/platform). */
#pragma once

#include <sys/types.h>

/**
 * mafs_open_longpath() - mafs_open_beneath() for paths beyond PATH_MAX
 * @path: relative or with a leading slash, both below @dirfd; "" and "/" are
 *	@dirfd itself
 * @flags: of open(2); nothing is created
 *
 * Resolved in pieces that the kernel takes, each beneath the one before and
 * without links or "..", so that the whole lies beneath @dirfd.
 *
 * Return: descriptor, -errno.
 */
int mafs_open_longpath(int dirfd, const char *path, int flags);
