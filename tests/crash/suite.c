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

unsigned int crash_scale(unsigned int check, unsigned int full)
{
	return getenv("MAFS_TEST_LONG") ? full : check;
}

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
static bool stop_once(struct run *run, struct tally *tally)
{
	enum crash_result result = crash_run(run);

	if (result == CRASH_RAN_THROUGH)
		return false;
	tally->n_stops++;
	tally->n_recovered += result == CRASH_RECOVERED;
	return true;
}

/* One stop: whole, and torn; or with several cuts. */
static bool stop_at(struct run *run, struct tally *tally)
{
	unsigned int n_cuts = run->cut ? crash_scale(2, 32) : 1;
	bool came = false;

	run->torn = false;
	for (unsigned int i = 0; i < n_cuts; i++) {
		run->seed++;
		came = stop_once(run, tally);
	}
	run->torn = came && run->at_store && !run->cut;
	if (run->torn)
		stop_once(run, tally);
	return came;
}

void crash_tell(const char *name, const struct tally *tally)
{
	printf("crash: %s stops=%u recovered=%u\n", name, tally->n_stops,
	       tally->n_recovered);
	fflush(stdout);
	assert_true(tally->n_stops > 0);
	assert_int_equal(tally->n_recovered, tally->n_stops);
}

static void stop_everywhere(void **state)
{
	const struct workload *workload = *state;
	struct tally tally = { 0 };
	struct run run = {
		.workload = workload,
		.cut = with_cuts,
		.seed = crash_number("MAFS_TEST_SEED", 1) << 16,
		.noted = crash_share(sizeof(*run.noted)),
	};

	do
		run.stop_at++;
	while (stop_at(&run, &tally) &&
	       tally.n_stops - tally.n_recovered < N_BAD_MAX);
	munmap(run.noted, sizeof(*run.noted));
	crash_tell(workload->name, &tally);
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
