// SPDX-License-Identifier: Apache-2.0
/* What names a device, and how one is opened. */
#include "device_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <mafs/omf.h>
#include <mafs/pool.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static struct mafs_device_spec parsed(const char *text)
{
	struct mafs_device_spec spec;
	struct mafs_fault fault = MAFS_FAULT_INIT;

	assert_ok(mafs_device_spec_parse(text, &spec, &fault), &fault);
	return spec;
}

static void refused(const char *text, int expected)
{
	struct mafs_device_spec spec = { .size_bytes = 7 };
	struct mafs_fault fault = MAFS_FAULT_INIT;

	assert_int_equal(mafs_device_spec_parse(text, &spec, &fault), expected);
	assert_int_equal(spec.size_bytes, 7);
	assert_true(*fault.what);
}

static void parses_to(const char *text, enum mafs_device_kind kind,
		      const char *path, uint64_t size_bytes)
{
	_cleanup_(mafs_device_spec_done) struct mafs_device_spec spec =
		parsed(text);

	assert_int_equal(spec.kind, kind);
	if (path)
		assert_string_equal(spec.path, path);
	else
		assert_null(spec.path);
	assert_int_equal(spec.size_bytes, size_bytes);
	assert_true(mafs_device_spec_is(text));
}

static void test_kinds_are_read(void **state)
{
	parses_to("file:/a/b", MAFS_DEVICE_FILE, "/a/b", 0);
	parses_to("file:b,64M", MAFS_DEVICE_FILE, "b", 64 * T_MIB);
	parses_to("file:/a,b", MAFS_DEVICE_FILE, "/a,b", 0);
	parses_to("file:/a,b,4096", MAFS_DEVICE_FILE, "/a,b", 4096);
	parses_to("file:/a:b", MAFS_DEVICE_FILE, "/a:b", 0);
	parses_to("memfd:1G", MAFS_DEVICE_MEMFD, NULL, 1024 * T_MIB);
	parses_to("dax:/dev/dax0.0", MAFS_DEVICE_DAX, "/dev/dax0.0", 0);
}

static void test_path_says_itself_what_it_is(void **state)
{
	char path[] = "/tmp/mafs-device-XXXXXX";
	uint64_t magic = htole64(MAFS_OMF_SB_MAGIC);
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	/* A file that holds no superblock is just a file. */
	assert_false(mafs_device_spec_is(path));
	assert_int_equal(pwrite(fd, &magic, sizeof(magic), 0), sizeof(magic));
	close(fd);
	parses_to(path, MAFS_DEVICE_FILE, path, 0);
	unlink(path);
	refused(path, -ENOENT);
	parses_to("/dev/null", MAFS_DEVICE_DAX, "/dev/null", 0);
	refused("/tmp", -EINVAL);
	assert_false(mafs_device_spec_is("/tmp"));
	assert_false(mafs_device_spec_is("tmpfs:1G"));
	assert_false(mafs_device_spec_is(path));
}

static void test_specs_that_are_none_are_refused(void **state)
{
	refused("", -ENOENT);
	refused("file:", -EINVAL);
	refused("file:,1G", -EINVAL);
	refused("memfd:", -EINVAL);
	refused("memfd:much", -EINVAL);
	refused("memfd:0", -ERANGE);
	refused("file:/a,9999999P", -ERANGE);
	refused("dax:", -EINVAL);
	refused("ram:1G", -ENOENT);
}

/* ---- files ---- */

struct place {
	char dir[32];
	char path[64];
};

static void place_make(struct place *place)
{
	strcpy(place->dir, "/tmp/mafs-device-XXXXXX");
	assert_non_null(mkdtemp(place->dir));
	snprintf(place->path, sizeof(place->path), "%s/device", place->dir);
}

static void place_done(struct place *place)
{
	unlink(place->path);
	rmdir(place->dir);
}
#define _cleanup_place_ _cleanup_(place_done)

static int open_file(const struct place *place, uint64_t size_bytes, bool make,
		     bool read_only, bool lock, struct mafs_device **ret,
		     struct mafs_fault *fault)
{
	struct mafs_device_spec spec = {
		.kind = MAFS_DEVICE_FILE,
		.path = (char *)place->path,
		.size_bytes = size_bytes,
	};

	return mafs_device_open(&spec, make, read_only, lock, ret, fault);
}

static struct mafs_device *made(const struct place *place)
{
	struct mafs_fault fault = MAFS_FAULT_INIT;
	struct mafs_device *device;

	assert_ok(open_file(place, 8 * T_MIB, true, false, true, &device,
			    &fault),
		  &fault);
	return device;
}

static void test_file_is_made_and_allocated_whole(void **state)
{
	_cleanup_place_ struct place place;
	_cleanup_device_ struct mafs_device *device = NULL;
	struct stat st;

	place_make(&place);
	device = made(&place);
	assert_int_equal(stat(place.path, &st), 0);
	assert_int_equal(st.st_size, 8 * T_MIB);
	assert_true((uint64_t)st.st_blocks * 512 >= 8 * T_MIB);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(device->size_bytes, 8 * T_MIB);
	assert_true(mafs_uuid_is_null(&device->uuid));
}

static void test_file_keeps_what_was_formatted(void **state)
{
	_cleanup_place_ struct place place;
	struct mafs_device *device, *again;
	struct mafs_fault fault = MAFS_FAULT_INIT;

	place_make(&place);
	device = made(&place);
	t_format(device, false);
	/* Beside the writer a reader. */
	assert_ok(open_file(&place, 0, false, true, true, &again, &fault),
		  &fault);
	assert_true(mafs_uuid_equal(&again->uuid, &device->uuid));
	mafs_device_close(again);
	mafs_device_close(device);
	assert_ok(open_file(&place, 8 * T_MIB, false, false, true, &again,
			    &fault),
		  &fault);
	assert_int_equal(again->unit_bytes, 4096);
	t_begin(again);
	mafs_device_close(again);
}

static void test_second_writer_is_refused(void **state)
{
	_cleanup_place_ struct place place;
	_cleanup_device_ struct mafs_device *device = NULL;
	struct mafs_device *again;
	struct mafs_fault fault = MAFS_FAULT_INIT;
	struct stat st;

	place_make(&place);
	device = made(&place);
	assert_int_equal(open_file(&place, 0, false, false, true, &again,
				   &fault),
			 -EBUSY);
	assert_non_null(strstr(fault.what, "another mafs"));
	/* Nor is it sized. */
	assert_int_equal(open_file(&place, 2 * T_MIB, true, false, true, &again,
				   &fault),
			 -EBUSY);
	assert_int_equal(fstat(device->fd, &st), 0);
	assert_int_equal(st.st_size, device->size_bytes);
}

static void refuse_open(const struct place *place, uint64_t size, bool make,
			int expected)
{
	struct mafs_fault fault = MAFS_FAULT_INIT;
	struct mafs_device *device;

	assert_int_equal(open_file(place, size, make, false, true, &device,
				   &fault),
			 expected);
	assert_true(*fault.what);
}

static void test_what_cannot_be_a_device_is_refused(void **state)
{
	_cleanup_place_ struct place place, dir;

	place_make(&place);
	refuse_open(&place, 0, false, -ENOENT);
	refuse_open(&place, 0, true, -EINVAL); /* how large? */
	refuse_open(&place, 4096, true, -EINVAL);
	refuse_open(&place, 0, false, -EINVAL);
	refuse_open(&place, 8 * T_MIB, false, -EINVAL);
	place_make(&dir);
	strcpy(dir.path, dir.dir);
	refuse_open(&dir, 0, false, -EISDIR);
	strcpy(dir.path, "/dev/null");
	refuse_open(&dir, 0, false, -EINVAL);
	*dir.path = '\0';
}

static void test_file_cut_short_is_refused_unless_made_anew(void **state)
{
	_cleanup_place_ struct place place;
	struct mafs_device *device;
	struct mafs_fault fault = MAFS_FAULT_INIT;

	place_make(&place);
	device = made(&place);
	t_format(device, false);
	mafs_device_close(device);
	assert_int_equal(truncate(place.path, 4 * T_MIB), 0);
	assert_int_equal(open_file(&place, 0, false, false, true, &device,
				   &fault),
			 -EUCLEAN);
	assert_non_null(strstr(fault.what, "cut short"));
	assert_ok(open_file(&place, 8 * T_MIB, true, false, true, &device,
			    &fault),
		  &fault);
	mafs_device_close(device);
}

/* The media may vanish under the mapping at any time. */
static void test_file_truncated_under_the_mapping_is_eio(void **state)
{
	_cleanup_place_ struct place place;
	struct mafs_device *device;
	struct mafs_layout layout = {}, added = {};
	struct mafs_pool *pool;
	uint8_t bytes[8192];
	struct mafs_media *media;

	place_make(&place);
	device = made(&place);
	t_format(device, false);
	t_begin(device);
	assert_int_equal(mafs_pool_new(&pool), 0);
	assert_int_equal(mafs_pool_add(pool, device), 0);
	assert_int_equal(mafs_pool_fill(pool, &layout, 0, T_MIB, &added), 0);
	media = &device->media;
	assert_int_equal(truncate(place.path, 4096), 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(mafs_pool_read(pool, &layout, bytes,
						sizeof(bytes), 100),
				 -EIO);
		assert_int_equal(mafs_pool_write(pool, &layout, bytes,
						 sizeof(bytes), 100),
				 -EIO);
		assert_int_equal(mafs_pool_zero(pool, &layout, 0, T_MIB), -EIO);
		assert_int_equal(media->ops->read(media, MAFS_REGION_LOG_A, 0,
						  bytes, 64),
				 -EIO);
		assert_int_equal(media->ops->write(media, MAFS_REGION_LOG_A, 0,
						   bytes, 64),
				 -EIO);
		assert_int_equal(media->ops->write(media, MAFS_REGION_LOG_A,
						   64 << 10, bytes, 64),
				 -EIO);
		assert_int_equal(mafs_device_free_epoch(device), UINT64_MAX);
		assert_int_equal(mafs_device_free_epoch_raise(device), -EIO);
	}
	mafs_pool_give(pool, &added, true);
	mafs_layout_done(&added);
	mafs_layout_done(&layout);
	mafs_pool_free(pool);
}

static void test_character_device_that_is_no_dax_is_refused(void **state)
{
	_cleanup_(mafs_device_spec_done) struct mafs_device_spec spec =
		parsed("/dev/null");
	struct mafs_fault fault = MAFS_FAULT_INIT;
	struct mafs_device *device;

	assert_int_equal(mafs_device_open(&spec, true, false, true, &device,
					  &fault),
			 -ENODEV);
	assert_non_null(strstr(fault.what, "/dev/null: no device-DAX"));
}

static void test_memfd_is_not_opened_for_reading(void **state)
{
	struct mafs_device_spec spec = { .kind = MAFS_DEVICE_MEMFD,
					 .size_bytes = 8 * T_MIB };
	struct mafs_fault fault = MAFS_FAULT_INIT;
	struct mafs_device *device;

	assert_int_equal(mafs_device_open(&spec, true, true, false, &device,
					  &fault),
			 -EINVAL);
}

/* ---- format ---- */

static void refuse_format(struct mafs_device *device, uint32_t unit,
			  uint64_t log_bytes)
{
	struct mafs_device_format format = { .alloc_unit_bytes = unit,
					     .log_bytes = log_bytes };
	struct mafs_fault fault = MAFS_FAULT_INIT;

	assert_int_equal(mafs_device_format(device, &format, &fault), -EINVAL);
	assert_true(*fault.what);
}

static void test_format_that_does_not_fit_is_refused(void **state)
{
	_cleanup_device_ struct mafs_device *device = t_memfd(8 * T_MIB);
	struct mafs_superblock sb;

	refuse_format(device, 2048, 0);
	refuse_format(device, 12288, 0);
	refuse_format(device, 1U << 31, 0);
	refuse_format(device, 8 << 20, 0); /* nothing is left */
	refuse_format(device, 4096, 4096);
	refuse_format(device, 4096, 3 * T_MIB);
	refuse_format(device, 4096, UINT64_MAX);
	device->align_bytes = 2 * T_MIB;
	refuse_format(device, 64 << 10, 0);
	assert_int_equal(mafs_superblock_read(&device->media, &sb, NULL, NULL),
			 -ENODATA);
}

static void test_defaults_of_the_format_fit_any_device(void **state)
{
	static const uint64_t sizes[] = { T_MIB, 3 * T_MIB, 100 * T_MIB,
					  1000 * T_MIB };

	for (size_t i = 0; i < MAFS_ARRAY_SIZE(sizes); i++) {
		_cleanup_device_ struct mafs_device *device = t_memfd(sizes[i]);
		struct mafs_device_format format = {};
		struct mafs_fault fault = MAFS_FAULT_INIT;
		struct mafs_superblock sb;
		uint64_t length;

		assert_ok(mafs_device_format(device, &format, &fault), &fault);
		t_begin(device);
		assert_ok(mafs_superblock_read(&device->media, &sb, NULL,
					       &fault),
			  &fault);
		assert_int_equal(sb.alloc_unit_bytes, 64 << 10);
		assert_int_equal(device->media.ops->length(&device->media,
							   MAFS_REGION_LOG_A,
							   &length),
				 0);
		assert_in_range(length, 64 << 10, 9 * T_MIB);
		assert_in_range(sb.checkpoint_after_bytes, 32 << 10, length);
		assert_true(mafs_alloc_free_bytes(device->alloc) >
			    sizes[i] / 2);
	}
}

/* ---- two masters for a moment ---- */

#define N_RAISES 20000

struct raiser {
	struct mafs_device *device;
	uint64_t n_raised;
};

static void *raise_often(void *context)
{
	struct raiser *raiser = context;

	for (int i = 0; i < N_RAISES; i++) {
		int err = mafs_device_free_epoch_raise(raiser->device);

		if (err && err != -EAGAIN)
			return raiser;
		raiser->n_raised += !err;
	}
	return NULL;
}

/* Each in its own mapping of one file. */
static void
test_raises_of_two_who_do_not_know_of_each_other_add_up(void **state)
{
	struct raiser raisers[2] = {};
	struct mafs_device *memfd = t_device(T_MIB, false);
	struct mafs_fault fault = MAFS_FAULT_INIT;
	char path[64];
	pthread_t threads[2];
	void *failed;

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", memfd->fd);
	for (int i = 0; i < 2; i++)
		assert_ok(mafs_device_open(
				  &(struct mafs_device_spec){
					  .kind = MAFS_DEVICE_FILE,
					  .path = path,
				  },
				  false, false, false, &raisers[i].device,
				  &fault),
			  &fault);
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, raise_often,
						&raisers[i]),
				 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(pthread_join(threads[i], &failed), 0);
		assert_null(failed);
	}
	assert_int_equal(mafs_device_free_epoch(memfd),
			 raisers[0].n_raised + raisers[1].n_raised);
	for (int i = 0; i < 2; i++)
		mafs_device_close(raisers[i].device);
	mafs_device_close(memfd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kinds_are_read),
		cmocka_unit_test(test_path_says_itself_what_it_is),
		cmocka_unit_test(test_specs_that_are_none_are_refused),
		cmocka_unit_test(test_file_is_made_and_allocated_whole),
		cmocka_unit_test(test_file_keeps_what_was_formatted),
		cmocka_unit_test(test_second_writer_is_refused),
		cmocka_unit_test(test_what_cannot_be_a_device_is_refused),
		cmocka_unit_test(
			test_file_cut_short_is_refused_unless_made_anew),
		cmocka_unit_test(test_file_truncated_under_the_mapping_is_eio),
		cmocka_unit_test(
			test_character_device_that_is_no_dax_is_refused),
		cmocka_unit_test(test_memfd_is_not_opened_for_reading),
		cmocka_unit_test(test_format_that_does_not_fit_is_refused),
		cmocka_unit_test(test_defaults_of_the_format_fit_any_device),
		cmocka_unit_test(
			test_raises_of_two_who_do_not_know_of_each_other_add_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
