// SPDX-License-Identifier: Apache-2.0
/* What is left of root's power. ctest: labels=root */
#include <mafs/platform.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "place.h"

/* Limits for good, so in a child; @check returns what it exits with. */
static int in_limited_child(int (*check)(void))
{
	int status;
	pid_t child = fork();

	if (child == 0)
		_exit(mafs_capabilities_limit() < 0 ? 99 : check());
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int keeps_what_it_needs(void)
{
	static const int needed[] = { CAP_CHOWN,     CAP_DAC_OVERRIDE,
				      CAP_FOWNER,    CAP_DAC_READ_SEARCH,
				      CAP_SETUID,    CAP_SETGID,
				      CAP_SYS_ADMIN, CAP_MKNOD,
				      CAP_LEASE,     CAP_SETFCAP };

	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++)
		if (!mafs_have_capability(needed[i]))
			return 1;
	return 0;
}

static int lost_the_rest(void)
{
	for (int i = 0; i <= CAP_LAST_CAP; i++)
		if (i != CAP_CHOWN && i != CAP_DAC_OVERRIDE &&
		    i != CAP_FOWNER && i != CAP_DAC_READ_SEARCH &&
		    i != CAP_SETUID && i != CAP_SETGID && i != CAP_SYS_ADMIN &&
		    i != CAP_MKNOD && i != CAP_LEASE && i != CAP_SETFCAP &&
		    i != CAP_FSETID &&
		    (mafs_have_capability(i) || prctl(PR_CAPBSET_READ, i) == 1))
			return 1;
	return 0;
}

static int can_be_limited_again(void)
{
	return mafs_capabilities_limit() < 0 || keeps_what_it_needs();
}

static void test_daemon_keeps_what_it_needs(void **state)
{
	if (keeps_what_it_needs()) {
		print_message("needs root's capabilities\n");
		skip();
	}
	assert_int_equal(in_limited_child(keeps_what_it_needs), 0);
}

static void test_daemon_loses_all_else(void **state)
{
	assert_int_equal(in_limited_child(lost_the_rest), 0);
}

static void test_limiting_twice_changes_nothing(void **state)
{
	assert_int_equal(in_limited_child(can_be_limited_again), 0);
}

static int limit_as_user(void)
{
	if (setgid(1000) < 0 || setuid(1000) < 0)
		return 2;
	return mafs_capabilities_limit() < 0 || mafs_have_capability(CAP_CHOWN);
}

static void test_user_without_capabilities_may_ask_too(void **state)
{
	assert_int_equal(in_limited_child(limit_as_user), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_daemon_keeps_what_it_needs),
		cmocka_unit_test(test_daemon_loses_all_else),
		cmocka_unit_test(test_limiting_twice_changes_nothing),
		cmocka_unit_test(test_user_without_capabilities_may_ask_too),
	};
	int r = t_become_private();

	return r ? r : cmocka_run_group_tests(tests, NULL, NULL);
}
