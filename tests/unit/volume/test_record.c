// SPDX-License-Identifier: Apache-2.0
/* Small files of named texts. */
#include <lib/volume/record.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "place.h"

struct fixture {
	char place[T_PLACE_LEN];
	int dirfd;
	struct record record;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	t_place_make("record", f->place);
	f->dirfd = open(f->place, O_RDONLY | O_DIRECTORY);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	record_done(&f->record);
	close(f->dirfd);
	t_place_remove(f->place);
	free(f);
	return 0;
}

static int load_text(struct fixture *f, const char *text)
{
	t_write_file(f->place, "file", text);
	return record_load(f->dirfd, "file", f->place, &f->record, NULL);
}

static void comes_back(struct fixture *f, const char *value, bool as_json)
{
	assert_int_equal(record_set(&f->record, "before", "1"), 0);
	assert_int_equal(record_set(&f->record, "key", value), 0);
	assert_int_equal(record_set(&f->record, "behind", "2"), 0);
	assert_int_equal(record_store(f->dirfd, "file", f->place, &f->record,
				      as_json, NULL),
			 0);
	record_done(&f->record);
	assert_int_equal(
		record_load(f->dirfd, "file", f->place, &f->record, NULL), 0);
	assert_int_equal(f->record.n_fields, 3);
	assert_string_equal(record_get(&f->record, "key"), value);
	assert_string_equal(record_get(&f->record, "behind"), "2");
	record_done(&f->record);
}

static const char *const values[] = {
	"",
	"plain",
	"/mnt/with space",
	"a: b # c",
	"- x",
	"\"quoted\"",
	"back\\slash",
	"{[,]}",
	"'",
	"%20",
	"~",
	"null",
	"na\xc3\xafve",
	"\xe4\xbd\xa0",
	"\xf0\x9f\x90\x87",
	/* Not text: */
	"latin\xe9",
	"\xff\xfe",
	"new\nline",
	"tab\there",
	"\x01",
	"\x7f",
	"\xc2\x85",
	"\xed\xa0\x80",
	"\xc0\xaf",
	"\xef\xbb\xbf",
	"a line\xe2\x80\xa8 of YAML's",
	"cut\xe4\xbd",
};

static void test_every_value_comes_back_from_yaml(void **state)
{
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
		comes_back(*state, values[i], false);
}

static void test_every_value_comes_back_from_json(void **state)
{
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
		comes_back(*state, values[i], true);
}

static void test_json_is_read_by_others(void **state)
{
	struct fixture *f = *state;
	json_t *json;

	assert_int_equal(record_set(&f->record, "a", "x \"y\" \\z"), 0);
	assert_int_equal(record_set(&f->record, "b", "\xe9"), 0);
	assert_int_equal(record_store(f->dirfd, "file", f->place, &f->record,
				      true, NULL),
			 0);
	json = json_load_file(t_path(f->place, "file"), 0, NULL);
	assert_non_null(json);
	assert_string_equal(json_string_value(json_object_get(json, "a")),
			    "x \"y\" \\z");
	assert_string_equal(json_string_value(json_object_get(json, "b_hex")),
			    "e9");
	json_decref(json);
}

static void test_yaml_that_a_person_wrote_is_read(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(load_text(f, "# a comment\nuuid: abc\n\n"
				      "policy: 'hot'\n"),
			 0);
	assert_string_equal(record_get(&f->record, "uuid"), "abc");
	assert_string_equal(record_get(&f->record, "policy"), "hot");
	assert_null(record_get(&f->record, "none"));
}

static void test_file_that_is_no_flat_mapping_is_refused(void **state)
{
	static const char *const texts[] = {
		"",
		"text",
		"- a\n- b\n",
		"a: [1, 2]",
		"a: {b: c}",
		"a: &x b\nc: *x\n",
		"a: b\n---\nc: d\n: [",
		"a: \"b",
		"\x01: b",
		"? [a]\n: b\n",
		"a_hex: zz",
		"a_hex: '00'",
		"a_hex: '616'",
		"a_hex: '6- '",
		"a_hex_hex: '61'",
		"'': b",
		"'a: b': c",
		"\"a\\nb\": c",
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		assert_int_equal(load_text(f, texts[i]), -EUCLEAN);
		assert_int_equal(f->record.n_fields, 0);
	}
}

static void test_file_without_end_is_refused(void **state)
{
	struct fixture *f = *state;
	char *text = malloc(100001);

	memset(text, '#', 100000);
	text[100000] = '\0';
	assert_int_equal(load_text(f, text), -EUCLEAN);
	free(text);
}

static void test_more_fields_than_any_are_refused(void **state)
{
	struct fixture *f = *state;
	char text[4096] = "";

	for (int i = 0; i < 100; i++)
		snprintf(text + strlen(text), 32, "k%d: v\n", i);
	assert_int_equal(load_text(f, text), -E2BIG);
}

static void test_link_and_pipe_are_not_followed(void **state)
{
	struct fixture *f = *state;

	t_write_file(f->place, "target", "a: b\n");
	assert_int_equal(symlinkat("target", f->dirfd, "link"), 0);
	assert_int_equal(record_load(f->dirfd, "link", f->place, &f->record,
				     NULL),
			 -ELOOP);
	assert_int_equal(mkfifoat(f->dirfd, "pipe", 0600), 0);
	assert_true(record_load(f->dirfd, "pipe", f->place, &f->record, NULL) <
		    0);
}

static void test_store_replaces_what_a_crash_left(void **state)
{
	struct fixture *f = *state;

	t_write_file(f->place, "file", "a: old\n");
	t_write_file(f->place, "file.new", "half of a ver");
	assert_int_equal(record_set(&f->record, "a", "new"), 0);
	assert_int_equal(record_store(f->dirfd, "file", f->place, &f->record,
				      false, NULL),
			 0);
	assert_int_equal(access(t_path(f->place, "file.new"), F_OK), -1);
	record_done(&f->record);
	assert_int_equal(
		record_load(f->dirfd, "file", f->place, &f->record, NULL), 0);
	assert_string_equal(record_get(&f->record, "a"), "new");
}

static void test_number_that_is_none_is_refused(void **state)
{
	struct fixture *f = *state;
	uint64_t value = 7;

	assert_int_equal(load_text(f, "a: -1\nb: 1x\nc: ''\n"
				      "d: 18446744073709551616\n"
				      "e: 18446744073709551615\n"),
			 0);
	assert_int_equal(record_get_u64(&f->record, "a", &value), -EUCLEAN);
	assert_int_equal(record_get_u64(&f->record, "b", &value), -EUCLEAN);
	assert_int_equal(record_get_u64(&f->record, "c", &value), -EUCLEAN);
	assert_int_equal(record_get_u64(&f->record, "d", &value), -EUCLEAN);
	assert_int_equal(record_get_u64(&f->record, "z", &value), -EUCLEAN);
	assert_int_equal(value, 7);
	assert_int_equal(record_get_u64(&f->record, "e", &value), 0);
	assert_true(value == UINT64_MAX);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_every_value_comes_back_from_yaml),
		T(test_every_value_comes_back_from_json),
		T(test_json_is_read_by_others),
		T(test_yaml_that_a_person_wrote_is_read),
		T(test_file_that_is_no_flat_mapping_is_refused),
		T(test_file_without_end_is_refused),
		T(test_more_fields_than_any_are_refused),
		T(test_link_and_pipe_are_not_followed),
		T(test_store_replaces_what_a_crash_left),
		T(test_number_that_is_none_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
