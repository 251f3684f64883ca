// SPDX-License-Identifier: Apache-2.0
/* The records of memory volumes. */
#include <errno.h>
#include <linux/limits.h>
#include <mafs/cleanup.h>
#include <mafs/entry.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#define TIMES(n) \
	.atime = { (n), 1 }, .mtime = { -(n), 2 }, .ctime = { (n), 999999999 }

static struct mafs_extent three_extents[] = {
	{ { { 1 } }, 4096, 8192 },
	{ { { 0 } }, 0, 1 },
	{ { { 2 } }, 0, 1ULL << 40 },
};

/* One of each, and what differs within a type. */
static const struct mafs_entry entries[] = {
	{ .type = MAFS_OMF_NODE,
	  .quiet = true,
	  .seq = 3,
	  .time_ns = 4,
	  .node = { .id = 2,
		    .mode = S_IFREG | 06755,
		    .uid = 1000,
		    .gid = UINT32_MAX,
		    TIMES(5),
		    .btime = { 6, 7 } } },
	{ .type = MAFS_OMF_NODE,
	  .node = { .id = 1, .mode = S_IFDIR | 0755, TIMES(1) } },
	{ .type = MAFS_OMF_NODE,
	  .node = { .id = 3, .mode = S_IFDIR | 01777, .parent = 1 } },
	{ .type = MAFS_OMF_NODE,
	  .node = { .id = 4, .mode = S_IFLNK | 0777, .target = "../x" } },
	{ .type = MAFS_OMF_NODE,
	  .node = { .id = 5, .mode = S_IFCHR, .rdev = 0x0103 } },
	{ .type = MAFS_OMF_NODE,
	  .node = { .id = 6, .mode = S_IFBLK | 0600, .rdev = UINT64_MAX } },
	{ .type = MAFS_OMF_NODE, .node = { .id = 7, .mode = S_IFIFO } },
	{ .type = MAFS_OMF_NODE, .node = { .id = 8, .mode = S_IFSOCK } },
	{ .type = MAFS_OMF_NAME, .name = { 1, 2, "a name" } },
	{ .type = MAFS_OMF_UNNAME, .name = { UINT64_MAX, 9, "x" } },
	{ .type = MAFS_OMF_RENAME,
	  .rename = { 1, 2, 3, 0, 0, "old", "a new name" } },
	{ .type = MAFS_OMF_RENAME,
	  .rename = { 1, 1, 3, 4, MAFS_OMF_RENAME_EXCHANGE, "a", "b" } },
	{ .type = MAFS_OMF_ATTR,
	  .attr = { 2, MAFS_OMF_ATTR_KNOWN, 07777, 1, 2, TIMES(8) } },
	{ .type = MAFS_OMF_ATTR, .attr = { .id = 2 } },
	{ .type = MAFS_OMF_XATTR,
	  .xattr = { 2, false, "user.a/b", "a\0value", 7 } },
	{ .type = MAFS_OMF_XATTR, .xattr = { 2, false, "user.empty" } },
	{ .type = MAFS_OMF_XATTR, .xattr = { 2, true, "user.gone" } },
	{ .type = MAFS_OMF_EXTENTS,
	  .quiet = true,
	  .extents = { 2, INT64_MAX, { 1, 2 }, 7, { three_extents, 3 } } },
	{ .type = MAFS_OMF_EXTENTS, .extents = { .id = 2 } },
	{ .type = MAFS_OMF_SIZE, .size = { 2, INT64_MAX, { 3, 4 } } },
};

static void encode(const struct mafs_entry *entry, struct mafs_buffer *buffer)
{
	assert_int_equal(mafs_entry_encode(entry, buffer), 0);
	assert_int_equal(buffer->len % MAFS_OMF_ALIGN, 0);
}

static int decode(const struct mafs_buffer *buffer, struct mafs_entry *ret)
{
	size_t length = 0;
	int err = mafs_entry_decode(buffer->bytes, buffer->len, ret, &length,
				    NULL);

	if (!err)
		assert_int_equal(length, buffer->len);
	return err;
}

static void assert_undecodable(const struct mafs_buffer *buffer)
{
	struct mafs_entry entry;

	assert_int_equal(decode(buffer, &entry), -EUCLEAN);
}

static void test_each_type_decodes_to_itself(void **state)
{
	for (size_t i = 0; i < MAFS_ARRAY_SIZE(entries); i++) {
		_cleanup_(mafs_buffer_done) struct mafs_buffer first = {};
		_cleanup_(mafs_buffer_done) struct mafs_buffer again = {};
		struct mafs_entry decoded;

		assert_non_null(mafs_entry_type_to_text(entries[i].type));
		encode(&entries[i], &first);
		assert_int_equal(decode(&first, &decoded), 0);
		assert_int_equal(decoded.type, entries[i].type);
		assert_int_equal(decoded.quiet, entries[i].quiet);
		encode(&decoded, &again);
		mafs_entry_done(&decoded);
		assert_int_equal(again.len, first.len);
		assert_memory_equal(again.bytes, first.bytes, first.len);
	}
}

/* Decodes the one entry of the table that @matches. */
static struct mafs_entry decoded_entry(size_t index)
{
	_cleanup_(mafs_buffer_done) struct mafs_buffer buffer = {};
	struct mafs_entry decoded;

	encode(&entries[index], &buffer);
	assert_int_equal(decode(&buffer, &decoded), 0);
	return decoded;
}

static size_t index_of(enum mafs_omf_type type, size_t n)
{
	for (size_t i = 0; i < MAFS_ARRAY_SIZE(entries); i++)
		if (entries[i].type == type && !n--)
			return i;
	fail_msg("no such entry");
	return 0;
}

static void assert_times_equal(const struct timespec *a,
			       const struct timespec *b)
{
	assert_int_equal(a->tv_sec, b->tv_sec);
	assert_int_equal(a->tv_nsec, b->tv_nsec);
}

static void test_node_keeps_every_field(void **state)
{
	size_t index = index_of(MAFS_OMF_NODE, 0);
	const struct mafs_entry_node *was = &entries[index].node;
	struct mafs_entry now = decoded_entry(index);

	assert_int_equal(now.node.id, was->id);
	assert_int_equal(now.node.mode, was->mode);
	assert_int_equal(now.node.uid, was->uid);
	assert_int_equal(now.node.gid, was->gid);
	assert_times_equal(&now.node.atime, &was->atime);
	assert_times_equal(&now.node.mtime, &was->mtime);
	assert_times_equal(&now.node.ctime, &was->ctime);
	assert_times_equal(&now.node.btime, &was->btime);
	assert_null(now.node.target);
	mafs_entry_done(&now);
	now = decoded_entry(index_of(MAFS_OMF_NODE, 2));
	assert_int_equal(now.node.parent, 1);
	now = decoded_entry(index_of(MAFS_OMF_NODE, 3));
	assert_string_equal(now.node.target, "../x");
	mafs_entry_done(&now);
	now = decoded_entry(index_of(MAFS_OMF_NODE, 4));
	assert_int_equal(now.node.rdev, 0x0103);
}

static void test_rename_keeps_both_names(void **state)
{
	struct mafs_entry now = decoded_entry(index_of(MAFS_OMF_RENAME, 1));

	assert_int_equal(now.rename.other, 4);
	assert_int_equal(now.rename.flags, MAFS_OMF_RENAME_EXCHANGE);
	now = decoded_entry(index_of(MAFS_OMF_RENAME, 0));
	assert_string_equal(now.rename.name, "old");
	assert_string_equal(now.rename.new_name, "a new name");
	assert_int_equal(now.rename.parent, 1);
	assert_int_equal(now.rename.new_parent, 2);
}

static void test_xattr_keeps_a_value_of_any_bytes(void **state)
{
	struct mafs_entry now = decoded_entry(index_of(MAFS_OMF_XATTR, 0));

	assert_string_equal(now.xattr.name, "user.a/b");
	assert_int_equal(now.xattr.value_len, 7);
	assert_memory_equal(now.xattr.value, "a\0value", 7);
	mafs_entry_done(&now);
}

static void test_extents_keep_holes_and_their_place(void **state)
{
	struct mafs_entry now = decoded_entry(index_of(MAFS_OMF_EXTENTS, 0));

	assert_int_equal(now.extents.first, 7);
	assert_int_equal(now.extents.size_bytes, INT64_MAX);
	assert_int_equal(now.extents.map.n_extents, 3);
	assert_memory_equal(now.extents.map.extents, three_extents,
			    sizeof(three_extents));
	mafs_entry_done(&now);
}

static void test_what_attr_does_not_name_is_not_stored(void **state)
{
	_cleanup_(mafs_buffer_done) struct mafs_buffer buffer = {};
	struct mafs_entry entry = { .type = MAFS_OMF_ATTR,
				    .attr = { 2, MAFS_OMF_ATTR_UID, 07777, 5, 6,
					      TIMES(8) } };

	encode(&entry, &buffer);
	assert_int_equal(decode(&buffer, &entry), 0);
	assert_int_equal(entry.attr.uid, 5);
	assert_int_equal(entry.attr.gid, 0);
	assert_int_equal(entry.attr.mode, 0);
	assert_int_equal(entry.attr.mtime.tv_sec, 0);
	/* From media it is no attr record. */
	buffer.bytes[buffer.len - 8] = 1;
	assert_undecodable(&buffer);
}

static void test_longest_values_fit_and_longer_are_refused(void **state)
{
	_cleanup_free_ char *bytes = malloc(XATTR_SIZE_MAX + 1);
	_cleanup_(mafs_buffer_done) struct mafs_buffer buffer = {};
	struct mafs_entry xattr = { .type = MAFS_OMF_XATTR,
				    .xattr = { 1, false, "", bytes,
					       XATTR_SIZE_MAX } };
	struct mafs_entry node = {
		.type = MAFS_OMF_NODE,
		.node = { .id = 2, .mode = S_IFLNK | 0777, .target = bytes }
	};

	assert_non_null(bytes);
	memset(bytes, 'x', XATTR_SIZE_MAX + 1);
	memset(xattr.xattr.name, 'n', XATTR_NAME_MAX);
	encode(&xattr, &buffer);
	xattr.xattr.value_len++;
	assert_int_equal(mafs_entry_encode(&xattr, &buffer), -EINVAL);
	bytes[PATH_MAX - 1] = '\0';
	encode(&node, &buffer);
	bytes[PATH_MAX - 1] = 'x';
	bytes[PATH_MAX] = '\0';
	assert_int_equal(mafs_entry_encode(&node, &buffer), -EINVAL);
}

static const struct mafs_entry wrong[] = {
	{ .type = MAFS_OMF_NODE, .node = { .mode = S_IFREG } },
	{ .type = MAFS_OMF_NODE, .node = { .id = 2 } },
	{ .type = MAFS_OMF_NODE, .node = { .id = 2, .mode = S_IFMT } },
	{ .type = MAFS_OMF_NODE,
	  .node = { .id = 2, .mode = 1U << 16 | S_IFREG } },
	{ .type = MAFS_OMF_NODE, .node = { .id = 1, .mode = S_IFREG } },
	{ .type = MAFS_OMF_NODE,
	  .node = { .id = 1, .mode = S_IFDIR, .parent = 2 } },
	{ .type = MAFS_OMF_NODE, .node = { .id = 2, .mode = S_IFDIR } },
	{ .type = MAFS_OMF_NODE,
	  .node = { .id = 2, .mode = S_IFREG, .parent = 1 } },
	{ .type = MAFS_OMF_NODE,
	  .node = { .id = 2, .mode = S_IFREG, .rdev = 1 } },
	{ .type = MAFS_OMF_NODE,
	  .node = { .id = 2, .mode = S_IFREG, .target = "x" } },
	{ .type = MAFS_OMF_NODE, .node = { .id = 2, .mode = S_IFLNK } },
	{ .type = MAFS_OMF_NODE,
	  .node = { .id = 2, .mode = S_IFLNK, .target = "" } },
	{ .type = MAFS_OMF_NODE,
	  .node = { .id = 2, .mode = S_IFREG, .mtime = { 0, 1000000000 } } },
	{ .type = MAFS_OMF_NAME, .name = { 0, 2, "a" } },
	{ .type = MAFS_OMF_NAME, .name = { 1, 0, "a" } },
	{ .type = MAFS_OMF_NAME, .name = { 1, 2, "" } },
	{ .type = MAFS_OMF_NAME, .name = { 1, 2, "." } },
	{ .type = MAFS_OMF_UNNAME, .name = { 1, 2, ".." } },
	{ .type = MAFS_OMF_UNNAME, .name = { 1, 2, "a/b" } },
	{ .type = MAFS_OMF_RENAME, .rename = { 0, 1, 2, 0, 0, "a", "b" } },
	{ .type = MAFS_OMF_RENAME, .rename = { 1, 0, 2, 0, 0, "a", "b" } },
	{ .type = MAFS_OMF_RENAME, .rename = { 1, 1, 0, 0, 0, "a", "b" } },
	{ .type = MAFS_OMF_RENAME, .rename = { 1, 1, 2, 0, 1, "a", "b" } },
	{ .type = MAFS_OMF_RENAME, .rename = { 1, 1, 2, 3, 2, "a", "b" } },
	{ .type = MAFS_OMF_RENAME, .rename = { 1, 1, 2, 3, 0, "", "b" } },
	{ .type = MAFS_OMF_RENAME, .rename = { 1, 1, 2, 3, 0, "a", ".." } },
	{ .type = MAFS_OMF_ATTR, .attr = { .mask = 1 } },
	{ .type = MAFS_OMF_ATTR, .attr = { .id = 2, .mask = 64 } },
	{ .type = MAFS_OMF_ATTR,
	  .attr = { .id = 2, .mask = 1, .mode = S_IFREG } },
	{ .type = MAFS_OMF_XATTR, .xattr = { 0, false, "user.a" } },
	{ .type = MAFS_OMF_XATTR, .xattr = { 2, false, "" } },
	{ .type = MAFS_OMF_XATTR, .xattr = { 2, true, "user.a", "x", 1 } },
	{ .type = MAFS_OMF_EXTENTS, .extents = { .size_bytes = 1 } },
	{ .type = MAFS_OMF_EXTENTS,
	  .extents = { .id = 2, .size_bytes = 1ULL << 63 } },
	{ .type = MAFS_OMF_EXTENTS,
	  .extents = { 2, 1, { 0 }, UINT32_MAX, { three_extents, 3 } } },
	{ .type = MAFS_OMF_SIZE, .size = { .size_bytes = 1 } },
	{ .type = MAFS_OMF_SIZE, .size = { 2, 1ULL << 63 } },
	{ .type = MAFS_OMF_DROP, .quiet = true, .id = { 2 } },
};

static void test_encoder_refuses_what_the_format_cannot_hold(void **state)
{
	for (size_t i = 0; i < MAFS_ARRAY_SIZE(wrong); i++) {
		_cleanup_(mafs_buffer_done) struct mafs_buffer buffer = {};

		assert_int_equal(mafs_buffer_append(&buffer, "before", 6), 0);
		if (mafs_entry_encode(&wrong[i], &buffer) != -EINVAL)
			fail_msg("entry %zu was not refused", i);
		assert_int_equal(buffer.len, 6);
	}
}

static void test_holes_are_only_of_extents(void **state)
{
	_cleanup_(mafs_buffer_done) struct mafs_buffer buffer = {};
	struct mafs_extent hole = { .length_bytes = 4096 };
	struct mafs_entry map = { .type = MAFS_OMF_MAP,
				  .map = { .map = { &hole, 1 } } };
	struct mafs_entry extents = { .type = MAFS_OMF_EXTENTS,
				      .extents = { .id = 1,
						   .map = { &hole, 1 } } };

	assert_int_equal(mafs_entry_encode(&map, &buffer), -EINVAL);
	encode(&extents, &buffer);
	hole.offset_bytes = 1;
	assert_int_equal(mafs_entry_encode(&extents, &buffer), -EINVAL);
	/* Its offset, from media. */
	buffer.bytes[buffer.len - 16] = 1;
	assert_undecodable(&buffer);
	buffer.len = 0;
	hole = (struct mafs_extent){ { { 5 } }, 0, 4096 };
	encode(&map, &buffer);
	memset(buffer.bytes + buffer.len - 32, 0, 16);
	assert_undecodable(&buffer);
}

static void test_every_truncation_is_refused(void **state)
{
	for (size_t i = 0; i < MAFS_ARRAY_SIZE(entries); i++) {
		_cleanup_(mafs_buffer_done) struct mafs_buffer buffer = {};
		struct mafs_omf_record *record;
		size_t len;

		encode(&entries[i], &buffer);
		len = buffer.len;
		for (buffer.len = 0; buffer.len < len; buffer.len++)
			assert_undecodable(&buffer);
		/* The record's own length agrees: only the content is cut. */
		record = (struct mafs_omf_record *)buffer.bytes;
		for (len -= 8; len >= sizeof(*record); len -= 8) {
			record->length = (uint32_t)len;
			buffer.len = len;
			assert_undecodable(&buffer);
		}
	}
}

/* Whatever one byte becomes: an error, or an entry that encodes to the same. */
static void test_changed_bytes_never_decode_ambiguously(void **state)
{
	for (size_t i = 0; i < MAFS_ARRAY_SIZE(entries); i++) {
		_cleanup_(mafs_buffer_done) struct mafs_buffer buffer = {};

		encode(&entries[i], &buffer);
		for (size_t bit = 0; bit < 8 * buffer.len; bit++) {
			_cleanup_(
				mafs_buffer_done) struct mafs_buffer again = {};
			struct mafs_entry decoded;
			size_t length;

			buffer.bytes[bit / 8] ^= (uint8_t)(1U << bit % 8);
			if (!mafs_entry_decode(buffer.bytes, buffer.len,
					       &decoded, &length, NULL)) {
				encode(&decoded, &again);
				mafs_entry_done(&decoded);
				assert_int_equal(again.len, length);
				assert_memory_equal(again.bytes, buffer.bytes,
						    length);
			}
			buffer.bytes[bit / 8] ^= (uint8_t)(1U << bit % 8);
		}
	}
}

static void test_names_that_lead_elsewhere_are_refused(void **state)
{
	static const char *const names[] = { ".", "..", "a/b", "/", "../x" };
	const size_t at =
		sizeof(struct mafs_omf_record) + sizeof(struct mafs_omf_name);

	for (size_t i = 0; i < MAFS_ARRAY_SIZE(names); i++) {
		_cleanup_(mafs_buffer_done) struct mafs_buffer buffer = {};
		struct mafs_entry entry = { .type = MAFS_OMF_NAME,
					    .name = { 1, 2, "" } };

		memset(entry.name.name, 'x', strlen(names[i]));
		encode(&entry, &buffer);
		memcpy(buffer.bytes + at, names[i], strlen(names[i]));
		assert_undecodable(&buffer);
	}
}

static void test_nul_in_names_and_targets_is_refused(void **state)
{
	static const struct {
		enum mafs_omf_type type;
		size_t nth, payload;
	} cases[] = {
		{ MAFS_OMF_NAME, 0, sizeof(struct mafs_omf_name) },
		{ MAFS_OMF_RENAME, 0, sizeof(struct mafs_omf_rename) },
		{ MAFS_OMF_NODE, 3, sizeof(struct mafs_omf_node) },
		{ MAFS_OMF_XATTR, 0, sizeof(struct mafs_omf_xattr) },
	};

	for (size_t i = 0; i < MAFS_ARRAY_SIZE(cases); i++) {
		_cleanup_(mafs_buffer_done) struct mafs_buffer buffer = {};

		encode(&entries[index_of(cases[i].type, cases[i].nth)],
		       &buffer);
		buffer.bytes[sizeof(struct mafs_omf_record) + cases[i].payload +
			     1] = '\0';
		assert_undecodable(&buffer);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_type_decodes_to_itself),
		cmocka_unit_test(test_node_keeps_every_field),
		cmocka_unit_test(test_rename_keeps_both_names),
		cmocka_unit_test(test_xattr_keeps_a_value_of_any_bytes),
		cmocka_unit_test(test_extents_keep_holes_and_their_place),
		cmocka_unit_test(test_what_attr_does_not_name_is_not_stored),
		cmocka_unit_test(
			test_longest_values_fit_and_longer_are_refused),
		cmocka_unit_test(
			test_encoder_refuses_what_the_format_cannot_hold),
		cmocka_unit_test(test_holes_are_only_of_extents),
		cmocka_unit_test(test_every_truncation_is_refused),
		cmocka_unit_test(test_changed_bytes_never_decode_ambiguously),
		cmocka_unit_test(test_names_that_lead_elsewhere_are_refused),
		cmocka_unit_test(test_nul_in_names_and_targets_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
