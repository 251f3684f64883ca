/* SPDX-License-Identifier: Apache-2.0 */
/* Private to lib/memory: what the pool does to layouts. */
#pragma once

#include <mafs/pool.h>

/* Index of the first run that ends behind @offset of the file; n_runs: none. */
uint32_t layout_first(const struct mafs_layout *layout, uint64_t offset);
/* Room for @n more runs. Return: 0, -ENOMEM. */
int layout_reserve(struct mafs_layout *layout, size_t n);
/* Appends behind the last run, merged where they touch. */
int layout_append(struct mafs_layout *layout, const struct mafs_run *run);
/* The part of a run that lies in [start, end) of the file; not empty. */
struct mafs_run run_part(const struct mafs_run *run, uint64_t start,
			 uint64_t end);

static inline uint64_t run_end(const struct mafs_run *run)
{
	return run->file_offset + run->length;
}
