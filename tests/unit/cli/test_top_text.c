// SPDX-License-Identifier: Apache-2.0
/* The lines of mafs top. */
#include "cli/ages.c"
#include "cli/names.c"
#include "cli/top_text.c"

#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* Doubles of client.c and top_sample.c. */

uint64_t mafs_client_count(const json_t *object, const char *key)
{
	return (uint64_t)json_integer_value(json_object_get(object, key));
}

const char *mafs_client_text(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

double mafs_top_rate(const struct mafs_top_sample *before,
		     const struct mafs_top_sample *now, const char *const *keys)
{
	return strcmp(keys[0], "n_misses") ? 1024 * 1024 : 0;
}

static json_t *parse(const char *text)
{
	json_t *json = json_loads(text, 0, NULL);

	assert_non_null(json);
	return json;
}

static struct mafs_top_sample sample(size_t n_files)
{
	struct mafs_top_sample made = {
		.status = parse("{\"memory\": {\"size_bytes\": 1024, "
				"\"used_bytes\": 512, \"policy\": \"lru\"}, "
				"\"dirty_bytes\": 256, \"n_hits\": 3, "
				"\"n_misses\": 1, \"uptime_ms\": 61000, "
				"\"state\": \"serving\", \"paths\": {"
				"\"M\": {\"n_open\": 7}, "
				"\"C\": {\"n_open\": 2, \"read_bytes\": 1, "
				"\"written_bytes\": 1}}}"),
		.hottest = parse("{\"files\": []}"),
		.dirty = parse("{\"n_dirty\": 0, \"files\": []}"),
	};
	json_t *files = json_object_get(made.hottest, "files");

	for (size_t i = 0; i < n_files; i++)
		json_array_append_new(files,
				      parse("{\"path\": \"a/\u00e4\u00e4\", "
					    "\"tier\": \"memory\"}"));
	return made;
}

static void sample_done(struct mafs_top_sample *made)
{
	json_decref(made->status);
	json_decref(made->hottest);
	json_decref(made->dirty);
}

static bool has(const struct mafs_top_text *text, const char *part)
{
	for (size_t i = 0; i < text->n; i++)
		if (strstr(text->lines[i].text, part))
			return true;
	return false;
}

static void test_what_is_passed_through_has_no_bytes(void **state)
{
	struct mafs_top_text text = { .columns = 120 };
	struct mafs_top_sample now = sample(1);

	mafs_top_write(&text, "/data on /mnt", &now, &now);
	assert_true(has(&text, "/data on /mnt, up 1m 1s"));
	assert_true(has(&text, "[######======            ] 512 of 1K"));
	assert_true(
		has(&text, "  M      1048576        7         -         -"));
	assert_true(
		has(&text, "  C      1048576        2        1M        1M"));
	assert_true(has(&text, "75% since the start"));
	mafs_top_text_done(&text);
	sample_done(&now);
}

static void test_lines_are_cut_at_whole_characters(void **state)
{
	struct mafs_top_sample now = sample(3);

	for (size_t columns = 1; columns < 60; columns++) {
		struct mafs_top_text text = { .columns = columns };

		mafs_top_write(&text, "\u00e4\u4e2d\u00e4", &now, &now);
		for (size_t i = 0; i < text.n; i++) {
			wchar_t wide[256];
			size_t n = mbstowcs(wide, text.lines[i].text, 256);

			assert_true(n != (size_t)-1);
			assert_true(wcswidth(wide, n) <= (int)columns);
		}
		mafs_top_text_done(&text);
	}
	sample_done(&now);
}

static void test_screen_is_not_overrun(void **state)
{
	struct mafs_top_sample now = sample(64);

	for (size_t n_max = 1; n_max < 80; n_max++) {
		struct mafs_top_text text = { .columns = 80, .n_max = n_max };

		mafs_top_write(&text, "t", &now, &now);
		assert_true(text.n <= n_max);
		/* The queue's title has its place however many are hot. */
		if (n_max >= 20)
			assert_true(has(&text, "TO BE WRITTEN BACK"));
		mafs_top_text_done(&text);
	}
	sample_done(&now);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_passed_through_has_no_bytes),
		cmocka_unit_test(test_lines_are_cut_at_whole_characters),
		cmocka_unit_test(test_screen_is_not_overrun),
	};

	setlocale(LC_CTYPE, "C.UTF-8");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
