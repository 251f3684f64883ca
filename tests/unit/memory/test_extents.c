// SPDX-License-Identifier: Apache-2.0
/* Memory files on a mapped device: what all kinds do, on a file and a memfd,
 * and what only these do. ctest: labels=tsan */
#include "contract_tests.h"

#include <mafs/device.h>
#include <pthread.h>

static const char *kind;

static int setup(void **state)
{
	*state = device_make_mapped(kind, 32 * MIB);
	return 0;
}

static int teardown(void **state)
{
	device_free(*state);
	return 0;
}

/* ---- bytes against a plain file ---- */

struct oracle {
	struct mafs_memory_file *file;
	int fd;
};

static void compare(struct oracle *o)
{
	static char ours[4 << 20], theirs[4 << 20];
	struct stat st;
	ssize_t n;

	assert_int_equal(fstat(o->fd, &st), 0);
	assert_int_equal(stat_of(o->file).st_size, st.st_size);
	n = o->file->memory->ops->pread(o->file, ours, sizeof(ours), 0);
	assert_int_equal(n, pread(o->fd, theirs, sizeof(theirs), 0));
	assert_memory_equal(ours, theirs, (size_t)n);
}

static void do_one(struct oracle *o, unsigned int *seed)
{
	static char bytes[64 << 10];
	uint64_t at = (unsigned int)rand_r(seed) % (2U << 20);
	size_t len = 1 + (size_t)rand_r(seed) % sizeof(bytes);
	const struct mafs_memory_ops *ops = o->file->memory->ops;
	int mode = 0;

	memset(bytes, 1 + rand_r(seed) % 255, len);
	switch (rand_r(seed) % 10) {
	case 0:
		assert_int_equal(ops->truncate(o->file, at), 0);
		assert_int_equal(ftruncate(o->fd, (off_t)at), 0);
		return;
	case 1:
	case 2:
		mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
		break;
	case 3:
		mode = FALLOC_FL_KEEP_SIZE;
		break;
	case 4:
		break;
	default:
		assert_int_equal(ops->pwrite(o->file, bytes, len, at), len);
		assert_int_equal(pwrite(o->fd, bytes, len, (off_t)at), len);
		return;
	}
	assert_int_equal(ops->allocate(o->file, mode, at, len), 0);
	assert_int_equal(fallocate(o->fd, mode, (off_t)at, (off_t)len), 0);
}

static void test_random_changes_are_those_of_a_plain_file(void **state)
{
	struct device *d = *state;
	struct mafs_map map = { 0 };
	struct oracle o = { .file = create(d, &map) };
	unsigned int seed = 1;

	o.fd = open(t_path(d->place, "oracle"), O_RDWR | O_CREAT, 0600);
	assert_true(o.fd >= 0);
	for (int i = 0; i < 2000; i++) {
		do_one(&o, &seed);
		if (i % 50)
			continue;
		compare(&o);
		/* What is on the device is what is known. */
		d->memory->ops->close(o.file);
		device_reattach(d, false);
		o.file = reopen(d, &map, true);
		compare(&o);
	}
	assert_true(stat_of(o.file).st_blocks * 512 <=
		    (blkcnt_t)usage_of(d).used_bytes);
	close(o.fd);
	d->memory->ops->close(o.file);
	mafs_map_done(&map);
}

static void test_thousands_of_runs_stay(void **state)
{
	struct device *d = *state;
	struct mafs_map map = { 0 }, extents = { 0 };
	struct mafs_memory_file *file = create(d, &map);
	uint64_t free_before = usage_of(d).size_bytes;

	for (uint64_t i = 0; i < 3000; i++)
		assert_int_equal(store(file, i * 8192, 4096), 4096);
	d->memory->ops->close(file);
	device_reattach(d, false);
	assert_int_equal(usage_of(d).used_bytes, 3000 * 4096);
	assert_int_equal(d->memory->ops->extents(d->memory, &map, &extents), 0);
	assert_int_equal(extents.n_extents, 2 * 3000 - 1);
	assert_int_equal(d->memory->ops->remove(d->memory, &map), 0);
	assert_int_equal(usage_of(d).used_bytes, 0);
	assert_int_equal(usage_of(d).size_bytes, free_before);
	mafs_map_done(&extents);
	mafs_map_done(&map);
}

static void test_thousands_of_files_come_and_go(void **state)
{
	struct device *d = *state;
	static struct mafs_map maps[2000];
	uint64_t size;

	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < 2000; i++) {
			struct mafs_memory_file *file = create(d, &maps[i]);

			assert_int_equal(store(file, 0, 100), 100);
			d->memory->ops->close(file);
		}
		assert_int_equal(usage_of(d).n_files, 2000);
		device_reattach(d, false);
		assert_int_equal(usage_of(d).n_files, 2000);
		for (int i = 0; i < 2000; i++) {
			assert_int_equal(
				d->memory->ops->remove(d->memory, &maps[i]), 0);
			mafs_map_done(&maps[i]);
			memset(&maps[i], 0, sizeof(maps[i]));
		}
		if (round == 0)
			size = usage_of(d).size_bytes;
	}
	/* The table did not grow again. */
	assert_int_equal(usage_of(d).size_bytes, size);
	assert_int_equal(usage_of(d).used_bytes, 0);
}

static void test_all_who_have_a_file_open_see_the_same(void **state)
{
	struct device *d = *state;
	struct mafs_map map = { 0 };
	struct mafs_memory_file *a = create(d, &map),
				*b = reopen(d, &map, true);

	store(a, 0, 5000);
	assert_int_equal(stat_of(b).st_size, 5000);
	assert_int_equal(d->memory->ops->truncate(b, 10), 0);
	assert_int_equal(stat_of(a).st_size, 10);
	assert_int_equal(d->memory->ops->remove(d->memory, &map), 0);
	/* Another file takes its slot, and not its bytes. */
	struct mafs_map other_map = { 0 };
	struct mafs_memory_file *other = create(d, &other_map);

	store(a, 0, 5000);
	assert_int_equal(stat_of(other).st_size, 0);
	d->memory->ops->close(a);
	d->memory->ops->close(b);
	d->memory->ops->close(other);
	device_reattach(d, false);
	assert_int_equal(usage_of(d).used_bytes, 0);
	assert_int_equal(usage_of(d).n_files, 1);
	mafs_map_done(&map);
	mafs_map_done(&other_map);
}

static void test_bytes_behind_the_end_are_zeros_when_it_grows(void **state)
{
	struct device *d = *state;
	const struct mafs_memory_ops *ops = d->memory->ops;
	struct mafs_map map = { 0 };
	struct mafs_memory_file *file = create(d, &map);
	char bytes[4096], zeros[4096] = { 0 };

	store(file, 0, 4096);
	assert_int_equal(ops->truncate(file, 100), 0);
	assert_int_equal(ops->truncate(file, 2000), 0);
	store(file, 3000, 1096);
	assert_int_equal(ops->pread(file, bytes, 4096, 0), 4096);
	assert_memory_equal(bytes + 100, zeros, 2900);
	ops->close(file);
	mafs_map_done(&map);
}

/* ---- appenders ---- */

static void test_appenders_beside_each_other_stay_in_few_pieces(void **state)
{
	struct device *d = *state;
	const struct mafs_memory_ops *ops = d->memory->ops;
	struct mafs_map maps[4] = { 0 }, extents = { 0 };
	struct mafs_memory_file *files[4];

	for (int i = 0; i < 4; i++)
		files[i] = create(d, &maps[i]);
	for (uint64_t n = 0; n < 500; n++)
		for (int i = 0; i < 4; i++)
			assert_int_equal(store(files[i], n * 4096, 4096), 4096);
	assert_int_equal(usage_of(d).used_bytes, 4 * 500 * 4096);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(ops->extents(d->memory, &maps[i], &extents),
				 0);
		assert_in_range(extents.n_extents, 1, 60);
		mafs_map_done(&extents);
		ops->close(files[i]);
		mafs_map_done(&maps[i]);
	}
}

static void
test_what_appenders_have_ahead_is_had_when_it_is_wanted(void **state)
{
	struct device *d = *state;
	struct mafs_map maps[2] = { 0 };
	struct mafs_memory_file *a = create(d, &maps[0]);
	struct mafs_memory_file *b = create(d, &maps[1]);
	uint64_t size = usage_of(d).size_bytes;

	for (uint64_t at = 0; at < 8 * MIB; at += 65536)
		store(a, at, 65536);
	assert_in_range(fill(b), size - 9 * MIB, size - 8 * MIB);
	assert_in_range(usage_of(d).used_bytes, size - MIB / 4, size);
	d->memory->ops->close(a);
	d->memory->ops->close(b);
	device_reattach(d, false);
	assert_in_range(usage_of(d).used_bytes, size - MIB / 4, size);
	mafs_map_done(&maps[0]);
	mafs_map_done(&maps[1]);
}

/* ---- whose it is ---- */

static int make_again(struct device *d, const struct mafs_uuid *uuid,
		      struct mafs_fault *fault)
{
	char path[2 * T_PLACE_LEN];
	struct mafs_memory *memory;
	int r;

	snprintf(path, sizeof(path), "%s", t_path(d->place, "other"));
	mkdir(path, 0700);
	r = mafs_memory_make(path, &d->spec, uuid, &memory, fault);
	if (r < 0)
		return r;
	memory->ops->free(memory);
	assert_int_equal(mafs_memory_destroy(path, NULL), 0);
	return 0;
}

static void test_file_in_use_is_refused(void **state)
{
	struct mafs_fault fault = MAFS_FAULT_INIT;
	struct device *d = *state;

	if (strcmp(d->spec.kind, "file") != 0)
		return;
	assert_int_equal(make_again(d, &volume_uuid, &fault), -EBUSY);
	assert_non_null(strstr(fault.what, "another mafs"));
}

static void
test_memory_of_another_volume_is_refused_until_it_ended(void **state)
{
	static const struct mafs_uuid other = { "another volume.." };
	struct mafs_fault fault = MAFS_FAULT_INIT;
	struct device *d = *state;

	if (strcmp(d->spec.kind, "file") != 0)
		return;
	d->memory->ops->free(d->memory);
	d->memory = NULL;
	assert_int_equal(make_again(d, &other, &fault), -EEXIST);
	assert_non_null(strstr(fault.what, "mafs umount"));
	assert_int_equal(mafs_memory_destroy(d->path, NULL), 0);
	assert_int_equal(make_again(d, &other, &fault), 0);
}

static void test_what_is_not_ours_is_refused(void **state)
{
	struct mafs_fault fault = MAFS_FAULT_INIT;
	struct device *d = *state;
	char byte = 1;
	int fd;

	if (strcmp(d->spec.kind, "file") != 0)
		return;
	strcpy(d->spec.path, t_path(d->place, "image"));
	fd = open(d->spec.path, O_RDWR | O_CREAT, 0600);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, 32 << 20), 0);
	assert_int_equal(make_again(d, &volume_uuid, &fault), 0);
	assert_int_equal(make_again(d, &volume_uuid, &fault), 0);
	/* Lent once, and partitioned since. */
	assert_int_equal(pwrite(fd, &byte, 1, 446), 1);
	assert_int_equal(make_again(d, &volume_uuid, &fault), -EEXIST);
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(ftruncate(fd, 32 << 20), 0);
	assert_int_equal(pwrite(fd, &byte, 1, 20 << 20), 1);
	assert_int_equal(make_again(d, &volume_uuid, &fault), -EEXIST);
	assert_int_equal(ftruncate(fd, 5), 0);
	assert_int_equal(pwrite(fd, &byte, 1, 0), 1);
	assert_int_equal(make_again(d, &volume_uuid, &fault), -EEXIST);
	close(fd);
}

static void test_too_small_a_file_is_refused(void **state)
{
	struct mafs_fault fault = MAFS_FAULT_INIT;
	struct device *d = *state;

	if (strcmp(d->spec.kind, "file") != 0)
		return;
	strcpy(d->spec.path, t_path(d->place, "small"));
	d->spec.size_bytes = 0;
	assert_int_equal(make_again(d, &volume_uuid, &fault), -EINVAL);
	assert_int_equal(access(d->spec.path, F_OK), -1);
	d->spec.size_bytes = 4096;
	assert_int_equal(make_again(d, &volume_uuid, &fault), -EINVAL);
}

/* ---- threads ---- */

struct writer {
	struct mafs_memory_file *file;
	int index;
};

static void *write_stripes(void *argument)
{
	struct writer *writer = argument;
	char bytes[1000];

	memset(bytes, 'a' + writer->index, sizeof(bytes));
	for (uint64_t i = 0; i < 500; i++)
		if (writer->file->memory->ops->pwrite(
			    writer->file, bytes, sizeof(bytes),
			    (i * 4 + (uint64_t)writer->index) * 1000) != 1000)
			return writer;
	return NULL;
}

static void test_threads_write_one_file_side_by_side(void **state)
{
	struct device *d = *state;
	struct mafs_map map = { 0 };
	struct mafs_memory_file *file = create(d, &map);
	struct writer writers[4];
	pthread_t threads[4];
	char byte;

	for (int i = 0; i < 4; i++) {
		writers[i] = (struct writer){ reopen(d, &map, true), i };
		pthread_create(&threads[i], NULL, write_stripes, &writers[i]);
	}
	for (int i = 0; i < 4; i++) {
		void *failed;

		pthread_join(threads[i], &failed);
		assert_null(failed);
		d->memory->ops->close(writers[i].file);
	}
	assert_int_equal(stat_of(file).st_size, 2000000);
	for (uint64_t i = 0; i < 2000; i++) {
		d->memory->ops->pread(file, &byte, 1, i * 1000 + i % 1000);
		assert_int_equal(byte, 'a' + (char)(i % 4));
	}
	d->memory->ops->close(file);
	mafs_map_done(&map);
}

/* Files come, grow, fill the device, are read by others, and go. */
static void *live(void *argument)
{
	struct device *d = argument;
	const struct mafs_memory_ops *ops = d->memory->ops;
	struct mafs_memory_usage usage;
	static char bytes[64 << 10];

	for (int round = 0; round < 30; round++) {
		struct mafs_memory_file *file, *other;
		struct mafs_map map;
		uint64_t at = 0;
		ssize_t n;

		if (ops->create(d->memory, "id", 2, &map, &file) < 0)
			continue;
		while (at < 3 * MIB &&
		       (n = ops->pwrite(file, bytes, 40000, at)) > 0)
			at += (uint64_t)n;
		if (ops->open(d->memory, &map, false, &other) < 0)
			return d;
		ops->remove(d->memory, &map);
		if ((uint64_t)stat_of(other).st_size != at)
			return d;
		ops->close(file);
		ops->close(other);
		mafs_map_done(&map);
		ops->usage(d->memory, &usage);
	}
	return NULL;
}

static void test_threads_share_a_device_that_is_too_small(void **state)
{
	struct device *d = device_make_mapped(kind, 6 * MIB);
	pthread_t threads[4];
	uint64_t size = usage_of(d).size_bytes;

	for (int i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, live, d);
	for (int i = 0; i < 4; i++) {
		void *failed;

		pthread_join(threads[i], &failed);
		assert_null(failed);
	}
	assert_int_equal(usage_of(d).used_bytes, 0);
	assert_int_equal(usage_of(d).n_files, 0);
	assert_int_equal(usage_of(d).size_bytes, size);
	device_reattach(d, false);
	assert_int_equal(usage_of(d).size_bytes, size);
	device_free(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CONTRACT_TESTS,
		T(test_random_changes_are_those_of_a_plain_file),
		T(test_thousands_of_runs_stay),
		T(test_thousands_of_files_come_and_go),
		T(test_all_who_have_a_file_open_see_the_same),
		T(test_bytes_behind_the_end_are_zeros_when_it_grows),
		T(test_appenders_beside_each_other_stay_in_few_pieces),
		T(test_what_appenders_have_ahead_is_had_when_it_is_wanted),
		T(test_file_in_use_is_refused),
		T(test_memory_of_another_volume_is_refused_until_it_ended),
		T(test_what_is_not_ours_is_refused),
		T(test_too_small_a_file_is_refused),
		T(test_threads_write_one_file_side_by_side),
		cmocka_unit_test(test_threads_share_a_device_that_is_too_small),
	};
	static const char *const kinds[] = { "file", "memfd" };
	int n_failed = 0;

	if (t_become_private() && geteuid() == 0)
		return T_SKIP;
	for (int i = 0; i < 2; i++) {
		kind = kinds[i];
		n_failed +=
			cmocka_run_group_tests_name(kind, tests, NULL, NULL);
	}
	return n_failed;
}
