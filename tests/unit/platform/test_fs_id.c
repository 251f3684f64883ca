// SPDX-License-Identifier: Apache-2.0
/* What names a file system, on an ext4 of our own. ctest: labels=root */
#include <mafs/platform.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <fcntl.h>
#include <mafs/cleanup.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "place.h"

#define UUID "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"

static char place[T_PLACE_LEN];

static int setup(void **state)
{
	t_place_make("fs-id", place);
	mkdir(t_path(place, "mnt"), 0700);
	return 0;
}

static int teardown(void **state)
{
	t_place_remove(place);
	return 0;
}

static int mount_ext4(const char *features)
{
	char command[512];

	snprintf(command, sizeof(command),
		 "cd %s && truncate -s 4M image && "
		 "mkfs.ext4 -q -O %s -U " UUID " image && "
		 "mount -o loop image mnt 2>/dev/null",
		 place, features);
	return system(command);
}

static void test_file_system_is_named_by_the_uuid_it_carries(void **state)
{
	struct mafs_uuid expected, id;
	_cleanup_close_ int fd = -1;
	bool weak = true;

	if (mount_ext4("has_journal")) {
		print_message("needs mkfs.ext4 and a loop device\n");
		skip();
	}
	assert_int_equal(mafs_uuid_parse(UUID, &expected), 0);
	fd = open(t_path(place, "mnt"), O_RDONLY | O_DIRECTORY);
	assert_int_equal(mafs_fs_id(fd, &id, &weak), 0);
	/* Before Linux 6.9 only udev could tell. */
	if (weak)
		skip();
	assert_true(mafs_uuid_equal(&id, &expected));
}

static void must_keep_order(const char *features, bool wanted)
{
	_cleanup_close_ int fd = -1;

	if (mount_ext4(features)) {
		print_message("needs mkfs.ext4 and a loop device\n");
		skip();
	}
	fd = open(t_path(place, "mnt"), O_RDONLY | O_DIRECTORY);
	assert_true(fd >= 0);
	assert_int_equal(mafs_fs_keeps_order(fd), wanted);
}

static void test_ext4_with_a_journal_keeps_order(void **state)
{
	must_keep_order("has_journal", true);
}

static void test_ext4_without_a_journal_keeps_no_order(void **state)
{
	must_keep_order("^has_journal", false);
}

static void test_file_systems_without_a_uuid_are_told_apart(void **state)
{
	_cleanup_close_ int proc = open("/proc", O_RDONLY | O_DIRECTORY);
	_cleanup_close_ int tmpfs = -1;
	struct mafs_uuid a, b;
	bool weak;

	assert_int_equal(
		mount("mafs-test", t_path(place, "mnt"), "tmpfs", 0, NULL), 0);
	tmpfs = open(t_path(place, "mnt"), O_RDONLY | O_DIRECTORY);
	assert_int_equal(mafs_fs_id(proc, &a, &weak), 0);
	assert_true(weak);
	assert_int_equal(mafs_fs_id(tmpfs, &b, &weak), 0);
	assert_false(mafs_uuid_equal(&a, &b));
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_file_system_is_named_by_the_uuid_it_carries),
		T(test_ext4_with_a_journal_keeps_order),
		T(test_ext4_without_a_journal_keeps_no_order),
		T(test_file_systems_without_a_uuid_are_told_apart),
	};
	int r = t_become_private();

	return r ? r : cmocka_run_group_tests(tests, NULL, NULL);
}
