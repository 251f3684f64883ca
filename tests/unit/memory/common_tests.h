// SPDX-License-Identifier: Apache-2.0
/* What a tmpfs device does wherever its files stand. */
#pragma once

#include "contract_tests.h"

static void test_log_can_be_written_when_data_fills_the_device(void **state)
{
	struct device *d = *state;
	struct mafs_media *media = &d->memory->media;
	static char bytes[1 << 20];
	struct mafs_map map = { 0 };
	struct mafs_memory_file *file = create(d, &map);

	fill(file);
	for (uint64_t at = 0; at < 8 * MIB; at += MIB)
		assert_int_equal(media->ops->write(media, MAFS_REGION_LOG_A, at,
						   bytes, MIB),
				 0);
	assert_int_equal(media->ops->write(media, MAFS_REGION_SUPERBLOCK, 0,
					   bytes, 4096),
			 0);
	d->memory->ops->close(file);
	mafs_map_done(&map);
}

static void test_regions_keep_what_was_stored(void **state)
{
	struct device *d = *state;
	struct mafs_media *media;
	char bytes[16] = "";
	uint64_t length;

	for (int i = 0; i < MAFS_N_REGIONS; i++) {
		media = &d->memory->media;
		assert_int_equal(media->ops->write(media, i, 10, "record", 6),
				 0);
		assert_int_equal(media->ops->flush(media, i, 10, 6), 0);
	}
	device_reattach(d, false);
	media = &d->memory->media;
	for (int i = 0; i < MAFS_N_REGIONS; i++) {
		assert_int_equal(media->ops->read(media, i, 10, bytes, 16), 6);
		assert_string_equal(bytes, "record");
		assert_int_equal(media->ops->length(media, i, &length), 0);
		assert_int_equal(length, 16);
		assert_int_equal(media->ops->truncate(media, i, 0), 0);
		assert_int_equal(media->ops->length(media, i, &length), 0);
		assert_int_equal(length, 0);
	}
}

static void test_backing_descriptor_names_the_file_only(void **state)
{
	struct device *d = *state;
	struct mafs_map map = { 0 };
	struct mafs_memory_file *file = create(d, &map);
	int fd = d->memory->ops->backing_fd(d->memory, &map);
	struct stat st;
	char byte;

	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_ino, stat_of(file).st_ino);
	assert_int_equal(read(fd, &byte, 1), -1);
	assert_int_equal(errno, EBADF);
	close(fd);
	d->memory->ops->close(file);
	mafs_map_done(&map);
}

static void test_half_of_a_device_is_no_device_and_makes_room(void **state)
{
	struct device *d = *state;
	struct mafs_memory_spec spec = { .kind = "tmpfs",
					 .size_bytes = 8 * MIB };
	struct mafs_map map = { 0 };

	d->memory->ops->close(create(d, &map));
	d->memory->ops->free(d->memory);
	d->memory = NULL;
	assert_int_equal(unlink(t_path(d->path, "superblock")), 0);
	assert_int_equal(mafs_memory_attach(d->path, false, &d->memory, NULL),
			 -ENOENT);
	assert_int_equal(
		mafs_memory_make(d->path, &spec, NULL, &d->memory, NULL), 0);
	assert_int_equal(usage_of(d).size_bytes, 8 * MIB);
	assert_int_equal(usage_of(d).n_files, 0);
	mafs_map_done(&map);
}

#define COMMON_TESTS                                                           \
	CONTRACT_TESTS, T(test_log_can_be_written_when_data_fills_the_device), \
		T(test_regions_keep_what_was_stored),                          \
		T(test_backing_descriptor_names_the_file_only),                \
		T(test_half_of_a_device_is_no_device_and_makes_room)
