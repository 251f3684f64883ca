// SPDX-License-Identifier: Apache-2.0
/* Descriptors: the fixed text, its strict reader, and the way there and back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <mafs/cleanup.h>
#include <mafs/descriptor.h>
#include <string.h>

static const char example[] =
	"file:\n"
	"  version: 1\n"
	"  id: 42\n"
	"  path: /models/llama.gguf\n"
	"  owner: 1000\n"
	"  group: 1000\n"
	"  permissions: '0644'\n"
	"  size: 12345678\n"
	"  mtime: '2026-11-20T10:00:00.123456789Z'\n"
	"  state: clean\n"
	"  extents:\n"
	"    - device_uuid: '123e4567-e89b-12d3-a456-426614174000'\n"
	"      offset: 0\n"
	"      length: 12582912\n";

static int read_text(const char *text, struct mafs_descriptor *ret)
{
	struct mafs_fault fault = MAFS_FAULT_INIT;
	int r = mafs_descriptor_from_text(text, strlen(text), ret, &fault);

	if (r < 0)
		assert_true(fault.what[0]);
	return r;
}

/* The example with one line's text replaced by another. */
static char *variant(const char *from, const char *to)
{
	const char *at = strstr(example, from);
	char *text = NULL;

	assert_non_null(at);
	assert_true(asprintf(&text, "%.*s%s%s", (int)(at - example), example,
			     to, at + strlen(from)) > 0);
	return text;
}

static int read_variant(const char *from, const char *to)
{
	_cleanup_free_ char *text = variant(from, to);
	_cleanup_(mafs_descriptor_done) struct mafs_descriptor got = { 0 };

	return read_text(text, &got);
}

static char *written(const struct mafs_descriptor *descriptor)
{
	struct mafs_buffer buffer = { 0 };

	assert_int_equal(mafs_descriptor_to_text(descriptor, &buffer), 0);
	assert_int_equal(mafs_buffer_append(&buffer, "", 1), 0);
	return (char *)buffer.bytes;
}

static void test_example_of_the_design_is_read(void **state)
{
	_cleanup_(mafs_descriptor_done) struct mafs_descriptor got = { 0 };

	assert_int_equal(read_text(example, &got), 0);
	assert_int_equal(got.id, 42);
	assert_string_equal(got.path, "/models/llama.gguf");
	assert_null(got.hint);
	assert_int_equal(got.n_links, 1);
	assert_int_equal(got.owner, 1000);
	assert_int_equal(got.permissions, 0644);
	assert_int_equal(got.size_bytes, 12345678);
	assert_int_equal(got.mtime.tv_sec, 1795168800);
	assert_int_equal(got.mtime.tv_nsec, 123456789);
	assert_int_equal(got.state, MAFS_DESCRIPTOR_CLEAN);
	assert_int_equal(got.map.n_extents, 1);
	assert_int_equal(got.map.extents[0].length_bytes, 12582912);
}

static void test_example_is_written_byte_for_byte(void **state)
{
	_cleanup_(mafs_descriptor_done) struct mafs_descriptor got = { 0 };
	_cleanup_free_ char *text = NULL;

	assert_int_equal(read_text(example, &got), 0);
	text = written(&got);
	assert_string_equal(text, example);
}

static void test_every_field_comes_back(void **state)
{
	struct mafs_extent extents[2] = {
		{ .offset_bytes = 4096, .length_bytes = 1 },
		{ .offset_bytes = 1ULL << 40, .length_bytes = 1ULL << 33 },
	};
	struct mafs_descriptor sent = {
		.id = UINT64_MAX,
		.path = (char *)"/a b/it's",
		.n_links = 3,
		.owner = UINT32_MAX,
		.group = 7,
		.permissions = 07777,
		.size_bytes = INT64_MAX,
		.mtime = { .tv_sec = -1, .tv_nsec = 999999999 },
		.state = MAFS_DESCRIPTOR_WRITING,
		.map = { .extents = extents, .n_extents = 2 },
	};
	_cleanup_(mafs_descriptor_done) struct mafs_descriptor got = { 0 };
	_cleanup_free_ char *text = NULL;

	mafs_uuid_generate(&extents[0].device_uuid);
	mafs_uuid_generate(&extents[1].device_uuid);
	text = written(&sent);
	assert_int_equal(read_text(text, &got), 0);
	assert_int_equal(got.id, sent.id);
	assert_string_equal(got.path, sent.path);
	assert_int_equal(got.n_links, 3);
	assert_int_equal(got.owner, sent.owner);
	assert_int_equal(got.group, 7);
	assert_int_equal(got.permissions, 07777);
	assert_int_equal(got.size_bytes, INT64_MAX);
	assert_int_equal(got.mtime.tv_sec, -1);
	assert_int_equal(got.mtime.tv_nsec, 999999999);
	assert_int_equal(got.state, MAFS_DESCRIPTOR_WRITING);
	assert_int_equal(got.map.n_extents, 2);
	assert_memory_equal(got.map.extents, extents, sizeof(extents));
}

static void path_comes_back(const char *path, const char *expected_line)
{
	struct mafs_descriptor sent = { .path = (char *)path, .n_links = 1 };
	_cleanup_(mafs_descriptor_done) struct mafs_descriptor got = { 0 };
	_cleanup_free_ char *text = written(&sent);

	if (expected_line)
		assert_non_null(strstr(text, expected_line));
	assert_int_equal(read_text(text, &got), 0);
	assert_string_equal(got.path, path);
}

static void test_hard_names_come_back_byte_for_byte(void **state)
{
	path_comes_back("/a/b-c_d.e", "  path: /a/b-c_d.e\n");
	path_comes_back("/a: b #c", "  path: '/a: b #c'\n");
	path_comes_back("/ '' ", "  path: '/ '''' '\n");
	path_comes_back("/\xc3\xa4\xe4\xbd\xa0\xf0\x9f\x98\x80",
			"  path: '/\xc3\xa4\xe4\xbd\xa0\xf0\x9f\x98\x80'\n");
	path_comes_back("/a\nb", "  path: !!binary L2EKYg==\n");
	path_comes_back("/\x01\x7f", "!!binary");
	path_comes_back("/latin-\xe4", "!!binary");
	path_comes_back("/surrogate-\xed\xa0\x80", "!!binary");
	path_comes_back("/overlong-\xc0\xaf", "!!binary");
	path_comes_back("/mark-\xef\xbb\xbf", "!!binary");
	path_comes_back("/line-\xe2\x80\xa8", "!!binary");
	path_comes_back("/cut-\xe4\xbd", "!!binary");
}

static void test_every_byte_in_a_name_comes_back(void **state)
{
	for (int c = 1; c < 256; c++) {
		char path[] = { '/', 'x', (char)c, 'y', '\0' };

		path_comes_back(path, NULL);
	}
}

static void test_path_longer_than_path_max_comes_back(void **state)
{
	char path[20001];

	for (size_t i = 0; i < sizeof(path) - 1; i++)
		path[i] = i % 100 ? 'n' : '/';
	path[sizeof(path) - 1] = '\0';
	path_comes_back(path, NULL);
}

static void test_file_that_was_not_found_has_its_hint(void **state)
{
	struct mafs_descriptor sent = { .hint = (char *)"true", .n_links = 0 };
	_cleanup_(mafs_descriptor_done) struct mafs_descriptor got = { 0 };
	_cleanup_free_ char *text = written(&sent);

	assert_non_null(strstr(text, "  hint: 'true'\n  links: 0\n"));
	assert_int_equal(read_text(text, &got), 0);
	assert_null(got.path);
	assert_string_equal(got.hint, "true");
	assert_int_equal(got.n_links, 0);
}

static void test_file_without_bytes_has_no_extents(void **state)
{
	struct mafs_descriptor sent = { .path = (char *)"/e", .n_links = 1 };
	_cleanup_(mafs_descriptor_done) struct mafs_descriptor got = { 0 };
	_cleanup_free_ char *text = written(&sent);

	assert_non_null(strstr(text, "  extents: []\n"));
	assert_int_equal(read_text(text, &got), 0);
	assert_int_equal(got.map.n_extents, 0);
}

static void time_comes_back(time_t sec, long nsec, const char *text_of_time)
{
	struct mafs_descriptor sent = {
		.path = (char *)"/t",
		.n_links = 1,
		.mtime = { .tv_sec = sec, .tv_nsec = nsec },
	};
	_cleanup_(mafs_descriptor_done) struct mafs_descriptor got = { 0 };
	_cleanup_free_ char *text = written(&sent);

	assert_non_null(strstr(text, text_of_time));
	assert_int_equal(read_text(text, &got), 0);
	assert_int_equal(got.mtime.tv_sec, sec);
	assert_int_equal(got.mtime.tv_nsec, nsec);
}

static void test_any_time_comes_back(void **state)
{
	time_comes_back(0, 0, "'1970-01-01T00:00:00.000000000Z'");
	time_comes_back(-1, 1, "'1969-12-31T23:59:59.000000001Z'");
	time_comes_back(253402300799, 999999999,
			"'9999-12-31T23:59:59.999999999Z'");
	time_comes_back(253402300800, 0, "'@253402300800.000000000'");
	time_comes_back(INT64_MAX, 5, "'@9223372036854775807.000000005'");
	time_comes_back(INT64_MIN, 5, "'@-9223372036854775808.000000005'");
}

static void test_unknown_key_is_refused(void **state)
{
	assert_int_equal(read_variant("  state:", "  colour: red\n  state:"),
			 -EINVAL);
	assert_int_equal(read_variant("      offset:", "      stripe:"),
			 -EINVAL);
}

static void test_repeated_key_is_refused(void **state)
{
	assert_int_equal(read_variant("  id: 42\n", "  id: 42\n  id: 42\n"),
			 -EINVAL);
}

static void test_missing_key_is_refused(void **state)
{
	assert_int_equal(read_variant("  size: 12345678\n", ""), -EINVAL);
	assert_int_equal(read_variant("      offset: 0\n", ""), -EINVAL);
}

static void test_other_version_is_refused(void **state)
{
	assert_int_equal(read_variant("version: 1", "version: 2"), -EOPNOTSUPP);
}

static void test_numbers_that_do_not_fit_are_refused(void **state)
{
	assert_int_equal(read_variant("42", "18446744073709551616"), -ERANGE);
	assert_int_equal(read_variant("1000", "4294967296"), -ERANGE);
	assert_int_equal(read_variant("12345678", "9223372036854775808"),
			 -ERANGE);
	assert_int_equal(read_variant("12582912", "18446744073709551615"),
			 -ERANGE);
	assert_int_equal(read_variant("offset: 0",
				      "offset: 9223372036854775807"),
			 -ERANGE);
}

static void test_what_is_no_number_is_refused(void **state)
{
	const char *const wrong[] = { "-1",  "0x2a", "042", "4_2",
				      "4.2", "''",   "'1'", "[1]" };

	for (size_t i = 0; i < MAFS_ARRAY_SIZE(wrong); i++)
		assert_int_equal(read_variant("42", wrong[i]), -EINVAL);
}

static void test_paths_that_climb_are_refused(void **state)
{
	const char *const wrong[] = { "a/b",    "/",         "/a/../b", "/..",
				      "/a/./b", "/a//b",     "/a/",     "''",
				      "/a/..",  "\"/a\\0b\"" };

	for (size_t i = 0; i < MAFS_ARRAY_SIZE(wrong); i++)
		assert_int_equal(read_variant("/models/llama.gguf", wrong[i]),
				 -EINVAL);
}

static void test_wrong_values_are_refused(void **state)
{
	assert_int_equal(read_variant("'0644'", "'0999'"), -EINVAL);
	assert_int_equal(read_variant("'0644'", "'644'"), -EINVAL);
	assert_int_equal(read_variant("'0644'", "'00644'"), -EINVAL);
	assert_int_equal(read_variant("2026-11", "2026-13"), -EINVAL);
	assert_int_equal(read_variant("11-20T", "02-30T"), -EINVAL);
	assert_int_equal(read_variant("789Z", "789"), -EINVAL);
	assert_int_equal(read_variant("state: clean", "state: tidy"), -EINVAL);
	assert_int_equal(read_variant("123e4567-", "123e4567"), -EINVAL);
	assert_int_equal(read_variant("12582912", "0"), -EINVAL);
	assert_int_equal(read_variant("/models/llama.gguf", "!!binary L2E"),
			 -EINVAL);
	assert_int_equal(read_variant("/models/llama.gguf",
				      "!!binary L2EAYg=="),
			 -EINVAL);
	assert_int_equal(read_variant("/models/llama.gguf", "!!binary =A=="),
			 -EINVAL);
}

static void test_anchors_aliases_and_tags_are_refused(void **state)
{
	assert_int_equal(read_variant("id: 42", "id: &x 42"), -EINVAL);
	assert_int_equal(read_variant("42\n", "&x 42\n"), -EINVAL);
	assert_int_equal(read_variant("group: 1000", "group: *x"), -EINVAL);
	assert_int_equal(read_variant("id: 42", "id: !!int 42"), -EINVAL);
	assert_int_equal(read_variant("file:\n", "file: !!map\n"), -EINVAL);
	assert_int_equal(read_variant("extents:\n", "extents: &x\n"), -EINVAL);
}

static void test_other_documents_are_refused(void **state)
{
	_cleanup_(mafs_descriptor_done) struct mafs_descriptor got = { 0 };
	_cleanup_free_ char *twice = NULL;

	assert_true(asprintf(&twice, "%s---\n%s", example, example) > 0);
	assert_int_equal(read_text(twice, &got), -EINVAL);
	assert_int_equal(read_text("", &got), -EINVAL);
	assert_int_equal(read_text("42", &got), -EINVAL);
	assert_int_equal(read_text("[[[[[[[[", &got), -EINVAL);
	assert_int_equal(read_text("disk: {}", &got), -EINVAL);
	assert_int_equal(read_text("file: {}", &got), -EINVAL);
	assert_int_equal(read_variant("file:\n", "x: y\nfile:\n"), -EINVAL);
	assert_int_equal(read_text("file: {}\nmore: {}", &got), -EINVAL);
}

static void test_fault_names_the_line(void **state)
{
	_cleanup_free_ char *text = variant("group: 1000", "group: many");
	struct mafs_fault fault = MAFS_FAULT_INIT;
	struct mafs_descriptor got;

	assert_int_equal(mafs_descriptor_from_text(text, strlen(text), &got,
						   &fault),
			 -EINVAL);
	assert_non_null(strstr(fault.what, "line 6, column "));
}

static void test_both_path_and_hint_are_refused(void **state)
{
	struct mafs_buffer buffer = { 0 };
	struct mafs_descriptor both = { .path = (char *)"/a",
					.hint = (char *)"a" };

	assert_int_equal(mafs_descriptor_to_text(&both, &buffer), -EINVAL);
	assert_int_equal(buffer.len, 0);
	assert_int_equal(read_variant("  owner: 1000\n",
				      "  hint: 'a'\n  owner: 1000\n"),
			 -EINVAL);
}

static void test_cut_text_is_refused_at_every_byte(void **state)
{
	_cleanup_(mafs_descriptor_done) struct mafs_descriptor got = { 0 };

	for (size_t len = 0; len < sizeof(example) - 4; len++) {
		int r = mafs_descriptor_from_text(example, len, &got, NULL);

		/* A number may end anywhere: the last one is then shorter. */
		if (r == 0) {
			assert_true(example + len >
				    strstr(example, "length: ") + 8);
			mafs_descriptor_done(&got);
		} else {
			assert_int_equal(r, -EINVAL);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_example_of_the_design_is_read),
		cmocka_unit_test(test_example_is_written_byte_for_byte),
		cmocka_unit_test(test_every_field_comes_back),
		cmocka_unit_test(test_hard_names_come_back_byte_for_byte),
		cmocka_unit_test(test_every_byte_in_a_name_comes_back),
		cmocka_unit_test(test_path_longer_than_path_max_comes_back),
		cmocka_unit_test(test_file_that_was_not_found_has_its_hint),
		cmocka_unit_test(test_file_without_bytes_has_no_extents),
		cmocka_unit_test(test_any_time_comes_back),
		cmocka_unit_test(test_unknown_key_is_refused),
		cmocka_unit_test(test_repeated_key_is_refused),
		cmocka_unit_test(test_missing_key_is_refused),
		cmocka_unit_test(test_other_version_is_refused),
		cmocka_unit_test(test_numbers_that_do_not_fit_are_refused),
		cmocka_unit_test(test_what_is_no_number_is_refused),
		cmocka_unit_test(test_paths_that_climb_are_refused),
		cmocka_unit_test(test_wrong_values_are_refused),
		cmocka_unit_test(test_anchors_aliases_and_tags_are_refused),
		cmocka_unit_test(test_other_documents_are_refused),
		cmocka_unit_test(test_fault_names_the_line),
		cmocka_unit_test(test_both_path_and_hint_are_refused),
		cmocka_unit_test(test_cut_text_is_refused_at_every_byte),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
