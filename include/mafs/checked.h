/* SPDX-License-Identifier: Apache-2.0 */
/* Overflow-checked arithmetic for every value that comes from media. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Return: true and *ret set, or false on overflow. */
static inline bool mafs_add_u64(uint64_t a, uint64_t b, uint64_t *ret)
{
	return !__builtin_add_overflow(a, b, ret);
}

static inline bool mafs_mul_u64(uint64_t a, uint64_t b, uint64_t *ret)
{
	return !__builtin_mul_overflow(a, b, ret);
}

/* Does [offset, offset + length) lie within [0, limit)? */
static inline bool mafs_range_fits(uint64_t offset, uint64_t length,
				   uint64_t limit)
{
	uint64_t end;

	return mafs_add_u64(offset, length, &end) && end <= limit;
}

/* @alignment: a power of two. */
static inline bool mafs_align_up(uint64_t value, uint64_t alignment,
				 uint64_t *ret)
{
	if (!mafs_add_u64(value, alignment - 1, ret))
		return false;
	*ret &= ~(alignment - 1);
	return true;
}
