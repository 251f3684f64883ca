// SPDX-License-Identifier: Apache-2.0
/* The bar of progress. */
#include "cli/ages.c"
#include "cli/bar.c"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define MIB (UINT64_C(1) << 20)

static void assert_bar(const struct mafs_bar *bar, size_t columns,
		       const char *expected)
{
	char text[256];

	mafs_bar_to_text(bar, columns, text, sizeof(text));
	assert_string_equal(text, expected);
}

static void test_first_step_has_no_rate(void **state)
{
	struct mafs_bar bar = { .title = "pull" };

	mafs_bar_step(&bar, 5000, 0, 4, 20 * MIB, 100 * MIB);
	assert_bar(&bar, 40, "pull [===>           ]  20% 20M of 100M");
}

static void test_rate_and_time_left_follow_the_last_seconds(void **state)
{
	struct mafs_bar bar = { .title = "pull" };

	for (int i = 0; i <= 10; i++)
		mafs_bar_step(&bar, 1000 + i * 500, 0, 1, (uint64_t)i * 5 * MIB,
			      100 * MIB);
	assert_bar(
		&bar, 60,
		"pull [=========>         ]  50% 50M of 100M, 10M/s, 5s left");
	for (int i = 1; i <= 40; i++) /* it slows down */
		mafs_bar_step(&bar, 6000 + i * 500, 0, 1,
			      50 * MIB + (uint64_t)i * MIB / 2, 100 * MIB);
	assert_in_range((uint64_t)bar.rate, MIB, MIB + MIB / 10);
}

static void test_bar_ends_full_and_never_goes_beyond(void **state)
{
	struct mafs_bar bar = { .title = "push" };

	mafs_bar_step(&bar, 1000, 0, 2, 0, 10 * MIB);
	mafs_bar_step(&bar, 2000, 2, 2, 12 * MIB, 10 * MIB);
	assert_bar(&bar, 55,
		   "push [===============] 100% 12M of 12M, 12M/s, 0s left");
}

static void test_steps_back_do_no_harm(void **state)
{
	struct mafs_bar bar = { .title = "push" };

	mafs_bar_step(&bar, 1000, 0, 2, 8 * MIB, 10 * MIB);
	mafs_bar_step(&bar, 2000, 0, 2, 4 * MIB, 10 * MIB);
	assert_true(bar.rate >= 0);
	assert_int_equal(bar.bytes, 8 * MIB);
}

static void test_narrow_terminal_gets_the_numbers_alone(void **state)
{
	struct mafs_bar bar = { .title = "pull" };

	mafs_bar_step(&bar, 5000, 0, 4, 20 * MIB, 100 * MIB);
	assert_bar(&bar, 20, " 20% 20M of 100M");
	assert_bar(&bar, 10, " 20% 20M ");
	assert_bar(&bar, 0, "");
}

static void test_files_without_bytes_are_counted(void **state)
{
	struct mafs_bar bar = { .title = "evict" };

	mafs_bar_step(&bar, 5000, 3, 4, 0, 0);
	assert_bar(&bar, 40, "evict [==============>    ]  75% 0 of 0");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_first_step_has_no_rate),
		cmocka_unit_test(
			test_rate_and_time_left_follow_the_last_seconds),
		cmocka_unit_test(test_bar_ends_full_and_never_goes_beyond),
		cmocka_unit_test(test_steps_back_do_no_harm),
		cmocka_unit_test(test_narrow_terminal_gets_the_numbers_alone),
		cmocka_unit_test(test_files_without_bytes_are_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
