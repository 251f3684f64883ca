// SPDX-License-Identifier: Apache-2.0
/* Checksums as include/mafs/omf.h says, apart from lib/. */
#include "forge.h"

#include <endian.h>
#include <mafs/crc.h>
#include <string.h>

void forge_superblock(uint8_t *at)
{
	struct mafs_omf_superblock sb;

	memcpy(&sb, at, sizeof(sb));
	sb.crc = 0;
	sb.crc = htole32(mafs_crc32c(0, &sb, sizeof(sb)));
	memcpy(at, &sb, sizeof(sb));
}

void forge_head(uint8_t *at)
{
	struct mafs_omf_segment head, copy;

	memcpy(&head, at, sizeof(head));
	copy = head;
	copy.crc = 0;
	copy.next = 0;
	head.crc = htole32(mafs_crc32c(0, &copy, sizeof(copy)));
	memcpy(at, &head, sizeof(head));
}

void forge_link(uint8_t *at, uint64_t next)
{
	struct mafs_omf_link link = { .next = htole64(next) };
	struct mafs_omf_segment head;

	memcpy(&head, at, sizeof(head));
	link.index = head.index;
	link.slot = head.slot;
	memcpy(link.device_uuid, head.device_uuid, sizeof(link.device_uuid));
	head.next = htole64(next * 4096 +
			    mafs_crc32c(0, &link, sizeof(link)) % (1U << 24));
	memcpy(at, &head, sizeof(head));
}
