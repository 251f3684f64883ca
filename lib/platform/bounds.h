/* SPDX-License-Identifier: Apache-2.0 */
/* For tests: the bounds of a machine whose /proc and /sys stand elsewhere. */
#pragma once

#include <mafs/platform.h>

/* @root: put before every path, also those found in mountinfo; "" for ours. */
int mafs_bounds_read_at(const char *root, struct mafs_bounds *ret);
