/* SPDX-License-Identifier: Apache-2.0 */
/* Sizes as people write them: 4096, 512K, 64M, 8G, 1T (powers of 1024), 50%. */
#pragma once

#include <stdint.h>

/**
 * mafs_size_parse() - read a size
 * @text: digits, an optional decimal fraction, an optional suffix of K M G T P
 *	(also KiB, MiB, ...) or %
 * @whole_bytes: what 100% stands for; 0 forbids percentages
 * @ret_bytes: untouched on failure
 *
 * Return: 0, -EINVAL (not a size), -ERANGE (does not fit or > 100%).
 */
int mafs_size_parse(const char *text, uint64_t whole_bytes,
		    uint64_t *ret_bytes);

#define MAFS_SIZE_TEXT_LEN 16
/* "0", "512", "1.5M", "8G": at most one decimal. */
void mafs_size_to_text(uint64_t bytes, char ret[static MAFS_SIZE_TEXT_LEN]);
