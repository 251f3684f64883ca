/* SPDX-License-Identifier: Apache-2.0 */
/* One superblock copy: bytes to struct and back. */
#pragma once

#include <mafs/omf.h>
#include <mafs/superblock.h>

/* Fills in all of @ret, with the checksum. */
void mafs_superblock_encode(const struct mafs_superblock *sb,
			    struct mafs_omf_superblock *ret);
/* Magic and checksum of a copy: 0, -ENODATA (all zero), -EUCLEAN, -EBADMSG. */
int mafs_superblock_check_bytes(const struct mafs_omf_superblock *omf,
				uint64_t media_offset,
				struct mafs_fault *fault);
uint64_t mafs_superblock_generation(const struct mafs_omf_superblock *omf);
/* Generation of the newest copy with a right checksum, whatever its features;
 * 0 when there is none. For mkfs, which must go on above it. */
int mafs_superblock_media_generation(struct mafs_media *media,
				     uint64_t *ret_generation);
/* Of a copy whose bytes are right: 0, -EUCLEAN, -EOPNOTSUPP. */
int mafs_superblock_decode(const struct mafs_omf_superblock *omf,
			   uint64_t media_offset, struct mafs_superblock *ret,
			   struct mafs_fault *fault);
