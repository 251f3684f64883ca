/* SPDX-License-Identifier: Apache-2.0 */
/* famfs's descriptors as an input. Private to lib/shadow. */
#pragma once

#include "yaml.h"

#include <mafs/node_descriptor.h>

/* A whole document. @descriptor: zeroed. Return: as
 * mafs_node_descriptor_from_text(). */
int mafs_famfs_read(struct mafs_yaml *yaml, const struct mafs_uuid *devices,
		    size_t n_devices, struct mafs_node_descriptor *descriptor);
