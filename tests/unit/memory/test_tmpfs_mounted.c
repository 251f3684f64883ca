// SPDX-License-Identifier: Apache-2.0
/* The device on tmpfs mounts of its own. ctest: labels=root */
#include "common_tests.h"

#include <mafs/mounts.h>
#include <mafs/platform.h>
#include <linux/capability.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/statvfs.h>

static int setup(void **state)
{
	*state = device_make(NULL, 32 * MIB);
	return 0;
}

static int teardown(void **state)
{
	device_free(*state);
	return 0;
}

static bool is_mounted(const char *path, const char *option)
{
	const struct mafs_mount *mount;
	struct mafs_mounts mounts;
	bool is;

	assert_int_equal(mafs_mounts_read(NULL, &mounts), 0);
	mount = mafs_mounts_at(&mounts, path);
	is = mount && (!option || mafs_mount_has_option(mount, option));
	mafs_mounts_done(&mounts);
	return is;
}

static void test_mounts_are_private_and_bounded(void **state)
{
	struct device *d = *state;
	struct statvfs fs;
	struct stat st;

	assert_int_equal(stat(d->path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(statvfs(t_path(d->path, "data"), &fs), 0);
	assert_int_equal(fs.f_blocks * fs.f_frsize, 32 * MIB);
	assert_true(fs.f_flag & ST_NOSUID);
	assert_true(fs.f_flag & ST_NODEV);
	assert_true(fs.f_flag & ST_NOEXEC);
}

static void test_thousands_of_small_files_take_a_page_each(void **state)
{
	struct device *d = *state;

	for (int i = 0; i < 4000; i++) {
		struct mafs_map map = { 0 };
		struct mafs_memory_file *file = create(d, &map);

		assert_int_equal(store(file, 0, 4096), 4096);
		d->memory->ops->close(file);
		mafs_map_done(&map);
	}
	assert_int_equal(usage_of(d).used_bytes, 4000 * 4096);
	assert_int_equal(usage_of(d).n_files, 4000);
}

static void test_destroy_waits_for_nobody(void **state)
{
	struct device *d = *state;
	int fd = open(t_path(d->path, "data/00"), O_RDONLY | O_DIRECTORY);

	assert_true(fd >= 0);
	d->memory->ops->free(d->memory);
	d->memory = NULL;
	assert_int_equal(mafs_memory_destroy(d->path, NULL), 0);
	assert_false(is_mounted(d->path, NULL));
	assert_int_equal(access(d->path, F_OK), -1);
	close(fd);
}

static void test_outer_mount_alone_is_cleared_away(void **state)
{
	struct device *d = *state;
	struct mafs_memory_spec spec = { .kind = "tmpfs", .size_bytes = MIB };

	d->memory->ops->free(d->memory);
	d->memory = NULL;
	unlink(t_path(d->path, "superblock"));
	assert_int_equal(umount(t_path(d->path, "data")), 0);
	assert_int_equal(
		mafs_memory_make(d->path, &spec, NULL, &d->memory, NULL), 0);
	assert_true(is_mounted(t_path(d->path, "data"), "size=1024k"));
}

static void test_huge_pages_are_left_out_when_told_so(void **state)
{
	struct device *d = *state;
	struct mafs_memory_spec spec = { .kind = "tmpfs",
					 .size_bytes = MIB,
					 .huge = "never" };

	d->memory->ops->free(d->memory);
	d->memory = NULL;
	assert_int_equal(mafs_memory_destroy(d->path, NULL), 0);
	assert_int_equal(mkdir(d->path, 0700), 0);
	assert_int_equal(
		mafs_memory_make(d->path, &spec, NULL, &d->memory, NULL), 0);
	assert_false(is_mounted(t_path(d->path, "data"), "huge=within_size"));
}

static void test_option_that_the_kernel_refuses_is_named(void **state)
{
	struct device *d = *state;
	struct mafs_memory_spec spec = { .kind = "tmpfs",
					 .size_bytes = MIB,
					 .mpol = "nonsense" };
	struct mafs_fault fault = MAFS_FAULT_INIT;
	char path[128];

	snprintf(path, sizeof(path), "%s", t_path(d->place, "other"));
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(mafs_memory_make(path, &spec, NULL, &d->memory,
					  &fault),
			 -EINVAL);
	assert_non_null(strstr(fault.what, "mpol"));
	assert_false(is_mounted(path, NULL));
}

static void test_identity_is_a_trusted_xattr(void **state)
{
	struct device *d = *state;
	struct seen seen = { 0 };
	struct mafs_map map = { 0 };

	d->memory->ops->close(create(d, &map));
	assert_int_equal(d->memory->ops->visit(d->memory, MAFS_VISIT_IDS, see,
					       &seen),
			 0);
	assert_int_equal(seen.id_len, 8);
	mafs_map_done(&map);
}

static void test_lease_of_a_file_tells_who_uses_it(void **state)
{
	struct device *d = *state;
	const struct mafs_memory_ops *ops = d->memory->ops;
	struct mafs_map map = { 0 };
	struct mafs_memory_file *file = create(d, &map), *other;

	signal(SIGIO, SIG_IGN);
	assert_int_equal(mafs_lease_take(ops->lease_fd(file)), MAFS_USE_NONE);
	mafs_lease_drop(ops->lease_fd(file));
	assert_int_equal(ops->open(d->memory, &map, false, &other), 0);
	assert_int_equal(mafs_lease_take(ops->lease_fd(file)), MAFS_USE_SOME);
	ops->close(other);
	ops->close(file);
	mafs_map_done(&map);
}

static void test_files_are_made_under_a_callers_ids(void **state)
{
	struct device *d = *state;
	struct mafs_map map = { 0 };
	struct mafs_memory_file *file;

	mafs_act_as(1000, 1000);
	file = create(d, &map);
	assert_int_equal(store(file, 0, 1), 1);
	mafs_act_as_self();
	d->memory->ops->close(file);
	mafs_map_done(&map);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		COMMON_TESTS,
		T(test_mounts_are_private_and_bounded),
		T(test_thousands_of_small_files_take_a_page_each),
		T(test_destroy_waits_for_nobody),
		T(test_outer_mount_alone_is_cleared_away),
		T(test_huge_pages_are_left_out_when_told_so),
		T(test_option_that_the_kernel_refuses_is_named),
		T(test_identity_is_a_trusted_xattr),
		T(test_lease_of_a_file_tells_who_uses_it),
		T(test_files_are_made_under_a_callers_ids),
	};
	int r = t_become_private();

	if (!r && !mafs_have_capability(CAP_SYS_ADMIN)) {
		printf("needs CAP_SYS_ADMIN\n");
		r = T_SKIP;
	}
	return r ? r : cmocka_run_group_tests(tests, NULL, NULL);
}
