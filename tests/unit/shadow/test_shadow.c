// SPDX-License-Identifier: Apache-2.0
/* The shadow writer: what is in the directory after each call, and what never
 * is touched. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <mafs/cleanup.h>
#include <mafs/identity.h>
#include <mafs/longpath.h>
#include <mafs/shadow.h>
#include <string.h>
#include <sys/stat.h>

struct fixture {
	char top[64];
	char dir[80]; /* the shadow, below top */
	struct mafs_uuid volume;
	struct mafs_shadow *shadow;
};

static void reopen(struct fixture *f)
{
	mafs_shadow_close(f->shadow);
	f->shadow = NULL;
	assert_int_equal(mafs_shadow_open(f->dir, &f->volume, &f->shadow, NULL),
			 0);
}

static int setup(void **state)
{
	const char *base = getenv("TMPDIR");
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	snprintf(f->top, sizeof(f->top), "%.40s/mafs-shadow-XXXXXX",
		 base ? base : "/tmp");
	assert_non_null(mkdtemp(f->top));
	snprintf(f->dir, sizeof(f->dir), "%s/shadow", f->top);
	mafs_uuid_generate(&f->volume);
	reopen(f);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	_cleanup_free_ char *command = NULL;
	struct fixture *f = *state;

	mafs_shadow_close(f->shadow);
	/* Also what is deeper than a path may be long. */
	assert_true(asprintf(&command, "rm -rf -- '%s'", f->top) > 0);
	assert_int_equal(system(command), 0);
	free(f);
	return 0;
}

static int put_size(struct fixture *f, uint64_t id, const char *path,
		    uint64_t size_bytes)
{
	struct mafs_descriptor descriptor = {
		.id = id,
		.path = (char *)path,
		.n_links = 1,
		.size_bytes = size_bytes,
	};
	struct mafs_fault fault = MAFS_FAULT_INIT;
	int r = mafs_shadow_put(f->shadow, &descriptor, &fault);

	if (r < 0)
		assert_true(fault.what[0]);
	return r;
}

static void put(struct fixture *f, uint64_t id, const char *path)
{
	assert_int_equal(put_size(f, id, path, 0), 0);
}

static char *inside(struct fixture *f, const char *path)
{
	char *name = NULL;

	assert_true(asprintf(&name, "%s%s", f->dir, path) > 0);
	return name;
}

static bool exists(struct fixture *f, const char *path)
{
	_cleanup_free_ char *name = inside(f, path);
	struct stat st;

	return lstat(name, &st) == 0;
}

/* The id that the descriptor at a path has; 0 when there is none. */
static uint64_t id_at(struct fixture *f, const char *path)
{
	_cleanup_(mafs_descriptor_done) struct mafs_descriptor got = { 0 };
	_cleanup_free_ char *name = inside(f, path);
	_cleanup_close_ int fd = open(name, O_RDONLY | O_CLOEXEC);
	char text[8192];
	ssize_t len;

	if (fd < 0)
		return 0;
	len = read(fd, text, sizeof(text));
	assert_true(len > 0);
	assert_int_equal(
		mafs_descriptor_from_text(text, (size_t)len, &got, NULL), 0);
	return got.id;
}

static void make_file(const char *path)
{
	_cleanup_close_ int fd =
		open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, "mine", 4), 4);
}

static void test_descriptor_stands_at_its_path(void **state)
{
	struct fixture *f = *state;

	put(f, 7, "/models/llama.gguf");
	assert_int_equal(id_at(f, "/models/llama.gguf"), 7);
	assert_int_equal(mafs_shadow_count(f->shadow), 1);
}

static void test_files_are_private_to_their_owner(void **state)
{
	struct fixture *f = *state;
	_cleanup_free_ char *file = inside(f, "/d/a"), *dir = inside(f, "/d");
	struct stat st;

	put(f, 7, "/d/a");
	assert_int_equal(stat(file, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(stat(dir, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
}

static void test_same_descriptor_is_not_written_again(void **state)
{
	struct fixture *f = *state;
	_cleanup_free_ char *file = inside(f, "/a");
	struct stat before, after;

	put(f, 7, "/a");
	assert_int_equal(stat(file, &before), 0);
	put(f, 7, "/a");
	reopen(f);
	put(f, 7, "/a");
	assert_int_equal(stat(file, &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
	assert_int_equal(put_size(f, 7, "/a", 1), 0);
	assert_int_equal(stat(file, &after), 0);
	assert_int_not_equal(before.st_ino, after.st_ino);
}

static void test_renamed_file_leaves_its_old_place(void **state)
{
	struct fixture *f = *state;

	put(f, 7, "/old/deep/a");
	put(f, 7, "/new/a");
	assert_int_equal(id_at(f, "/new/a"), 7);
	assert_false(exists(f, "/old"));
}

static void test_two_files_exchange_their_names(void **state)
{
	struct fixture *f = *state;

	put(f, 1, "/a");
	put(f, 2, "/b");
	mafs_shadow_begin(f->shadow);
	put(f, 1, "/b");
	put(f, 2, "/a");
	assert_int_equal(mafs_shadow_sweep(f->shadow, NULL), 0);
	assert_int_equal(id_at(f, "/a"), 2);
	assert_int_equal(id_at(f, "/b"), 1);
	assert_int_equal(mafs_shadow_count(f->shadow), 2);
}

static void test_dropped_file_takes_its_empty_directories_along(void **state)
{
	struct fixture *f = *state;

	put(f, 1, "/a/b/c/d");
	put(f, 2, "/a/e");
	assert_int_equal(mafs_shadow_drop(f->shadow, 1, NULL), 0);
	assert_false(exists(f, "/a/b"));
	assert_int_equal(id_at(f, "/a/e"), 2);
	assert_int_equal(mafs_shadow_drop(f->shadow, 1, NULL), 0);
	assert_int_equal(mafs_shadow_drop(f->shadow, 99, NULL), 0);
}

static void test_sweep_removes_what_was_not_put(void **state)
{
	struct fixture *f = *state;

	put(f, 1, "/a/x");
	put(f, 2, "/b/x");
	reopen(f);
	mafs_shadow_begin(f->shadow);
	put(f, 2, "/b/x");
	assert_int_equal(mafs_shadow_sweep(f->shadow, NULL), 0);
	assert_false(exists(f, "/a"));
	assert_int_equal(id_at(f, "/b/x"), 2);
	assert_int_equal(mafs_shadow_count(f->shadow), 1);
}

static void test_sweep_keeps_the_stamp(void **state)
{
	struct fixture *f = *state;

	mafs_shadow_begin(f->shadow);
	assert_int_equal(mafs_shadow_sweep(f->shadow, NULL), 0);
	assert_true(exists(f, "/.mafs/shadow.yaml"));
}

static void test_directory_takes_the_place_of_a_file(void **state)
{
	struct fixture *f = *state;

	put(f, 1, "/a");
	put(f, 2, "/a/b/c");
	assert_int_equal(id_at(f, "/a/b/c"), 2);
	assert_int_equal(mafs_shadow_count(f->shadow), 1);
}

static void test_file_takes_the_place_of_a_directory(void **state)
{
	struct fixture *f = *state;

	put(f, 1, "/a/b/c");
	put(f, 2, "/a/d");
	put(f, 3, "/ab");
	put(f, 4, "/a");
	assert_int_equal(id_at(f, "/a"), 4);
	assert_int_equal(id_at(f, "/ab"), 3);
	assert_int_equal(mafs_shadow_count(f->shadow), 2);
}

static void test_lost_file_stands_apart_with_its_hint(void **state)
{
	struct fixture *f = *state;
	struct mafs_descriptor lost = { .id = 9, .hint = (char *)"gone.txt" };

	assert_int_equal(mafs_shadow_put(f->shadow, &lost, NULL), 0);
	assert_int_equal(id_at(f, "/.lost/9-gone.txt"), 9);
	put(f, 9, "/found.txt");
	assert_false(exists(f, "/.lost"));
}

static void test_lost_file_with_the_longest_name_has_a_place(void **state)
{
	struct mafs_descriptor lost = { .id = UINT64_MAX };
	char hint[MAFS_NAME_MAX + 1] = { 0 };
	struct fixture *f = *state;

	memset(hint, 'n', MAFS_NAME_MAX);
	lost.hint = hint;
	assert_int_equal(mafs_shadow_put(f->shadow, &lost, NULL), 0);
	assert_int_equal(mafs_shadow_count(f->shadow), 1);
}

static void test_path_beyond_path_max_is_written_and_removed(void **state)
{
	struct fixture *f = *state;
	size_t len = 3 * 5000;
	_cleanup_free_ char *path = calloc(1, len + 1);
	_cleanup_close_ int root = -1;
	int fd;

	assert_non_null(path);
	for (size_t i = 0; i < len; i++)
		path[i] = i % 3 ? 'd' : '/';
	put(f, 1, path);
	root = open(f->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	fd = mafs_open_longpath(root, path, O_RDONLY);
	assert_true(fd >= 0);
	close(fd);
	reopen(f);
	assert_int_equal(mafs_shadow_count(f->shadow), 1);
	mafs_shadow_begin(f->shadow);
	assert_int_equal(mafs_shadow_sweep(f->shadow, NULL), 0);
	assert_false(exists(f, "/dd"));
}

static void test_link_in_the_way_is_not_followed(void **state)
{
	struct fixture *f = *state;
	_cleanup_free_ char *link = inside(f, "/a"), *outside = NULL;

	assert_true(asprintf(&outside, "%s/outside", f->top) > 0);
	assert_int_equal(mkdir(outside, 0700), 0);
	assert_int_equal(symlink(outside, link), 0);
	assert_int_equal(put_size(f, 1, "/a/b", 0), -ELOOP);
	assert_int_equal(rmdir(outside), 0);
}

static void test_link_under_a_files_name_is_replaced(void **state)
{
	struct fixture *f = *state;
	_cleanup_free_ char *link = inside(f, "/a"), *outside = NULL;
	struct stat st;

	assert_true(asprintf(&outside, "%s/outside", f->top) > 0);
	make_file(outside);
	assert_int_equal(symlink(outside, link), 0);
	put(f, 1, "/a");
	assert_int_equal(id_at(f, "/a"), 1);
	assert_int_equal(stat(outside, &st), 0);
	assert_int_equal(st.st_size, 4);
}

static void test_paths_that_climb_are_refused(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(put_size(f, 1, "/../a", 0), -EINVAL);
	assert_int_equal(put_size(f, 1, "a", 0), -EINVAL);
	assert_int_equal(put_size(f, 1, "/.mafs/shadow.yaml", 0), -EINVAL);
	assert_int_equal(put_size(f, 1, "/.mafs", 0), -EINVAL);
	put(f, 1, "/.mafsx");
	put(f, 2, "/a/.mafs");
}

static int open_again(struct fixture *f, const struct mafs_uuid *volume,
		      struct mafs_fault *fault)
{
	struct mafs_shadow *second = NULL;
	int r = mafs_shadow_open(f->dir, volume, &second, fault);

	assert_null(second);
	return r;
}

static void test_second_writer_is_refused(void **state)
{
	struct fixture *f = *state;
	struct mafs_fault fault = MAFS_FAULT_INIT;

	assert_int_equal(open_again(f, &f->volume, &fault), -EBUSY);
	assert_non_null(strstr(fault.what, f->dir));
}

static void test_shadow_of_another_volume_is_refused(void **state)
{
	struct fixture *f = *state;
	struct mafs_fault fault = MAFS_FAULT_INIT;
	struct mafs_uuid other;

	mafs_shadow_close(f->shadow);
	f->shadow = NULL;
	mafs_uuid_generate(&other);
	assert_int_equal(open_again(f, &other, &fault), -EEXIST);
	assert_non_null(strstr(fault.what, "volume"));
}

static void test_directory_with_foreign_files_is_refused(void **state)
{
	struct fixture *f = *state;
	struct mafs_fault fault = MAFS_FAULT_INIT;
	_cleanup_free_ char *file = NULL;

	mafs_shadow_close(f->shadow);
	f->shadow = NULL;
	snprintf(f->dir, sizeof(f->dir), "%s/foreign", f->top);
	assert_int_equal(mkdir(f->dir, 0700), 0);
	file = inside(f, "/file");
	make_file(file);
	assert_int_equal(open_again(f, &f->volume, &fault), -ENOTEMPTY);
	assert_false(exists(f, "/.mafs"));
	assert_true(exists(f, "/file"));
}

static void test_namespace_directory_is_refused(void **state)
{
	struct fixture *f = *state;
	_cleanup_free_ char *dot = NULL, *file = NULL;

	mafs_shadow_close(f->shadow);
	f->shadow = NULL;
	snprintf(f->dir, sizeof(f->dir), "%s/n", f->top);
	dot = inside(f, "/.mafs");
	file = inside(f, "/.mafs/volume.yaml");
	assert_int_equal(mkdir(f->dir, 0700), 0);
	assert_int_equal(mkdir(dot, 0700), 0);
	make_file(file);
	assert_int_equal(open_again(f, &f->volume, NULL), -ENOTEMPTY);
	assert_false(exists(f, "/.mafs/shadow.yaml"));
}

static void test_first_writer_that_was_killed_is_gone_on_from(void **state)
{
	struct fixture *f = *state;
	_cleanup_free_ char *stamp = inside(f, "/.mafs/shadow.yaml");
	_cleanup_free_ char *left = inside(f, "/.mafs/tmp");

	assert_int_equal(unlink(stamp), 0);
	make_file(left);
	reopen(f);
	put(f, 1, "/a");
	assert_false(exists(f, "/.mafs/tmp"));
}

static void test_stamp_tells_volume_generation_and_sequence(void **state)
{
	struct fixture *f = *state;
	struct mafs_shadow_stamp stamp = { 0 };
	_cleanup_close_ int root = -1;

	assert_int_equal(mafs_shadow_stamp(f->shadow, 3, 1000, NULL), 0);
	root = open(f->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(mafs_shadow_stamp_read(root, &stamp, NULL), 0);
	assert_true(mafs_uuid_equal(&stamp.volume, &f->volume));
	assert_int_equal(stamp.generation, 3);
	assert_int_equal(stamp.seq, 1000);
}

static void test_unreadable_stamp_is_refused(void **state)
{
	struct fixture *f = *state;
	_cleanup_free_ char *stamp = inside(f, "/.mafs/shadow.yaml");
	struct mafs_fault fault = MAFS_FAULT_INIT;

	mafs_shadow_close(f->shadow);
	f->shadow = NULL;
	make_file(stamp);
	assert_int_equal(open_again(f, &f->volume, &fault), -EINVAL);
	assert_non_null(strstr(fault.what, "shadow.yaml"));
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_descriptor_stands_at_its_path),
		T(test_files_are_private_to_their_owner),
		T(test_same_descriptor_is_not_written_again),
		T(test_renamed_file_leaves_its_old_place),
		T(test_two_files_exchange_their_names),
		T(test_dropped_file_takes_its_empty_directories_along),
		T(test_sweep_removes_what_was_not_put),
		T(test_sweep_keeps_the_stamp),
		T(test_directory_takes_the_place_of_a_file),
		T(test_file_takes_the_place_of_a_directory),
		T(test_lost_file_stands_apart_with_its_hint),
		T(test_lost_file_with_the_longest_name_has_a_place),
		T(test_path_beyond_path_max_is_written_and_removed),
		T(test_link_in_the_way_is_not_followed),
		T(test_link_under_a_files_name_is_replaced),
		T(test_paths_that_climb_are_refused),
		T(test_second_writer_is_refused),
		T(test_shadow_of_another_volume_is_refused),
		T(test_directory_with_foreign_files_is_refused),
		T(test_namespace_directory_is_refused),
		T(test_first_writer_that_was_killed_is_gone_on_from),
		T(test_stamp_tells_volume_generation_and_sequence),
		T(test_unreadable_stamp_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
