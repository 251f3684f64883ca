// SPDX-License-Identifier: Apache-2.0
/*
 * The on-media format stays what it is: the images in tests/golden/log/ (a
 * tiered volume's) and tests/golden/names/ (a memory volume's; hex text, one
 * file a region) decode to the text beside them and are what today's code
 * writes, byte for byte. Salts and times are set to fixed values after
 * writing. With MAFS_GOLDEN_WRITE=1 in the environment the files are written
 * anew instead: only with a new format version.
 *
 * An image holds a lap in slot A with an entry of each type and a `switch`,
 * and the lap in slot B that it leads to. superblock-a names A (a crash before
 * the flip), superblock-b names B.
 */
#include "lib/log/batch.h"
#include "lib/log/superblock_codec.h"
#include "log_fixture.h"
#include "log_text.h"
#include "media_memory.h"

#include <endian.h>
#include <inttypes.h>
#include <mafs/cleanup.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>

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

static void append_tiered(struct mafs_log *log)
{
	struct mafs_entry pair[] = { t_writing(1), t_writing(2) };

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
}

static struct mafs_extent runs[] = {
	{ { { 0xd0, 0xd1 } }, 1U << 20, 65536 },
	{ { { 0 } }, 0, 65536 },
	{ { { 0xd2, 0xd3 } }, 2U << 20, 131072 },
};

static struct mafs_entry name_of(uint64_t parent, uint64_t id, const char *name)
{
	struct mafs_entry entry = { .type = MAFS_OMF_NAME,
				    .name = { .parent = parent, .id = id } };

	strcpy(entry.name.name, name);
	return entry;
}

static struct mafs_entry root_node(void)
{
	return (struct mafs_entry){ .type = MAFS_OMF_NODE,
				    .node = { .id = MAFS_OMF_ROOT_ID,
					      .mode = S_IFDIR | 0755,
					      .atime = { 1, 2 },
					      .mtime = { 3, 4 },
					      .ctime = { 5, 6 },
					      .btime = { 7, 8 } } };
}

static const struct mafs_entry nodes[] = {
	{ .type = MAFS_OMF_NODE,
	  .node = { .id = 2,
		    .mode = S_IFDIR | 01777,
		    .uid = 1000,
		    .gid = 1001,
		    .parent = 1,
		    .mtime = { -1, 999999999 } } },
	{ .type = MAFS_OMF_NODE,
	  .node = { .id = 3, .mode = S_IFREG | 0644, .btime = { 9, 10 } } },
	{ .type = MAFS_OMF_NODE,
	  .node = { .id = 4, .mode = S_IFLNK | 0777, .target = "../else" } },
	{ .type = MAFS_OMF_NODE,
	  .node = { .id = 5, .mode = S_IFCHR | 0600, .rdev = 0x0105 } },
};

static const struct mafs_entry changes[] = {
	{ .type = MAFS_OMF_RENAME,
	  .rename = { 2, 1, 3, 4, 0, "a file \xc3\xa4", "link" } },
	{ .type = MAFS_OMF_RENAME,
	  .rename = { 1, 2, 3, 5, MAFS_OMF_RENAME_EXCHANGE, "link", "tty" } },
	{ .type = MAFS_OMF_ATTR,
	  .attr = { 3,
		    MAFS_OMF_ATTR_MODE | MAFS_OMF_ATTR_GID |
			    MAFS_OMF_ATTR_MTIME | MAFS_OMF_ATTR_CTIME,
		    04711,
		    0,
		    12,
		    { 0, 0 },
		    { 13, 14 },
		    { 15, 16 } } },
	{ .type = MAFS_OMF_XATTR, .xattr = { 3, false, "user.x", "a\0b", 3 } },
	{ .type = MAFS_OMF_XATTR, .xattr = { 3, true, "user.y" } },
	{ .type = MAFS_OMF_EXTENTS,
	  .extents = { 3, 200000, { 17, 18 }, 0, { runs, 3 } } },
	{ .type = MAFS_OMF_EXTENTS,
	  .quiet = true,
	  .extents = { 3, 100000, { 19, 20 }, 1, { runs + 1, 1 } } },
	{ .type = MAFS_OMF_SIZE, .size = { 3, 99999, { 21, 22 } } },
};

static void append_names(struct mafs_log *log)
{
	append(log, root_node());
	assert_int_equal(
		mafs_log_append(log, nodes, MAFS_ARRAY_SIZE(nodes), NULL), 0);
	append(log, name_of(1, 2, "dir"));
	append(log, name_of(2, 3, "a file \xc3\xa4"));
	append(log, name_of(1, 4, "link"));
	append(log, name_of(2, 5, "tty"));
	for (size_t i = 0; i < MAFS_ARRAY_SIZE(changes); i++)
		append(log, changes[i]);
}

static int emit_names(void *context, mafs_log_emit_fn *emit, void *emit_context)
{
	struct mafs_entry live[] = {
		root_node(),
		nodes[0],
		nodes[1],
		name_of(1, 2, "dir"),
		name_of(1, 3, "tty"),
		{ .type = MAFS_OMF_DEVICE_ADD,
		  .device = { { { 0xd2, 0xd3 } }, 1ULL << 32, "file:/srv/b" } },
		{ .type = MAFS_OMF_XATTR,
		  .quiet = true,
		  .xattr = { 3, false, "user.x", "a\0b", 3 } },
		{ .type = MAFS_OMF_EXTENTS,
		  .quiet = true,
		  .extents = { 3, 99999, { 21, 22 }, 0, { runs, 2 } } },
	};

	for (size_t i = 0; i < MAFS_ARRAY_SIZE(live); i++) {
		int err = emit(emit_context, &live[i]);

		if (err)
			return err;
	}
	return 0;
}

/* @append: what slot A holds; @live, @last: what slot B holds. */
static const struct image {
	const char *dir;
	uint64_t incompat;
	uint64_t checkpoint_after_bytes;
	uint64_t first_seq_b;
	void (*append)(struct mafs_log *log);
	mafs_log_live_fn *live;
	struct mafs_entry last;
} images[] = {
	{ .dir = "log",
	  .incompat = MAFS_OMF_INCOMPAT_TIERED,
	  .first_seq_b = 7,
	  .append = append_tiered,
	  .live = emit_live,
	  .last = { .type = MAFS_OMF_DROP, .id = { 1 } } },
	{ .dir = "names",
	  .incompat = MAFS_OMF_INCOMPAT_MEMORY,
	  .checkpoint_after_bytes = 65536,
	  .first_seq_b = 17,
	  .append = append_names,
	  .live = emit_names,
	  .last = { .type = MAFS_OMF_UNNAME, .name = { 1, 3, "tty" } } },
};

static struct media_memory *make_image(const struct image *image)
{
	struct media_memory *memory = media_memory_new(SLOT_BYTES);
	struct mafs_log *log;
	size_t a_len, b_len;

	t_log_format(&memory->media, SLOT_BYTES);
	log = t_log_open(&memory->media);
	image->append(log);
	a_len = mafs_log_length(log) + BATCH_HEADER_BYTES +
		sizeof(struct mafs_omf_record) + sizeof(struct mafs_omf_switch);
	assert_int_equal(mafs_log_checkpoint(log, image->live, NULL, NULL), 0);
	append(log, image->last);
	b_len = mafs_log_length(log);
	mafs_log_close(log);
	normalise_slot(&memory->regions[MAFS_REGION_LOG_A], a_len, SALT_A);
	normalise_slot(&memory->regions[MAFS_REGION_LOG_B], b_len, SALT_B);
	return memory;
}

/* Both copies; the second is the newer one. */
static void name_slot(const struct image *image, struct media_memory *memory,
		      uint32_t slot)
{
	uint8_t *region = memory->regions[MAFS_REGION_SUPERBLOCK].bytes;
	struct mafs_superblock sb = {
		.generation = 1 + 2 * slot,
		.incompat = image->incompat,
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
		.checkpoint_after_bytes = image->checkpoint_after_bytes,
		.slots = { { 8192, SLOT_BYTES, SALT_A, 0 },
			   { 8192 + SLOT_BYTES, SLOT_BYTES, SALT_B,
			     image->first_seq_b } },
	};

	for (size_t i = 0; i < MAFS_OMF_N_SB; i++, sb.generation++) {
		struct mafs_omf_superblock omf;

		mafs_superblock_encode(&sb, &omf);
		memcpy(region + i * MAFS_OMF_SB_SIZE, &omf, sizeof(omf));
	}
}

/* Sixteen bytes a line; lines of zeros are left out. */
static void put_hex(FILE *out, const struct mafs_buffer *region)
{
	static const uint8_t zeros[16];

	for (size_t at = 0; at < region->len; at += 16) {
		if (!memcmp(region->bytes + at, zeros, 16))
			continue;
		fprintf(out, "%06zx ", at);
		t_put_bytes(out, region->bytes + at, 16);
		fputc('\n', out);
	}
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
		t_put_entry(out, &entry, &position);
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

static FILE *open_golden(const struct image *image, const char *name,
			 const char *mode)
{
	char path[4096];
	FILE *file;

	(void)snprintf(path, sizeof(path), "%s/tests/golden/%s/%s",
		       MAFS_SOURCE_DIR, image->dir, name);
	file = fopen(path, mode);
	assert_non_null(file);
	return file;
}

/* The file is the text; or becomes it. */
static void check_golden(const struct image *image, const char *name,
			 const char *text, size_t len)
{
	_cleanup_fclose_ FILE *file = NULL;
	_cleanup_free_ char *golden = calloc(1, len + 2);

	assert_non_null(golden);
	if (getenv("MAFS_GOLDEN_WRITE")) {
		file = open_golden(image, name, "w");
		assert_int_equal(fwrite(text, 1, len, file), len);
		return;
	}
	file = open_golden(image, name, "r");
	assert_int_equal(fread(golden, 1, len + 1, file), len);
	assert_string_equal(golden, text);
}

/* Puts the file's bytes into the region, all else zero. */
static void load_hex(const struct image *image, const char *name,
		     struct mafs_buffer *region)
{
	_cleanup_fclose_ FILE *file = open_golden(image, name, "r");
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

static void check_hex(const struct image *image, const char *name,
		      const struct mafs_buffer *region)
{
	_cleanup_free_ char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	assert_non_null(out);
	put_hex(out, region);
	fclose(out);
	check_golden(image, name, text, len);
}

static void check_written(const struct image *image)
{
	_cleanup_media_memory_ struct media_memory *memory = make_image(image);

	for (size_t i = 0; i < MAFS_ARRAY_SIZE(slots); i++)
		check_hex(image, slots[i].name,
			  &memory->regions[slots[i].region]);
	for (uint32_t slot = 0; slot < 2; slot++) {
		name_slot(image, memory, slot);
		check_hex(image, superblocks[slot],
			  &memory->regions[MAFS_REGION_SUPERBLOCK]);
	}
}

static void check_read(const struct image *image)
{
	_cleanup_media_memory_ struct media_memory *memory =
		media_memory_new(SLOT_BYTES);

	for (size_t i = 0; i < MAFS_ARRAY_SIZE(slots); i++)
		load_hex(image, slots[i].name,
			 &memory->regions[slots[i].region]);
	for (size_t i = 0; i < 2; i++) {
		_cleanup_free_ char *text = NULL;
		size_t len;
		FILE *out = open_memstream(&text, &len);

		assert_non_null(out);
		load_hex(image, superblocks[i],
			 &memory->regions[MAFS_REGION_SUPERBLOCK]);
		put_log(out, memory);
		fclose(out);
		check_golden(image, texts[i], text, len);
	}
}

static void test_log_is_written_as_ever(void **state)
{
	for (size_t i = 0; i < MAFS_ARRAY_SIZE(images); i++)
		check_written(&images[i]);
}

static void test_log_is_read_as_ever(void **state)
{
	for (size_t i = 0; i < MAFS_ARRAY_SIZE(images); i++)
		check_read(&images[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_log_is_written_as_ever),
		cmocka_unit_test(test_log_is_read_as_ever),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
