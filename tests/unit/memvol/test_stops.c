// SPDX-License-Identifier: Apache-2.0
/*
 * Requests on a memory volume, stopped at every flush and behind it, with what
 * was not flushed lost, torn or kept: what was acknowledged is there, what was
 * under way is as before or done, and no byte is another file's.
 *
 * ctest: labels=crash wrap=mafs_device_open,mafs_memory_session_open
 */
#include "requests.h"

#include <linux/fs.h>

#define SIZE (1024 * KIB)
#define UNIT 4096

static struct stops stops;

static struct stops *begin(size_t n_devices)
{
	stops_begin(&stops, n_devices, SIZE);
	return &stops;
}

static void test_names_are_there_or_not(void **state)
{
	struct stops *s = begin(1);

	s->checks_recovery = true;
	DO(s, v_mkdir, "d");
	DO(s, v_mkdir, "d/e");
	DO(s, v_create, 0, "d/f");
	append(s, 0, 1, 0, 3000);
	DO_SYNC(s, v_close, 0);
	DO(s, v_symlink, "some/where", "d/link");
	DO(s, v_mknod, "d/null", S_IFCHR | 0600);
	DO(s, v_mknod, "pipe", S_IFIFO | 0600);
	DO(s, v_link, "d/f", "second");
	DO(s, v_remove, "d/f", false);
	DO(s, v_remove, "second", false);
	DO(s, v_remove, "d/link", false);
	DO(s, v_remove, "d/e", true);
	stops_end(s, "names");
}

static void test_renames_are_whole(void **state)
{
	struct stops *s = begin(1);

	DO(s, v_mkdir, "a");
	DO(s, v_mkdir, "b");
	DO(s, v_create, 0, "a/f");
	append(s, 0, 1, 0, 5000);
	DO_SYNC(s, v_close, 0);
	DO(s, v_create, 0, "b/g");
	append(s, 0, 2, 0, 9000);
	DO_SYNC(s, v_close, 0);
	DO(s, v_rename, "a/f", "a/f2", 0);
	DO(s, v_rename, "a/f2", "b/f3", 0);
	DO(s, v_rename, "a", "b/a", 0);
	DO(s, v_rename, "b/a", "b/g", RENAME_EXCHANGE);
	DO(s, v_rename, "b/f3", "b/a", 0);
	/* What it replaced is free: the next one gets it, and never shows it. */
	DO(s, v_create, 0, "b/g/h");
	append(s, 0, 3, 0, 12000);
	DO_SYNC(s, v_close, 0);
	stops_end(s, "renames");
}

static void test_bytes_are_a_files_own(void **state)
{
	struct stops *s = begin(1);

	DO(s, v_create, 0, "f");
	append(s, 0, 1, 0, 100);
	append(s, 0, 1, 100, 5000);
	append(s, 0, 1, 5100, 20000);
	write_within(s, 0, 2, 50, 6000);
	write_within(s, 0, 3, 9000, 3);
	DO_SYNC(s, v_fsync, 0);
	write_within(s, 0, 4, 0, 25100);
	DO_SYNC(s, v_fsync, 0);
	/* Behind a hole, and over the end. */
	append(s, 0, 5, 40000, 5000);
	append(s, 0, 6, 44000, 5000);
	DO_SYNC(s, v_close, 0);
	stops_end(s, "bytes");
}

static void test_sizes_hide_what_lies_behind_them(void **state)
{
	struct stops *s = begin(1);

	DO(s, v_create, 0, "f");
	append(s, 0, 1, 0, 30000);
	truncate_to(s, "f", 10000);
	truncate_to(s, "f", 20000);
	truncate_to(s, "f", 3);
	truncate_to(s, "f", 4096);
	truncate_to(s, "f", 0);
	append(s, 0, 2, 100, 10);
	truncate_to(s, "f", 50);
	append(s, 0, 3, 50, 9000);
	DO_SYNC(s, v_close, 0);
	truncate_to(s, "f", 60000);
	DO(s, v_create, 0, "g");
	append(s, 0, 4, 0, 30000);
	DO_SYNC(s, v_close, 0);
	stops_end(s, "sizes");
}

static void test_allocated_bytes_are_zeros(void **state)
{
	struct stops *s = begin(1);
	const int keep = FALLOC_FL_KEEP_SIZE;

	DO(s, v_create, 0, "f");
	allocate(s, 0, 0, 1000, 10000);
	truncate_to(s, "f", 100000);
	allocate(s, 0, 0, 40000, 20000);
	allocate(s, 0, keep, 90000, 40000);
	append(s, 0, 1, 100000, 10000);
	write_within(s, 0, 1, 50000, 8000);
	DO_SYNC(s, v_fsync, 0);
	s->loose[s->v->file_ids[0]] = true; /* parts of it may be zeros */
	allocate(s, 0, keep | FALLOC_FL_PUNCH_HOLE, 41000, 15000);
	allocate(s, 0, FALLOC_FL_ZERO_RANGE, 55000, 3000);
	allocate(s, 0, FALLOC_FL_ZERO_RANGE, 70000, 50000);
	DO_SYNC(s, v_close, 0);
	stops_end(s, "allocate");
}

static void test_attributes_are_whole(void **state)
{
	struct stops *s = begin(1);
	const struct stat attr = {
		.st_mode = S_IFREG | 04711,
		.st_uid = 1000,
		.st_gid = 100,
		.st_size = 700,
		.st_atim = { 5, 6 },
		.st_mtim = { 7, 8 },
	};

	DO(s, v_create, 0, "f");
	append(s, 0, 1, 0, 5000);
	DO_SYNC(s, v_close, 0);
	DO(s, v_setattr, "f", &attr, MAFSD_SET_MODE);
	DO(s, v_setattr, "f", &attr, MAFSD_SET_UID | MAFSD_SET_GID);
	DO(s, v_setattr, "f", &attr, MAFSD_SET_ATIME | MAFSD_SET_MTIME);
	DO(s, v_setxattr, "f", "user.a", "one", 3);
	DO(s, v_setxattr, "f", "user.a", "other", 5);
	DO(s, v_setxattr, "f", "user.empty", "", 0);
	DO(s, v_removexattr, "f", "user.a");
	DO(s, v_setxattr, "", "user.root", "root", 4);
	DO(s, v_setattr, "", &(struct stat){ .st_mode = 0700 }, MAFSD_SET_MODE);
	stops_end(s, "attributes");
}

static void test_files_without_a_name_go_or_get_one(void **state)
{
	struct stops *s = begin(1);

	DO(s, v_create, 0, "f");
	append(s, 0, 1, 0, 9000);
	DO(s, v_remove, "f", false);
	append(s, 0, 1, 9000, 9000);
	DO(s, v_close, 0);
	DO(s, v_tmpfile, 0);
	append(s, 0, 2, 0, 9000);
	DO(s, v_link_id, s->v->file_ids[0], "g");
	DO_SYNC(s, v_close, 0);
	stops_end(s, "nameless");
}

static void test_mount_and_umount_change_nothing(void **state)
{
	struct stops *s = begin(1);

	s->checks_recovery = true;
	DO(s, v_create, 0, "f");
	append(s, 0, 1, 0, 9000);
	write_within(s, 0, 2, 0, 5000);
	DO_SYNC(s, v_close, 0);
	for (int i = 0; i < 3; i++) {
		s->what = "umount";
		v_umount(s->v);
		s->what = "mount";
		v_mount(s->v);
	}
	DO(s, v_mkdir, "d");
	stops_end(s, "mounts");
}

static void test_two_devices_are_one_volume(void **state)
{
	struct stops *s = begin(2);

	DO(s, v_create, 0, "f");
	for (uint64_t at = 0; at < 10; at++)
		append(s, 0, 1, at * 60000, 60000);
	truncate_to(s, "f", 100000);
	DO(s, v_create, 1, "g");
	append(s, 1, 2, 0, 250000);
	append(s, 1, 2, 250000, 250000);
	write_within(s, 1, 3, 50000, 200000);
	DO_SYNC(s, v_close, 1);
	DO_SYNC(s, v_close, 0);
	DO(s, v_remove, "f", false);
	stops_end(s, "two devices");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names_are_there_or_not),
		cmocka_unit_test(test_renames_are_whole),
		cmocka_unit_test(test_bytes_are_a_files_own),
		cmocka_unit_test(test_sizes_hide_what_lies_behind_them),
		cmocka_unit_test(test_allocated_bytes_are_zeros),
		cmocka_unit_test(test_attributes_are_whole),
		cmocka_unit_test(test_files_without_a_name_go_or_get_one),
		cmocka_unit_test(test_mount_and_umount_change_nothing),
		cmocka_unit_test(test_two_devices_are_one_volume),
	};

	keep_pages();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
