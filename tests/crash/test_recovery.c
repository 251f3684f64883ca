// SPDX-License-Identifier: Apache-2.0
/*
 * ctest: labels=root timeout=900
 *
 * Killed twice: at any call of any workload, and then at any call of the
 * daemon that comes to recover. Pairs are drawn; MAFS_TEST_SEED draws others.
 */
#include "crash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "place.h"

struct measure {
	unsigned int n_calls, n_recovery_calls;
};

/* How many stops are there? The recovery counted is that of half-way. */
static void measure(const struct workload *workload, struct noted *noted,
		    struct measure *ret)
{
	struct run run = { .workload = workload, .noted = noted };

	assert_int_equal(crash_run(&run), CRASH_RAN_THROUGH);
	ret->n_calls = noted->n_calls;
	run.stop_at = ret->n_calls / 2 + 1;
	run.stop_recovery_at = UINT_MAX;
	assert_int_equal(crash_run(&run), CRASH_RECOVERED);
	ret->n_recovery_calls = noted->n_recovery_calls;
}

static void test_recovery_is_killed_too(void **state)
{
	struct measure *measures = calloc(crash_n_workloads, sizeof(*measures));
	unsigned int n_pairs = crash_scale(200, 2000);
	unsigned int seed = crash_number("MAFS_TEST_SEED", 1);
	struct run run = { .noted = crash_share(sizeof(*run.noted)) };
	struct tally tally = { 0 };

	for (size_t i = 0; i < crash_n_workloads; i++)
		measure(&crash_workloads[i], run.noted, &measures[i]);
	while (tally.n_stops < n_pairs) {
		size_t i = (size_t)rand_r(&seed) % crash_n_workloads;
		enum crash_result result;

		run.workload = &crash_workloads[i];
		run.stop_at =
			1 + (unsigned int)rand_r(&seed) % measures[i].n_calls;
		run.torn = rand_r(&seed) >> 8 & 1;
		run.stop_recovery_at = 1 + (unsigned int)rand_r(&seed) %
						   measures[i].n_recovery_calls;
		result = crash_run(&run);
		tally.n_stops++;
		tally.n_recovered += result != CRASH_BAD;
	}
	free(measures);
	crash_tell("recovery_pairs", &tally);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_recovery_is_killed_too),
	};
	int r = t_become_private();

	return r ? r : cmocka_run_group_tests(tests, NULL, NULL);
}
