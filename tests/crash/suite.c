// SPDX-License-Identifier: Apache-2.0
/* Each workload as a test: all of its stops, and what came of them. */
#include "crash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#define N_WORKLOADS_MAX 64
#define N_BAD_MAX 5 /* then the workload is given up */

static bool with_cuts;

void *crash_share(size_t len)
{
	void *shared = mmap(NULL, len, PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (shared == MAP_FAILED)
		abort();
	return shared;
}

unsigned int crash_number(const char *variable, unsigned int otherwise)
{
	const char *text = getenv(variable);

	return text ? (unsigned int)strtoul(text, NULL, 10) : otherwise;
}

/* Return: did it come to the stop? */
static bool stop_once(struct run *run, unsigned int *n_stops,
		      unsigned int *n_recovered)
{
	enum crash_result result = crash_run(run);

	if (result != CRASH_RAN_THROUGH)
		++*n_stops;
	*n_recovered += result == CRASH_RECOVERED;
	return result != CRASH_RAN_THROUGH;
}

static void stop_everywhere(void **state)
{
	const struct workload *workload = *state;
	struct run run = {
		.workload = workload,
		.cut = with_cuts,
		.noted = crash_share(sizeof(*run.noted)),
	};
	unsigned int seed = crash_number("MAFS_TEST_SEED", 1);
	unsigned int n_stops = 0, n_recovered = 0;
	bool came;

	do {
		run.stop_at++;
		run.seed = seed * 7919 + run.stop_at;
		run.torn = false;
		came = stop_once(&run, &n_stops, &n_recovered);
		run.torn = run.at_store;
		if (came && run.torn)
			stop_once(&run, &n_stops, &n_recovered);
	} while (came && n_stops - n_recovered < N_BAD_MAX);
	munmap(run.noted, sizeof(*run.noted));
	printf("crash: %s%s stops=%u recovered=%u\n", with_cuts ? "cut_" : "",
	       workload->name, n_stops, n_recovered);
	fflush(stdout);
	assert_true(n_stops > 0);
	assert_int_equal(n_recovered, n_stops);
}

int crash_every_stop(const struct workload *workloads, size_t n, bool cut)
{
	static struct CMUnitTest tests[N_WORKLOADS_MAX];

	with_cuts = cut;
	assert_true(n <= N_WORKLOADS_MAX);
	for (size_t i = 0; i < n; i++)
		tests[i] = (struct CMUnitTest){
			.name = workloads[i].name,
			.test_func = stop_everywhere,
			.initial_state = (void *)&workloads[i],
		};
	return _cmocka_run_group_tests("crash", tests, n, NULL, NULL);
}
