// SPDX-License-Identifier: Apache-2.0
/*
 * The on-media format stays what it is: the image in tests/golden/log/ (hex
 * text, one file a region) decodes to the text beside it and is what today's
 * code writes, byte for byte. Salts and times are set to fixed values after
 * writing. With MAFS_GOLDEN_WRITE=1 in the environment the files are written
 * anew instead: only with a new format version.
 *
 * The image holds a lap in slot A with an entry of each type and a `switch`,
 * and the lap in slot B that it leads to. superblock-a names A (a crash before
 * the flip), superblock-b names B.
 */
#include "lib/log/batch.h"
#include "lib/log/superblock_codec.h"
#include "log_fixture.h"
#include "media_memory.h"

#include <endian.h>
#include <inttypes.h>
#include <mafs/cleanup.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define SALT_A 0x0123456789abcdefULL
#define SALT_B 0xfedcba9876543210ULL
#define FIRST_NS 1700000000000000000ULL
#define SLOT_BYTES 8192

static struct mafs_extent extents[] = {
	{ { { 0xd0, 0xd1 } }, 0, 4096 },
	{ { { 0xd0, 0xd1 } }, 1U << 20, 123 },
};

static struct mafs_entry long_map(uint64_t id)
{
	struct mafs_entry entry = {
		.type = MAFS_OMF_MAP,
		.map = {
			.id = id,
			.flags = MAFS_OMF_MAP_DIRTY | MAFS_OMF_MAP_WRITING,
			.identity = {
				.fs_id = { { 0xf0, 0xf1 } },
				.handle = { .type = -127,
					    .length = 12,
					    .bytes = "handle bytes" },
				.ino = 4711,
				.btime = { 1600000000, 1 },
			},
			.hint = {
				.parent = { 2, 5, "paren" },
				.name = "a file \xc3\xa4",
			},
			.fingerprint = { 1000, { -1, 999999999 }, { 2, 3 } },
			.shown_ctime = { 4, 5 },
			.map = { extents, 2 },
		},
	};

	return entry;
}

static int emit_live(void *context, mafs_log_emit_fn *emit, void *emit_context)
{
	struct mafs_entry one = t_map(1), two = long_map(2);
	struct mafs_entry device = {
		.type = MAFS_OMF_DEVICE_ADD,
		.device = { { { 0xd0, 0xd1 } }, 1ULL << 32 },
	};
	int err = emit(emit_context, &device);

	if (!err)
		err = emit(emit_context, &one);
	return err ? err : emit(emit_context, &two);
}

/* Fixed salts and times, new checksums. */
static void normalise_slot(struct mafs_buffer *slot, size_t len, uint64_t salt)
{
	size_t at = 0, end;

	memset(slot->bytes + len, 0, slot->len - len);
	for (; at < len; at = end) {
		struct mafs_omf_batch header;
		size_t first = at;

		memcpy(&header, slot->bytes + at, sizeof(header));
		end = at + sizeof(header) + le32toh(header.length);
		for (at += sizeof(header); at < end;) {
			struct mafs_omf_record record;
			struct mafs_omf_switch to;

			memcpy(&record, slot->bytes + at, sizeof(record));
			record.time_ns =
				htole64(FIRST_NS + le64toh(record.seq));
			memcpy(slot->bytes + at, &record, sizeof(record));
			if (le16toh(record.type) == MAFS_OMF_SWITCH) {
				memcpy(&to, slot->bytes + at + sizeof(record),
				       sizeof(to));
				to.salt = htole64(SALT_B);
				memcpy(slot->bytes + at + sizeof(record), &to,
				       sizeof(to));
			}
			at += le32toh(record.length);
		}
		mafs_batch_seal(slot->bytes + first, end - first, salt,
				le64toh(header.number),
				le32toh(header.n_records));
	}
}

static void append(struct mafs_log *log, struct mafs_entry entry)
{
	assert_int_equal(mafs_log_append(log, &entry, 1, NULL), 0);
}

static struct media_memory *make_image(void)
{
	struct media_memory *memory = media_memory_new(SLOT_BYTES);
	struct mafs_entry pair[] = { t_writing(1), t_writing(2) };
	struct mafs_log *log;
	size_t a_len, b_len;

	t_log_format(&memory->media, SLOT_BYTES);
	log = t_log_open(&memory->media);
	append(log, t_map(1));
	append(log, long_map(2));
	assert_int_equal(mafs_log_append(log, pair, 2, NULL), 0);
	append(log,
	       (struct mafs_entry){ .type = MAFS_OMF_CLEAN,
				    .clean = { 1,
					       { 4096, { 10, 11 }, { 12, 13 } },
					       { 14, 15 } } });
	append(log, (struct mafs_entry){ .type = MAFS_OMF_DROP_INTENT,
					 .id = { 1 } });
	append(log,
	       (struct mafs_entry){ .type = MAFS_OMF_CONFLICT,
				    .conflict = { 2, "a.mafs-conflict-7" } });
	a_len = mafs_log_length(log) + BATCH_HEADER_BYTES +
		sizeof(struct mafs_omf_record) + sizeof(struct mafs_omf_switch);
	assert_int_equal(mafs_log_checkpoint(log, emit_live, NULL, NULL), 0);
	append(log, (struct mafs_entry){ .type = MAFS_OMF_DROP, .id = { 1 } });
	b_len = mafs_log_length(log);
	mafs_log_close(log);
	normalise_slot(&memory->regions[MAFS_REGION_LOG_A], a_len, SALT_A);
	normalise_slot(&memory->regions[MAFS_REGION_LOG_B], b_len, SALT_B);
	return memory;
}

/* Both copies; the second is the newer one. */
static void name_slot(struct media_memory *memory, uint32_t slot)
{
	uint8_t *region = memory->regions[MAFS_REGION_SUPERBLOCK].bytes;
	struct mafs_superblock sb = {
		.generation = 1 + 2 * slot,
		.incompat = MAFS_OMF_INCOMPAT_TIERED,
		.fs_uuid = { { 0xf5, 1 } },
		.device_uuid = { { 0xd0, 0xd1 } },
		.device_size_bytes = 1ULL << 32,
		.alloc_unit_bytes = 65536,
		.live_slot = slot,
		.master_machine = { { 0xa0 } },
		.master_boot = { { 0xb0 } },
		.master_instance = { { 0xc0 } },
		.master_epoch = 3,
		.session = 4,
		.slots = { { 8192, SLOT_BYTES, SALT_A, 0 },
			   { 8192 + SLOT_BYTES, SLOT_BYTES, SALT_B, 7 } },
	};

	for (size_t i = 0; i < MAFS_OMF_N_SB; i++, sb.generation++) {
		struct mafs_omf_superblock omf;

		mafs_superblock_encode(&sb, &omf);
		memcpy(region + i * MAFS_OMF_SB_SIZE, &omf, sizeof(omf));
	}
}

static void put_bytes(FILE *out, const uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		fprintf(out, "%02x", bytes[i]);
}

/* Sixteen bytes a line; lines of zeros are left out. */
static void put_hex(FILE *out, const struct mafs_buffer *region)
{
	static const uint8_t zeros[16];

	for (size_t at = 0; at < region->len; at += 16) {
		if (!memcmp(region->bytes + at, zeros, 16))
			continue;
		fprintf(out, "%06zx ", at);
		put_bytes(out, region->bytes + at, 16);
		fputc('\n', out);
	}
}

static void put_time(FILE *out, const char *name, const struct timespec *time)
{
	fprintf(out, " %s=%" PRId64 ".%09ld", name, (int64_t)time->tv_sec,
		time->tv_nsec);
}

static void put_fingerprint(FILE *out, const struct mafs_fingerprint *print)
{
	fprintf(out, " size=%" PRIu64, print->size_bytes);
	put_time(out, "mtime", &print->mtime);
	put_time(out, "ctime", &print->ctime);
}

static void put_map(FILE *out, const struct mafs_entry_map *map)
{
	const struct mafs_identity *identity = &map->identity;

	fprintf(out, " id=%" PRIu64 " flags=%u fs=", map->id, map->flags);
	put_bytes(out, identity->fs_id.bytes, 16);
	fprintf(out, " ino=%" PRIu64 " handle=%d:", identity->ino,
		identity->handle.type);
	put_bytes(out, identity->handle.bytes, identity->handle.length);
	put_time(out, "btime", &identity->btime);
	fprintf(out, " parent=%d:", map->hint.parent.type);
	put_bytes(out, map->hint.parent.bytes, map->hint.parent.length);
	fprintf(out, " name=%s", map->hint.name);
	put_fingerprint(out, &map->fingerprint);
	put_time(out, "shown", &map->shown_ctime);
	for (size_t i = 0; i < map->map.n_extents; i++)
		fprintf(out, " extent=%" PRIu64 "+%" PRIu64,
			map->map.extents[i].offset_bytes,
			map->map.extents[i].length_bytes);
}

static void put_entry(FILE *out, const struct mafs_entry *entry,
		      const struct mafs_log_position *position)
{
	fprintf(out,
		"%s %" PRIu64 " batch=%" PRIu64 " seq=%" PRIu64 " time=%" PRIu64
		" %s",
		mafs_region_to_text(position->region), position->record_offset,
		position->batch_number, entry->seq, entry->time_ns,
		mafs_entry_type_to_text(entry->type));
	switch (entry->type) {
	case MAFS_OMF_CHECKPOINT_BEGIN:
	case MAFS_OMF_CHECKPOINT_END:
		fprintf(out, " live=%" PRIu64 " at=%" PRIu64,
			entry->checkpoint.n_live, entry->checkpoint.seq);
		break;
	case MAFS_OMF_SWITCH:
		fprintf(out,
			" slot=%u salt=%" PRIx64 " offset=%" PRIu64
			" number=%" PRIu64,
			entry->log_switch.slot, entry->log_switch.salt,
			entry->log_switch.offset, entry->log_switch.number);
		break;
	case MAFS_OMF_DEVICE_ADD:
		fprintf(out,
			" size=%" PRIu64 " device=", entry->device.size_bytes);
		put_bytes(out, entry->device.device_uuid.bytes, 16);
		break;
	case MAFS_OMF_MAP:
		put_map(out, &entry->map);
		break;
	case MAFS_OMF_CLEAN:
		fprintf(out, " id=%" PRIu64, entry->clean.id);
		put_fingerprint(out, &entry->clean.fingerprint);
		put_time(out, "shown", &entry->clean.shown_ctime);
		break;
	case MAFS_OMF_CONFLICT:
		fprintf(out, " id=%" PRIu64 " name=%s", entry->conflict.id,
			entry->conflict.name);
		break;
	default:
		fprintf(out, " id=%" PRIu64, entry->id.id);
		break;
	}
	fputc('\n', out);
}

static void put_log(FILE *out, struct media_memory *memory)
{
	struct mafs_fault fault = MAFS_FAULT_INIT;
	struct mafs_log_position position;
	struct mafs_log_reader *reader;
	struct mafs_superblock sb;
	struct mafs_entry entry;

	assert_int_equal(
		mafs_log_reader_open(&memory->media, &reader, &sb, &fault), 0);
	fprintf(out, "generation=%" PRIu64 " live=%u session=%" PRIu64 "\n",
		sb.generation, sb.live_slot, sb.session);
	while (mafs_log_reader_next(reader, &entry, &position, &fault) == 1) {
		put_entry(out, &entry, &position);
		mafs_entry_done(&entry);
	}
	mafs_log_reader_end(reader, &position);
	fprintf(out,
		"end %s %" PRIu64 " batch=%" PRIu64 " seq=%" PRIu64 " %s\n",
		mafs_region_to_text(position.region), position.batch_offset,
		position.batch_number, position.seq,
		mafs_log_reader_tail(reader) == MAFS_LOG_TAIL_CLEAN ? "clean" :
								      "torn");
	mafs_log_reader_close(reader);
}

static FILE *open_golden(const char *name, const char *mode)
{
	char path[4096];
	FILE *file;

	(void)snprintf(path, sizeof(path), "%s/tests/golden/log/%s",
		       MAFS_SOURCE_DIR, name);
	file = fopen(path, mode);
	assert_non_null(file);
	return file;
}

/* The file is the text; or becomes it. */
static void check_golden(const char *name, const char *text, size_t len)
{
	_cleanup_fclose_ FILE *file = NULL;
	_cleanup_free_ char *golden = calloc(1, len + 2);

	assert_non_null(golden);
	if (getenv("MAFS_GOLDEN_WRITE")) {
		file = open_golden(name, "w");
		assert_int_equal(fwrite(text, 1, len, file), len);
		return;
	}
	file = open_golden(name, "r");
	assert_int_equal(fread(golden, 1, len + 1, file), len);
	assert_string_equal(golden, text);
}

/* Puts the file's bytes into the region, all else zero. */
static void load_hex(const char *name, struct mafs_buffer *region)
{
	_cleanup_fclose_ FILE *file = open_golden(name, "r");
	char hex[33];
	size_t at;

	memset(region->bytes, 0, region->len);
	while (fscanf(file, "%zx %32s", &at, hex) == 2) {
		assert_true(at + 16 <= region->len);
		for (size_t i = 0; i < 16; i++) {
			unsigned byte;

			assert_int_equal(sscanf(hex + 2 * i, "%2x", &byte), 1);
			region->bytes[at + i] = (uint8_t)byte;
		}
	}
}

static const struct {
	const char *name;
	enum mafs_region region;
} slots[] = {
	{ "slot-a.hex", MAFS_REGION_LOG_A },
	{ "slot-b.hex", MAFS_REGION_LOG_B },
};
static const char *const superblocks[] = { "superblock-a.hex",
					   "superblock-b.hex" };
static const char *const texts[] = { "log-a.txt", "log-b.txt" };

static void check_hex(const char *name, const struct mafs_buffer *region)
{
	_cleanup_free_ char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	assert_non_null(out);
	put_hex(out, region);
	fclose(out);
	check_golden(name, text, len);
}

static void test_log_is_written_as_ever(void **state)
{
	_cleanup_media_memory_ struct media_memory *memory = make_image();

	for (size_t i = 0; i < MAFS_ARRAY_SIZE(slots); i++)
		check_hex(slots[i].name, &memory->regions[slots[i].region]);
	for (uint32_t slot = 0; slot < 2; slot++) {
		name_slot(memory, slot);
		check_hex(superblocks[slot],
			  &memory->regions[MAFS_REGION_SUPERBLOCK]);
	}
}

static void test_log_is_read_as_ever(void **state)
{
	_cleanup_media_memory_ struct media_memory *memory =
		media_memory_new(SLOT_BYTES);

	for (size_t i = 0; i < MAFS_ARRAY_SIZE(slots); i++)
		load_hex(slots[i].name, &memory->regions[slots[i].region]);
	for (size_t i = 0; i < 2; i++) {
		_cleanup_free_ char *text = NULL;
		size_t len;
		FILE *out = open_memstream(&text, &len);

		assert_non_null(out);
		load_hex(superblocks[i],
			 &memory->regions[MAFS_REGION_SUPERBLOCK]);
		put_log(out, memory);
		fclose(out);
		check_golden(texts[i], text, len);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_log_is_written_as_ever),
		cmocka_unit_test(test_log_is_read_as_ever),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
