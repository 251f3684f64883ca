// SPDX-License-Identifier: Apache-2.0
/* Names of the regions of a media, for faults. */
#include <mafs/cleanup.h>
#include <mafs/media.h>

const char *mafs_region_to_text(enum mafs_region region)
{
	static const char *const texts[] = {
		[MAFS_REGION_SUPERBLOCK] = "superblock",
		[MAFS_REGION_LOG_A] = "log slot A",
		[MAFS_REGION_LOG_B] = "log slot B",
	};

	return (size_t)region < MAFS_ARRAY_SIZE(texts) ? texts[region] :
							 "unknown region";
}
