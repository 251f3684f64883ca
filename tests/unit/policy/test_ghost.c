// SPDX-License-Identifier: Apache-2.0
#include "lib/policy/ghost.h"

#include <mafs/cleanup.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void test_a_key_is_taken_once(void **state)
{
	_cleanup_(mafs_ghost_done) struct mafs_ghost ghost = {
		.weight_max = 100,
	};

	assert_false(mafs_ghost_take(&ghost, 7));
	mafs_ghost_add(&ghost, 7, 10);
	mafs_ghost_add(&ghost, 7, 20);
	mafs_ghost_add(&ghost, 0, 30);
	assert_int_equal(ghost.weight, 50);
	assert_true(mafs_ghost_take(&ghost, 7));
	assert_false(mafs_ghost_take(&ghost, 7));
	assert_true(mafs_ghost_take(&ghost, 0));
	assert_int_equal(ghost.weight, 0);
}

static void test_the_oldest_are_forgotten_when_the_weight_is_full(void **state)
{
	_cleanup_(mafs_ghost_done) struct mafs_ghost ghost = {
		.weight_max = 5000,
	};

	mafs_ghost_add(&ghost, 1, 5001);
	assert_int_equal(ghost.weight, 0);
	for (uint64_t key = 0; key < 100000; key++)
		mafs_ghost_add(&ghost, key, 5);
	assert_int_equal(ghost.weight, 5000);
	for (uint64_t key = 0; key < 99000; key++)
		assert_false(mafs_ghost_take(&ghost, key));
	for (uint64_t key = 99000; key < 100000; key++)
		assert_true(mafs_ghost_take(&ghost, key));
	assert_int_equal(ghost.weight, 0);
}

static void test_its_size_follows_the_keys_it_has(void **state)
{
	_cleanup_(mafs_ghost_done) struct mafs_ghost ghost = {
		.weight_max = 1000,
	};

	for (uint64_t key = 0; key < 100000; key++) {
		mafs_ghost_add(&ghost, key, 1);
		assert_true(mafs_ghost_take(&ghost, key));
	}
	assert_in_range(ghost.n_places, 1, 64);
	for (uint64_t key = 0; key < 100000; key++)
		mafs_ghost_add(&ghost, key, 1);
	assert_in_range(ghost.n_places, 1000, 2048);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_key_is_taken_once),
		cmocka_unit_test(
			test_the_oldest_are_forgotten_when_the_weight_is_full),
		cmocka_unit_test(test_its_size_follows_the_keys_it_has),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
