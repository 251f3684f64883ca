// SPDX-License-Identifier: Apache-2.0
/* Bounds of machines that stand in a directory. */
#include <lib/platform/bounds.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "place.h"

#define MIB (UINT64_C(1) << 20)

#define CGROUP2 "30 1 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"
#define CGROUP1 "32 1 0:29 / /cg/memory rw - cgroup cgroup rw,memory\n"

static char place[T_PLACE_LEN];

static void put(const char *path, const char *content)
{
	char part[256] = "";

	for (const char *at = path; (at = strchr(at, '/')); at++) {
		memcpy(part, path, (size_t)(at - path));
		part[at - path] = '\0';
		mkdir(t_path(place, part), 0700);
	}
	t_write_file(place, path, content);
}

static int setup(void **state)
{
	t_place_make("bounds", place);
	put("proc/meminfo", "MemTotal:       8192 kB\n"
			    "MemFree:         100 kB\n"
			    "MemAvailable:   4096 kB\n");
	put("proc/self/mountinfo", "");
	put("proc/self/cgroup", "");
	return 0;
}

static int teardown(void **state)
{
	t_place_remove(place);
	return 0;
}

static struct mafs_bounds read_bounds(void)
{
	struct mafs_bounds bounds;

	assert_int_equal(mafs_bounds_read_at(place, &bounds), 0);
	return bounds;
}

static void test_machine_without_groups_is_bounded_by_its_ram(void **state)
{
	struct mafs_bounds bounds = read_bounds();

	assert_int_equal(bounds.ram_bytes, 8 * MIB);
	assert_int_equal(bounds.available_bytes, 4 * MIB);
	assert_true(bounds.cgroup_bytes == UINT64_MAX);
}

static void test_tightest_limit_above_counts_in_v2(void **state)
{
	put("proc/self/mountinfo", CGROUP2);
	put("proc/self/cgroup", "0::/a/b/c\n");
	put("sys/fs/cgroup/a/b/c/memory.max", "max\n");
	put("sys/fs/cgroup/a/b/memory.max", "6291456\n");
	put("sys/fs/cgroup/a/memory.max", "3145728\n");
	assert_int_equal(read_bounds().cgroup_bytes, 3 * MIB);
}

static void test_limit_of_the_group_itself_counts_in_v2(void **state)
{
	put("proc/self/mountinfo", CGROUP2);
	put("proc/self/cgroup", "0::/a/b\n");
	put("sys/fs/cgroup/a/b/memory.max", "1048576\n");
	put("sys/fs/cgroup/a/memory.max", "3145728\n");
	assert_int_equal(read_bounds().cgroup_bytes, MIB);
}

static void test_limit_that_throttles_counts(void **state)
{
	put("proc/self/mountinfo", CGROUP2);
	put("proc/self/cgroup", "0::/a\n");
	put("sys/fs/cgroup/a/memory.max", "3145728\n");
	put("sys/fs/cgroup/a/memory.high", "2097152\n");
	assert_int_equal(read_bounds().cgroup_bytes, 2 * MIB);
}

static void test_limit_beside_the_path_does_not_count(void **state)
{
	put("proc/self/mountinfo", CGROUP2);
	put("proc/self/cgroup", "0::/a\n");
	put("sys/fs/cgroup/b/memory.max", "1048576\n");
	put("sys/fs/cgroup/a/c/memory.max", "1048576\n");
	assert_true(read_bounds().cgroup_bytes == UINT64_MAX);
}

static void test_limits_of_v1_are_found_along_its_own_path(void **state)
{
	put("proc/self/mountinfo", CGROUP1);
	put("proc/self/cgroup", "5:cpu:/x\n4:memory:/a/b\n");
	put("cg/memory/a/b/memory.limit_in_bytes", "4194304\n");
	put("cg/memory/a/memory.limit_in_bytes", "2097152\n");
	put("cg/memory/x/memory.limit_in_bytes", "4096\n");
	put("cg/memory/memory.limit_in_bytes", "9223372036854771712\n");
	assert_int_equal(read_bounds().cgroup_bytes, 2 * MIB);
}

static void test_no_limit_of_v1_is_none(void **state)
{
	put("proc/self/mountinfo", CGROUP1);
	put("proc/self/cgroup", "4:memory:/\n");
	put("cg/memory/memory.limit_in_bytes", "9223372036854771712\n");
	assert_true(read_bounds().cgroup_bytes == UINT64_MAX);
}

static void test_both_hierarchies_of_a_hybrid_machine_count(void **state)
{
	put("proc/self/mountinfo", CGROUP1 CGROUP2);
	put("proc/self/cgroup", "4:memory:/a\n0::/b\n");
	put("cg/memory/a/memory.limit_in_bytes", "4194304\n");
	put("sys/fs/cgroup/b/memory.max", "2097152\n");
	assert_int_equal(read_bounds().cgroup_bytes, 2 * MIB);
	put("cg/memory/a/memory.limit_in_bytes", "1048576\n");
	assert_int_equal(read_bounds().cgroup_bytes, MIB);
}

static void test_controllers_that_share_a_mount_are_told_apart(void **state)
{
	put("proc/self/mountinfo",
	    "32 1 0:29 / /cg/both rw - cgroup cgroup rw,cpu,memory\n"
	    "33 1 0:30 / /cg/named rw - cgroup cgroup rw,name=memory\n");
	put("proc/self/cgroup", "4:cpu,memory:/a\n");
	put("cg/both/a/memory.limit_in_bytes", "2097152\n");
	put("cg/named/a/memory.limit_in_bytes", "4096\n");
	assert_int_equal(read_bounds().cgroup_bytes, 2 * MIB);
}

static void test_mount_of_a_part_of_the_tree_is_followed(void **state)
{
	/* A container: the group's path is the host's, so is the root. */
	put("proc/self/mountinfo",
	    "30 1 0:26 /docker/x /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
	put("proc/self/cgroup", "0::/docker/x/y\n");
	put("sys/fs/cgroup/memory.max", "3145728\n");
	put("sys/fs/cgroup/y/memory.max", "2097152\n");
	assert_int_equal(read_bounds().cgroup_bytes, 2 * MIB);
}

static void test_group_outside_of_the_namespace_is_its_root(void **state)
{
	put("proc/self/mountinfo", CGROUP2);
	put("proc/self/cgroup", "0::/../other\n");
	put("sys/fs/cgroup/memory.max", "2097152\n");
	put("sys/fs/other/memory.max", "4096\n");
	assert_int_equal(read_bounds().cgroup_bytes, 2 * MIB);
}

static void test_unreadable_lines_are_passed_over(void **state)
{
	put("proc/self/mountinfo", "nonsense\n\n30 1\n" CGROUP2);
	put("proc/self/cgroup", "\nnonsense\n0::/a\n");
	put("sys/fs/cgroup/a/memory.max", "2097152\n");
	assert_int_equal(read_bounds().cgroup_bytes, 2 * MIB);
}

static void test_machine_without_meminfo_is_an_error(void **state)
{
	struct mafs_bounds bounds;

	unlink(t_path(place, "proc/meminfo"));
	assert_int_equal(mafs_bounds_read_at(place, &bounds), -ENOENT);
}

static void test_this_machine_has_bounds(void **state)
{
	struct mafs_bounds bounds;

	assert_int_equal(mafs_bounds_read(&bounds), 0);
	assert_true(bounds.ram_bytes >= bounds.available_bytes);
	assert_true(bounds.cgroup_bytes > 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_machine_without_groups_is_bounded_by_its_ram),
		T(test_tightest_limit_above_counts_in_v2),
		T(test_limit_of_the_group_itself_counts_in_v2),
		T(test_limit_that_throttles_counts),
		T(test_limit_beside_the_path_does_not_count),
		T(test_limits_of_v1_are_found_along_its_own_path),
		T(test_no_limit_of_v1_is_none),
		T(test_both_hierarchies_of_a_hybrid_machine_count),
		T(test_controllers_that_share_a_mount_are_told_apart),
		T(test_mount_of_a_part_of_the_tree_is_followed),
		T(test_group_outside_of_the_namespace_is_its_root),
		T(test_unreadable_lines_are_passed_over),
		T(test_machine_without_meminfo_is_an_error),
		cmocka_unit_test(test_this_machine_has_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
