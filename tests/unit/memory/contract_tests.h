// SPDX-License-Identifier: Apache-2.0
/* What a memory device of a directory does, of whatever kind. */
#pragma once

#include "memory_fixture.h"

static void test_bytes_come_back(void **state)
{
	struct device *d = *state;
	struct mafs_map map = { 0 };
	struct mafs_memory_file *file = create(d, &map);
	char bytes[8] = "";

	assert_int_equal(d->memory->ops->pwrite(file, "content", 7, 100), 7);
	assert_int_equal(d->memory->ops->pread(file, bytes, 8, 100), 7);
	assert_string_equal(bytes, "content");
	assert_int_equal(stat_of(file).st_size, 107);
	d->memory->ops->close(file);
	mafs_map_done(&map);
}

static void test_map_is_one_extent_that_opens_the_file_again(void **state)
{
	struct device *d = *state;
	struct mafs_map map = { 0 };
	struct mafs_memory_file *file = create(d, &map);
	char byte;

	assert_int_equal(map.n_extents, 1);
	assert_int_equal(map.extents[0].offset_bytes, 0);
	store(file, 0, 1);
	d->memory->ops->close(file);
	device_reattach(d, false);
	file = reopen(d, &map, false);
	assert_int_equal(d->memory->ops->pread(file, &byte, 1, 0), 1);
	assert_int_equal(byte, 'x');
	d->memory->ops->close(file);
	mafs_map_done(&map);
}

static void test_removed_file_is_gone_but_for_who_has_it_open(void **state)
{
	struct device *d = *state;
	struct mafs_map map = { 0 };
	struct mafs_memory_file *file = create(d, &map), *again;
	char byte;

	store(file, 0, 1);
	assert_int_equal(d->memory->ops->remove(d->memory, &map), 0);
	assert_int_equal(d->memory->ops->remove(d->memory, &map), 0);
	assert_int_equal(d->memory->ops->open(d->memory, &map, false, &again),
			 -ENOENT);
	assert_int_equal(d->memory->ops->pread(file, &byte, 1, 0), 1);
	d->memory->ops->close(file);
	mafs_map_done(&map);
}

static void test_usage_counts_files_and_bytes(void **state)
{
	struct device *d = *state;
	struct mafs_map a = { 0 }, b = { 0 };
	struct mafs_memory_file *file = create(d, &a);

	store(file, 0, MIB);
	d->memory->ops->close(file);
	d->memory->ops->close(create(d, &b));
	assert_int_equal(usage_of(d).n_files, 2);
	assert_int_equal(usage_of(d).used_bytes, MIB);
	assert_int_equal(d->memory->ops->remove(d->memory, &a), 0);
	assert_int_equal(usage_of(d).n_files, 1);
	assert_int_equal(usage_of(d).used_bytes, 0);
	mafs_map_done(&a);
	mafs_map_done(&b);
}

static void test_usage_is_the_same_for_who_attaches_later(void **state)
{
	struct device *d = *state;
	struct mafs_map map = { 0 };
	struct mafs_memory_file *file = create(d, &map);
	struct mafs_memory_usage before, after;

	store(file, 0, MIB);
	store(file, 5 * MIB, 100);
	d->memory->ops->close(file);
	before = usage_of(d);
	device_reattach(d, false);
	after = usage_of(d);
	assert_memory_equal(&before, &after, sizeof(before));
	device_reattach(d, true);
	after = usage_of(d);
	assert_memory_equal(&before, &after, sizeof(before));
	mafs_map_done(&map);
}

static void test_full_device_says_so_and_takes_bytes_again_later(void **state)
{
	struct device *d = *state;
	struct mafs_map a = { 0 }, b = { 0 };
	struct mafs_memory_file *file = create(d, &a);
	uint64_t size = usage_of(d).size_bytes;

	assert_in_range(fill(file), size - MIB, size);
	assert_true(usage_of(d).used_bytes <= size);
	d->memory->ops->close(file);
	assert_int_equal(d->memory->ops->remove(d->memory, &a), 0);
	file = create(d, &b);
	assert_int_equal(store(file, 0, MIB), MIB);
	d->memory->ops->close(file);
	mafs_map_done(&a);
	mafs_map_done(&b);
}

static void test_holes_are_seen_as_holes(void **state)
{
	struct device *d = *state;
	const struct mafs_memory_ops *ops = d->memory->ops;
	struct mafs_map map = { 0 };
	struct mafs_memory_file *file = create(d, &map);

	assert_int_equal(ops->truncate(file, 64 * MIB), 0);
	store(file, 10 * MIB, 4096);
	store(file, 20 * MIB + 100, 65536);
	assert_int_equal(ops->seek(file, 0, SEEK_DATA), 10 * MIB);
	assert_int_equal(ops->seek(file, 10 * MIB, SEEK_HOLE), 10 * MIB + 4096);
	assert_int_equal(ops->seek(file, 11 * MIB, SEEK_DATA), 20 * MIB);
	assert_int_equal(ops->seek(file, 21 * MIB, SEEK_DATA), -ENXIO);
	assert_int_equal(stat_of(file).st_blocks * 512, 4096 + 65536 + 4096);
	ops->close(file);
	mafs_map_done(&map);
}

static void test_holes_are_known_after_a_new_open(void **state)
{
	struct device *d = *state;
	struct mafs_map map = { 0 };
	struct mafs_memory_file *file = create(d, &map);

	assert_int_equal(d->memory->ops->truncate(file, 16 * MIB), 0);
	d->memory->ops->close(file);
	file = reopen(d, &map, true);
	store(file, 8 * MIB, 4096);
	assert_int_equal(stat_of(file).st_blocks * 512, 4096);
	d->memory->ops->close(file);
	mafs_map_done(&map);
}

static void test_punched_and_zeroed_ranges_read_as_zeros(void **state)
{
	struct device *d = *state;
	const struct mafs_memory_ops *ops = d->memory->ops;
	struct mafs_map map = { 0 };
	struct mafs_memory_file *file = create(d, &map);
	char bytes[4096], zeros[4096] = { 0 };

	store(file, 0, 64 << 10);
	assert_int_equal(
		ops->allocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			      4096, 8192),
		0);
	assert_int_equal(stat_of(file).st_blocks * 512, (64 << 10) - 8192);
	assert_int_equal(ops->allocate(file, FALLOC_FL_ZERO_RANGE, 32768, 4096),
			 0);
	assert_int_equal(ops->pread(file, bytes, 4096, 4096), 4096);
	assert_memory_equal(bytes, zeros, 4096);
	assert_int_equal(ops->pread(file, bytes, 4096, 32768), 4096);
	assert_memory_equal(bytes, zeros, 4096);
	assert_int_equal(stat_of(file).st_size, 64 << 10);
	assert_int_equal(usage_of(d).used_bytes, (64 << 10) - 8192);
	ops->close(file);
	mafs_map_done(&map);
}

static void test_allocated_range_takes_space_and_size(void **state)
{
	struct device *d = *state;
	const struct mafs_memory_ops *ops = d->memory->ops;
	struct mafs_map map = { 0 };
	struct mafs_memory_file *file = create(d, &map);

	assert_int_equal(ops->allocate(file, FALLOC_FL_KEEP_SIZE, 0, MIB), 0);
	assert_int_equal(stat_of(file).st_size, 0);
	assert_int_equal(usage_of(d).used_bytes, MIB);
	assert_int_equal(ops->allocate(file, 0, MIB, MIB), 0);
	assert_int_equal(stat_of(file).st_size, 2 * MIB);
	assert_int_equal(ops->allocate(file, 0, 0, 2 * usage_of(d).size_bytes),
			 -ENOSPC);
	ops->close(file);
	mafs_map_done(&map);
}

static void test_times_are_set(void **state)
{
	struct device *d = *state;
	struct timespec times[2] = { { .tv_sec = 11 }, { .tv_sec = 22 } };
	struct mafs_map map = { 0 };
	struct mafs_memory_file *file = create(d, &map);

	assert_int_equal(d->memory->ops->set_times(file, times), 0);
	assert_int_equal(stat_of(file).st_mtim.tv_sec, 22);
	d->memory->ops->close(file);
	mafs_map_done(&map);
}

struct seen {
	unsigned int n;
	char id[16];
	size_t id_len;
	off_t size;
	struct mafs_uuid tag;
};

static int see(void *context, const struct mafs_map *map, const void *id,
	       size_t id_len, const struct stat *st)
{
	struct seen *seen = context;

	assert_true(id_len <= sizeof(seen->id));
	seen->n++;
	memcpy(seen->id, id, id_len);
	seen->id_len = id_len;
	seen->size = st->st_size;
	seen->tag = map->extents[0].device_uuid;
	return 0;
}

static void test_visit_finds_each_file_with_its_identity(void **state)
{
	struct device *d = *state;
	struct seen seen = { 0 };
	struct mafs_map map = { 0 };
	struct mafs_memory_file *file = create(d, &map);

	store(file, 0, 100);
	assert_int_equal(d->memory->ops->visit(d->memory, MAFS_VISIT_IDS, see,
					       &seen),
			 0);
	assert_int_equal(seen.n, 1);
	assert_int_equal(seen.size, 100);
	assert_true(mafs_uuid_equal(&seen.tag, &map.extents[0].device_uuid));
	/* Left out where the kernel has no user.* on tmpfs. */
	if (seen.id_len)
		assert_memory_equal(seen.id, "identity", 8);
	d->memory->ops->close(file);
	mafs_map_done(&map);
}

static void test_reader_beside_a_writer_sees_and_changes_nothing(void **state)
{
	struct device *d = *state;
	const struct mafs_memory_ops *ops = d->memory->ops;
	struct mafs_map map = { 0 }, other = { 0 };
	struct mafs_memory_file *file = create(d, &map), *seen;
	struct mafs_memory *reader;
	char byte;

	assert_int_equal(mafs_memory_attach(d->path, true, &reader, NULL), 0);
	store(file, 0, 1);
	assert_int_equal(ops->open(reader, &map, false, &seen), 0);
	assert_int_equal(ops->pread(seen, &byte, 1, 0), 1);
	assert_int_equal(ops->pwrite(seen, &byte, 1, 0), -EROFS);
	assert_int_equal(ops->truncate(seen, 0), -EROFS);
	assert_int_equal(ops->allocate(seen, 0, 0, 1), -EROFS);
	ops->close(seen);
	assert_int_equal(ops->open(reader, &map, true, &seen), -EROFS);
	assert_int_equal(ops->create(reader, "", 0, &other, &seen), -EROFS);
	assert_int_equal(ops->remove(reader, &map), -EROFS);
	assert_int_equal(reader->media.ops->write(&reader->media,
						  MAFS_REGION_LOG_A, 0, "x", 1),
			 -EROFS);
	assert_int_equal(reader->media.ops->truncate(&reader->media,
						     MAFS_REGION_LOG_A, 0),
			 -EROFS);
	ops->free(reader);
	assert_int_equal(store(file, 1, 1), 1);
	ops->close(file);
	mafs_map_done(&map);
}

static void test_extents_are_as_long_as_the_file(void **state)
{
	struct device *d = *state;
	struct mafs_map map = { 0 }, extents = { 0 };
	struct mafs_memory_file *file = create(d, &map);
	uint64_t length = 0;

	assert_int_equal(d->memory->ops->extents(d->memory, &map, &extents), 0);
	assert_int_equal(extents.n_extents, 0);
	store(file, 0, 10000);
	assert_int_equal(d->memory->ops->extents(d->memory, &map, &extents), 0);
	assert_int_equal(mafs_map_length(&extents, &length), 0);
	assert_int_equal(length, 10000);
	d->memory->ops->close(file);
	assert_int_equal(d->memory->ops->remove(d->memory, &map), 0);
	mafs_map_done(&extents);
	assert_int_equal(d->memory->ops->extents(d->memory, &map, &extents),
			 -ENOENT);
	mafs_map_done(&map);
}

static void test_existing_device_is_not_made_again(void **state)
{
	struct device *d = *state;
	struct mafs_memory *memory;

	assert_int_equal(mafs_memory_make(d->path, &d->spec, &volume_uuid,
					  &memory, NULL),
			 -EEXIST);
}

static void test_destroyed_device_leaves_nothing(void **state)
{
	struct device *d = *state;
	struct mafs_map map = { 0 };
	struct mafs_memory *memory;

	d->memory->ops->close(create(d, &map));
	d->memory->ops->free(d->memory);
	d->memory = NULL;
	assert_int_equal(mafs_memory_destroy(d->path, NULL), 0);
	assert_int_equal(access(d->path, F_OK), -1);
	assert_int_equal(mafs_memory_destroy(d->path, NULL), 0);
	assert_int_equal(mafs_memory_attach(d->path, true, &memory, NULL),
			 -ENOENT);
	mafs_map_done(&map);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

/* Of any kind. */
#define CONTRACT_TESTS                                                   \
	T(test_bytes_come_back),                                         \
		T(test_map_is_one_extent_that_opens_the_file_again),     \
		T(test_removed_file_is_gone_but_for_who_has_it_open),    \
		T(test_usage_counts_files_and_bytes),                    \
		T(test_usage_is_the_same_for_who_attaches_later),        \
		T(test_full_device_says_so_and_takes_bytes_again_later), \
		T(test_holes_are_seen_as_holes),                         \
		T(test_holes_are_known_after_a_new_open),                \
		T(test_punched_and_zeroed_ranges_read_as_zeros),         \
		T(test_allocated_range_takes_space_and_size),            \
		T(test_times_are_set),                                   \
		T(test_visit_finds_each_file_with_its_identity),         \
		T(test_reader_beside_a_writer_sees_and_changes_nothing), \
		T(test_extents_are_as_long_as_the_file),                 \
		T(test_existing_device_is_not_made_again),               \
		T(test_destroyed_device_leaves_nothing)
