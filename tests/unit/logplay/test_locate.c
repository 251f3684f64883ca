// SPDX-License-Identifier: Apache-2.0
/* Finding files in N by identity: with the right to open by handle, and
 * without it, where one walk must do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <mafs/cleanup.h>
#include <mafs/locate.h>
#include <mafs/longpath.h>
#include <mafs/platform.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

struct fixture {
	char top[64];
	int top_fd;
	int n_fd;
	struct mafs_uuid fs_id;
	struct mafs_identity identity;
	struct mafs_hint hint;
	struct mafs_place place;
};

/* Takes the right to open by handle away from this process, or gives it
 * back. Return: had it. */
static bool set_right(bool on)
{
	struct __user_cap_header_struct head = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[2];
	bool had;

	assert_int_equal(syscall(SYS_capget, &head, data), 0);
	had = data[0].permitted & (1U << CAP_DAC_READ_SEARCH);
	if (!had)
		return false;
	data[0].effective &= ~(1U << CAP_DAC_READ_SEARCH);
	if (on)
		data[0].effective |= 1U << CAP_DAC_READ_SEARCH;
	assert_int_equal(syscall(SYS_capset, &head, data), 0);
	return true;
}

static int setup(void **state)
{
	const char *base = getenv("TMPDIR");
	struct fixture *f = calloc(1, sizeof(*f));
	bool weak;

	assert_non_null(f);
	snprintf(f->top, sizeof(f->top), "%.40s/mafs-locate-XXXXXX",
		 base ? base : "/tmp");
	assert_non_null(mkdtemp(f->top));
	f->top_fd = open(f->top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(f->top_fd >= 0);
	assert_int_equal(mkdirat(f->top_fd, "n", 0700), 0);
	f->n_fd = openat(f->top_fd, "n", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(f->n_fd >= 0);
	assert_int_equal(mafs_fs_id(f->n_fd, &f->fs_id, &weak), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	_cleanup_free_ char *command = NULL;
	struct fixture *f = *state;

	set_right(true);
	mafs_place_done(&f->place);
	close(f->n_fd);
	close(f->top_fd);
	assert_true(asprintf(&command, "rm -rf -- '%s'", f->top) > 0);
	assert_int_equal(system(command), 0);
	free(f);
	return 0;
}

static void make_dirs(struct fixture *f, const char *path)
{
	assert_int_equal(mkdirat(f->n_fd, path, 0700), 0);
}

/* Makes a file and asks for it from now on. */
static void make_file(struct fixture *f, int dir_fd, const char *name)
{
	_cleanup_close_ int fd = openat(
		dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(mafs_identity_of(fd, &f->fs_id, &f->identity, NULL),
			 0);
	f->place.identity = &f->identity;
	f->place.hint = &f->hint;
}

static void hint_at(struct fixture *f, const char *dir, const char *name)
{
	mafs_handle_of(f->n_fd, dir, &f->hint.parent);
	snprintf(f->hint.name, sizeof(f->hint.name), "%s", name);
}

static const char *locate(struct fixture *f, bool walk)
{
	assert_int_equal(mafs_locate(f->n_fd, &f->fs_id, &f->place, 1, walk),
			 0);
	return f->place.path;
}

static void found_at(struct fixture *f, const char *path)
{
	assert_non_null(locate(f, true));
	assert_string_equal(f->place.path, path);
	assert_int_equal(f->place.st.st_ino, f->identity.ino);
}

static void needs_right(struct fixture *f)
{
	_cleanup_close_ int fd = -1;

	if (!f->identity.handle.length) {
		print_message("needs a file system with file handles\n");
		skip();
	}
	fd = mafs_handle_open(f->n_fd, &f->identity.handle, O_PATH);
	if (fd < 0) {
		print_message("needs the right to open by handle\n");
		skip();
	}
}

static void test_file_is_where_its_hint_says(void **state)
{
	struct fixture *f = *state;

	make_dirs(f, "a");
	make_file(f, f->n_fd, "a/x");
	hint_at(f, "a", "x");
	found_at(f, "/a/x");
}

static void test_file_in_the_root_is_found(void **state)
{
	struct fixture *f = *state;

	make_file(f, f->n_fd, "x");
	found_at(f, "/x");
}

static void test_file_is_found_after_its_directory_was_renamed(void **state)
{
	struct fixture *f = *state;

	make_dirs(f, "a");
	make_dirs(f, "a/b");
	make_file(f, f->n_fd, "a/b/x");
	hint_at(f, "a/b", "x");
	assert_int_equal(renameat(f->n_fd, "a", f->n_fd, "c"), 0);
	found_at(f, "/c/b/x");
}

static void test_hint_alone_finds_it_without_a_walk(void **state)
{
	struct fixture *f = *state;

	make_dirs(f, "a");
	make_file(f, f->n_fd, "a/x");
	needs_right(f);
	hint_at(f, "a", "x");
	assert_int_equal(renameat(f->n_fd, "a", f->n_fd, "c"), 0);
	assert_non_null(locate(f, false));
	assert_string_equal(f->place.path, "/c/x");
}

static void test_last_place_is_tried_first(void **state)
{
	struct fixture *f = *state;

	make_file(f, f->n_fd, "x");
	assert_int_equal(linkat(f->n_fd, "x", f->n_fd, "y", 0), 0);
	set_right(false);
	f->place.path = strdup("/y");
	assert_non_null(locate(f, false));
	assert_string_equal(f->place.path, "/y");
	assert_int_equal(f->place.st.st_nlink, 2);
}

static void test_other_file_under_the_hinted_name_is_not_taken(void **state)
{
	struct fixture *f = *state;
	struct mafs_identity first;

	make_file(f, f->n_fd, "x");
	first = f->identity;
	assert_int_equal(renameat(f->n_fd, "x", f->n_fd, "moved"), 0);
	make_file(f, f->n_fd, "x");
	f->identity = first;
	hint_at(f, ".", "x");
	f->place.path = strdup("/x");
	found_at(f, "/moved");
}

static void test_walk_finds_it_without_the_right_to_handles(void **state)
{
	struct fixture *f = *state;

	make_dirs(f, "a");
	make_dirs(f, "a/b");
	make_dirs(f, "c");
	make_file(f, f->n_fd, "a/b/x");
	set_right(false);
	assert_null(locate(f, false));
	found_at(f, "/a/b/x");
}

static void test_one_walk_finds_many(void **state)
{
	struct fixture *f = *state;
	struct mafs_identity identities[300];
	struct mafs_place places[300] = { 0 };
	struct mafs_hint none = { 0 };
	char name[32], path[40];

	for (unsigned int i = 0; i < 300; i++) {
		snprintf(name, sizeof(name), "d%u", i % 7);
		if (i < 7)
			make_dirs(f, name);
		snprintf(name, sizeof(name), "d%u/f%u", i % 7, i);
		make_file(f, f->n_fd, name);
		identities[i] = f->identity;
		places[i].identity = &identities[i];
		places[i].hint = &none;
	}
	set_right(false);
	assert_int_equal(mafs_locate(f->n_fd, &f->fs_id, places, 300, true), 0);
	for (unsigned int i = 0; i < 300; i++) {
		snprintf(path, sizeof(path), "/d%u/f%u", i % 7, i);
		assert_string_equal(places[i].path, path);
		mafs_place_done(&places[i]);
	}
}

static void test_walk_that_was_cut_short_says_so(void **state)
{
	struct fixture *f = *state;
	struct rlimit limit, low;
	int fd = dup(f->n_fd);

	make_dirs(f, "a");
	make_file(f, f->n_fd, "a/x");
	set_right(false);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	low = limit;
	low.rlim_cur = (rlim_t)fd + 1; /* N itself takes the last */
	close(fd);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	assert_null(locate(f, true));
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_int_equal(f->place.error, -EMFILE);
	found_at(f, "/a/x");
	assert_int_equal(f->place.error, 0);
}

static void test_removed_file_is_gone(void **state)
{
	struct fixture *f = *state;

	make_file(f, f->n_fd, "x");
	hint_at(f, ".", "x");
	needs_right(f);
	assert_int_equal(unlinkat(f->n_fd, "x", 0), 0);
	assert_null(locate(f, true));
	assert_true(f->place.gone);
}

static void test_file_outside_n_is_not_found(void **state)
{
	struct fixture *f = *state;

	make_file(f, f->top_fd, "outside");
	mafs_handle_of(f->top_fd, "", &f->hint.parent);
	snprintf(f->hint.name, sizeof(f->hint.name), "outside");
	f->place.path = strdup("/../outside");
	assert_null(locate(f, true));
	assert_false(f->place.gone);
}

static void test_hint_that_climbs_is_not_followed(void **state)
{
	struct fixture *f = *state;

	make_dirs(f, "a");
	make_file(f, f->n_fd, "x");
	hint_at(f, "a", "../x");
	needs_right(f);
	found_at(f, "/x");
	hint_at(f, "a", "..");
	found_at(f, "/x");
}

static void test_link_to_the_file_is_not_followed(void **state)
{
	struct fixture *f = *state;

	make_file(f, f->n_fd, "x");
	assert_int_equal(symlinkat("x", f->n_fd, "link"), 0);
	assert_int_equal(symlinkat(".", f->n_fd, "dot"), 0);
	f->place.path = strdup("/link");
	found_at(f, "/x");
	mafs_place_done(&f->place);
	f->place.path = strdup("/dot/x");
	found_at(f, "/x");
}

static void test_hidden_directory_does_not_count(void **state)
{
	struct fixture *f = *state;

	make_dirs(f, ".mafs");
	make_file(f, f->n_fd, ".mafs/x");
	hint_at(f, ".mafs", "x");
	f->place.path = strdup("/.mafs/x");
	assert_null(locate(f, true));
	make_dirs(f, "a");
	make_dirs(f, "a/.mafs");
	assert_int_equal(renameat(f->n_fd, ".mafs/x", f->n_fd, "a/.mafs/x"), 0);
	found_at(f, "/a/.mafs/x");
}

static void test_identity_of_another_file_system_is_not_looked_for(void **state)
{
	struct fixture *f = *state;

	make_file(f, f->n_fd, "x");
	mafs_uuid_generate(&f->identity.fs_id);
	f->place.path = strdup("/x");
	assert_null(locate(f, true));
}

static void path_beyond_path_max_is_found(struct fixture *f)
{
	_cleanup_free_ char *path = strdup("");
	int fd = dup(f->n_fd);

	/* Names of 200 bytes, 40 deep. */
	for (int i = 0; i < 40; i++) {
		char name[201], *longer;
		int next;

		memset(name, 'a' + i % 26, 200);
		name[200] = '\0';
		assert_int_equal(mkdirat(fd, name, 0700), 0);
		next = openat(fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		assert_true(next >= 0);
		close(fd);
		fd = next;
		assert_true(asprintf(&longer, "%s/%s", path, name) > 0);
		free(path);
		path = longer;
	}
	make_file(f, fd, "x");
	mafs_handle_of(fd, "", &f->hint.parent);
	snprintf(f->hint.name, sizeof(f->hint.name), "x");
	close(fd);
	assert_non_null(locate(f, true));
	assert_int_equal(strlen(f->place.path), strlen(path) + 2);
	assert_memory_equal(f->place.path, path, strlen(path));
	assert_non_null(locate(f, false));
}

static void test_path_beyond_path_max_is_found_by_handle(void **state)
{
	path_beyond_path_max_is_found(*state);
}

static void test_path_beyond_path_max_is_found_by_walk(void **state)
{
	set_right(false);
	path_beyond_path_max_is_found(*state);
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_file_is_where_its_hint_says),
		T(test_file_in_the_root_is_found),
		T(test_file_is_found_after_its_directory_was_renamed),
		T(test_hint_alone_finds_it_without_a_walk),
		T(test_last_place_is_tried_first),
		T(test_other_file_under_the_hinted_name_is_not_taken),
		T(test_walk_finds_it_without_the_right_to_handles),
		T(test_one_walk_finds_many),
		T(test_walk_that_was_cut_short_says_so),
		T(test_removed_file_is_gone),
		T(test_file_outside_n_is_not_found),
		T(test_hint_that_climbs_is_not_followed),
		T(test_link_to_the_file_is_not_followed),
		T(test_hidden_directory_does_not_count),
		T(test_identity_of_another_file_system_is_not_looked_for),
		T(test_path_beyond_path_max_is_found_by_handle),
		T(test_path_beyond_path_max_is_found_by_walk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
