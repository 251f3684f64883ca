// SPDX-License-Identifier: Apache-2.0
/* Is a file in anybody's use? */
#include <mafs/platform.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <mafs/cleanup.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "place.h"

struct fixture {
	char place[T_PLACE_LEN];
	int fd;
};

static int open_file(const struct fixture *f, int flags)
{
	int fd = open(t_path(f->place, "file"), flags | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	signal(SIGIO, SIG_IGN);
	t_place_make("lease", f->place);
	t_write_file(f->place, "file", "content");
	f->fd = open_file(f, O_RDWR);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	close(f->fd);
	t_place_remove(f->place);
	free(f);
	return 0;
}

static void test_file_that_only_we_have_open_is_in_no_use(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(mafs_lease_take(f->fd), MAFS_USE_NONE);
	assert_true(mafs_lease_holds(f->fd));
	mafs_lease_drop(f->fd);
	assert_false(mafs_lease_holds(f->fd));
}

static void test_second_open_is_a_use(void **state)
{
	struct fixture *f = *state;
	_cleanup_close_ int other = open_file(f, O_RDONLY);

	assert_true(other >= 0);
	assert_int_equal(mafs_lease_take(f->fd), MAFS_USE_SOME);
	assert_false(mafs_lease_holds(f->fd));
}

static void test_path_descriptor_is_no_use(void **state)
{
	struct fixture *f = *state;
	_cleanup_close_ int other = open_file(f, O_PATH);

	assert_true(other >= 0);
	assert_int_equal(mafs_lease_take(f->fd), MAFS_USE_NONE);
	mafs_lease_drop(f->fd);
}

static void test_mapping_of_a_closed_descriptor_is_a_use(void **state)
{
	struct fixture *f = *state;
	int other = open_file(f, O_RDONLY);
	void *at = mmap(NULL, 7, PROT_READ, MAP_SHARED, other, 0);

	close(other);
	assert_int_equal(mafs_lease_take(f->fd), MAFS_USE_SOME);
	munmap(at, 7);
	assert_int_equal(mafs_lease_take(f->fd), MAFS_USE_NONE);
	mafs_lease_drop(f->fd);
}

static void test_lease_is_no_longer_whole_when_somebody_waits(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(mafs_lease_take(f->fd), MAFS_USE_NONE);
	assert_int_equal(open(t_path(f->place, "file"), O_RDONLY | O_NONBLOCK),
			 -1);
	assert_int_equal(errno, EWOULDBLOCK);
	assert_false(mafs_lease_holds(f->fd));
	mafs_lease_drop(f->fd);
}

static void test_reader_is_no_writer(void **state)
{
	struct fixture *f = *state;
	_cleanup_close_ int reader = -1, other = -1;

	close(f->fd);
	f->fd = -1;
	reader = open_file(f, O_RDONLY);
	other = open_file(f, O_RDONLY);
	assert_int_equal(mafs_lease_probe_writers(reader), MAFS_USE_NONE);
}

static void test_writer_is_found_through_a_reading_descriptor(void **state)
{
	struct fixture *f = *state;
	_cleanup_close_ int reader = open_file(f, O_RDONLY);

	assert_int_equal(mafs_lease_probe_writers(reader), MAFS_USE_SOME);
}

static void test_overlayfs_counts_as_used(void **state)
{
	struct fixture *f = *state;
	char options[4 * T_PLACE_LEN];
	int fd;

	/* An overlay's upper layer cannot lie on an overlay. */
	if (mount("mafs-test", f->place, "tmpfs", 0, NULL) < 0)
		skip();
	mkdir(t_path(f->place, "lower"), 0700);
	mkdir(t_path(f->place, "upper"), 0700);
	mkdir(t_path(f->place, "work"), 0700);
	mkdir(t_path(f->place, "merged"), 0700);
	snprintf(options, sizeof(options),
		 "lowerdir=%s/lower,upperdir=%s/upper,workdir=%s/work",
		 f->place, f->place, f->place);
	if (mount("overlay", t_path(f->place, "merged"), "overlay", 0,
		  options) < 0) {
		print_message("needs overlayfs\n");
		skip();
	}
	t_write_file(f->place, "merged/file", "content");
	fd = open(t_path(f->place, "merged/file"), O_RDWR);
	assert_int_equal(mafs_lease_take(fd), MAFS_USE_SOME);
	close(fd);
}

static void test_directory_counts_as_used(void **state)
{
	struct fixture *f = *state;
	_cleanup_close_ int fd = open(f->place, O_RDONLY | O_DIRECTORY);

	assert_int_equal(mafs_lease_take(fd), MAFS_USE_SOME);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_file_that_only_we_have_open_is_in_no_use),
		T(test_second_open_is_a_use),
		T(test_path_descriptor_is_no_use),
		T(test_mapping_of_a_closed_descriptor_is_a_use),
		T(test_lease_is_no_longer_whole_when_somebody_waits),
		T(test_reader_is_no_writer),
		T(test_writer_is_found_through_a_reading_descriptor),
		T(test_overlayfs_counts_as_used),
		T(test_directory_counts_as_used),
	};

	/* Only the overlay needs it; without root that test skips. */
	if (geteuid() == 0 && t_become_private())
		return T_SKIP;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
