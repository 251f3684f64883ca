// SPDX-License-Identifier: Apache-2.0
/*
 * CRC32C of RFC 3720 by isa-l. Its crc32_iscsi() neither inverts the initial
 * value nor the result, and takes an int as length: both are done here.
 */
#include <isa-l/crc.h>
#include <mafs/crc.h>

#define CRC_CHUNK_BYTES (1U << 30)

uint32_t mafs_crc32c(uint32_t crc, const void *bytes, size_t len)
{
	/* isa-l only reads, its prototype lacks the const. */
	unsigned char *at = (unsigned char *)(uintptr_t)bytes;

	crc = ~crc;
	while (len > 0) {
		size_t chunk = len < CRC_CHUNK_BYTES ? len : CRC_CHUNK_BYTES;

		crc = crc32_iscsi(at, (int)chunk, crc);
		at += chunk;
		len -= chunk;
	}
	return ~crc;
}
