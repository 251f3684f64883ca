// SPDX-License-Identifier: Apache-2.0
/*
 * The input is the superblock region: two copies of 512 bytes. Their checksums
 * are made right, so that what is behind them is reached. What is read can be
 * flipped and read back.
 */
#include "media_memory.h"

#include <endian.h>
#include <mafs/crc.h>
#include <mafs/omf.h>
#include <mafs/superblock.h>
#include <stdlib.h>
#include <string.h>

static void seal(uint8_t *copy)
{
	struct mafs_omf_superblock omf;

	memcpy(&omf, copy, sizeof(omf));
	omf.crc = 0;
	omf.crc = htole32(mafs_crc32c(0, &omf, sizeof(omf)));
	memcpy(copy, &omf, sizeof(omf));
}

static void fill(struct media_memory *memory, const uint8_t *bytes, size_t len)
{
	uint8_t *region = memory->regions[MAFS_REGION_SUPERBLOCK].bytes;
	const size_t copy_bytes = sizeof(struct mafs_omf_superblock);

	for (size_t i = 0; i < MAFS_OMF_N_SB && len; i++) {
		size_t part = len < copy_bytes ? len : copy_bytes;

		memcpy(region + i * MAFS_OMF_SB_SIZE, bytes, part);
		if (part == copy_bytes)
			seal(region + i * MAFS_OMF_SB_SIZE);
		bytes += part;
		len -= part;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	_cleanup_media_memory_ struct media_memory *memory =
		media_memory_new(0);
	struct mafs_fault fault = MAFS_FAULT_INIT;
	struct mafs_superblock sb, back;

	fill(memory, bytes, len);
	if (mafs_superblock_read(&memory->media, &sb, NULL, &fault))
		return 0;
	if (sb.generation == UINT64_MAX)
		return 0;
	if (mafs_superblock_flip(&memory->media, &sb, &fault) ||
	    mafs_superblock_read(&memory->media, &back, NULL, &fault) ||
	    memcmp(&sb, &back, sizeof(sb)) != 0)
		abort();
	return 0;
}
