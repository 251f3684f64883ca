// SPDX-License-Identifier: Apache-2.0
#include <mafs/hash.h>
#include <xxhash.h>

uint64_t mafs_hash64(const void *bytes, size_t len)
{
	return XXH3_64bits(bytes, len);
}
