/* SPDX-License-Identifier: Apache-2.0 */
/* Device-DAX: memory behind a character device (lib/platform). */
#pragma once

#include <mafs/fault.h>
#include <stdint.h>

/**
 * struct mafs_daxdev - a device that can be mapped
 * @name: "dax0.0"
 * @align_bytes: of mappings, and of their pages
 * @numa_node: where its memory is; -1: not known
 */
struct mafs_daxdev {
	char name[32];
	uint64_t size_bytes;
	uint64_t align_bytes;
	int numa_node;
};

/**
 * mafs_daxdev_find() - the device-DAX behind a path, in devdax mode
 *
 * What is in another mode (system-ram, a file system's, none; a pmem namespace)
 * is refused, and the fault gives the daxctl or ndctl command that changes
 * that.
 *
 * Return: 0; -ENOENT; -ENODEV: no device-DAX, or in another mode; -ENOMEM.
 * Source: Documentation/ABI/testing/sysfs-bus-dax, daxctl(1), ndctl(1).
 */
int mafs_daxdev_find(const char *path, struct mafs_daxdev *ret,
		     struct mafs_fault *fault);
