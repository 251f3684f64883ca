/* SPDX-License-Identifier: Apache-2.0 */
/* The superblock in memory, its validating reader and its flip. */
#pragma once

#include <mafs/fault.h>
#include <mafs/media.h>
#include <mafs/uuid.h>
#include <stdbool.h>
#include <stdint.h>

struct mafs_superblock {
	uint64_t generation;
	uint64_t compat, ro_compat, incompat;
	struct mafs_uuid fs_uuid;
	struct mafs_uuid device_uuid;
	uint64_t device_size_bytes;
	uint32_t alloc_unit_bytes;
	uint32_t live_slot;
	struct mafs_uuid master_machine, master_boot, master_instance;
	uint64_t master_epoch;
	uint64_t session;
	uint64_t checkpoint_after_bytes; /* of tail; 0: 8 MiB */
	struct mafs_superblock_slot {
		uint64_t offset, length, salt, first_seq;
	} slots[2];
};

/**
 * mafs_superblock_read() - the valid copy with the highest generation
 * @ret_copy: which of the two it was; may be NULL
 *
 * Return: 0, -ENODATA (both copies all zero or missing: never formatted),
 * -EUCLEAN (bad magic or structure), -EBADMSG (checksum), -EOPNOTSUPP
 * (unknown version or incompatible feature), -errno of the media.
 */
int mafs_superblock_read(struct mafs_media *media, struct mafs_superblock *ret,
			 int *ret_copy, struct mafs_fault *fault);

/**
 * mafs_superblock_flip() - store a new superblock into the older copy
 * @sb: its generation is raised by one on success
 *
 * Order: the copy that is not the newest valid one is written, then flushed.
 * A crash at any store leaves the newest valid copy as it was.
 *
 * Return: 0, -EPROTO (the media has a newer one than @sb: somebody else wrote
 * it), -errno of the media.
 */
int mafs_superblock_flip(struct mafs_media *media, struct mafs_superblock *sb,
			 struct mafs_fault *fault);
