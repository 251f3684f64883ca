// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <mafs/cleanup.h>
#include <mafs/size.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void test_sizes_as_people_write_them_are_read(void **state)
{
	static const struct {
		const char *text;
		uint64_t bytes;
	} sizes[] = {
		{ "0", 0 },
		{ "4096", 4096 },
		{ "512K", 512U << 10 },
		{ "64M", 64U << 20 },
		{ "64m", 64U << 20 },
		{ "8G", 8ULL << 30 },
		{ "8GiB", 8ULL << 30 },
		{ "1T", 1ULL << 40 },
		{ "16383P", 16383ULL << 50 },
		{ "1.5M", 3U << 19 },
		{ "0.001K", 1 },
		{ "18446744073709551615", UINT64_MAX },
	};

	for (size_t i = 0; i < MAFS_ARRAY_SIZE(sizes); i++) {
		uint64_t bytes = 1;

		assert_int_equal(mafs_size_parse(sizes[i].text, 0, &bytes), 0);
		assert_int_equal(bytes, sizes[i].bytes);
	}
}

static void test_percentages_are_of_the_whole(void **state)
{
	uint64_t bytes;

	assert_int_equal(mafs_size_parse("50%", 1000, &bytes), 0);
	assert_int_equal(bytes, 500);
	assert_int_equal(mafs_size_parse("0.5%", 1000, &bytes), 0);
	assert_int_equal(bytes, 5);
	assert_int_equal(mafs_size_parse("100%", UINT64_MAX, &bytes), 0);
	assert_int_equal(bytes, UINT64_MAX);
	assert_int_equal(mafs_size_parse("33.333333333%", UINT64_MAX, &bytes),
			 0);
	assert_int_equal(mafs_size_parse("50%", 0, &bytes), -EINVAL);
	assert_int_equal(mafs_size_parse("101%", 1000, &bytes), -ERANGE);
	assert_int_equal(mafs_size_parse("100.1%", 1000, &bytes), -ERANGE);
}

static void test_what_is_no_size_is_refused(void **state)
{
	static const char *const texts[] = {
		"",    "K",   "-1",   "+1",  " 1",    "1 ",  "1 K",
		"1KB", "1B",  "1.5",  "1.K", "1..5K", ".5K", "1E",
		"1Ki", "0x8", "1Kib", "1%%", "1KiB ", "one", "1.0000000001K",
	};
	uint64_t bytes = 77;

	for (size_t i = 0; i < MAFS_ARRAY_SIZE(texts); i++)
		assert_int_equal(mafs_size_parse(texts[i], 100, &bytes),
				 -EINVAL);
	assert_int_equal(bytes, 77);
}

static void test_sizes_beyond_64_bits_are_out_of_range(void **state)
{
	uint64_t bytes;

	assert_int_equal(mafs_size_parse("18446744073709551616", 0, &bytes),
			 -ERANGE);
	assert_int_equal(mafs_size_parse("16384P", 0, &bytes), -ERANGE);
	assert_int_equal(mafs_size_parse("99999999999999999999999K", 0, &bytes),
			 -ERANGE);
}

static void test_sizes_are_printed_with_one_decimal_at_most(void **state)
{
	static const struct {
		uint64_t bytes;
		const char *text;
	} sizes[] = {
		{ 0, "0" },
		{ 512, "512" },
		{ 1023, "1023" },
		{ 1024, "1K" },
		{ 3U << 19, "1.5M" },
		{ 8ULL << 30, "8G" },
		{ (1U << 20) - 1, "1M" },
		{ (8ULL << 30) + 1, "8G" },
		{ UINT64_MAX, "16384P" },
	};
	char text[MAFS_SIZE_TEXT_LEN];

	for (size_t i = 0; i < MAFS_ARRAY_SIZE(sizes); i++) {
		mafs_size_to_text(sizes[i].bytes, text);
		assert_string_equal(text, sizes[i].text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sizes_as_people_write_them_are_read),
		cmocka_unit_test(test_percentages_are_of_the_whole),
		cmocka_unit_test(test_what_is_no_size_is_refused),
		cmocka_unit_test(test_sizes_beyond_64_bits_are_out_of_range),
		cmocka_unit_test(
			test_sizes_are_printed_with_one_decimal_at_most),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
