// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <mafs/cleanup.h>
#include <mafs/entry.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define MAP_RECORD_BYTES \
	(sizeof(struct mafs_omf_record) + sizeof(struct mafs_omf_map))

/* Every field set, nothing aligned by chance. */
static struct mafs_entry full_map(struct mafs_extent extents[static 2])
{
	struct mafs_entry entry = {
		.type = MAFS_OMF_MAP,
		.seq = 7,
		.time_ns = 8,
		.map = {
			.id = 9,
			.flags = MAFS_OMF_MAP_DIRTY | MAFS_OMF_MAP_INTENT,
			.identity = {
				.fs_id = { { 1, 2, 3 } },
				.handle = { .type = -5,
					    .length = 3,
					    .bytes = { 7, 0, 9 } },
				.ino = 1234,
				.btime = { 1700000000, 999999999 },
			},
			.hint = {
				.parent = { .type = 2,
					    .length = 1,
					    .bytes = { 255 } },
				.name = "a name",
			},
			.fingerprint = { 4711, { -1, 5 }, { 6, 7 } },
			.shown_ctime = { 8, 9 },
			.map = { .extents = extents, .n_extents = 2 },
		},
	};

	extents[0] = (struct mafs_extent){ { { 1 } }, 0, 4096 };
	extents[1] = (struct mafs_extent){ { { 2 } }, 1U << 20, 1 };
	return entry;
}

static void encode(const struct mafs_entry *entry, struct mafs_buffer *buffer)
{
	assert_int_equal(mafs_entry_encode(entry, buffer), 0);
	assert_int_equal(buffer->len % MAFS_OMF_ALIGN, 0);
}

static int decode(const struct mafs_buffer *buffer)
{
	struct mafs_entry entry;
	size_t length;
	int err = mafs_entry_decode(buffer->bytes, buffer->len, &entry, &length,
				    NULL);

	if (!err)
		mafs_entry_done(&entry);
	return err;
}

static void assert_decodes_to_itself(const struct mafs_entry *entry)
{
	_cleanup_(mafs_buffer_done) struct mafs_buffer first = {}, again = {};
	struct mafs_entry decoded;
	size_t length;

	encode(entry, &first);
	assert_int_equal(mafs_entry_decode(first.bytes, first.len, &decoded,
					   &length, NULL),
			 0);
	assert_int_equal(length, first.len);
	assert_int_equal(decoded.type, entry->type);
	assert_int_equal(decoded.seq, entry->seq);
	assert_int_equal(decoded.time_ns, entry->time_ns);
	encode(&decoded, &again);
	mafs_entry_done(&decoded);
	assert_int_equal(again.len, first.len);
	assert_memory_equal(again.bytes, first.bytes, first.len);
	mafs_buffer_done(&again);
}

static void test_each_type_decodes_to_itself(void **state)
{
	const struct mafs_entry entries[] = {
		{ .type = MAFS_OMF_CHECKPOINT_BEGIN,
		  .checkpoint = { .n_live = 5, .seq = 6 } },
		{ .type = MAFS_OMF_CHECKPOINT_END,
		  .checkpoint = { .n_live = 5, .seq = 6 } },
		{ .type = MAFS_OMF_SWITCH, .log_switch = { 1, 2, 8, 4 } },
		{ .type = MAFS_OMF_DEVICE_ADD,
		  .device = { { { 9 } }, 1ULL << 40 } },
		{ .type = MAFS_OMF_DEVICE_ADD,
		  .device = { { { 9 } }, 1, "dax:/dev/dax1.0" } },
		{ .type = MAFS_OMF_DEVICE_ADD,
		  .device = { { { 9 } }, 1, "a multiple of 8." } },
		{ .type = MAFS_OMF_WRITING, .seq = 1, .id = { 77 } },
		{ .type = MAFS_OMF_DROP_INTENT, .id = { UINT64_MAX } },
		{ .type = MAFS_OMF_DROP, .time_ns = 5, .id = { 0 } },
		{ .type = MAFS_OMF_CLEAN,
		  .clean = { 3, { 1, { 2, 3 }, { 4, 5 } }, { 6, 7 } } },
		{ .type = MAFS_OMF_CONFLICT, .conflict = { 3, "a.conflict" } },
	};

	for (size_t i = 0; i < MAFS_ARRAY_SIZE(entries); i++) {
		assert_non_null(mafs_entry_type_to_text(entries[i].type));
		assert_decodes_to_itself(&entries[i]);
	}
}

static void test_map_keeps_every_field(void **state)
{
	_cleanup_(mafs_buffer_done) struct mafs_buffer buffer = {};
	struct mafs_extent extents[2];
	struct mafs_entry entry = full_map(extents);
	struct mafs_entry decoded;
	size_t length;

	assert_decodes_to_itself(&entry);
	encode(&entry, &buffer);
	assert_int_equal(mafs_entry_decode(buffer.bytes, buffer.len, &decoded,
					   &length, NULL),
			 0);
	assert_int_equal(decoded.map.id, 9);
	assert_int_equal(decoded.map.flags, entry.map.flags);
	assert_true(mafs_identity_equal(&decoded.map.identity,
					&entry.map.identity));
	assert_int_equal(decoded.map.identity.ino, 1234);
	assert_int_equal(decoded.map.identity.handle.type, -5);
	assert_true(mafs_handle_equal(&decoded.map.hint.parent,
				      &entry.map.hint.parent));
	assert_string_equal(decoded.map.hint.name, "a name");
	assert_true(mafs_fingerprint_equal(&decoded.map.fingerprint,
					   &entry.map.fingerprint));
	assert_int_equal(decoded.map.fingerprint.mtime.tv_sec, -1);
	assert_int_equal(decoded.map.shown_ctime.tv_nsec, 9);
	assert_int_equal(decoded.map.map.n_extents, 2);
	assert_memory_equal(decoded.map.map.extents, extents, sizeof(extents));
	mafs_entry_done(&decoded);
}

static void test_longest_names_and_handles_fit(void **state)
{
	struct mafs_extent extents[2];
	struct mafs_entry entry = full_map(extents);

	memset(entry.map.hint.name, 'x', MAFS_NAME_MAX);
	entry.map.identity.handle.length = MAFS_HANDLE_MAX;
	entry.map.hint.parent.length = MAFS_HANDLE_MAX;
	assert_decodes_to_itself(&entry);
}

static void test_map_without_name_handle_and_extents_fits(void **state)
{
	struct mafs_entry entry = { .type = MAFS_OMF_MAP };

	assert_decodes_to_itself(&entry);
}

static void assert_refused(const struct mafs_entry *entry)
{
	_cleanup_(mafs_buffer_done) struct mafs_buffer buffer = {};

	assert_int_equal(mafs_buffer_append(&buffer, "before", 6), 0);
	assert_int_equal(mafs_entry_encode(entry, &buffer), -EINVAL);
	assert_int_equal(buffer.len, 6);
}

static void test_encoder_refuses_what_the_format_cannot_hold(void **state)
{
	struct mafs_extent extents[2];
	struct mafs_entry entry;

	entry = full_map(extents);
	entry.map.identity.handle.length = MAFS_HANDLE_MAX + 1;
	assert_refused(&entry);
	entry = full_map(extents);
	entry.map.hint.parent.length = UINT32_MAX;
	assert_refused(&entry);
	entry = full_map(extents);
	memset(entry.map.hint.name, 'x', sizeof(entry.map.hint.name));
	assert_refused(&entry);
	entry = full_map(extents);
	entry.map.shown_ctime.tv_nsec = 1000000000;
	assert_refused(&entry);
	entry = full_map(extents);
	extents[1].length_bytes = 0;
	assert_refused(&entry);
	entry = full_map(extents);
	extents[1].offset_bytes = UINT64_MAX;
	extents[1].length_bytes = 2;
	assert_refused(&entry);
	entry = full_map(extents);
	entry.map.flags = 1U << 31;
	assert_refused(&entry);
	entry = (struct mafs_entry){ .type = MAFS_OMF_CONFLICT };
	assert_refused(&entry);
	entry = (struct mafs_entry){ .type = 999 };
	assert_refused(&entry);
}

static void test_names_that_lead_elsewhere_are_refused(void **state)
{
	static const char *const names[] = { ".", "..", "a/b", "/", "../x" };

	for (size_t i = 0; i < MAFS_ARRAY_SIZE(names); i++) {
		_cleanup_(mafs_buffer_done) struct mafs_buffer buffer = {};
		struct mafs_extent extents[2];
		struct mafs_entry entry = full_map(extents);
		size_t len = strlen(names[i]);

		strcpy(entry.map.hint.name, names[i]);
		assert_refused(&entry);
		/* The same from media. */
		memset(entry.map.hint.name, 0, sizeof(entry.map.hint.name));
		memset(entry.map.hint.name, 'x', len);
		encode(&entry, &buffer);
		memcpy(buffer.bytes + MAP_RECORD_BYTES + 3 + 1, names[i], len);
		assert_int_equal(decode(&buffer), -EUCLEAN);
	}
}

static void test_every_truncation_is_refused(void **state)
{
	_cleanup_(mafs_buffer_done) struct mafs_buffer buffer = {};
	struct mafs_extent extents[2];
	struct mafs_entry entry = full_map(extents);

	encode(&entry, &buffer);
	for (; buffer.len; buffer.len--) {
		struct mafs_buffer cut = { buffer.bytes, buffer.len - 1, 0 };

		assert_int_equal(decode(&cut), -EUCLEAN);
	}
}

/* Sets the record's own length, too: only the content is at fault. */
static void test_wrong_inner_lengths_are_refused(void **state)
{
	_cleanup_(mafs_buffer_done) struct mafs_buffer buffer = {};
	struct mafs_extent extents[2];
	struct mafs_entry entry = full_map(extents);
	struct mafs_omf_map *map;
	struct mafs_omf_record *record;

	encode(&entry, &buffer);
	record = (struct mafs_omf_record *)buffer.bytes;
	map = (struct mafs_omf_map *)(buffer.bytes + sizeof(*record));
	map->n_extents++;
	assert_int_equal(decode(&buffer), -EUCLEAN);
	map->n_extents = UINT32_MAX;
	assert_int_equal(decode(&buffer), -EUCLEAN);
	map->n_extents = 1;
	assert_int_equal(decode(&buffer), -EUCLEAN);
	map->n_extents = 2;
	assert_int_equal(decode(&buffer), 0);
	map->handle_len = MAFS_HANDLE_MAX + 1;
	assert_int_equal(decode(&buffer), -EUCLEAN);
	map->handle_len = UINT16_MAX;
	assert_int_equal(decode(&buffer), -EUCLEAN);
	map->handle_len = 3;
	map->name_len = MAFS_NAME_MAX + 1;
	assert_int_equal(decode(&buffer), -EUCLEAN);
	map->name_len = 6;
	record->length -= 8;
	assert_int_equal(decode(&buffer), -EUCLEAN);
	record->length += 4;
	assert_int_equal(decode(&buffer), -EUCLEAN);
	record->length = UINT32_MAX - 7;
	assert_int_equal(decode(&buffer), -EUCLEAN);
	record->length = 0;
	assert_int_equal(decode(&buffer), -EUCLEAN);
}

/* Whatever one byte becomes: an error, or an entry that encodes to the same. */
static void test_changed_bytes_never_decode_ambiguously(void **state)
{
	_cleanup_(mafs_buffer_done) struct mafs_buffer buffer = {};
	struct mafs_extent extents[2];
	struct mafs_entry entry = full_map(extents);

	encode(&entry, &buffer);
	for (size_t i = 0; i < buffer.len; i++) {
		for (unsigned flip = 1; flip < 256; flip <<= 1) {
			struct mafs_buffer again = {};
			struct mafs_entry decoded;
			size_t length;

			buffer.bytes[i] ^= (uint8_t)flip;
			if (!mafs_entry_decode(buffer.bytes, buffer.len,
					       &decoded, &length, NULL)) {
				encode(&decoded, &again);
				assert_int_equal(again.len, length);
				assert_memory_equal(again.bytes, buffer.bytes,
						    length);
				mafs_entry_done(&decoded);
			}
			mafs_buffer_done(&again);
			buffer.bytes[i] ^= (uint8_t)flip;
		}
	}
}

static void test_place_of_a_device_is_text(void **state)
{
	_cleanup_(mafs_buffer_done) struct mafs_buffer buffer = {};
	struct mafs_entry entry = { .type = MAFS_OMF_DEVICE_ADD,
				    .device = { { { 9 } }, 1, "file:/a" } };
	struct mafs_entry decoded;
	size_t length;

	encode(&entry, &buffer);
	assert_int_equal(mafs_entry_decode(buffer.bytes, buffer.len, &decoded,
					   &length, NULL),
			 0);
	assert_string_equal(decoded.device.spec, "file:/a");
	mafs_entry_done(&decoded);
	buffer.bytes[buffer.len - 3] = '\0';
	assert_int_equal(decode(&buffer), -EUCLEAN);
	entry.device.spec = (char[]){ "" };
	assert_refused(&entry);
}

static void test_unknown_type_is_not_supported(void **state)
{
	_cleanup_(mafs_buffer_done) struct mafs_buffer buffer = {};
	struct mafs_entry entry = { .type = MAFS_OMF_DROP };

	encode(&entry, &buffer);
	buffer.bytes[0] = 99;
	assert_int_equal(decode(&buffer), -EOPNOTSUPP);
	assert_null(mafs_entry_type_to_text(99));
	assert_null(mafs_entry_type_to_text(5));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_type_decodes_to_itself),
		cmocka_unit_test(test_map_keeps_every_field),
		cmocka_unit_test(test_longest_names_and_handles_fit),
		cmocka_unit_test(test_map_without_name_handle_and_extents_fits),
		cmocka_unit_test(
			test_encoder_refuses_what_the_format_cannot_hold),
		cmocka_unit_test(test_names_that_lead_elsewhere_are_refused),
		cmocka_unit_test(test_every_truncation_is_refused),
		cmocka_unit_test(test_wrong_inner_lengths_are_refused),
		cmocka_unit_test(test_changed_bytes_never_decode_ambiguously),
		cmocka_unit_test(test_place_of_a_device_is_text),
		cmocka_unit_test(test_unknown_type_is_not_supported),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
