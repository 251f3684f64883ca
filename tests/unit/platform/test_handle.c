// SPDX-License-Identifier: Apache-2.0
/* Handles, identities and fingerprints of files. */
#include <mafs/platform.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <mafs/cleanup.h>
#include <string.h>

#include "place.h"

struct fixture {
	char place[T_PLACE_LEN];
	int dirfd;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	t_place_make("handle", f->place);
	t_write_file(f->place, "file", "content");
	f->dirfd = open(f->place, O_RDONLY | O_DIRECTORY);
	*state = f;
	return f->dirfd < 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	close(f->dirfd);
	t_place_remove(f->place);
	free(f);
	return 0;
}

static struct mafs_handle handle_of(const struct fixture *f, const char *name)
{
	struct mafs_handle handle;
	int r = mafs_handle_of(f->dirfd, name, &handle);

	if (r == -EOPNOTSUPP) {
		print_message("needs file handles on /tmp\n");
		skip();
	}
	assert_int_equal(r, 0);
	return handle;
}

static void need_open_by_handle(void)
{
	if (!mafs_have_capability(CAP_DAC_READ_SEARCH)) {
		print_message("needs CAP_DAC_READ_SEARCH\n");
		skip();
	}
}

static void test_handle_stays_the_same_across_a_rename(void **state)
{
	struct fixture *f = *state;
	struct mafs_handle before = handle_of(f, "file"), after;

	assert_int_equal(renameat(f->dirfd, "file", f->dirfd, "other"), 0);
	after = handle_of(f, "other");
	assert_true(mafs_handle_equal(&before, &after));
}

static void test_handle_of_a_descriptor_is_that_of_its_name(void **state)
{
	struct fixture *f = *state;
	struct mafs_handle by_name = handle_of(f, "file"), by_fd;
	_cleanup_close_ int fd = openat(f->dirfd, "file", O_PATH);

	assert_int_equal(mafs_handle_of(fd, "", &by_fd), 0);
	assert_true(mafs_handle_equal(&by_name, &by_fd));
}

static void test_link_has_a_handle_of_its_own(void **state)
{
	struct fixture *f = *state;
	struct mafs_handle file = handle_of(f, "file"), link;

	assert_int_equal(symlinkat("file", f->dirfd, "link"), 0);
	link = handle_of(f, "link");
	assert_false(mafs_handle_equal(&file, &link));
}

static void test_handle_opens_the_file_under_any_name(void **state)
{
	struct fixture *f = *state;
	struct mafs_handle handle = handle_of(f, "file");
	_cleanup_close_ int fd = -1;
	char bytes[8] = "";

	need_open_by_handle();
	assert_int_equal(renameat(f->dirfd, "file", f->dirfd, "other"), 0);
	fd = mafs_handle_open(f->dirfd, &handle, O_RDONLY);
	assert_true(fd >= 0);
	assert_int_equal(read(fd, bytes, 7), 7);
	assert_string_equal(bytes, "content");
}

static void test_handle_of_a_removed_file_is_stale(void **state)
{
	struct fixture *f = *state;
	struct mafs_handle handle = handle_of(f, "file");

	need_open_by_handle();
	assert_int_equal(unlinkat(f->dirfd, "file", 0), 0);
	assert_int_equal(mafs_handle_open(f->dirfd, &handle, O_RDONLY),
			 -ESTALE);
}

static void test_handle_longer_than_any_is_stale(void **state)
{
	struct fixture *f = *state;
	struct mafs_handle handle = { .type = 1, .length = UINT32_MAX };

	assert_int_equal(mafs_handle_open(f->dirfd, &handle, O_RDONLY),
			 -ESTALE);
	handle.length = 0;
	assert_int_equal(mafs_handle_open(f->dirfd, &handle, O_RDONLY),
			 -ESTALE);
}

static void test_identity_brings_the_attributes_of_stat(void **state)
{
	struct fixture *f = *state;
	_cleanup_close_ int fd = openat(f->dirfd, "file", O_PATH);
	struct mafs_uuid fs_id = { { 7 } };
	struct mafs_identity identity;
	struct stat st, expected;

	assert_int_equal(mafs_identity_of(fd, &fs_id, &identity, &st), 0);
	assert_int_equal(fstat(fd, &expected), 0);
	assert_int_equal(st.st_ino, expected.st_ino);
	assert_int_equal(st.st_dev, expected.st_dev);
	assert_int_equal(st.st_mode, expected.st_mode);
	assert_int_equal(st.st_nlink, expected.st_nlink);
	assert_int_equal(st.st_size, expected.st_size);
	assert_int_equal(st.st_blocks, expected.st_blocks);
	assert_memory_equal(&st.st_ctim, &expected.st_ctim, sizeof(st.st_ctim));
	assert_int_equal(identity.ino, expected.st_ino);
	assert_true(mafs_uuid_equal(&identity.fs_id, &fs_id));
}

static void test_identity_differs_when_the_inode_number_is_reused(void **state)
{
	struct fixture *f = *state;
	struct mafs_uuid fs_id = { { 7 } };
	struct mafs_identity before, after;
	int fd;

	fd = openat(f->dirfd, "file", O_PATH);
	assert_int_equal(mafs_identity_of(fd, &fs_id, &before, NULL), 0);
	close(fd);
	assert_int_equal(unlinkat(f->dirfd, "file", 0), 0);
	t_write_file(f->place, "file", "another");
	fd = openat(f->dirfd, "file", O_PATH);
	assert_int_equal(mafs_identity_of(fd, &fs_id, &after, NULL), 0);
	close(fd);
	assert_false(mafs_identity_equal(&before, &after));
}

static void test_fingerprint_changes_with_the_file(void **state)
{
	struct fixture *f = *state;
	struct mafs_fingerprint before, after;
	struct stat st;

	assert_int_equal(fstatat(f->dirfd, "file", &st, 0), 0);
	mafs_fingerprint_of(&st, &before);
	mafs_fingerprint_of(&st, &after);
	assert_true(mafs_fingerprint_equal(&before, &after));
	st.st_size++;
	mafs_fingerprint_of(&st, &after);
	assert_false(mafs_fingerprint_equal(&before, &after));
}

static void test_fs_id_is_the_same_for_all_files_of_a_file_system(void **state)
{
	struct fixture *f = *state;
	_cleanup_close_ int fd = openat(f->dirfd, "file", O_RDONLY);
	struct mafs_uuid of_dir, of_file;
	bool weak, weak_file;

	assert_int_equal(mafs_fs_id(f->dirfd, &of_dir, &weak), 0);
	assert_int_equal(mafs_fs_id(fd, &of_file, &weak_file), 0);
	assert_true(mafs_uuid_equal(&of_dir, &of_file));
	assert_false(mafs_uuid_is_null(&of_dir));
	assert_int_equal(weak, weak_file);
}

static void test_fs_id_is_had_from_a_path_descriptor(void **state)
{
	struct fixture *f = *state;
	_cleanup_close_ int fd = open(f->place, O_PATH | O_DIRECTORY);
	struct mafs_uuid plain, path_only;
	bool weak;

	assert_int_equal(mafs_fs_id(f->dirfd, &plain, &weak), 0);
	assert_int_equal(mafs_fs_id(fd, &path_only, &weak), 0);
	assert_true(mafs_uuid_equal(&plain, &path_only));
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_handle_stays_the_same_across_a_rename),
		T(test_handle_of_a_descriptor_is_that_of_its_name),
		T(test_link_has_a_handle_of_its_own),
		T(test_handle_opens_the_file_under_any_name),
		T(test_handle_of_a_removed_file_is_stale),
		T(test_handle_longer_than_any_is_stale),
		T(test_identity_brings_the_attributes_of_stat),
		T(test_identity_differs_when_the_inode_number_is_reused),
		T(test_fingerprint_changes_with_the_file),
		T(test_fs_id_is_the_same_for_all_files_of_a_file_system),
		T(test_fs_id_is_had_from_a_path_descriptor),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
