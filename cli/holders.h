/* SPDX-License-Identifier: Apache-2.0 */
/* Who uses a mount. */
#pragma once

#include <stddef.h>

/**
 * mafs_holders() - the programs that have files below a path open
 * @ret: "bash (4711), vim (4712)"; empty when none is seen (those of other
 *	users are seen by root only)
 */
void mafs_holders(const char *mountpoint, char *ret, size_t len);
