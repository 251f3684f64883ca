// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <mafs/alloc.h>
#include <mafs/cleanup.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

#include <cmocka.h>

#define UNIT 4096U

static void allocp(struct mafs_alloc **alloc)
{
	mafs_alloc_free(*alloc);
}
#define _cleanup_alloc_ _cleanup_(allocp)

static struct mafs_alloc *new_alloc(uint64_t n_units)
{
	struct mafs_alloc *alloc;

	assert_int_equal(mafs_alloc_new(n_units * UNIT, UNIT, &alloc), 0);
	return alloc;
}

/* In units. Return: where, or -1. */
static int64_t take(struct mafs_alloc *alloc, uint64_t n, uint64_t goal,
		    uint64_t *ret_n)
{
	uint64_t offset, len;

	if (mafs_alloc_take(alloc, n * UNIT, goal * UNIT, &offset, &len))
		return -1;
	assert_int_equal(offset % UNIT, 0);
	assert_int_equal(len % UNIT, 0);
	*ret_n = len / UNIT;
	return (int64_t)(offset / UNIT);
}

static void test_all_can_be_taken_and_no_more(void **state)
{
	_cleanup_alloc_ struct mafs_alloc *alloc = NULL;
	uint64_t n = 0;

	/* What is behind the last whole unit is not there. */
	assert_int_equal(mafs_alloc_new(10 * UNIT + 4095, UNIT, &alloc), 0);
	assert_int_equal(mafs_alloc_free_bytes(alloc), 10 * UNIT);
	assert_int_equal(take(alloc, 11, 0, &n), 0);
	assert_int_equal(n, 10);
	assert_int_equal(mafs_alloc_free_bytes(alloc), 0);
	assert_int_equal(take(alloc, 1, 0, &n), -1);
	mafs_alloc_give(alloc, 3 * UNIT, UNIT);
	assert_int_equal(take(alloc, 1, 0, &n), 3);
}

static void test_bytes_are_rounded_up_to_units(void **state)
{
	_cleanup_alloc_ struct mafs_alloc *alloc = new_alloc(10);
	uint64_t offset, len;

	assert_int_equal(mafs_alloc_take(alloc, 1, 0, &offset, &len), 0);
	assert_int_equal(len, UNIT);
	assert_int_equal(mafs_alloc_take(alloc, UNIT + 1, 0, &offset, &len), 0);
	assert_int_equal(len, 2 * UNIT);
}

static void test_goal_is_gone_on_at(void **state)
{
	_cleanup_alloc_ struct mafs_alloc *alloc = new_alloc(100);
	uint64_t n = 0;

	assert_int_equal(mafs_alloc_claim(alloc, 60 * UNIT, 5 * UNIT, NULL), 0);
	assert_int_equal(take(alloc, 10, 40, &n), 40);
	assert_int_equal(n, 10);
	/* Only as far as it is free. */
	assert_int_equal(take(alloc, 20, 50, &n), 50);
	assert_int_equal(n, 10);
	/* Taken, or no unit of the device: anywhere. */
	assert_int_equal(take(alloc, 30, 60, &n), 0);
	assert_int_equal(n, 30);
	assert_int_equal(take(alloc, 5, 1000, &n), 30);
}

static void test_one_long_run_is_preferred_to_many(void **state)
{
	_cleanup_alloc_ struct mafs_alloc *alloc = new_alloc(20000);
	uint64_t n = 0;

	/* Runs of 9 everywhere, one of 5000 across two leaves. */
	for (uint64_t at = 0; at < 20000; at += 10)
		if (at <= 6000 || at >= 11010)
			assert_int_equal(mafs_alloc_claim(alloc, at * UNIT,
							  UNIT, NULL),
					 0);
	assert_int_equal(take(alloc, 5000, 0, &n), 6001);
	assert_int_equal(n, 5000);
	/* None is as long: the longest there is. */
	assert_int_equal(take(alloc, 100, 0, &n), 1);
	assert_int_equal(n, 9);
}

static void test_claim_takes_nothing_that_is_taken(void **state)
{
	_cleanup_alloc_ struct mafs_alloc *alloc = new_alloc(100);
	struct mafs_fault fault = MAFS_FAULT_INIT;

	assert_int_equal(mafs_alloc_claim(alloc, 10 * UNIT, 5 * UNIT, &fault),
			 0);
	assert_int_equal(mafs_alloc_claim(alloc, 5 * UNIT, 20 * UNIT, &fault),
			 -EEXIST);
	assert_int_equal(fault.media_offset, 10 * UNIT);
	assert_int_equal(mafs_alloc_free_bytes(alloc), 95 * UNIT);
	assert_int_equal(mafs_alloc_claim(alloc, 14 * UNIT, UNIT, &fault),
			 -EEXIST);
	assert_int_equal(mafs_alloc_claim(alloc, 15 * UNIT, 85 * UNIT, &fault),
			 0);
}

static void test_claim_outside_the_device_is_refused(void **state)
{
	static const struct {
		uint64_t offset, len;
	} bad[] = {
		{ 100ULL * UNIT, UNIT },
		{ 99ULL * UNIT, 2 * UNIT },
		{ UINT64_MAX - UNIT + 1, UNIT },
		{ UNIT, UINT64_MAX - UNIT + 1 },
		{ UNIT, 0 },
		{ 1, UNIT },
		{ UNIT, 1 },
	};
	_cleanup_alloc_ struct mafs_alloc *alloc = new_alloc(100);
	struct mafs_fault fault = MAFS_FAULT_INIT;

	for (size_t i = 0; i < MAFS_ARRAY_SIZE(bad); i++)
		assert_int_equal(mafs_alloc_claim(alloc, bad[i].offset,
						  bad[i].len, &fault),
				 -ERANGE);
	assert_int_equal(mafs_alloc_free_bytes(alloc), 100 * UNIT);
}

static void test_units_are_powers_of_two_within_bounds(void **state)
{
	static const uint32_t bad[] = { 0, 1, 2048, 4095, 12288, 1U << 31 };
	struct mafs_alloc *alloc;

	for (size_t i = 0; i < MAFS_ARRAY_SIZE(bad); i++)
		assert_int_equal(mafs_alloc_new(1ULL << 40, bad[i], &alloc),
				 -EINVAL);
	assert_int_equal(mafs_alloc_new(1U << 29, 1U << 30, &alloc), -EINVAL);
	assert_int_equal(mafs_alloc_new(1ULL << 40, 1U << 30, &alloc), 0);
	assert_int_equal(mafs_alloc_free_bytes(alloc), 1ULL << 40);
	mafs_alloc_free(alloc);
}

static uint32_t next_random(uint32_t *seed)
{
	*seed = *seed * 1664525U + 1013904223U;
	return *seed >> 8;
}

struct model {
	bool *taken;
	uint64_t n;
	uint64_t at; /* of the visit */
};

static uint64_t model_run(const struct model *model, uint64_t from)
{
	uint64_t at = from;

	while (at < model->n && !model->taken[at])
		at++;
	return at - from;
}

static uint64_t model_longest(const struct model *model)
{
	uint64_t longest = 0;

	for (uint64_t at = 0; at < model->n; at++) {
		uint64_t run = model_run(model, at);

		if (run > longest)
			longest = run;
		at += run;
	}
	return longest;
}

static int visit_free(void *context, uint64_t offset, uint64_t len)
{
	struct model *model = context;
	uint64_t first = offset / UNIT;

	for (; model->at < first; model->at++)
		assert_true(model->taken[model->at]);
	assert_int_equal(len / UNIT, model_run(model, first));
	model->at += len / UNIT;
	return 0;
}

static void check_free_runs(const struct mafs_alloc *alloc, struct model *model)
{
	model->at = 0;
	assert_int_equal(mafs_alloc_visit_free(alloc, visit_free, model), 0);
	for (; model->at < model->n; model->at++)
		assert_true(model->taken[model->at]);
}

/* What take() must answer. */
static void model_take(struct model *model, uint64_t n, uint64_t goal,
		       int64_t got, uint64_t got_n)
{
	uint64_t longest = model_longest(model), first = 0;

	if (!longest) {
		assert_int_equal(got, -1);
		return;
	}
	if (goal && goal < model->n && !model->taken[goal]) {
		uint64_t run = model_run(model, goal);

		assert_int_equal(got, goal);
		assert_int_equal(got_n, run < n ? run : n);
	} else {
		if (n > longest)
			n = longest;
		while (model_run(model, first) < n)
			first++;
		assert_int_equal(got, first);
		assert_int_equal(got_n, n);
	}
	memset(model->taken + got, true, got_n);
}

static void run_random(uint64_t n_units, int n_steps, uint32_t seed)
{
	_cleanup_alloc_ struct mafs_alloc *alloc = new_alloc(n_units);
	_cleanup_free_ bool *taken = calloc(n_units, sizeof(bool));
	struct model model = { .taken = taken, .n = n_units };

	for (int i = 0; i < n_steps; i++) {
		uint64_t at = next_random(&seed) % n_units;
		uint64_t n = 1 + next_random(&seed) % 64, got_n = 0;
		uint64_t goal = next_random(&seed) % 2 ? at : 0;
		int64_t got;

		if (next_random(&seed) % 32 == 0)
			n = 1 + next_random(&seed) % n_units;
		switch (next_random(&seed) % 4) {
		case 0:
		case 1:
			got = take(alloc, n, goal, &got_n);
			model_take(&model, n, goal, got, got_n);
			break;
		case 2:
			for (; n && at < n_units; n--, at++)
				if (taken[at]) {
					mafs_alloc_give(alloc, at * UNIT, UNIT);
					taken[at] = false;
				}
			break;
		default:
			if (at + n <= n_units && model_run(&model, at) >= n) {
				assert_int_equal(
					mafs_alloc_claim(alloc, at * UNIT,
							 n * UNIT, NULL),
					0);
				memset(taken + at, true, n);
			} else {
				assert_true(mafs_alloc_claim(alloc, at * UNIT,
							     n * UNIT,
							     NULL) < 0);
			}
		}
		if (i % 64 == 0)
			check_free_runs(alloc, &model);
	}
	check_free_runs(alloc, &model);
}

static void test_random_operations_are_as_those_of_an_array(void **state)
{
	static const uint64_t sizes[] = { 1,    63,   64,    65,   1000,
					  4096, 4097, 12288, 20000 };

	for (size_t i = 0; i < MAFS_ARRAY_SIZE(sizes); i++)
		run_random(sizes[i], 1500, (uint32_t)i + 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_can_be_taken_and_no_more),
		cmocka_unit_test(test_bytes_are_rounded_up_to_units),
		cmocka_unit_test(test_goal_is_gone_on_at),
		cmocka_unit_test(test_one_long_run_is_preferred_to_many),
		cmocka_unit_test(test_claim_takes_nothing_that_is_taken),
		cmocka_unit_test(test_claim_outside_the_device_is_refused),
		cmocka_unit_test(test_units_are_powers_of_two_within_bounds),
		cmocka_unit_test(
			test_random_operations_are_as_those_of_an_array),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
