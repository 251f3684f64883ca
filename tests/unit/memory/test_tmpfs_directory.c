// SPDX-License-Identifier: Apache-2.0
/* The device in a directory of somebody else's tmpfs: SIZE is counted. */
#include "common_tests.h"

#include <linux/capability.h>
#include <linux/magic.h>
#include <pthread.h>
#include <sys/statfs.h>
#include <sys/syscall.h>

#define N_THREADS 4

static int setup(void **state)
{
	char path[T_PLACE_LEN];
	static unsigned int n;

	snprintf(path, sizeof(path), "/dev/shm/mafs-test-%d-%u", getpid(), n++);
	*state = device_make(path, 32 * MIB);
	return 0;
}

static int teardown(void **state)
{
	device_free(*state);
	return 0;
}

static void test_directory_is_closed_to_others(void **state)
{
	struct device *d = *state;
	struct stat st;

	assert_int_equal(stat(d->path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
}

static void test_overwriting_goes_on_when_the_device_is_full(void **state)
{
	struct device *d = *state;
	struct mafs_map map = { 0 };
	struct mafs_memory_file *file = create(d, &map);

	fill(file);
	assert_int_equal(store(file, 0, 1 << 16), 1 << 16);
	d->memory->ops->close(file);
	mafs_map_done(&map);
}

static void test_truncated_bytes_are_given_back(void **state)
{
	struct device *d = *state;
	struct mafs_map map = { 0 };
	struct mafs_memory_file *file = create(d, &map);

	store(file, 0, MIB);
	assert_int_equal(d->memory->ops->truncate(file, 4096), 0);
	assert_int_equal(usage_of(d).used_bytes, 4096);
	d->memory->ops->close(file);
	mafs_map_done(&map);
}

static void test_bytes_of_a_removed_open_file_are_not_counted(void **state)
{
	struct device *d = *state;
	struct mafs_map map = { 0 };
	struct mafs_memory_file *file = create(d, &map);

	store(file, 0, MIB);
	assert_int_equal(d->memory->ops->remove(d->memory, &map), 0);
	store(file, MIB, MIB);
	d->memory->ops->close(file);
	assert_int_equal(usage_of(d).used_bytes, 0);
	mafs_map_done(&map);
}

static void *fill_one(void *context)
{
	struct device *d = context;
	struct mafs_map map = { 0 };
	struct mafs_memory_file *file;
	static const char bytes[10000];
	uint64_t offset = 0;
	ssize_t n;

	if (d->memory->ops->create(d->memory, "", 0, &map, &file) < 0)
		return NULL;
	while ((n = d->memory->ops->pwrite(file, bytes, sizeof(bytes),
					   offset)) > 0)
		offset += (uint64_t)n;
	d->memory->ops->close(file);
	mafs_map_done(&map);
	return NULL;
}

static void test_threads_together_never_pass_the_size(void **state)
{
	struct device *d = *state;
	pthread_t threads[N_THREADS];
	struct mafs_memory_usage counted;

	for (int i = 0; i < N_THREADS; i++)
		pthread_create(&threads[i], NULL, fill_one, d);
	for (int i = 0; i < N_THREADS; i++)
		pthread_join(threads[i], NULL);
	counted = usage_of(d);
	assert_in_range(counted.used_bytes, 31 * MIB, 32 * MIB);
	device_reattach(d, false);
	assert_int_equal(usage_of(d).used_bytes, counted.used_bytes);
	assert_int_equal(usage_of(d).n_files, N_THREADS);
}

static void test_directory_that_others_can_read_is_refused(void **state)
{
	struct device *d = *state;
	struct mafs_memory *memory;
	int r;

	if (geteuid() == 0)
		skip();
	assert_int_equal(chmod(d->path, 0755), 0);
	r = mafs_memory_attach(d->path, true, &memory, NULL);
	assert_int_equal(chmod(d->path, 0700), 0);
	assert_int_equal(r, -EPERM);
}

static void test_symbolic_link_in_its_place_is_refused(void **state)
{
	struct device *d = *state;
	struct mafs_memory *memory;
	char link[128];

	snprintf(link, sizeof(link), "%s", t_path(d->place, "link"));
	assert_int_equal(symlink(d->path, link), 0);
	assert_int_equal(mafs_memory_attach(link, true, &memory, NULL),
			 -ENOTDIR);
}

static void test_options_of_a_mount_are_refused(void **state)
{
	struct device *d = *state;
	struct mafs_memory_spec spec = { .kind = "tmpfs",
					 .size_bytes = MIB,
					 .huge = "never" };
	struct mafs_memory *memory;

	assert_int_equal(mafs_memory_make(t_path(d->place, "other"), &spec,
					  NULL, &memory, NULL),
			 -EPERM);
}

/* Root without CAP_SYS_ADMIN is as good as no root here. */
static int give_up_mounting(void)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];
	struct statfs fs;

	if (statfs("/dev/shm", &fs) < 0 || fs.f_type != TMPFS_MAGIC) {
		printf("needs a tmpfs at /dev/shm\n");
		return T_SKIP;
	}
	if (syscall(SYS_capget, &header, data) < 0)
		return T_SKIP;
	data[CAP_TO_INDEX(CAP_SYS_ADMIN)].effective &=
		~CAP_TO_MASK(CAP_SYS_ADMIN);
	return syscall(SYS_capset, &header, data) < 0 ? T_SKIP : 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		COMMON_TESTS,
		T(test_directory_is_closed_to_others),
		T(test_overwriting_goes_on_when_the_device_is_full),
		T(test_truncated_bytes_are_given_back),
		T(test_bytes_of_a_removed_open_file_are_not_counted),
		T(test_threads_together_never_pass_the_size),
		T(test_directory_that_others_can_read_is_refused),
		T(test_symbolic_link_in_its_place_is_refused),
		T(test_options_of_a_mount_are_refused),
	};
	int r = give_up_mounting();

	return r ? r : cmocka_run_group_tests(tests, NULL, NULL);
}
