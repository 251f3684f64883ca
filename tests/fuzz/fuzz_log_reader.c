// SPDX-License-Identifier: Apache-2.0
/*
 * The input is what stands in the log slots: two bytes that say how long slot
 * A is, then both. The superblock names slot A with salt 1; batches
 * of salt 1 and 2 get right checksums, so that what is behind them is reached.
 * A log that reads to its end can be opened, appended to and read again.
 */
#include "lib/log/batch.h"
#include "media_memory.h"

#include <endian.h>
#include <mafs/log.h>
#include <stdlib.h>
#include <string.h>

#define MAX_ENTRIES 100000

static void write_superblock(struct media_memory *memory)
{
	struct mafs_superblock sb = {
		.incompat = MAFS_OMF_INCOMPAT_TIERED,
		.slots = { { .salt = 1 }, { .salt = 7 } },
	};

	if (mafs_superblock_flip(&memory->media, &sb, NULL))
		abort();
}

/* Seals each batch in the chain whose length fits. */
static void seal_chain(struct mafs_buffer *slot)
{
	size_t at = 0;

	while (slot->len - at >= BATCH_HEADER_BYTES) {
		struct mafs_omf_batch header;
		size_t len;

		memcpy(&header, slot->bytes + at, sizeof(header));
		len = le32toh(header.length);
		if (le32toh(header.magic) != MAFS_OMF_BATCH_MAGIC ||
		    le64toh(header.salt) > 2 ||
		    len > slot->len - at - BATCH_HEADER_BYTES)
			return;
		mafs_batch_seal(slot->bytes + at, BATCH_HEADER_BYTES + len,
				le64toh(header.salt), le64toh(header.number),
				le32toh(header.n_records));
		at += BATCH_HEADER_BYTES + len;
	}
}

static void fill(struct media_memory *memory, const uint8_t *bytes, size_t len)
{
	struct mafs_buffer *a = &memory->regions[MAFS_REGION_LOG_A];
	struct mafs_buffer *b = &memory->regions[MAFS_REGION_LOG_B];
	size_t a_len;

	if (len < 2)
		return;
	a_len = bytes[0] | (size_t)bytes[1] << 8;
	if (a_len > len - 2)
		a_len = len - 2;
	if (mafs_buffer_append(a, bytes + 2, a_len) ||
	    mafs_buffer_append(b, bytes + 2 + a_len, len - 2 - a_len))
		abort();
	seal_chain(a);
	seal_chain(b);
}

/* Return: entries read, or the error. */
static long read_all(struct mafs_media *media, struct mafs_superblock *ret_sb,
		     struct mafs_log_position *ret_end)
{
	struct mafs_fault fault = MAFS_FAULT_INIT;
	struct mafs_log_reader *reader;
	struct mafs_entry entry;
	long n_entries = 0;
	int err;

	if (mafs_log_reader_open(media, &reader, ret_sb, &fault))
		abort();
	while ((err = mafs_log_reader_next(reader, &entry, NULL, &fault)) ==
	       1) {
		mafs_entry_done(&entry);
		if (++n_entries > MAX_ENTRIES)
			abort(); /* it goes round and round */
	}
	mafs_log_reader_end(reader, ret_end);
	mafs_log_reader_close(reader);
	return err < 0 ? err : n_entries;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	_cleanup_media_memory_ struct media_memory *memory =
		media_memory_new(0);
	struct mafs_entry entry = { .type = MAFS_OMF_DROP };
	struct mafs_log_position end;
	struct mafs_superblock sb;
	struct mafs_log *log;
	uint64_t seq;

	write_superblock(memory);
	fill(memory, bytes, len);
	if (read_all(&memory->media, &sb, &end) < 0)
		return 0;
	if (mafs_log_open(&memory->media, &sb, &end, &log, NULL))
		return 0;
	if (mafs_log_append(log, &entry, 1, &seq) || seq != end.seq + 1)
		abort();
	mafs_log_close(log);
	if (read_all(&memory->media, &sb, &end) < 0 || end.seq != seq)
		abort();
	return 0;
}
