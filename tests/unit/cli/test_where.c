// SPDX-License-Identifier: Apache-2.0
/* Paths as text, and the search in a list of mounts. */
#include "cli/where.c"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void assert_absolute(const char *path, const char *expected)
{
	char absolute[PATH_MAX];

	assert_int_equal(mafs_where_absolute(path, absolute, sizeof(absolute)),
			 0);
	assert_string_equal(absolute, expected);
}

static void test_absolute_takes_out_dots_and_slashes(void **state)
{
	assert_absolute("/", "/");
	assert_absolute("/..", "/");
	assert_absolute("//a/./b//", "/a/b");
	assert_absolute("/a/b/../c", "/a/c");
	assert_absolute("/a/../../b", "/b");
	assert_absolute("/...", "/...");
}

static void test_relative_path_begins_where_we_are(void **state)
{
	assert_int_equal(chdir("/proc"), 0);
	assert_absolute("self", "/proc/self");
	assert_absolute("..", "/");
	assert_absolute(".", "/proc");
}

static void test_path_too_long_is_refused(void **state)
{
	char path[PATH_MAX + 2], absolute[PATH_MAX];

	memset(path, 'a', sizeof(path) - 1);
	path[0] = '/';
	path[sizeof(path) - 1] = '\0';
	assert_int_equal(mafs_where_absolute(path, absolute, sizeof(absolute)),
			 -ENAMETOOLONG);
}

static void test_below_ends_at_a_slash(void **state)
{
	assert_true(mafs_where_is_below("/a/b", "/a"));
	assert_true(mafs_where_is_below("/a", "/a"));
	assert_true(mafs_where_is_below("/a", "/"));
	assert_false(mafs_where_is_below("/ab", "/a"));
	assert_false(mafs_where_is_below("/", "/a"));
}

static struct mafs_mount table[] = {
	{ .dev = 1, .root = "/", .path = "/", .type = "ext4" },
	{ .dev = 2, .root = "/", .path = "/m", .type = "fuse.mafs" },
	{ .dev = 3, .root = "/", .path = "/m/in", .type = "tmpfs" },
	{ .dev = 2, .root = "/sub", .path = "/bind", .type = "fuse.mafs" },
};
static const struct mafs_mounts mounts = { .mounts = table, .n_mounts = 4 };

static void test_deepest_mount_shows_a_path(void **state)
{
	assert_ptr_equal(mafs_where_mount(&mounts, "/m/x"), &table[1]);
	assert_ptr_equal(mafs_where_mount(&mounts, "/m"), &table[1]);
	assert_ptr_equal(mafs_where_mount(&mounts, "/m/in/x"), &table[2]);
	assert_ptr_equal(mafs_where_mount(&mounts, "/mx"), &table[0]);
}

static void test_bind_mount_leads_to_the_whole(void **state)
{
	char path[64];

	assert_ptr_equal(whole_of(&mounts, &table[3]), &table[1]);
	assert_int_equal(join(table[3].root, rest_below("/bind/f", "/bind"),
			      path, sizeof(path)),
			 0);
	assert_string_equal(path, "sub/f");
}

static void test_root_of_a_mount_is_the_empty_path(void **state)
{
	char path[64];

	assert_int_equal(join("/", rest_below("/m", "/m"), path, sizeof(path)),
			 0);
	assert_string_equal(path, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_absolute_takes_out_dots_and_slashes),
		cmocka_unit_test(test_relative_path_begins_where_we_are),
		cmocka_unit_test(test_path_too_long_is_refused),
		cmocka_unit_test(test_below_ends_at_a_slash),
		cmocka_unit_test(test_deepest_mount_shows_a_path),
		cmocka_unit_test(test_bind_mount_leads_to_the_whole),
		cmocka_unit_test(test_root_of_a_mount_is_the_empty_path),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
