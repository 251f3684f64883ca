// SPDX-License-Identifier: Apache-2.0
/* The volume that a person means, whatever has become of its mount. The mounts
 * are silent ones: whoever touched them would hang. ctest: labels=root */
#include "volume_fixture.h"

#include <sys/mount.h>

static int find(const char *what, struct mafs_volume_ref *ret)
{
	struct mafs_fault fault = MAFS_FAULT_INIT;
	int r;

	/* Whoever hangs is killed, with the mount. */
	alarm(20);
	r = mafs_volume_find(what, ret, &fault);
	alarm(0);
	if (r < 0)
		assert_true(*fault.what);
	return r;
}

static void found(struct fixture *f, const char *what, bool mounted, pid_t pid)
{
	struct mafs_volume_ref ref;
	_cleanup_close_ int fd = -1;

	assert_int_equal(find(what, &ref), 0);
	assert_string_equal(ref.source, f->n);
	assert_int_equal(ref.mounted, mounted);
	assert_int_equal(ref.pid, pid);
	if (mounted)
		assert_non_null(ref.mountpoint);
	/* It is N itself that was opened. */
	assert_true(ref.n_fd >= 0);
	fd = openat(ref.n_fd, "marker", O_RDONLY);
	assert_true(fd >= 0);
	if (f->volume) {
		assert_true(mafs_uuid_equal(&ref.uuid, &f->volume->uuid));
		assert_string_equal(ref.runtime_dir, f->volume->runtime_dir);
		assert_string_equal(ref.memory_path, f->volume->memory_path);
	}
	mafs_volume_ref_done(&ref);
}

static int setup_marked(void **state)
{
	struct fixture *f;

	setup(state);
	f = *state;
	t_write_file(f->n, "marker", "");
	return 0;
}

static void test_directory_is_found_before_and_after_its_session(void **state)
{
	struct fixture *f = *state;

	begin(f);
	found(f, f->n, false, getpid());
	end(f);
	found(f, f->n, false, 0);
}

static void test_mount_point_is_found_while_it_hangs(void **state)
{
	struct fixture *f = *state;
	_cleanup_close_ int fuse = -1;

	begin(f);
	fuse = t_mount_silent(f->n, f->mnt);
	found(f, f->mnt, true, getpid());
	found(f, f->n, true, getpid());
}

static void test_path_below_a_hanging_mount_is_found(void **state)
{
	struct fixture *f = *state;
	_cleanup_close_ int fuse = -1;
	char path[256];

	begin(f);
	fuse = t_mount_silent(f->n, f->mnt);
	snprintf(path, sizeof(path), "%s/some/where/../file", f->mnt);
	found(f, path, true, getpid());
}

static void test_dead_mount_is_found_without_a_daemon(void **state)
{
	struct fixture *f = *state;

	begin(f);
	close(t_mount_silent(f->n, f->mnt));
	crash(f);
	found(f, f->mnt, true, 0);
	found(f, f->n, true, 0);
}

static void test_directory_under_its_own_hanging_mount_is_opened(void **state)
{
	struct fixture *f = *state;
	_cleanup_close_ int fuse = -1;

	strcpy(f->mnt, f->n);
	begin(f);
	fuse = t_mount_silent(f->n, f->n);
	found(f, f->n, true, getpid());
}

static void test_directory_under_its_own_dead_mount_is_opened(void **state)
{
	struct fixture *f = *state;

	strcpy(f->mnt, f->n);
	begin(f);
	close(t_mount_silent(f->n, f->n));
	crash(f);
	found(f, f->n, true, 0);
}

static void test_mounted_file_system_under_the_mount_cannot_be_had(void **state)
{
	struct fixture *f = *state;
	struct mafs_volume_ref ref;
	_cleanup_close_ int fuse = -1;

	assert_int_equal(mount("mafs-test", f->n, "tmpfs", 0, NULL), 0);
	strcpy(f->mnt, f->n);
	begin(f);
	fuse = t_mount_silent(f->n, f->n);
	assert_int_equal(find(f->n, &ref), 0);
	assert_int_equal(ref.n_fd, -1);
	assert_int_equal(ref.pid, getpid());
	mafs_volume_ref_done(&ref);
}

static void test_name_of_a_volume_is_found(void **state)
{
	struct fixture *f = *state;
	char uuid[MAFS_UUID_TEXT_LEN];

	begin(f);
	mafs_uuid_to_text(&f->volume->uuid, uuid);
	found(f, uuid, false, getpid());
}

static void test_memory_is_only_believed_to_be_where_it_belongs(void **state)
{
	struct fixture *f = *state;
	struct mafs_volume_ref ref;
	char command[2 * PATH_MAX];

	begin(f);
	snprintf(command, sizeof(command),
		 "cd %s && grep -q memory_path mount.json && "
		 "sed -i '/memory_path/s|\"/[^\"]*\"|\"%s\"|' mount.json && "
		 "grep -q 'memory_path.*%s' mount.json",
		 f->volume->runtime_dir, f->mnt, f->mnt);
	run(command);
	assert_int_equal(find(f->n, &ref), 0);
	assert_string_equal(ref.memory_path, f->volume->memory_path);
	mafs_volume_ref_done(&ref);
}

static void test_name_of_no_volume_is_not_found(void **state)
{
	struct mafs_volume_ref ref;

	assert_int_equal(find("6b3a1f1e-52dc-4b77-9df3-3a8a1e7f0f11", &ref),
			 -ENOENT);
}

static void test_link_and_relative_path_are_followed(void **state)
{
	struct fixture *f = *state;
	_cleanup_close_ int here = open(".", O_PATH);
	_cleanup_close_ int fuse = -1;

	begin(f);
	fuse = t_mount_silent(f->n, f->mnt);
	assert_int_equal(symlink("mnt/deep", t_path(f->place, "link")), 0);
	assert_int_equal(symlink(f->n, t_path(f->place, "n-link")), 0);
	assert_int_equal(chdir(f->place), 0);
	found(f, "link/file", true, getpid());
	found(f, "./n-link/../n", true, getpid());
	found(f, "n-link//", true, getpid());
	assert_int_equal(fchdir(here), 0);
}

static void test_endless_link_is_an_error(void **state)
{
	struct fixture *f = *state;
	struct mafs_volume_ref ref;

	assert_int_equal(symlink("loop", t_path(f->place, "loop")), 0);
	assert_int_equal(find(t_path(f->place, "loop"), &ref), -ELOOP);
}

static void test_plain_directory_is_no_volume(void **state)
{
	struct fixture *f = *state;
	struct mafs_volume_ref ref;

	assert_int_equal(find(f->mnt, &ref), -ENOENT);
	assert_int_equal(find("/", &ref), -ENOENT);
	assert_int_equal(find("", &ref), -ENOENT);
	begin(f);
	assert_int_equal(mkdir(t_path(f->n, "sub"), 0700), 0);
	assert_int_equal(find(t_path(f->n, "sub"), &ref), -ENOENT);
}

static void test_copy_of_a_mounted_volume_is_another_one(void **state)
{
	struct fixture *f = *state;
	struct mafs_volume_ref ref;
	char path[256];

	begin(f);
	snprintf(path, sizeof(path), "%s/copy", f->place);
	copy_n(f, path);
	assert_int_equal(find(path, &ref), 0);
	assert_string_equal(ref.source, path);
	assert_int_equal(ref.pid, 0);
	assert_null(ref.mountpoint);
	mafs_volume_ref_done(&ref);
}

static void test_pid_that_another_process_has_now_is_no_daemon(void **state)
{
	struct fixture *f = *state;

	/* The session names this very process, which holds no lock. */
	begin(f);
	crash(f);
	found(f, f->n, false, 0);
}

static void test_read_only_volume_is_found(void **state)
{
	struct fixture *f = *state;
	_cleanup_close_ int fuse = -1;

	assert_int_equal(mafs_volume_open(f->n, f->mnt, true, &f->volume, NULL),
			 0);
	assert_int_equal(mafs_volume_session_store(f->volume, NULL), 0);
	fuse = t_mount_silent(f->n, f->mnt);
	found(f, f->mnt, true, getpid());
	found(f, f->n, true, getpid());
}

static void test_mount_is_found_without_its_runtime_directory(void **state)
{
	struct fixture *f = *state;
	struct mafs_volume_ref ref;
	char command[256];

	begin(f);
	close(t_mount_silent(f->n, f->mnt));
	snprintf(command, sizeof(command), "rm -r %s", f->volume->runtime_dir);
	run(command);
	assert_int_equal(find(f->mnt, &ref), 0);
	assert_string_equal(ref.source, f->n);
	assert_true(ref.mounted);
	assert_string_equal(ref.mountpoint, f->mnt);
	mafs_volume_ref_done(&ref);
}

static void test_mount_is_not_opened_as_a_volume(void **state)
{
	struct fixture *f = *state;
	struct mafs_fault fault = MAFS_FAULT_INIT;
	_cleanup_close_ int fuse = -1;

	begin(f);
	fuse = t_mount_silent(f->n, f->mnt);
	alarm(20);
	assert_int_equal(try_open(f, f->mnt, false, &fault), -EBUSY);
	alarm(0);
	assert_non_null(strstr(fault.what, f->mnt));
}

static void test_list_holds_open_and_left_behind_sessions(void **state)
{
	struct fixture *f = *state;
	struct mafs_volume *other;
	struct mafs_volume_ref *refs;
	unsigned int n_alive = 0, n_dead = 0;
	size_t n;

	begin(f);
	other = open_at(f, f->mnt);
	assert_int_equal(mafs_volume_session_store(other, NULL), 0);
	mafs_volume_close(other);
	assert_int_equal(mafs_volume_list(&refs, &n, NULL), 0);
	for (size_t i = 0; i < n; i++) {
		n_alive += !strcmp(refs[i].source, f->n) && refs[i].pid;
		n_dead += !strcmp(refs[i].source, f->mnt) && !refs[i].pid;
		mafs_volume_ref_done(&refs[i]);
	}
	free(refs);
	assert_int_equal(n_alive, 1);
	assert_int_equal(n_dead, 1);
}

static void test_reference_that_was_never_filled_in_is_done_with(void **state)
{
	struct mafs_volume_ref ref = { 0 };

	mafs_volume_ref_done(&ref);
	assert_int_equal(fcntl(0, F_GETFD) == -1 && errno == EBADF, false);
}

#undef T
#define T(name) cmocka_unit_test_setup_teardown(name, setup_marked, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_directory_is_found_before_and_after_its_session),
		T(test_mount_point_is_found_while_it_hangs),
		T(test_path_below_a_hanging_mount_is_found),
		T(test_dead_mount_is_found_without_a_daemon),
		T(test_directory_under_its_own_hanging_mount_is_opened),
		T(test_directory_under_its_own_dead_mount_is_opened),
		T(test_mounted_file_system_under_the_mount_cannot_be_had),
		T(test_name_of_a_volume_is_found),
		T(test_memory_is_only_believed_to_be_where_it_belongs),
		T(test_name_of_no_volume_is_not_found),
		T(test_link_and_relative_path_are_followed),
		T(test_endless_link_is_an_error),
		T(test_plain_directory_is_no_volume),
		T(test_copy_of_a_mounted_volume_is_another_one),
		T(test_pid_that_another_process_has_now_is_no_daemon),
		T(test_read_only_volume_is_found),
		T(test_mount_is_found_without_its_runtime_directory),
		T(test_mount_is_not_opened_as_a_volume),
		T(test_list_holds_open_and_left_behind_sessions),
		T(test_reference_that_was_never_filled_in_is_done_with),
	};
	int r = t_become_private();

	return r ? r : cmocka_run_group_tests(tests, NULL, NULL);
}
