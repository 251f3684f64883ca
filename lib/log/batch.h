/* SPDX-License-Identifier: Apache-2.0 */
/* A batch, the unit that is appended: one header, one checksum. */
#pragma once

#include <mafs/buffer.h>
#include <mafs/fault.h>
#include <mafs/media.h>
#include <mafs/omf.h>
#include <stdbool.h>

#define BATCH_HEADER_BYTES sizeof(struct mafs_omf_batch)

/**
 * struct mafs_batch - a private copy of what stands at one place of a slot
 * @bytes: header and records; owned, kept from load to load
 * @valid: belongs to the lap and its checksum is right
 * @blank: the header's bytes are all zero or absent
 * @err: why it is not valid, with @why for a person; 0 when it is valid
 */
struct mafs_batch {
	struct mafs_buffer bytes;
	uint64_t number;
	uint32_t n_records;
	bool valid;
	bool blank;
	int err;
	const char *why;
};

void mafs_batch_done(struct mafs_batch *batch);

/* Fills in the header that stands at the start of @bytes, for the records
 * behind it. */
void mafs_batch_seal(uint8_t *bytes, size_t len, uint64_t salt, uint64_t number,
		     uint32_t n_records);

/**
 * mafs_batch_load() - copy what stands at @offset and validate it
 * @batch: an invalid batch is no error: see @batch->valid
 *
 * Return: 0, -ENOMEM, -errno of the media.
 */
int mafs_batch_load(struct mafs_media *media, enum mafs_region region,
		    uint64_t offset, uint64_t salt, struct mafs_batch *batch);

/* Do the lengths of the records add up to the batch, their number to its
 * count? Return: 0, or -EUCLEAN and the offset within @batch. */
int mafs_batch_check_records(const struct mafs_batch *batch,
			     size_t *ret_offset);
