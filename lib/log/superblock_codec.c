// SPDX-License-Identifier: Apache-2.0
/*
 * One superblock copy: bytes to struct and back. Version and features are
 * looked at only behind a right checksum, so that a flipped bit is damage and
 * never a format of the future. Called by superblock.c.
 */
#include "superblock_codec.h"

#include <endian.h>
#include <errno.h>
#include <mafs/checked.h>
#include <mafs/crc.h>
#include <string.h>

#define ALLOC_UNIT_MIN 4096U

static uint32_t omf_crc(const struct mafs_omf_superblock *omf)
{
	struct mafs_omf_superblock copy = *omf;

	copy.crc = 0;
	return mafs_crc32c(0, &copy, sizeof(copy));
}

static void put_uuid(const struct mafs_uuid *uuid, __u8 ret[static 16])
{
	memcpy(ret, uuid->bytes, sizeof(uuid->bytes));
}

static void get_uuid(const __u8 bytes[static 16], struct mafs_uuid *ret)
{
	memcpy(ret->bytes, bytes, sizeof(ret->bytes));
}

void mafs_superblock_encode(const struct mafs_superblock *sb,
			    struct mafs_omf_superblock *ret)
{
	*ret = (struct mafs_omf_superblock){
		.magic = htole64(MAFS_OMF_SB_MAGIC),
		.version = htole32(MAFS_OMF_VERSION),
		.generation = htole64(sb->generation),
		.compat = htole64(sb->compat),
		.ro_compat = htole64(sb->ro_compat),
		.incompat = htole64(sb->incompat),
		.device_size = htole64(sb->device_size_bytes),
		.alloc_unit = htole32(sb->alloc_unit_bytes),
		.live_slot = htole32(sb->live_slot),
		.master_epoch = htole64(sb->master_epoch),
		.session = htole64(sb->session),
		.checkpoint_after = htole64(sb->checkpoint_after_bytes),
	};
	put_uuid(&sb->fs_uuid, ret->fs_uuid);
	put_uuid(&sb->device_uuid, ret->device_uuid);
	put_uuid(&sb->master_machine, ret->master_machine);
	put_uuid(&sb->master_boot, ret->master_boot);
	put_uuid(&sb->master_instance, ret->master_instance);
	for (size_t i = 0; i < 2; i++) {
		ret->slots[i].offset = htole64(sb->slots[i].offset);
		ret->slots[i].length = htole64(sb->slots[i].length);
		ret->slots[i].salt = htole64(sb->slots[i].salt);
		ret->slots[i].first_seq = htole64(sb->slots[i].first_seq);
	}
	ret->crc = htole32(omf_crc(ret));
}

int mafs_superblock_check_bytes(const struct mafs_omf_superblock *omf,
				uint64_t media_offset, struct mafs_fault *fault)
{
	static const struct mafs_omf_superblock zeros;

	if (!memcmp(omf, &zeros, sizeof(zeros)))
		return mafs_fault_at(fault, -ENODATA, media_offset,
				     "superblock: never formatted");
	if (omf->magic == htobe64(MAFS_OMF_SB_MAGIC))
		return mafs_fault_at(fault, -EUCLEAN, media_offset,
				     "superblock: foreign byte order");
	if (omf->magic != htole64(MAFS_OMF_SB_MAGIC))
		return mafs_fault_at(fault, -EUCLEAN, media_offset,
				     "superblock: bad magic");
	if (le32toh(omf->crc) != omf_crc(omf))
		return mafs_fault_at(fault, -EBADMSG, media_offset,
				     "superblock: checksum mismatch");
	return 0;
}

uint64_t mafs_superblock_generation(const struct mafs_omf_superblock *omf)
{
	return le64toh(omf->generation);
}

static int check_features(const struct mafs_omf_superblock *omf,
			  uint64_t media_offset, struct mafs_fault *fault)
{
	uint64_t unknown = le64toh(omf->incompat) & ~MAFS_OMF_INCOMPAT_KNOWN;

	if (le32toh(omf->version) != MAFS_OMF_VERSION)
		return mafs_fault_at(fault, -EOPNOTSUPP, media_offset,
				     "superblock: format version %u, known is "
				     "%u",
				     le32toh(omf->version), MAFS_OMF_VERSION);
	if (unknown)
		return mafs_fault_at(fault, -EOPNOTSUPP, media_offset,
				     "superblock: unknown features 0x%llx",
				     (unsigned long long)unknown);
	return 0;
}

static bool slots_are_valid(const struct mafs_superblock *sb)
{
	const struct mafs_superblock_slot *a = &sb->slots[0];
	const struct mafs_superblock_slot *b = &sb->slots[1];

	if (!mafs_range_fits(a->offset, a->length, UINT64_MAX) ||
	    !mafs_range_fits(b->offset, b->length, UINT64_MAX))
		return false;
	if (a->length && b->length && a->offset < b->offset + b->length &&
	    b->offset < a->offset + a->length)
		return false;
	if (sb->incompat & MAFS_OMF_INCOMPAT_SECONDARY)
		return !a->salt && !b->salt;
	/* With one salt for both laps stale batches would count. */
	return sb->slots[sb->live_slot].salt && a->salt != b->salt;
}

int mafs_superblock_decode(const struct mafs_omf_superblock *omf,
			   uint64_t media_offset, struct mafs_superblock *ret,
			   struct mafs_fault *fault)
{
	struct mafs_superblock sb = {
		.generation = le64toh(omf->generation),
		.compat = le64toh(omf->compat),
		.ro_compat = le64toh(omf->ro_compat),
		.incompat = le64toh(omf->incompat),
		.device_size_bytes = le64toh(omf->device_size),
		.alloc_unit_bytes = le32toh(omf->alloc_unit),
		.live_slot = le32toh(omf->live_slot),
		.master_epoch = le64toh(omf->master_epoch),
		.session = le64toh(omf->session),
		.checkpoint_after_bytes = le64toh(omf->checkpoint_after),
	};
	uint32_t unit = sb.alloc_unit_bytes;
	int err;

	err = check_features(omf, media_offset, fault);
	if (err)
		return err;
	get_uuid(omf->fs_uuid, &sb.fs_uuid);
	get_uuid(omf->device_uuid, &sb.device_uuid);
	get_uuid(omf->master_machine, &sb.master_machine);
	get_uuid(omf->master_boot, &sb.master_boot);
	get_uuid(omf->master_instance, &sb.master_instance);
	for (size_t i = 0; i < 2; i++) {
		sb.slots[i].offset = le64toh(omf->slots[i].offset);
		sb.slots[i].length = le64toh(omf->slots[i].length);
		sb.slots[i].salt = le64toh(omf->slots[i].salt);
		sb.slots[i].first_seq = le64toh(omf->slots[i].first_seq);
	}
	if (sb.live_slot > 1)
		return mafs_fault_at(fault, -EUCLEAN, media_offset,
				     "superblock: no log slot %u",
				     sb.live_slot);
	if (unit && (unit < ALLOC_UNIT_MIN || (unit & (unit - 1))))
		return mafs_fault_at(fault, -EUCLEAN, media_offset,
				     "superblock: allocation unit of %u bytes",
				     unit);
	if (!slots_are_valid(&sb))
		return mafs_fault_at(fault, -EUCLEAN, media_offset,
				     "superblock: log slots overlap or have no "
				     "salt");
	*ret = sb;
	return 0;
}
