/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A memory device that fails: put before the slots of a real one, its log
 * included. One at a time.
 */
#pragma once

#include <mafs/memory.h>

enum fault_memory_call {
	FAULT_MEMORY_CREATE,
	FAULT_MEMORY_STORE, /* bytes of a file */
	FAULT_MEMORY_READ,
	FAULT_MEMORY_LOG, /* a store into the log or the superblock */
	FAULT_MEMORY_N_CALLS,
};

void fault_memory_install(struct mafs_memory *memory);
/* The next @n calls return @error (negative); UINT_MAX: all. */
void fault_memory_fail(enum fault_memory_call call, int error, unsigned int n);
