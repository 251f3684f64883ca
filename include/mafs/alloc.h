/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Free space of one memory device, in allocation units (lib/extent). Rebuilt
 * from the log: everything is free until it is claimed.
 */
#pragma once

#include <mafs/fault.h>
#include <stdint.h>

struct mafs_alloc;

/**
 * mafs_alloc_new() - a device of which everything is free
 * @size_bytes: what is behind the last whole unit is never given out
 * @unit_bytes: a power of two, 4 KiB to 1 GiB
 *
 * Return: 0, -EINVAL, -ENOMEM.
 */
int mafs_alloc_new(uint64_t size_bytes, uint32_t unit_bytes,
		   struct mafs_alloc **ret);
void mafs_alloc_free(struct mafs_alloc *alloc);

/**
 * mafs_alloc_claim() - a range that the log says is in use
 *
 * Return: 0; -ERANGE: beyond the device, or not whole units; -EEXIST: partly
 * claimed already (the fault names the first byte); nothing was claimed then.
 */
int mafs_alloc_claim(struct mafs_alloc *alloc, uint64_t offset, uint64_t len,
		     struct mafs_fault *fault);

/**
 * mafs_alloc_take() - one free run
 * @len: bytes wanted, rounded up to units
 * @goal: where it would best begin (the end of the file's last extent); 0: any
 * @ret_len: at most @len rounded up; less when what is free at @goal is
 *	shorter, or else when no run is as long: then the longest there is
 *
 * The run at @goal, if that is free; else the first that is long enough.
 *
 * Return: 0, -ENOSPC.
 */
int mafs_alloc_take(struct mafs_alloc *alloc, uint64_t len, uint64_t goal,
		    uint64_t *ret_offset, uint64_t *ret_len);
/* Back to free. Whole units that are taken; asserted. */
void mafs_alloc_give(struct mafs_alloc *alloc, uint64_t offset, uint64_t len);

uint32_t mafs_alloc_unit(const struct mafs_alloc *alloc);
uint64_t mafs_alloc_free_bytes(const struct mafs_alloc *alloc);

/* Free runs in order of their offset, for a summary of free space. */
int mafs_alloc_visit_free(const struct mafs_alloc *alloc,
			  int (*visit)(void *context, uint64_t offset,
				       uint64_t len),
			  void *context);
