// SPDX-License-Identifier: Apache-2.0
/*
 * ctest: labels=root timeout=900
 *
 * The daemon is killed before each of its system calls, and in the middle of
 * each store; memory and page cache live on. Everything acknowledged must be
 * there for the next one.
 */
#include "crash.h"

#include "place.h"

int main(void)
{
	int r = t_become_private();

	return r ? r :
		   crash_every_stop(crash_workloads, crash_n_workloads, false);
}
