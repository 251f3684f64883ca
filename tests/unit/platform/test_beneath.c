// SPDX-License-Identifier: Apache-2.0
/* Names that never lead out of a directory. */
#include <mafs/platform.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <mafs/cleanup.h>
#include <sys/stat.h>

#include "place.h"

struct fixture {
	char place[T_PLACE_LEN];
	int fd; /* of place/inside */
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	t_place_make("beneath", f->place);
	t_write_file(f->place, "secret", "outside");
	mkdir(t_path(f->place, "inside"), 0700);
	mkdir(t_path(f->place, "inside/dir"), 0700);
	t_write_file(f->place, "inside/dir/file", "inside");
	f->fd = open(t_path(f->place, "inside"), O_RDONLY | O_DIRECTORY);
	*state = f;
	return f->fd < 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	close(f->fd);
	t_place_remove(f->place);
	free(f);
	return 0;
}

static void test_name_inside_opens(void **state)
{
	struct fixture *f = *state;
	_cleanup_close_ int fd =
		mafs_open_beneath(f->fd, "dir/file", O_RDONLY, 0);

	assert_true(fd >= 0);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
}

static void test_parent_of_the_directory_is_refused(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(mafs_open_beneath(f->fd, "../secret", O_RDONLY, 0),
			 -EXDEV);
	assert_int_equal(mafs_open_beneath(f->fd, "dir/../../secret", O_RDONLY,
					   0),
			 -EXDEV);
}

static void test_absolute_path_is_refused(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(mafs_open_beneath(f->fd, t_path(f->place, "secret"),
					   O_RDONLY, 0),
			 -EXDEV);
}

static void
test_symbolic_link_is_refused_on_the_way_and_at_the_end(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(symlinkat("dir", f->fd, "link"), 0);
	assert_int_equal(mafs_open_beneath(f->fd, "link/file", O_RDONLY, 0),
			 -ELOOP);
	assert_int_equal(mafs_open_beneath(f->fd, "link", O_RDONLY, 0), -ELOOP);
}

static void test_file_is_made_with_its_mode(void **state)
{
	struct fixture *f = *state;
	_cleanup_close_ int fd = -1;
	struct stat st;

	fd = mafs_open_beneath(f->fd, "new", O_RDWR | O_CREAT | O_EXCL, 0640);
	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
}

static void test_mode_is_ignored_where_nothing_is_made(void **state)
{
	struct fixture *f = *state;
	_cleanup_close_ int fd = -1;

	fd = mafs_open_beneath(f->fd, "dir", O_RDONLY | O_DIRECTORY, 0640);
	assert_true(fd >= 0);
}

static void test_nameless_file_is_made(void **state)
{
	struct fixture *f = *state;
	_cleanup_close_ int fd =
		mafs_open_beneath(f->fd, ".", O_TMPFILE | O_RDWR, 0600);

	if (fd == -EOPNOTSUPP)
		skip();
	assert_true(fd >= 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_name_inside_opens),
		T(test_parent_of_the_directory_is_refused),
		T(test_absolute_path_is_refused),
		T(test_symbolic_link_is_refused_on_the_way_and_at_the_end),
		T(test_file_is_made_with_its_mode),
		T(test_mode_is_ignored_where_nothing_is_made),
		T(test_nameless_file_is_made),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
