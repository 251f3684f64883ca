// SPDX-License-Identifier: Apache-2.0
/* The list of mounts, read from a file that looks like mountinfo. */
#include <mafs/mounts.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "place.h"

static char place[T_PLACE_LEN];
static struct mafs_mounts mounts;

static int setup(void **state)
{
	t_place_make("mounts", place);
	return 0;
}

static int teardown(void **state)
{
	mafs_mounts_done(&mounts);
	t_place_remove(place);
	return 0;
}

static void read_mounts(const char *text)
{
	t_write_file(place, "mountinfo", text);
	assert_int_equal(mafs_mounts_read(t_path(place, "mountinfo"), &mounts),
			 0);
}

static void test_line_is_cut_into_its_fields(void **state)
{
	const struct mafs_mount *mount;

	read_mounts("36 35 98:7 /r /mnt rw,noatime shared:1 master:2 - "
		    "ext4 /dev/sda rw,errors=continue\n");
	assert_int_equal(mounts.n_mounts, 1);
	mount = &mounts.mounts[0];
	assert_int_equal(mount->id, 36);
	assert_int_equal(mount->parent_id, 35);
	assert_int_equal(mount->dev, makedev(98, 7));
	assert_string_equal(mount->root, "/r");
	assert_string_equal(mount->path, "/mnt");
	assert_string_equal(mount->type, "ext4");
	assert_string_equal(mount->source, "/dev/sda");
	assert_string_equal(mount->options, "rw,errors=continue");
}

static void test_escaped_bytes_are_themselves_again(void **state)
{
	read_mounts("1 0 0:1 / /a\\040b\\011c\\134d rw - "
		    "fuse.mafs /\\303\\251\\012 rw\n");
	assert_string_equal(mounts.mounts[0].path, "/a b\tc\\d");
	assert_string_equal(mounts.mounts[0].source, "/\xc3\xa9\n");
}

static void test_backslash_that_escapes_nothing_stays(void **state)
{
	read_mounts("1 0 0:1 / /a\\04 rw - t s rw\n");
	assert_string_equal(mounts.mounts[0].path, "/a\\04");
}

static void test_last_mount_at_a_path_is_the_one_seen(void **state)
{
	read_mounts("1 0 0:1 / /a rw - ext4 s rw\n"
		    "2 0 0:2 / /ab rw - xfs s rw\n"
		    "3 1 0:3 / /a rw - fuse.mafs s rw\n");
	assert_int_equal(mafs_mounts_at(&mounts, "/a")->id, 3);
	assert_int_equal(mafs_mounts_at(&mounts, "/ab")->id, 2);
	assert_null(mafs_mounts_at(&mounts, "/abc"));
}

static void test_line_that_cannot_be_read_is_left_out(void **state)
{
	read_mounts("nonsense\n\n1 0 0:1 / /a rw - ext4\n"
		    "2 0 x / /b rw - ext4 s rw\n3 0 0:1 / /c rw - t s rw");
	assert_int_equal(mounts.n_mounts, 1);
	assert_string_equal(mounts.mounts[0].path, "/c");
}

static void test_option_is_found_whole_only(void **state)
{
	const struct mafs_mount mount = { .options = "rw,memoryx,cpu" };

	assert_true(mafs_mount_has_option(&mount, "cpu"));
	assert_true(mafs_mount_has_option(&mount, "rw"));
	assert_false(mafs_mount_has_option(&mount, "memory"));
}

static void test_list_longer_than_one_read_is_whole(void **state)
{
	static char text[200000];
	size_t len = 0;

	for (int i = 0; i < 3000; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len,
					"%d 0 0:1 / /mount/%d rw - t s rw\n", i,
					i);
	read_mounts(text);
	assert_int_equal(mounts.n_mounts, 3000);
	assert_string_equal(mounts.mounts[2999].path, "/mount/2999");
}

static void test_own_mounts_are_listed(void **state)
{
	assert_int_equal(mafs_mounts_read(NULL, &mounts), 0);
	assert_non_null(mafs_mounts_at(&mounts, "/proc"));
}

static void test_missing_file_is_an_error(void **state)
{
	assert_int_equal(mafs_mounts_read(t_path(place, "none"), &mounts),
			 -ENOENT);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_line_is_cut_into_its_fields),
		T(test_escaped_bytes_are_themselves_again),
		T(test_backslash_that_escapes_nothing_stays),
		T(test_last_mount_at_a_path_is_the_one_seen),
		T(test_line_that_cannot_be_read_is_left_out),
		T(test_option_is_found_whole_only),
		T(test_list_longer_than_one_read_is_whole),
		T(test_own_mounts_are_listed),
		T(test_missing_file_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
