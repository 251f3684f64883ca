/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of the memory volumes' checker share. */
#pragma once

#include "checker.h"
#include "memory_volume.h"

#include <mafs/memory_check.h>

/* Each returns 0, also when it found something, or -errno. */

/* Each directory hangs on the root, each name on an inode. */
int memory_check_names(struct mafs_memory_check *check);
/* Each extent on a device, no byte used twice; what is free. */
int memory_check_space(struct mafs_memory_check *check);
/* The shadow says what the names say. */
int memory_check_shadow(struct mafs_memory_check *check,
			const struct mafs_memory_check_options *options);

/* "inode 42 (/a/b)" for a finding, in one static buffer of the thread. */
const char *memory_check_title(struct mafs_memory_check *check,
			       const struct mafs_node *node);
