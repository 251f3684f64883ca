// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <mafs/cleanup.h>
#include <mafs/extent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

#include <cmocka.h>

#define MODEL_BYTES 200

static void assert_well_formed(const struct mafs_ranges *set)
{
	for (size_t i = 0; i < set->n_ranges; i++) {
		assert_true(set->ranges[i].start < set->ranges[i].end);
		if (i)
			assert_true(set->ranges[i - 1].end <
				    set->ranges[i].start);
	}
}

static void test_sequential_writes_are_one_range(void **state)
{
	_cleanup_(mafs_ranges_done) struct mafs_ranges set = {};

	for (uint64_t i = 0; i < 1000; i++)
		assert_int_equal(mafs_ranges_add(&set, i * 10, i * 10 + 10), 0);
	assert_int_equal(set.n_ranges, 1);
	assert_int_equal(mafs_ranges_total(&set), 10000);
}

static void test_empty_ranges_change_nothing(void **state)
{
	_cleanup_(mafs_ranges_done) struct mafs_ranges set = {};

	assert_int_equal(mafs_ranges_add(&set, 5, 5), 0);
	assert_int_equal(mafs_ranges_add(&set, 6, 5), 0);
	assert_int_equal(set.n_ranges, 0);
	assert_int_equal(mafs_ranges_remove(&set, 0, 10), 0);
	assert_int_equal(mafs_ranges_add(&set, 5, 9), 0);
	assert_int_equal(mafs_ranges_remove(&set, 7, 7), 0);
	assert_int_equal(mafs_ranges_total(&set), 4);
	assert_int_equal(mafs_ranges_overlap(&set, 9, 5), 0);
}

static void test_removal_splits_a_range(void **state)
{
	_cleanup_(mafs_ranges_done) struct mafs_ranges set = {};

	assert_int_equal(mafs_ranges_add(&set, 0, 100), 0);
	assert_int_equal(mafs_ranges_remove(&set, 40, 60), 0);
	assert_int_equal(set.n_ranges, 2);
	assert_int_equal(set.ranges[0].end, 40);
	assert_int_equal(set.ranges[1].start, 60);
	assert_int_equal(mafs_ranges_overlap(&set, 30, 70), 20);
}

static void test_whole_range_of_64_bits_is_kept(void **state)
{
	_cleanup_(mafs_ranges_done) struct mafs_ranges set = {};

	assert_int_equal(mafs_ranges_add(&set, 0, UINT64_MAX), 0);
	assert_int_equal(mafs_ranges_remove(&set, 1, UINT64_MAX - 1), 0);
	assert_int_equal(mafs_ranges_total(&set), 2);
	assert_int_equal(mafs_ranges_add(&set, 1, UINT64_MAX - 1), 0);
	assert_int_equal(set.n_ranges, 1);
}

static uint32_t next_random(uint32_t *seed)
{
	*seed = *seed * 1664525U + 1013904223U;
	return *seed >> 8;
}

static void check_against(const struct mafs_ranges *set, const bool *model,
			  uint64_t start, uint64_t end)
{
	uint64_t total = 0, overlap = 0;

	assert_well_formed(set);
	for (uint64_t i = 0; i < MODEL_BYTES; i++) {
		total += model[i];
		overlap += model[i] && i >= start && i < end;
		assert_int_equal(mafs_ranges_overlap(set, i, i + 1), model[i]);
	}
	assert_int_equal(mafs_ranges_total(set), total);
	assert_int_equal(mafs_ranges_overlap(set, start, end), overlap);
}

static void test_random_changes_are_as_those_of_a_bitmap(void **state)
{
	_cleanup_(mafs_ranges_done) struct mafs_ranges set = {};
	bool model[MODEL_BYTES] = {};
	uint32_t seed = 1;

	for (int i = 0; i < 20000; i++) {
		uint64_t start = next_random(&seed) % MODEL_BYTES;
		uint64_t end = start + next_random(&seed) % 20;
		bool add = next_random(&seed) % 2;

		if (end > MODEL_BYTES)
			end = MODEL_BYTES;
		if (add)
			assert_int_equal(mafs_ranges_add(&set, start, end), 0);
		else
			assert_int_equal(mafs_ranges_remove(&set, start, end),
					 0);
		for (uint64_t at = start; at < end; at++)
			model[at] = add;
		check_against(&set, model, start / 2, end);
	}
}

static void test_merge_adds_all_of_the_other(void **state)
{
	_cleanup_(mafs_ranges_done) struct mafs_ranges a = {}, b = {};

	assert_int_equal(mafs_ranges_add(&a, 0, 10), 0);
	assert_int_equal(mafs_ranges_add(&a, 20, 30), 0);
	assert_int_equal(mafs_ranges_add(&b, 5, 20), 0);
	assert_int_equal(mafs_ranges_add(&b, 40, 50), 0);
	assert_int_equal(mafs_ranges_merge(&a, &b), 0);
	assert_int_equal(a.n_ranges, 2);
	assert_int_equal(mafs_ranges_total(&a), 40);
	assert_int_equal(mafs_ranges_total(&b), 25);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sequential_writes_are_one_range),
		cmocka_unit_test(test_empty_ranges_change_nothing),
		cmocka_unit_test(test_removal_splits_a_range),
		cmocka_unit_test(test_whole_range_of_64_bits_is_kept),
		cmocka_unit_test(test_random_changes_are_as_those_of_a_bitmap),
		cmocka_unit_test(test_merge_adds_all_of_the_other),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
