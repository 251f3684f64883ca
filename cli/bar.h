/* SPDX-License-Identifier: Apache-2.0 */
/* A bar of progress with rate and time left. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/**
 * struct mafs_bar - how a move has gone so far
 * @title: "pull"; first in the line
 *
 * Zeroed but for @title before the first step.
 */
struct mafs_bar {
	const char *title;
	int64_t begin_ms, last_ms;
	uint64_t bytes, bytes_total, n, n_total;
	double rate; /* bytes a second, of the last seconds */
};

/**
 * mafs_bar_step() - so far it is now
 * @now_ms: of a clock that does not jump
 * @n_total: files, and @bytes_total bytes, to be moved in all
 */
void mafs_bar_step(struct mafs_bar *bar, int64_t now_ms, uint64_t n,
		   uint64_t n_total, uint64_t bytes, uint64_t bytes_total);

/**
 * mafs_bar_to_text() - "pull [====>    ] 45% 1.2G of 2.6G, 640M/s, 2s left"
 * @columns: of the terminal; what does not fit is left out, the bar first
 */
void mafs_bar_to_text(const struct mafs_bar *bar, size_t columns, char *ret,
		      size_t len);
