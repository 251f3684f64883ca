/* SPDX-License-Identifier: Apache-2.0 */
/* What a person names: a tiered volume, or the device of a memory volume. */
#pragma once

#include <mafs/fault.h>

/**
 * mafs_source_memory() - is it a memory volume?
 * @what: the spec of its first device, its mount point, or its UUID
 * @ret_spec: owned
 *
 * Return: 1: yes; 0: no, or nothing that is known; -EINVAL: its memory is its
 * daemon's alone, the fault says so; -ENOMEM.
 */
int mafs_source_memory(const char *what, char **ret_spec,
		       struct mafs_fault *fault);
