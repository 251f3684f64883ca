// SPDX-License-Identifier: Apache-2.0
/* A private clone of a mount. ctest: labels=root */
#include <mafs/platform.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <mafs/cleanup.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "place.h"

struct fixture {
	char place[T_PLACE_LEN];
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	t_place_make("clone", f->place);
	mkdir(t_path(f->place, "point"), 0700);
	t_write_file(f->place, "point/beneath", "covered");
	*state = f;
	return mount("mafs-test", t_path(f->place, "point"), "tmpfs", 0, NULL);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	t_place_remove(f->place);
	free(f);
	return 0;
}

static void test_clone_shows_what_a_mount_below_covers(void **state)
{
	struct fixture *f = *state;
	_cleanup_close_ int fd = mafs_clone_tree(f->place);
	_cleanup_close_ int file_fd = -1;

	assert_true(fd >= 0);
	file_fd = mafs_open_beneath(fd, "point/beneath", O_RDONLY, 0);
	assert_true(file_fd >= 0);
}

static void test_path_resolved_without_a_clone_stops_at_the_mount(void **state)
{
	struct fixture *f = *state;
	_cleanup_close_ int fd = open(f->place, O_RDONLY | O_DIRECTORY);

	assert_int_equal(mafs_open_beneath(fd, "point", O_RDONLY, 0), -EXDEV);
}

static void test_clone_can_be_written_to_and_synced(void **state)
{
	struct fixture *f = *state;
	_cleanup_close_ int fd = mafs_clone_tree(f->place);
	struct stat st;

	assert_true(fd >= 0);
	assert_int_equal(mkdirat(fd, "made", 0700), 0);
	assert_int_equal(fsync(fd), 0);
	assert_int_equal(syncfs(fd), 0);
	assert_int_equal(stat(t_path(f->place, "made"), &st), 0);
}

static void test_files_of_a_clone_open_by_handle(void **state)
{
	struct fixture *f = *state;
	_cleanup_close_ int fd = mafs_clone_tree(f->place);
	struct mafs_handle handle;
	_cleanup_close_ int file_fd = -1;
	int r;

	assert_true(fd >= 0);
	t_write_file(f->place, "file", "content");
	r = mafs_handle_of(fd, "file", &handle);
	if (r == -EOPNOTSUPP)
		skip();
	assert_int_equal(r, 0);
	file_fd = mafs_handle_open(fd, &handle, O_RDONLY);
	assert_true(file_fd >= 0);
}

static void test_clone_of_a_file_is_refused(void **state)
{
	struct fixture *f = *state;

	t_write_file(f->place, "file", "content");
	assert_int_equal(mafs_clone_tree(t_path(f->place, "file")), -ENOTDIR);
	assert_int_equal(mafs_clone_tree(t_path(f->place, "none")), -ENOENT);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_clone_shows_what_a_mount_below_covers),
		T(test_path_resolved_without_a_clone_stops_at_the_mount),
		T(test_clone_can_be_written_to_and_synced),
		T(test_files_of_a_clone_open_by_handle),
		T(test_clone_of_a_file_is_refused),
	};
	int r = t_become_private();

	return r ? r : cmocka_run_group_tests(tests, NULL, NULL);
}
