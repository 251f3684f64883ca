// SPDX-License-Identifier: Apache-2.0
/*
 * Following a volume from outside: a memory device in a directory, a log on
 * it, a namespace directory, and the shadow made of them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/magic.h>
#include <mafs/cleanup.h>
#include <mafs/live.h>
#include <mafs/log.h>
#include <mafs/platform.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>

#define SKIPPED 77

struct fixture {
	char top[64]; /* holds n/, shadow/ and memory/ */
	char memory_path[80];
	char shadow_path[80];
	int n_fd;
	struct mafs_uuid fs_id, volume;
	struct mafs_memory *memory; /* the daemon's */
	struct mafs_log *log;
	struct mafs_live *live;
	struct mafs_shadow *shadow;
};

static void make_memory(struct fixture *f)
{
	const struct mafs_memory_spec spec = { .kind = "tmpfs",
					       .size_bytes = 64 << 20 };
	struct mafs_superblock sb = {
		.incompat = MAFS_OMF_INCOMPAT_TIERED,
		.fs_uuid = f->volume,
		.device_size_bytes = spec.size_bytes,
	};
	struct mafs_log_reader *reader;
	struct mafs_log_position end;
	struct mafs_entry entry = { 0 };

	mafs_uuid_generate(&sb.device_uuid);
	assert_int_equal(mafs_memory_make(f->memory_path, &spec, NULL,
					  &f->memory, NULL),
			 0);
	assert_int_equal(mafs_log_format(&f->memory->media, &sb, NULL), 0);
	assert_int_equal(
		mafs_log_reader_open(&f->memory->media, &reader, &sb, NULL), 0);
	while (mafs_log_reader_next(reader, &entry, NULL, NULL) == 1)
		mafs_entry_done(&entry);
	mafs_log_reader_end(reader, &end);
	mafs_log_reader_close(reader);
	assert_int_equal(
		mafs_log_open(&f->memory->media, &sb, &end, &f->log, NULL), 0);
}

static void destroy_memory(struct fixture *f)
{
	mafs_log_close(f->log);
	f->log = NULL;
	if (f->memory)
		f->memory->ops->free(f->memory);
	f->memory = NULL;
	assert_int_equal(mafs_memory_destroy(f->memory_path, NULL), 0);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	_cleanup_free_ char *n_path = NULL;
	bool weak;

	assert_non_null(f);
	snprintf(f->top, sizeof(f->top), "/dev/shm/mafs-test-live-XXXXXX");
	assert_non_null(mkdtemp(f->top));
	snprintf(f->memory_path, sizeof(f->memory_path), "%s/memory", f->top);
	snprintf(f->shadow_path, sizeof(f->shadow_path), "%s/shadow", f->top);
	assert_true(asprintf(&n_path, "%s/n", f->top) > 0);
	assert_int_equal(mkdir(n_path, 0700), 0);
	f->n_fd = open(n_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(f->n_fd >= 0);
	assert_int_equal(mafs_fs_id(f->n_fd, &f->fs_id, &weak), 0);
	mafs_uuid_generate(&f->volume);
	assert_int_equal(mafs_live_open(f->memory_path, &f->live), 0);
	assert_int_equal(mafs_shadow_open(f->shadow_path, &f->volume,
					  &f->shadow, NULL),
			 0);
	*state = f;
	return 0;
}

static int setup_with_memory(void **state)
{
	setup(state);
	make_memory(*state);
	return 0;
}

static int teardown(void **state)
{
	_cleanup_free_ char *command = NULL;
	struct fixture *f = *state;

	mafs_live_close(f->live);
	mafs_shadow_close(f->shadow);
	if (f->memory)
		destroy_memory(f);
	close(f->n_fd);
	assert_true(asprintf(&command, "rm -rf -- '%s'", f->top) > 0);
	assert_int_equal(system(command), 0);
	free(f);
	return 0;
}

/* A file in N, its bytes in memory, and its `map` in the log. */
static void make_hot(struct fixture *f, uint64_t id, const char *name,
		     size_t size_bytes)
{
	_cleanup_close_ int fd = openat(
		f->n_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
	struct mafs_entry entry = {
		.type = MAFS_OMF_MAP,
		.map = { .id = id, .flags = MAFS_OMF_MAP_DIRTY },
	};
	struct mafs_memory_file *file = NULL;
	char bytes[4096] = { 0 };

	assert_true(fd >= 0);
	assert_true(size_bytes <= sizeof(bytes));
	assert_int_equal(
		mafs_identity_of(fd, &f->fs_id, &entry.map.identity, NULL), 0);
	snprintf(entry.map.hint.name, sizeof(entry.map.hint.name), "%s",
		 basename(name));
	assert_int_equal(f->memory->ops->create(f->memory, "", 0,
						&entry.map.map, &file),
			 0);
	assert_int_equal(f->memory->ops->pwrite(file, bytes, size_bytes, 0),
			 size_bytes);
	f->memory->ops->close(file);
	assert_int_equal(mafs_log_append(f->log, &entry, 1, NULL), 0);
	mafs_map_done(&entry.map.map);
}

static int update(struct fixture *f)
{
	return mafs_live_update(f->live, NULL);
}

static void refresh(struct fixture *f)
{
	struct mafs_fault fault = MAFS_FAULT_INIT;
	int r = mafs_live_to_shadow(f->live, f->n_fd, &f->fs_id, f->shadow,
				    &fault);

	if (r < 0)
		print_error("%s\n", fault.what);
	assert_int_equal(r, 0);
}

/* The descriptor at a path of the shadow. Return: false: there is none. */
static bool read_shadow(struct fixture *f, const char *path,
			struct mafs_descriptor *ret)
{
	_cleanup_free_ char *name = NULL;
	_cleanup_close_ int fd = -1;
	char text[4096];
	ssize_t len;

	assert_true(asprintf(&name, "%s%s", f->shadow_path, path) > 0);
	fd = open(name, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	len = read(fd, text, sizeof(text));
	assert_true(len > 0);
	assert_int_equal(
		mafs_descriptor_from_text(text, (size_t)len, ret, NULL), 0);
	return true;
}

static bool in_shadow(struct fixture *f, const char *path)
{
	_cleanup_(mafs_descriptor_done) struct mafs_descriptor got = { 0 };

	return read_shadow(f, path, &got);
}

static void test_volume_without_memory_has_an_empty_shadow(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(update(f), 0);
	assert_null(mafs_live_memory(f->live));
	refresh(f);
	assert_int_equal(mafs_shadow_count(f->shadow), 0);
}

static void test_descriptor_tells_what_log_n_and_memory_say(void **state)
{
	_cleanup_(mafs_descriptor_done) struct mafs_descriptor got = { 0 };
	struct fixture *f = *state;

	make_hot(f, 5, "a", 1234);
	assert_int_equal(update(f), 1);
	refresh(f);
	assert_true(read_shadow(f, "/a", &got));
	assert_int_equal(got.id, 5);
	assert_string_equal(got.path, "/a");
	assert_int_equal(got.permissions, 0640);
	assert_int_equal(got.owner, geteuid());
	assert_int_equal(got.size_bytes, 1234);
	assert_int_equal(got.state, MAFS_DESCRIPTOR_DIRTY);
	assert_int_equal(got.map.n_extents, 1);
	assert_int_equal(got.map.extents[0].offset_bytes, 0);
	assert_int_equal(got.map.extents[0].length_bytes, 1234);
}

static void test_clean_file_has_size_and_time_of_n(void **state)
{
	_cleanup_(mafs_descriptor_done) struct mafs_descriptor got = { 0 };
	struct fixture *f = *state;
	struct mafs_entry clean = { .type = MAFS_OMF_CLEAN, .clean.id = 5 };
	struct stat st;

	make_hot(f, 5, "a", 10);
	assert_int_equal(mafs_log_append(f->log, &clean, 1, NULL), 0);
	update(f);
	refresh(f);
	assert_int_equal(fstatat(f->n_fd, "a", &st, 0), 0);
	assert_true(read_shadow(f, "/a", &got));
	assert_int_equal(got.state, MAFS_DESCRIPTOR_CLEAN);
	assert_int_equal(got.size_bytes, 0);
	assert_int_equal(got.mtime.tv_nsec, st.st_mtim.tv_nsec);
}

static void test_update_tells_whether_the_log_grew(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(update(f), 1);
	assert_int_equal(update(f), 0);
	make_hot(f, 1, "a", 1);
	assert_int_equal(update(f), 1);
	assert_int_equal(update(f), 0);
	assert_true(mafs_live_seq(f->live) > 0);
}

static void test_rename_in_n_moves_the_descriptor(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(mkdirat(f->n_fd, "d", 0700), 0);
	make_hot(f, 1, "d/a", 1);
	update(f);
	refresh(f);
	assert_true(in_shadow(f, "/d/a"));
	assert_int_equal(renameat(f->n_fd, "d", f->n_fd, "e"), 0);
	assert_int_equal(update(f), 0);
	refresh(f);
	assert_true(in_shadow(f, "/e/a"));
	assert_int_equal(mafs_shadow_count(f->shadow), 1);
}

static void test_dropped_file_leaves_the_shadow(void **state)
{
	struct fixture *f = *state;
	struct mafs_entry drop = { .type = MAFS_OMF_DROP, .id = { 1 } };

	make_hot(f, 1, "a", 1);
	make_hot(f, 2, "b", 1);
	update(f);
	refresh(f);
	assert_int_equal(mafs_log_append(f->log, &drop, 1, NULL), 0);
	assert_int_equal(update(f), 1);
	refresh(f);
	assert_false(in_shadow(f, "/a"));
	assert_true(in_shadow(f, "/b"));
}

static void test_file_removed_from_n_stands_under_lost(void **state)
{
	_cleanup_(mafs_descriptor_done) struct mafs_descriptor got = { 0 };
	struct fixture *f = *state;

	make_hot(f, 1, "a", 7);
	assert_int_equal(unlinkat(f->n_fd, "a", 0), 0);
	update(f);
	refresh(f);
	assert_true(read_shadow(f, "/.lost/1-a", &got));
	assert_int_equal(got.size_bytes, 7);
	assert_null(got.path);
}

static void test_unmounted_memory_is_let_go_of(void **state)
{
	struct fixture *f = *state;

	make_hot(f, 1, "a", 1);
	update(f);
	refresh(f);
	destroy_memory(f);
	assert_int_equal(update(f), 1);
	assert_null(mafs_live_memory(f->live));
	assert_int_equal(mafs_hot_count(mafs_live_hot(f->live)), 0);
	refresh(f);
	assert_int_equal(mafs_shadow_count(f->shadow), 0);
}

static void test_memory_that_comes_back_is_attached(void **state)
{
	struct fixture *f = *state;

	make_hot(f, 1, "a", 1);
	update(f);
	destroy_memory(f);
	make_memory(f);
	make_hot(f, 2, "b", 1);
	assert_int_equal(update(f), 1);
	refresh(f);
	assert_false(in_shadow(f, "/a"));
	assert_true(in_shadow(f, "/b"));
}

static int no_live_files(void *context, mafs_log_emit_fn *emit,
			 void *emit_context)
{
	return 0;
}

static void test_overtaken_follower_begins_anew(void **state)
{
	struct fixture *f = *state;

	make_hot(f, 1, "a", 1);
	update(f);
	for (uint64_t i = 0; i < 5; i++) {
		struct mafs_entry drop = { .type = MAFS_OMF_DROP,
					   .id = { 100 + i } };

		assert_int_equal(mafs_log_append(f->log, &drop, 1, NULL), 0);
		assert_int_equal(mafs_log_checkpoint(f->log, no_live_files,
						     NULL, NULL),
				 0);
	}
	make_hot(f, 2, "b", 1);
	assert_int_equal(update(f), 1);
	assert_null(mafs_hot_find(mafs_live_hot(f->live), 1));
	assert_non_null(mafs_hot_find(mafs_live_hot(f->live), 2));
}

static void test_memory_without_a_superblock_yet_is_no_error(void **state)
{
	struct fixture *f = *state;
	const struct mafs_memory_spec spec = { .kind = "tmpfs",
					       .size_bytes = 64 << 20 };

	assert_int_equal(mafs_memory_make(f->memory_path, &spec, NULL,
					  &f->memory, NULL),
			 0);
	assert_int_equal(update(f), 0);
	assert_null(mafs_live_memory(f->live));
}

/* Without the right to mount, a device is a plain directory. */
static bool give_up_mounting(void)
{
	struct __user_cap_header_struct head = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[2];
	struct statfs fs;

	if (statfs("/dev/shm", &fs) < 0 || fs.f_type != TMPFS_MAGIC)
		return false;
	if (syscall(SYS_capget, &head, data) < 0)
		return false;
	data[0].effective &= ~(1U << CAP_SYS_ADMIN);
	return syscall(SYS_capset, &head, data) == 0;
}

#define T(test) \
	cmocka_unit_test_setup_teardown(test, setup_with_memory, teardown)
#define WITHOUT_MEMORY(test) \
	cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITHOUT_MEMORY(test_volume_without_memory_has_an_empty_shadow),
		WITHOUT_MEMORY(
			test_memory_without_a_superblock_yet_is_no_error),
		T(test_descriptor_tells_what_log_n_and_memory_say),
		T(test_clean_file_has_size_and_time_of_n),
		T(test_update_tells_whether_the_log_grew),
		T(test_rename_in_n_moves_the_descriptor),
		T(test_dropped_file_leaves_the_shadow),
		T(test_file_removed_from_n_stands_under_lost),
		T(test_unmounted_memory_is_let_go_of),
		T(test_memory_that_comes_back_is_attached),
		T(test_overtaken_follower_begins_anew),
	};

	if (!give_up_mounting()) {
		print_message("needs a tmpfs at /dev/shm\n");
		return SKIPPED;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
