// SPDX-License-Identifier: Apache-2.0
/* Locks that belong to a descriptor, and the boot. */
#include <mafs/platform.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <mafs/cleanup.h>
#include <sys/wait.h>

#include "place.h"

struct fixture {
	char place[T_PLACE_LEN];
	int a, b; /* two descriptors of one file; b reads only */
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	t_place_make("lock", f->place);
	t_write_file(f->place, "lock", "");
	f->a = open(t_path(f->place, "lock"), O_RDWR);
	f->b = open(t_path(f->place, "lock"), O_RDONLY);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	close(f->a);
	close(f->b);
	t_place_remove(f->place);
	free(f);
	return 0;
}

static void test_held_lock_is_refused_to_another_descriptor(void **state)
{
	struct fixture *f = *state;
	_cleanup_close_ int other = open(t_path(f->place, "lock"), O_RDWR);

	assert_int_equal(mafs_lock_take(f->a), 0);
	assert_int_equal(mafs_lock_take(other), -EAGAIN);
	assert_int_equal(mafs_lock_take_shared(f->b), -EAGAIN);
}

static void test_shared_locks_agree_with_each_other_only(void **state)
{
	struct fixture *f = *state;
	_cleanup_close_ int other = open(t_path(f->place, "lock"), O_RDONLY);

	assert_int_equal(mafs_lock_take_shared(f->b), 0);
	assert_int_equal(mafs_lock_take_shared(other), 0);
	assert_int_equal(mafs_lock_take(f->a), -EAGAIN);
}

static void test_held_lock_is_seen_through_a_reading_descriptor(void **state)
{
	struct fixture *f = *state;

	assert_false(mafs_lock_is_held(f->b));
	assert_int_equal(mafs_lock_take(f->a), 0);
	assert_true(mafs_lock_is_held(f->b));
	assert_false(mafs_lock_is_held(f->a));
}

static void test_lock_lives_on_in_a_child_and_ends_with_it(void **state)
{
	struct fixture *f = *state;
	int pipe_fds[2];
	char byte;
	pid_t child;

	assert_int_equal(pipe(pipe_fds), 0);
	assert_int_equal(mafs_lock_take(f->a), 0);
	child = fork();
	if (child == 0) {
		close(pipe_fds[1]);
		_exit(read(pipe_fds[0], &byte, 1) < 0);
	}
	close(pipe_fds[0]);
	close(f->a);
	f->a = -1;
	assert_true(mafs_lock_is_held(f->b));
	close(pipe_fds[1]);
	assert_int_equal(waitpid(child, NULL, 0), child);
	assert_false(mafs_lock_is_held(f->b));
}

static void test_boot_id_stays_the_same(void **state)
{
	struct mafs_uuid a, b;

	assert_int_equal(mafs_boot_id(&a), 0);
	assert_int_equal(mafs_boot_id(&b), 0);
	assert_true(mafs_uuid_equal(&a, &b));
	assert_false(mafs_uuid_is_null(&a));
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_held_lock_is_refused_to_another_descriptor),
		T(test_shared_locks_agree_with_each_other_only),
		T(test_held_lock_is_seen_through_a_reading_descriptor),
		T(test_lock_lives_on_in_a_child_and_ends_with_it),
		cmocka_unit_test(test_boot_id_stays_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
