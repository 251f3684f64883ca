/* SPDX-License-Identifier: Apache-2.0 */
/* Private to lib/platform: mapping, persistence and guard. */
#pragma once

#include <mafs/mapping.h>

extern const struct mafs_mapping_ops mapping_never_ops;
extern const struct mafs_mapping_ops mapping_msync_ops;
extern const struct mafs_mapping_ops mapping_cpu_ops;

/* Can the CPU's caches be flushed line by line? */
bool persist_cpu_is_able(void);
/* The handler of the guarded copies is the process's; does nothing when it is
 * already. */
int guard_install(void);
