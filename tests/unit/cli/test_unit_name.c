// SPDX-License-Identifier: Apache-2.0
/* Paths in systemd's names; expected values are systemd-escape's. */
#include "cli/unit_name.c"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void assert_name(const char *path, const char *expected)
{
	char name[256];

	assert_int_equal(mafs_unit_name("", path, "", name, sizeof(name)), 0);
	assert_string_equal(name, expected);
}

static void test_slashes_become_dashes(void **state)
{
	assert_name("/srv/data", "srv-data");
	assert_name("//srv///data//", "srv-data");
	assert_name("/", "-");
}

static void test_all_but_plain_bytes_is_escaped(void **state)
{
	assert_name("/a-b/c d", "a\\x2db-c\\x20d");
	assert_name("/.mnt/.x", "\\x2emnt-.x");
	assert_name("/\xc3\xa4\\", "\\xc3\\xa4\\x5c");
}

static void test_too_long_for_a_unit(void **state)
{
	char path[300], name[600];

	memset(path, 'a', sizeof(path) - 1);
	path[0] = '/';
	path[sizeof(path) - 1] = '\0';
	assert_int_equal(mafs_unit_name("mafs@", path, ".service", name,
					sizeof(name)),
			 -ENAMETOOLONG);
	path[200] = '\0';
	assert_int_equal(mafs_unit_name("mafs@", path, ".service", name, 100),
			 -ENAMETOOLONG);
	assert_int_equal(mafs_unit_name("mafs@", path, ".service", name,
					sizeof(name)),
			 0);
}

static void test_quoted_value_keeps_every_byte(void **state)
{
	char quoted[32];

	assert_int_equal(mafs_unit_quote("a\"b\\c %d", quoted, sizeof(quoted)),
			 0);
	assert_string_equal(quoted, "\"a\\\"b\\\\c %%d\"");
	assert_int_equal(mafs_unit_quote("0123456789", quoted, 12),
			 -ENAMETOOLONG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_slashes_become_dashes),
		cmocka_unit_test(test_all_but_plain_bytes_is_escaped),
		cmocka_unit_test(test_too_long_for_a_unit),
		cmocka_unit_test(test_quoted_value_keeps_every_byte),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
