// SPDX-License-Identifier: Apache-2.0
/*
 * One batch: sealed by the writer, loaded by the reader. The media may change
 * under a reader, so a batch is copied first, then validated, and only the
 * copy is used.
 */
#include "batch.h"

#include <endian.h>
#include <errno.h>
#include <mafs/checked.h>
#include <mafs/crc.h>
#include <string.h>

void mafs_batch_done(struct mafs_batch *batch)
{
	mafs_buffer_done(&batch->bytes);
}

/* With the header's checksum taken as zero. */
static uint32_t batch_crc(const struct mafs_omf_batch *header,
			  const uint8_t *records, size_t len)
{
	struct mafs_omf_batch copy = *header;

	copy.crc = 0;
	return mafs_crc32c(mafs_crc32c(0, &copy, sizeof(copy)), records, len);
}

void mafs_batch_seal(uint8_t *bytes, size_t len, uint64_t salt, uint64_t number,
		     uint32_t n_records)
{
	size_t records_len = len - BATCH_HEADER_BYTES;
	struct mafs_omf_batch header = {
		.magic = htole32(MAFS_OMF_BATCH_MAGIC),
		.salt = htole64(salt),
		.number = htole64(number),
		.length = htole32((uint32_t)records_len),
		.n_records = htole32(n_records),
	};

	header.crc = htole32(
		batch_crc(&header, bytes + BATCH_HEADER_BYTES, records_len));
	memcpy(bytes, &header, sizeof(header));
}

static int batch_invalid(struct mafs_batch *batch, int err, const char *why)
{
	batch->err = err;
	batch->why = why;
	return 0;
}

static bool header_is_zero(const struct mafs_omf_batch *header)
{
	static const struct mafs_omf_batch zeros;

	return !memcmp(header, &zeros, sizeof(zeros));
}

/* Why the header cannot be one of the lap; NULL: it can. */
static const char *header_fault(const struct mafs_omf_batch *header,
				uint64_t salt)
{
	uint32_t length = le32toh(header->length);
	uint32_t n_records = le32toh(header->n_records);

	if (le32toh(header->magic) != MAFS_OMF_BATCH_MAGIC)
		return "bad magic";
	if (le64toh(header->salt) != salt)
		return "salt of another lap";
	if (length % MAFS_OMF_ALIGN ||
	    length > MAFS_OMF_BATCH_MAX - BATCH_HEADER_BYTES)
		return "absurd length";
	if (!n_records || n_records > length / sizeof(struct mafs_omf_record))
		return "absurd number of records";
	return NULL;
}

/* Does the region hold all of the batch? Asked before memory is taken. */
static int batch_is_present(struct mafs_media *media, enum mafs_region region,
			    uint64_t offset, size_t len)
{
	uint64_t region_len;
	int err;

	err = media->ops->length(media, region, &region_len);
	if (err)
		return err;
	return mafs_range_fits(offset, len, region_len);
}

int mafs_batch_load(struct mafs_media *media, enum mafs_region region,
		    uint64_t offset, uint64_t salt, struct mafs_batch *batch)
{
	struct mafs_omf_batch header = {};
	const char *why;
	size_t len;
	ssize_t n;
	int err;

	*batch = (struct mafs_batch){ .bytes = batch->bytes };
	batch->bytes.len = 0;
	n = media->ops->read(media, region, offset, &header, sizeof(header));
	if (n < 0)
		return (int)n;
	batch->blank = header_is_zero(&header);
	if ((size_t)n < sizeof(header))
		return batch_invalid(batch, -EUCLEAN, "cut short");
	why = header_fault(&header, salt);
	if (why)
		return batch_invalid(batch, -EUCLEAN, why);
	len = sizeof(header) + le32toh(header.length);
	err = batch_is_present(media, region, offset, len);
	if (err < 0)
		return err;
	if (!err)
		return batch_invalid(batch, -EUCLEAN, "cut short");
	err = mafs_buffer_reserve(&batch->bytes, len);
	if (err)
		return err;
	memcpy(batch->bytes.bytes, &header, sizeof(header));
	n = media->ops->read(media, region, offset + sizeof(header),
			     batch->bytes.bytes + sizeof(header),
			     len - sizeof(header));
	if (n < 0)
		return (int)n;
	if ((size_t)n < len - sizeof(header))
		return batch_invalid(batch, -EUCLEAN, "cut short");
	if (le32toh(header.crc) !=
	    batch_crc(&header, batch->bytes.bytes + sizeof(header),
		      len - sizeof(header)))
		return batch_invalid(batch, -EBADMSG, "checksum mismatch");
	batch->bytes.len = len;
	batch->number = le64toh(header.number);
	batch->n_records = le32toh(header.n_records);
	batch->valid = true;
	return 0;
}

int mafs_batch_check_records(const struct mafs_batch *batch, size_t *ret_offset)
{
	size_t at = BATCH_HEADER_BYTES;
	uint32_t n_records = 0;

	while (at < batch->bytes.len) {
		struct mafs_omf_record record;
		size_t left = batch->bytes.len - at;
		size_t length;

		*ret_offset = at;
		if (left < sizeof(record))
			return -EUCLEAN;
		memcpy(&record, batch->bytes.bytes + at, sizeof(record));
		length = le32toh(record.length);
		if (length < sizeof(record) || length % MAFS_OMF_ALIGN ||
		    length > left)
			return -EUCLEAN;
		at += length;
		n_records++;
	}
	if (n_records != batch->n_records) {
		*ret_offset = 0;
		return -EUCLEAN;
	}
	return 0;
}
