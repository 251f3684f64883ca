/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hashes of the table, keyed by a number that nobody knows: who makes names on
 * a volume, or a log, cannot choose them to meet in one bucket.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define NAMES_HASH_ODD 0x9e3779b97f4a7c15ULL
#define NAMES_HASH_PRIME 0xe7037ed1a0b428dbULL

/* Both halves of the product of the two. */
static inline uint64_t names_mix(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline uint64_t names_hash(uint64_t seed, uint64_t parent,
				  const char *text, size_t len)
{
	uint64_t hash = names_mix(parent ^ seed, NAMES_HASH_ODD ^ len);

	while (len) {
		uint64_t word = 0;
		size_t n = len < sizeof(word) ? len : sizeof(word);

		memcpy(&word, text, n);
		hash = names_mix(hash ^ NAMES_HASH_PRIME, word ^ seed);
		text += n;
		len -= n;
	}
	return names_mix(hash ^ seed, NAMES_HASH_ODD);
}

/* 64 inodes that follow each other lie side by side, as they were made. */
static inline uint64_t names_hash_id(uint64_t seed, uint64_t id)
{
	return names_mix(id / 64 ^ seed, NAMES_HASH_ODD) << 6 | id % 64;
}
