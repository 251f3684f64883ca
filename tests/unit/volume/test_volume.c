// SPDX-License-Identifier: Apache-2.0
/* Adopting a directory, holding it, and coming back to it. */
#include "volume_fixture.h"

#include <linux/capability.h>
#include <mafs/platform.h>

static void test_directory_becomes_a_volume(void **state)
{
	struct fixture *f = *state;
	struct stat st;

	begin(f);
	assert_int_equal(stat(t_path(f->n, MAFS_VOLUME_DIR), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_true(exists(f->n, ".mafs/volume.yaml"));
	assert_true(exists(f->n, ".mafs/session"));
	assert_string_equal(f->volume->source, f->n);
	assert_false(mafs_uuid_is_null(&f->volume->uuid));
	assert_int_equal(f->volume->previous.number, 0);
	assert_int_equal(f->volume->session.number, 1);
}

static void test_runtime_directory_tells_of_the_session(void **state)
{
	struct fixture *f = *state;
	struct stat st;
	char pid[16] = "";

	begin(f);
	assert_int_equal(stat(f->volume->runtime_dir, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_true(exists(f->volume->runtime_dir, "mount.json"));
	/* A mount point for those who can mount. */
	assert_int_equal(exists(f->volume->runtime_dir, "memory"),
			 mafs_have_capability(CAP_SYS_ADMIN));
	{
		_cleanup_close_ int fd =
			open(t_path(f->volume->runtime_dir, "pid"), O_RDONLY);

		assert_true(read(fd, pid, sizeof(pid) - 1) > 0);
	}
	assert_int_equal(atoi(pid), getpid());
}

static void test_second_opening_is_refused_with_who_holds_it(void **state)
{
	struct fixture *f = *state;
	struct mafs_fault fault = MAFS_FAULT_INIT;
	char pid[16];

	begin(f);
	assert_int_equal(try_open(f, f->n, false, &fault), -EBUSY);
	snprintf(pid, sizeof(pid), "%d", getpid());
	assert_non_null(strstr(fault.what, pid));
	assert_non_null(strstr(fault.what, f->volume->session.host));
	assert_int_equal(try_open(f, f->n, true, NULL), -EBUSY);
}

static void test_next_session_knows_the_one_before(void **state)
{
	struct fixture *f = *state;
	struct mafs_session first;
	struct mafs_uuid uuid;

	begin(f);
	mafs_uuid_generate(&f->volume->session.memory_uuid);
	first = f->volume->session;
	first.open = false;
	uuid = f->volume->uuid;
	end(f);
	begin(f);
	assert_true(mafs_uuid_equal(&f->volume->uuid, &uuid));
	assert_memory_equal(&f->volume->previous, &first, sizeof(first));
	assert_int_equal(f->volume->session.number, 2);
}

static void test_session_of_a_killed_daemon_is_still_open(void **state)
{
	struct fixture *f = *state;
	pid_t child = fork();

	if (child == 0) {
		begin(f);
		_exit(0);
	}
	assert_int_equal(waitpid(child, NULL, 0), child);
	f->volume = open_at(f, f->n);
	assert_int_equal(f->volume->previous.number, 1);
	assert_true(f->volume->previous.open);
	assert_int_equal(f->volume->previous.pid, child);
	assert_true(mafs_uuid_equal(&f->volume->previous.boot_id,
				    &f->volume->session.boot_id));
}

static void test_ended_session_leaves_no_runtime_directory(void **state)
{
	struct fixture *f = *state;
	char path[4096];

	begin(f);
	strcpy(path, f->volume->runtime_dir);
	end(f);
	assert_int_equal(access(path, F_OK), -1);
}

static void test_killed_daemon_leaves_its_runtime_directory(void **state)
{
	struct fixture *f = *state;
	char path[4096];

	begin(f);
	strcpy(path, f->volume->runtime_dir);
	crash(f);
	assert_true(exists(path, "mount.json"));
	begin(f);
	assert_string_equal(f->volume->runtime_dir, path);
}

static void test_failed_opening_leaves_no_runtime_directory(void **state)
{
	struct fixture *f = *state;
	char path[4096];

	f->volume = open_at(f, f->n);
	strcpy(path, f->volume->runtime_dir);
	crash(f);
	assert_int_equal(access(path, F_OK), -1);
}

static void test_copied_tree_gets_a_name_of_its_own(void **state)
{
	struct fixture *f = *state;
	struct mafs_volume *copy;
	char path[256];

	begin(f);
	snprintf(path, sizeof(path), "%s/copy", f->place);
	copy_n(f, path);
	copy = open_at(f, path);
	assert_false(mafs_uuid_equal(&copy->uuid, &f->volume->uuid));
	assert_string_not_equal(copy->runtime_dir, f->volume->runtime_dir);
	assert_int_equal(copy->previous.number, 0);
	assert_int_equal(copy->session.number, 1);
	mafs_volume_close(copy);
}

static void test_copy_keeps_its_name_from_then_on(void **state)
{
	struct fixture *f = *state;
	struct mafs_volume *copy;
	struct mafs_uuid uuid;
	char path[256];

	begin(f);
	snprintf(path, sizeof(path), "%s/copy", f->place);
	copy_n(f, path);
	copy = open_at(f, path);
	uuid = copy->uuid;
	assert_int_equal(mafs_volume_session_store(copy, NULL), 0);
	mafs_volume_close(copy);
	copy = open_at(f, path);
	assert_true(mafs_uuid_equal(&copy->uuid, &uuid));
	assert_int_equal(copy->session.number, 2);
	mafs_volume_close(copy);
}

static void test_copy_without_a_session_is_known_by_the_original(void **state)
{
	struct fixture *f = *state;
	struct mafs_volume *copy;
	char path[256];

	begin(f);
	snprintf(path, sizeof(path), "%s/copy", f->place);
	copy_n(f, path);
	unlink(t_path(path, ".mafs/session"));
	crash(f);
	copy = open_at(f, path);
	begin(f);
	assert_false(mafs_uuid_equal(&copy->uuid, &f->volume->uuid));
	mafs_volume_close(copy);
}

static void test_renamed_directory_stays_the_volume_it_was(void **state)
{
	struct fixture *f = *state;
	struct mafs_uuid uuid;

	begin(f);
	uuid = f->volume->uuid;
	crash(f);
	strcat(strcpy(f->mnt, f->n), "-renamed");
	assert_int_equal(rename(f->n, f->mnt), 0);
	strcpy(f->n, f->mnt);
	begin(f);
	assert_true(mafs_uuid_equal(&f->volume->uuid, &uuid));
	assert_int_equal(f->volume->session.number, 2);
}

static void test_settings_outlive_a_new_name(void **state)
{
	struct fixture *f = *state;
	struct mafs_volume *copy;
	char path[256], command[512];

	begin(f);
	end(f);
	snprintf(command, sizeof(command),
		 "echo 'policy: hot' >> %s/.mafs/volume.yaml", f->n);
	run(command);
	snprintf(path, sizeof(path), "%s/copy", f->place);
	copy_n(f, path);
	copy = open_at(f, path);
	snprintf(command, sizeof(command),
		 "grep -q 'policy.*hot' %s/.mafs/volume.yaml", path);
	run(command);
	mafs_volume_close(copy);
}

static void test_unreadable_files_are_named(void **state)
{
	struct fixture *f = *state;
	struct mafs_fault fault = MAFS_FAULT_INIT;

	begin(f);
	end(f);
	t_write_file(f->n, ".mafs/session", "state: open\n");
	assert_int_equal(try_open(f, f->n, false, &fault), -EUCLEAN);
	assert_non_null(strstr(fault.what, "session"));
	t_write_file(f->n, ".mafs/volume.yaml", "[");
	assert_int_equal(try_open(f, f->n, false, &fault), -EUCLEAN);
	assert_non_null(strstr(fault.what, "volume.yaml"));
	t_write_file(f->n, ".mafs/volume.yaml", "name: x\n");
	assert_int_equal(try_open(f, f->n, false, &fault), -EUCLEAN);
}

static void test_what_is_no_directory_is_refused(void **state)
{
	struct fixture *f = *state;
	struct mafs_fault fault = MAFS_FAULT_INIT;

	assert_int_equal(try_open(f, t_path(f->place, "none"), false, &fault),
			 -ENOENT);
	assert_non_null(strstr(fault.what, "none"));
	t_write_file(f->place, "file", "");
	assert_int_equal(try_open(f, t_path(f->place, "file"), false, &fault),
			 -ENOTDIR);
}

static void test_link_in_place_of_our_directory_is_refused(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(symlink(f->mnt, t_path(f->n, MAFS_VOLUME_DIR)), 0);
	assert_int_equal(try_open(f, f->n, false, NULL), -ELOOP);
	assert_false(exists(f->mnt, "volume.yaml"));
}

static void test_our_directory_that_others_may_write_is_refused(void **state)
{
	struct fixture *f = *state;
	struct mafs_fault fault = MAFS_FAULT_INIT;

	assert_int_equal(mkdir(t_path(f->n, MAFS_VOLUME_DIR), 0700), 0);
	assert_int_equal(chmod(t_path(f->n, MAFS_VOLUME_DIR), 0770), 0);
	assert_int_equal(try_open(f, f->n, false, &fault), -EPERM);
	assert_non_null(strstr(fault.what, "chmod"));
	assert_false(exists(f->n, ".mafs/lock"));
}

static void test_our_directory_of_another_user_is_refused(void **state)
{
	struct fixture *f = *state;
	struct mafs_fault fault = MAFS_FAULT_INIT;

	if (geteuid() != 0) {
		print_message("needs root\n");
		skip();
	}
	assert_int_equal(mkdir(t_path(f->n, MAFS_VOLUME_DIR), 0700), 0);
	assert_int_equal(chown(t_path(f->n, MAFS_VOLUME_DIR), 1000, 0), 0);
	assert_int_equal(try_open(f, f->n, false, &fault), -EPERM);
	assert_non_null(strstr(fault.what, "user 1000"));
	assert_false(exists(f->n, ".mafs/lock"));
}

static void test_read_only_changes_nothing_in_n(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(mafs_volume_open(f->n, f->mnt, true, &f->volume, NULL),
			 0);
	assert_int_equal(f->volume->dot_fd, -1);
	assert_int_equal(mafs_volume_session_store(f->volume, NULL), 0);
	assert_false(exists(f->n, MAFS_VOLUME_DIR));
	assert_true(exists(f->volume->runtime_dir, "mount.json"));
}

static void test_read_only_volume_has_the_same_name_each_time(void **state)
{
	struct fixture *f = *state;
	struct mafs_uuid uuid;

	assert_int_equal(mafs_volume_open(f->n, f->mnt, true, &f->volume, NULL),
			 0);
	uuid = f->volume->uuid;
	assert_int_equal(try_open(f, f->n, true, NULL), -EBUSY);
	crash(f);
	assert_int_equal(mafs_volume_open(f->n, f->mnt, true, &f->volume, NULL),
			 0);
	assert_true(mafs_uuid_equal(&f->volume->uuid, &uuid));
}

static void test_read_only_keeps_writers_out(void **state)
{
	struct fixture *f = *state;
	struct mafs_uuid uuid;

	begin(f);
	uuid = f->volume->uuid;
	end(f);
	assert_int_equal(mafs_volume_open(f->n, f->mnt, true, &f->volume, NULL),
			 0);
	assert_true(mafs_uuid_equal(&f->volume->uuid, &uuid));
	assert_int_equal(try_open(f, f->n, false, NULL), -EBUSY);
}

static void test_relative_path_and_link_give_the_real_source(void **state)
{
	struct fixture *f = *state;
	_cleanup_close_ int here = open(".", O_PATH);

	assert_int_equal(symlink("n", t_path(f->place, "link")), 0);
	assert_int_equal(chdir(f->place), 0);
	f->volume = open_at(f, "./link/.");
	assert_int_equal(fchdir(here), 0);
	assert_string_equal(f->volume->source, f->n);
}

static void test_mountpoint_of_any_bytes_comes_back(void **state)
{
	struct fixture *f = *state;

	strcat(f->mnt, " \"\\\xe9\n#");
	begin(f);
	end(f);
	begin(f);
	assert_string_equal(f->volume->previous.mountpoint, f->mnt);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_directory_becomes_a_volume),
		T(test_runtime_directory_tells_of_the_session),
		T(test_second_opening_is_refused_with_who_holds_it),
		T(test_next_session_knows_the_one_before),
		T(test_session_of_a_killed_daemon_is_still_open),
		T(test_ended_session_leaves_no_runtime_directory),
		T(test_killed_daemon_leaves_its_runtime_directory),
		T(test_failed_opening_leaves_no_runtime_directory),
		T(test_copied_tree_gets_a_name_of_its_own),
		T(test_copy_keeps_its_name_from_then_on),
		T(test_copy_without_a_session_is_known_by_the_original),
		T(test_renamed_directory_stays_the_volume_it_was),
		T(test_settings_outlive_a_new_name),
		T(test_unreadable_files_are_named),
		T(test_what_is_no_directory_is_refused),
		T(test_link_in_place_of_our_directory_is_refused),
		T(test_our_directory_that_others_may_write_is_refused),
		T(test_our_directory_of_another_user_is_refused),
		T(test_read_only_changes_nothing_in_n),
		T(test_read_only_volume_has_the_same_name_each_time),
		T(test_read_only_keeps_writers_out),
		T(test_relative_path_and_link_give_the_real_source),
		T(test_mountpoint_of_any_bytes_comes_back),
	};

	/* Root's runtime directory is fixed; anybody else's is in the place. */
	if (geteuid() == 0 && t_become_private())
		return T_SKIP;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
