// SPDX-License-Identifier: Apache-2.0
/*
 * Formats a mapped device. Stores in order, each flushed before the next:
 *
 *	both superblock copies wiped	it is no device of any volume
 *	pulse page, heads of both slots' first segments; of a tiered volume
 *	also the table's
 *	empty log, superblock copy 0	it is formatted
 *	superblock copy 1		as copy 0
 *
 * A crash leaves a device that is not formatted, or one that is.
 */
#include "mapped.h"

#include <endian.h>
#include <errno.h>
#include <mafs/checked.h>
#include <mafs/crc.h>
#include <mafs/log.h>
#include <mafs/omf.h>
#include <mafs/size.h>
#include <string.h>

#define UNIT_DAX (2U << 20)
#define UNIT_ELSE (64U << 10)
#define UNIT_TIERED 4096U
#define UNIT_MIN 4096U
#define UNIT_MAX (1U << 30)
#define LOG_MIN (64ULL << 10)
#define TABLE_MIN (64ULL << 10)
#define LOG_MAX_DEFAULT (8ULL << 20)

static uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint32_t choose_unit(const struct mafs_device *device,
			    const struct mafs_device_format *format)
{
	if (format->alloc_unit_bytes)
		return format->alloc_unit_bytes;
	if (format->tiered)
		return UNIT_TIERED;
	return device->kind == MAFS_DEVICE_DAX ? UNIT_DAX : UNIT_ELSE;
}

/* Of one first segment. By default what is left of the last unit that the two
 * begin is theirs, too. */
static uint64_t choose_log_bytes(const struct mafs_device *device,
				 const struct mafs_device_format *format,
				 uint32_t unit)
{
	uint64_t bytes = min_u64(device->size_bytes / 64, LOG_MAX_DEFAULT), end;

	if (format->secondary)
		return 0;
	if (format->log_bytes)
		return format->log_bytes - format->log_bytes % SEGMENT_ALIGN;
	if (bytes < LOG_MIN)
		bytes = LOG_MIN;
	if (mafs_align_up(MAFS_OMF_SEGMENTS_OFFSET + 2 * bytes, unit, &end))
		bytes = (end - MAFS_OMF_SEGMENTS_OFFSET) / 2;
	return bytes - bytes % SEGMENT_ALIGN;
}

/* Of the table's first segment: a file in 256 KiB; the table grows. */
static uint64_t choose_table_bytes(const struct mafs_device *device,
				   const struct mafs_device_format *format)
{
	uint64_t bytes = device->size_bytes / 256;

	if (!format->tiered)
		return 0;
	if (bytes < TABLE_MIN)
		bytes = TABLE_MIN;
	return bytes - bytes % SEGMENT_ALIGN;
}

/* Only who maps a unit by itself needs it aligned. */
static int check_unit(const struct mafs_device *device, uint32_t unit,
		      bool tiered, struct mafs_fault *fault)
{
	char text[MAFS_SIZE_TEXT_LEN], align[MAFS_SIZE_TEXT_LEN];

	mafs_size_to_text(unit, text);
	mafs_size_to_text(device->align_bytes, align);
	if (unit < UNIT_MIN || unit > UNIT_MAX || (unit & (unit - 1)))
		return mafs_fault_set(fault, -EINVAL,
				      "allocation unit of %s: a power of two "
				      "from 4K to 1G",
				      text);
	if (!tiered && unit % device->align_bytes)
		return mafs_fault_set(fault, -EINVAL,
				      "allocation unit of %s: the device is "
				      "mapped in pages of %s",
				      text, align);
	return 0;
}

/* Does the device hold its head, the log, and one unit of data at least? */
static int check_room(const struct mafs_device *device, uint32_t unit,
		      uint64_t log_bytes, uint64_t table_bytes,
		      struct mafs_fault *fault)
{
	char text[MAFS_SIZE_TEXT_LEN];
	uint64_t end = MAFS_OMF_SEGMENTS_OFFSET;

	mafs_size_to_text(device->size_bytes, text);
	if (log_bytes > device->size_bytes / 4 ||
	    !mafs_align_up(end + 2 * log_bytes + table_bytes, unit, &end) ||
	    !mafs_range_fits(end, unit, device->size_bytes))
		return mafs_fault_set(fault, -EINVAL,
				      "log: two slots of %llu bytes and units "
				      "of %u do not fit into %s",
				      (unsigned long long)log_bytes, unit,
				      text);
	return 0;
}

/* A tail that the reserve can hold: see mafs_device_log_reserve(). */
static int check_log(const struct mafs_device *device, uint64_t log_bytes,
		     uint64_t checkpoint_after, struct mafs_fault *fault)
{
	char text[MAFS_SIZE_TEXT_LEN];

	mafs_size_to_text(device->size_bytes / 8, text);
	if (log_bytes < LOG_MIN)
		return mafs_fault_set(fault, -EINVAL, "log: 64K at least");
	if (checkpoint_after > device->size_bytes / 8)
		return mafs_fault_set(fault, -EINVAL,
				      "checkpoint: after an eighth of the "
				      "device, %s, at the latest",
				      text);
	return 0;
}

/* Zeros from 0 on: both superblock copies, then the pulse page. What says that
 * mafs was lent it stays. */
static int wipe_head(struct mafs_device *device, bool tiered)
{
	const uint64_t ends[] = { 0, MAFS_OMF_PULSE_OFFSET,
				  tiered ? MAFS_OMF_LENT_OFFSET :
					   MAFS_OMF_SEGMENTS_OFFSET };
	int err = 0;

	for (size_t i = 1; !err && i < MAFS_ARRAY_SIZE(ends); i++) {
		uint64_t len = ends[i] - ends[i - 1];

		err = mafs_guarded_zero(device->base + ends[i - 1], len);
		if (!err)
			err = mafs_device_flush(device, ends[i - 1], len);
	}
	return err;
}

/* The slots are free ones. */
static int format_table(struct mapped *mapped, uint64_t offset, uint64_t bytes)
{
	int err = mafs_guarded_zero(mapped->base.base + offset, bytes);

	chain_forget(&mapped->chains[MAFS_OMF_TABLE_SLOT]);
	return err ? err :
		     chain_format(mapped, MAFS_OMF_TABLE_SLOT, offset, bytes);
}

static int format_primary(struct mapped *mapped, struct mafs_superblock *sb,
			  uint64_t log_bytes, uint64_t table_bytes,
			  struct mafs_fault *fault)
{
	uint64_t table = MAFS_OMF_SEGMENTS_OFFSET + 2 * log_bytes;
	int err = 0;

	for (uint32_t slot = 0; slot < N_SLOTS && !err; slot++) {
		sb->slots[slot].offset =
			MAFS_OMF_SEGMENTS_OFFSET + slot * log_bytes;
		chain_forget(&mapped->chains[slot]);
		err = chain_format(mapped, slot, sb->slots[slot].offset,
				   log_bytes);
	}
	if (!err && table_bytes)
		err = format_table(mapped, table, table_bytes);
	if (err)
		return mafs_fault_set(fault, err, "log: cannot be written");
	mapped_take_superblock(mapped, sb);
	return mafs_log_format(&mapped->base.media, sb, fault);
}

static int format_secondary(struct mapped *mapped, struct mafs_superblock *sb,
			    struct mafs_fault *fault)
{
	int err;

	mapped_take_superblock(mapped, sb);
	err = mafs_superblock_flip(&mapped->base.media, sb, fault);
	return err ? err : mafs_superblock_flip(&mapped->base.media, sb, fault);
}

static struct mafs_superblock
superblock_of(const struct mafs_device *device,
	      const struct mafs_device_format *format, uint32_t unit)
{
	struct mafs_superblock sb = {
		.incompat = MAFS_OMF_INCOMPAT_MEMORY,
		.fs_uuid = format->fs_uuid,
	};

	if (format->tiered)
		sb = *format->tiered;
	else
		mafs_uuid_generate(&sb.device_uuid);
	if (format->secondary)
		sb.incompat |= MAFS_OMF_INCOMPAT_SECONDARY;
	sb.device_size_bytes = device->size_bytes;
	sb.alloc_unit_bytes = unit;
	sb.checkpoint_after_bytes = format->checkpoint_after_bytes;
	return sb;
}

int mafs_device_format(struct mafs_device *device,
		       const struct mafs_device_format *format,
		       struct mafs_fault *fault)
{
	struct mapped *mapped = mapped_of(device);
	uint32_t unit = choose_unit(device, format);
	uint64_t log_bytes = choose_log_bytes(device, format, unit);
	uint64_t table_bytes = choose_table_bytes(device, format);
	struct mafs_superblock sb = superblock_of(device, format, unit);
	int err;

	if (device->read_only)
		return mafs_fault_set(fault, -EROFS, "opened for reading");
	err = check_unit(device, unit, format->tiered, fault);
	if (!err && !format->secondary)
		err = check_log(device, log_bytes, sb.checkpoint_after_bytes,
				fault);
	if (!err)
		err = check_room(device, unit, log_bytes, table_bytes, fault);
	if (err)
		return err;
	if (!sb.checkpoint_after_bytes)
		sb.checkpoint_after_bytes = log_bytes / 2;
	err = wipe_head(device, format->tiered);
	if (err)
		return mafs_fault_at(fault, err, 0,
				     "superblock: cannot be written");
	device->uuid = sb.device_uuid;
	return format->secondary ? format_secondary(mapped, &sb, fault) :
				   format_primary(mapped, &sb, log_bytes,
						  table_bytes, fault);
}

static struct mafs_omf_lent lent_mark(void)
{
	struct mafs_omf_lent lent = { .magic = htole64(MAFS_OMF_LENT_MAGIC) };

	lent.crc = htole32(mafs_crc32c(0, &lent, sizeof(lent)));
	return lent;
}

int mafs_device_wipe(struct mafs_device *device)
{
	const struct mafs_omf_lent lent = lent_mark();
	int err;

	if (device->read_only)
		return -EROFS;
	err = mafs_guarded_copy(device->base + MAFS_OMF_LENT_OFFSET, &lent,
				sizeof(lent));
	if (!err)
		err = mafs_device_flush(device, MAFS_OMF_LENT_OFFSET,
					sizeof(lent));
	return err ? err : wipe_head(device, true);
}

/* All of the superblock copies: who came later may leave their first words. */
static bool head_is_zero(const struct mafs_device *device)
{
	uint64_t word, all = 0;

	for (uint64_t at = 0; at < MAFS_OMF_PULSE_OFFSET; at += sizeof(word)) {
		if (mafs_guarded_load((const uint64_t *)(device->base + at),
				      &word))
			return false;
		all |= word;
	}
	return !all;
}

bool mafs_device_is_wiped(const struct mafs_device *device)
{
	const struct mafs_omf_lent mark = lent_mark();
	struct mafs_omf_lent lent;

	return head_is_zero(device) &&
	       !mafs_guarded_copy(&lent, device->base + MAFS_OMF_LENT_OFFSET,
				  sizeof(lent)) &&
	       !memcmp(&lent, &mark, sizeof(lent));
}
