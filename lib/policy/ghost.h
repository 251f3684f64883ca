/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who was evicted of late: keys, the oldest forgotten first, as many as the
 * files of so many bytes. 24 bytes a key.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mafs_ghost {
	struct mafs_ghost_key {
		uint64_t key;
		uint64_t weight; /* 0: taken out */
		uint32_t next; /* of its bucket, as a place + 1; 0: none */
	} * ring;
	uint32_t *buckets; /* as many as places, a power of two */
	size_t n_places, first, n; /* of the ring; @n with those taken out */
	size_t n_live;
	uint64_t weight, weight_max;
};

/* Zeroed but for weight_max is empty. */
void mafs_ghost_done(struct mafs_ghost *ghost);
/* Without memory for it, it is not remembered. */
void mafs_ghost_add(struct mafs_ghost *ghost, uint64_t key, uint64_t weight);
/* Was it there? Then it is no more. */
bool mafs_ghost_take(struct mafs_ghost *ghost, uint64_t key);
