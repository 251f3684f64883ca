// SPDX-License-Identifier: Apache-2.0
/*
 * The input is edits to the image of a formatted device, whose log has a
 * second segment: 16 bytes each,
 *
 *	0	what: superblock field, segment head, link, bytes (modulo 4);
 *		+ 4: without a right checksum
 *	1	superblock copy, or slot
 *	2, 3	offset of the field, or number of the unit
 *	4..7	index of the segment
 *	8..15	value: of the field; length of the segment; next segment
 *
 * Checksums are made right, so that what is behind them is reached. Then a
 * client reads it, and a master takes it over, appends until the log grows,
 * cuts it and gives back.
 */
#include "forge.h"

#include <endian.h>
#include <mafs/checked.h>
#include <mafs/cleanup.h>
#include <mafs/device.h>
#include <mafs/log.h>
#include <stdlib.h>
#include <string.h>

#define UNIT 4096U
#define IMAGE_BYTES (96U * UNIT)
#define EDIT_BYTES 16U
#define EDITS_MAX 64U
#define MAX_ENTRIES 1000

/* A mapping of nothing else: what is read beyond it is found. */
struct image {
	struct mafs_mapping mapping;
};

static int image_flush(struct mafs_mapping *mapping, uint64_t offset,
		       uint64_t len)
{
	if (!mafs_range_fits(offset, len, mapping->len))
		abort();
	return 0;
}

static void image_invalidate(struct mafs_mapping *mapping, uint64_t offset,
			     uint64_t len)
{
	if (!mafs_range_fits(offset, len, mapping->len))
		abort();
}

static void image_close(struct mafs_mapping *mapping)
{
}

static const struct mafs_mapping_ops image_ops = {
	.flush = image_flush,
	.invalidate = image_invalidate,
	.close = image_close,
};

static void image_new(struct image *image)
{
	image->mapping =
		(struct mafs_mapping){ .ops = &image_ops, .len = IMAGE_BYTES };
	image->mapping.base = aligned_alloc(64, IMAGE_BYTES);
	if (!image->mapping.base)
		abort();
}

static void image_done(struct image *image)
{
	free(image->mapping.base);
}
#define _cleanup_image_ _cleanup_(image_done)

static struct mafs_device *open_image(struct image *image, bool read_only)
{
	struct mafs_device *device;

	if (mafs_device_on_mapping(MAFS_DEVICE_DAX, &image->mapping, read_only,
				   &device))
		abort();
	return device;
}

/* Formatted, slot A with a second segment. Made once. */
static const uint8_t *formatted(void)
{
	static uint8_t bytes[IMAGE_BYTES];
	static bool made;
	const struct mafs_device_format format = { .alloc_unit_bytes = UNIT,
						   .log_bytes = 64 << 10 };
	static const uint8_t more[100];
	struct mafs_device *device;
	struct mafs_superblock sb;
	struct image image;

	if (made)
		return bytes;
	image_new(&image);
	memset(image.mapping.base, 0, IMAGE_BYTES);
	device = open_image(&image, false);
	if (mafs_device_format(device, &format, NULL) ||
	    mafs_superblock_read(&device->media, &sb, NULL, NULL) ||
	    mafs_device_alloc_begin(device, &sb, NULL) ||
	    device->media.ops->write(&device->media, MAFS_REGION_LOG_A,
				     64 << 10, more, sizeof(more)))
		abort();
	mafs_device_close(device);
	memcpy(bytes, image.mapping.base, IMAGE_BYTES);
	image_done(&image);
	made = true;
	return bytes;
}

struct edit {
	uint8_t what, which;
	uint16_t place;
	uint32_t index;
	uint64_t value;
};

static void edit_superblock(uint8_t *image, const struct edit *edit, bool seal)
{
	uint8_t *copy = image + edit->which % 2U * MAFS_OMF_SB_SIZE;
	size_t at = edit->place % (sizeof(struct mafs_omf_superblock) / 8);

	memcpy(copy + at * 8, &edit->value, 8);
	if (seal)
		forge_superblock(copy);
}

/* The slots' first segments are at 16 KiB and 80 KiB, units 4 and 20. */
static void edit_head(uint8_t *image, const struct edit *edit, bool seal)
{
	uint64_t unit = edit->place % (IMAGE_BYTES / UNIT);
	uint8_t *at = image + unit * UNIT;
	struct mafs_omf_segment head = {
		.magic = htole64(MAFS_OMF_SEGMENT_MAGIC),
		.slot = htole32(edit->which),
		.index = htole64(edit->index),
		.length = htole64(edit->value),
	};

	memcpy(head.device_uuid,
	       image + offsetof(struct mafs_omf_superblock, device_uuid),
	       sizeof(head.device_uuid));
	memcpy(at, &head, sizeof(head));
	forge_link(at, 0);
	if (seal)
		forge_head(at);
}

static void edit_link(uint8_t *image, const struct edit *edit, bool seal)
{
	uint64_t unit = edit->place % (IMAGE_BYTES / UNIT);
	uint8_t *at = image + unit * UNIT;

	if (seal)
		forge_link(at, edit->value % (1ULL << 52) / UNIT * UNIT);
	else
		memcpy(at + offsetof(struct mafs_omf_segment, next),
		       &edit->value, 8);
}

static void apply(uint8_t *image, const uint8_t *bytes)
{
	struct edit edit = {
		.what = bytes[0],
		.which = bytes[1],
		.place = (uint16_t)(bytes[2] | bytes[3] << 8),
	};
	bool seal = !(edit.what & 4);

	memcpy(&edit.index, bytes + 4, sizeof(edit.index));
	memcpy(&edit.value, bytes + 8, sizeof(edit.value));
	edit.index = le32toh(edit.index);
	switch (edit.what % 4) {
	case 0:
		edit_superblock(image, &edit, seal);
		break;
	case 1:
		edit_head(image, &edit, seal);
		break;
	case 2:
		edit_link(image, &edit, seal);
		break;
	default:
		memcpy(image + (edit.place * 8U) % IMAGE_BYTES, &edit.value, 8);
	}
}

/* Return: 0 and the end, or the error. */
static int read_log(struct mafs_media *media, struct mafs_superblock *ret_sb,
		    struct mafs_log_position *ret_end)
{
	struct mafs_log_reader *reader;
	struct mafs_entry entry;
	long n_entries = 0;
	int err;

	err = mafs_log_reader_open(media, &reader, ret_sb, NULL);
	if (err)
		return err;
	while ((err = mafs_log_reader_next(reader, &entry, NULL, NULL)) == 1) {
		mafs_entry_done(&entry);
		if (++n_entries > MAX_ENTRIES)
			abort(); /* it goes round and round */
	}
	mafs_log_reader_end(reader, ret_end);
	mafs_log_reader_close(reader);
	return err;
}

static void read_as_client(struct image *image)
{
	struct mafs_device *device = open_image(image, true);
	struct mafs_media *media = &device->media;
	struct mafs_log_position end;
	struct mafs_superblock sb;
	uint8_t bytes[200];
	uint64_t length;

	(void)read_log(media, &sb, &end);
	for (int region = 0; region < MAFS_N_REGIONS; region++) {
		if (media->ops->length(media, (enum mafs_region)region,
				       &length))
			continue;
		if (length > IMAGE_BYTES)
			abort();
		if (media->ops->read(media, (enum mafs_region)region,
				     length - length / 3, bytes,
				     sizeof(bytes)) > (ssize_t)sizeof(bytes))
			abort();
	}
	mafs_device_close(device);
}

/* What grew is given back, to the last unit. */
static void grow_and_cut(struct mafs_device *device)
{
	struct mafs_media *media = &device->media;
	static const uint8_t bytes[3 * UNIT];

	for (int region = MAFS_REGION_LOG_A; region < MAFS_N_REGIONS;
	     region++) {
		uint64_t before = mafs_alloc_free_bytes(device->alloc);
		uint64_t length, cut;

		if (media->ops->length(media, (enum mafs_region)region,
				       &length))
			abort();
		(void)media->ops->write(media, (enum mafs_region)region, length,
					bytes, sizeof(bytes));
		if (media->ops->truncate(media, (enum mafs_region)region,
					 length))
			abort();
		if (mafs_alloc_free_bytes(device->alloc) != before)
			abort();
		if (media->ops->truncate(media, (enum mafs_region)region, 0) ||
		    media->ops->length(media, (enum mafs_region)region, &cut) ||
		    cut > length)
			abort();
	}
	if (mafs_device_log_bytes(device))
		abort();
}

static void take_over(struct image *image)
{
	struct mafs_device *device = open_image(image, false);
	struct mafs_entry entry = { .type = MAFS_OMF_DROP };
	struct mafs_fault fault = MAFS_FAULT_INIT;
	struct mafs_log_position end;
	struct mafs_superblock sb;
	struct mafs_log *log;

	if (mafs_superblock_read(&device->media, &sb, NULL, &fault) == 0 &&
	    mafs_device_alloc_begin(device, &sb, &fault) == 0) {
		if (read_log(&device->media, &sb, &end) == 0 &&
		    mafs_log_open(&device->media, &sb, &end, &log, NULL) == 0) {
			(void)mafs_log_append(log, &entry, 1, NULL);
			mafs_log_close(log);
		}
		grow_and_cut(device);
	}
	mafs_device_close(device);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	_cleanup_image_ struct image image;

	image_new(&image);
	memcpy(image.mapping.base, formatted(), IMAGE_BYTES);
	if (len > (size_t)EDITS_MAX * EDIT_BYTES)
		len = (size_t)EDITS_MAX * EDIT_BYTES;
	for (; len >= EDIT_BYTES; bytes += EDIT_BYTES, len -= EDIT_BYTES)
		apply(image.mapping.base, bytes);
	read_as_client(&image);
	take_over(&image);
	return 0;
}
