// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <mafs/cleanup.h>
#include <mafs/extent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const struct mafs_uuid device_a = { { 1 } }, device_b = { { 2 } };

static int append(struct mafs_map *map, const struct mafs_uuid *device,
		  uint64_t offset, uint64_t length)
{
	struct mafs_extent extent = { *device, offset, length };

	return mafs_map_append(map, &extent);
}

static void test_extents_that_touch_are_merged(void **state)
{
	_cleanup_(mafs_map_done) struct mafs_map map = {};

	assert_int_equal(append(&map, &device_a, 0, 10), 0);
	assert_int_equal(append(&map, &device_a, 10, 5), 0);
	assert_int_equal(map.n_extents, 1);
	assert_int_equal(map.extents[0].length_bytes, 15);
	/* A gap, a step back, another device: each a new one. */
	assert_int_equal(append(&map, &device_a, 16, 4), 0);
	assert_int_equal(append(&map, &device_a, 4, 4), 0);
	assert_int_equal(append(&map, &device_b, 8, 4), 0);
	assert_int_equal(map.n_extents, 4);
}

static void test_empty_and_overflowing_extents_are_refused(void **state)
{
	_cleanup_(mafs_map_done) struct mafs_map map = {};

	assert_int_equal(append(&map, &device_a, 0, 0), -EINVAL);
	assert_int_equal(append(&map, &device_a, UINT64_MAX, 1), -EINVAL);
	assert_int_equal(append(&map, &device_a, 2, UINT64_MAX - 1), -EINVAL);
	assert_int_equal(map.n_extents, 0);
}

static void test_copy_is_its_own(void **state)
{
	_cleanup_(mafs_map_done) struct mafs_map map = {}, copy = {};

	assert_int_equal(mafs_map_copy(&map, &copy), 0);
	assert_int_equal(copy.n_extents, 0);
	for (uint64_t i = 0; i < 7; i++)
		assert_int_equal(append(&map, &device_a, i * 10, 5), 0);
	assert_int_equal(mafs_map_copy(&map, &copy), 0);
	assert_int_equal(append(&copy, &device_a, 100, 5), 0);
	assert_int_equal(map.n_extents, 7);
	assert_int_equal(copy.n_extents, 8);
	assert_memory_equal(map.extents, copy.extents,
			    7 * sizeof(*map.extents));
}

static void test_length_is_the_sum_or_an_overflow(void **state)
{
	_cleanup_(mafs_map_done) struct mafs_map map = {};
	uint64_t bytes = 7;

	assert_int_equal(mafs_map_length(&map, &bytes), 0);
	assert_int_equal(bytes, 0);
	assert_int_equal(append(&map, &device_a, 0, UINT64_MAX), 0);
	assert_int_equal(mafs_map_length(&map, &bytes), 0);
	assert_true(bytes == UINT64_MAX);
	assert_int_equal(append(&map, &device_b, 0, 1), 0);
	assert_int_equal(mafs_map_length(&map, &bytes), -EOVERFLOW);
	assert_true(bytes == UINT64_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_extents_that_touch_are_merged),
		cmocka_unit_test(
			test_empty_and_overflowing_extents_are_refused),
		cmocka_unit_test(test_copy_is_its_own),
		cmocka_unit_test(test_length_is_the_sum_or_an_overflow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
