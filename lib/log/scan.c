// SPDX-License-Identifier: Apache-2.0
/*
 * Torn or corrupt. A batch is stored only after the one before it is flushed,
 * so an invalid batch with a valid later one of its lap behind it was damaged
 * after it counted; otherwise it never counted. Called by the reader where it
 * finds no valid batch.
 *
 * Almost all places are ruled out by magic and salt. Media made to look like
 * a batch at every 8 bytes would cost a checksum each: after a bound of bytes
 * checksummed the search ends with "found", which refuses the log.
 */
#include "scan.h"

#include "batch.h"

#include <endian.h>
#include <errno.h>
#include <mafs/cleanup.h>
#include <string.h>

#define SCAN_CHUNK_BYTES (1U << 20)
#define SCAN_CHECKSUM_BYTES_MAX (64ULL * MAFS_OMF_BATCH_MAX)

struct scan {
	struct mafs_media *media;
	enum mafs_region region;
	uint64_t salt;
	uint64_t number;
	uint64_t checksummed_bytes;
	struct mafs_batch batch;
};

/* Return: index of the first place in @chunk that may be a batch, or @len. */
static size_t next_candidate(const struct scan *scan, const uint8_t *chunk,
			     size_t from, size_t len)
{
	const uint32_t magic = htole32(MAFS_OMF_BATCH_MAGIC);
	size_t at;

	for (at = from; at + BATCH_HEADER_BYTES <= len; at += MAFS_OMF_ALIGN) {
		struct mafs_omf_batch header;

		if (memcmp(chunk + at, &magic, sizeof(magic)) != 0)
			continue;
		memcpy(&header, chunk + at, sizeof(header));
		if (le64toh(header.salt) == scan->salt &&
		    le64toh(header.number) > scan->number)
			return at;
	}
	return len;
}

/* Return: 1 if a valid later batch is at @offset, 0, -errno. */
static int check_candidate(struct scan *scan, uint64_t offset)
{
	int err = mafs_batch_load(scan->media, scan->region, offset, scan->salt,
				  &scan->batch);

	if (err)
		return err;
	if (scan->batch.valid)
		return scan->batch.number > scan->number;
	if (scan->batch.err == -EBADMSG)
		scan->checksummed_bytes += scan->batch.bytes.capacity;
	return scan->checksummed_bytes > SCAN_CHECKSUM_BYTES_MAX;
}

static int scan_region(struct scan *scan, uint64_t offset, uint8_t *chunk,
		       uint64_t *ret_offset)
{
	for (;;) {
		ssize_t n = scan->media->ops->read(scan->media, scan->region,
						   offset, chunk,
						   SCAN_CHUNK_BYTES);
		size_t at = 0;

		if (n < 0)
			return (int)n;
		while ((at = next_candidate(scan, chunk, at, (size_t)n)) <
		       (size_t)n) {
			int found = check_candidate(scan, offset + at);

			if (found > 0)
				*ret_offset = offset + at;
			if (found)
				return found;
			at += MAFS_OMF_ALIGN;
		}
		if ((size_t)n < SCAN_CHUNK_BYTES)
			return 0;
		/* A header may straddle two chunks. */
		offset +=
			SCAN_CHUNK_BYTES - BATCH_HEADER_BYTES + MAFS_OMF_ALIGN;
	}
}

int mafs_log_scan(struct mafs_media *media, enum mafs_region region,
		  uint64_t offset, uint64_t salt, uint64_t number,
		  uint64_t *ret_offset)
{
	_cleanup_free_ uint8_t *chunk = malloc(SCAN_CHUNK_BYTES);
	struct scan scan = {
		.media = media,
		.region = region,
		.salt = salt,
		.number = number,
	};
	int found;

	if (!chunk)
		return -ENOMEM;
	found = scan_region(&scan, offset + MAFS_OMF_ALIGN, chunk, ret_offset);
	mafs_batch_done(&scan.batch);
	return found;
}
