// SPDX-License-Identifier: Apache-2.0
/*
 * On a device that is full of files, and whose log's reserve names have eaten
 * into, changes that add nothing still have their log, lap after lap.
 */
#include "device_fixture.h"

#include <errno.h>
#include <mafs/log.h>
#include <mafs/pool.h>
#include <string.h>

#define XATTR_BYTES 1000U

struct volume {
	struct mafs_pool *pool;
	struct mafs_log *log;
	uint64_t n_live; /* inodes with an xattr */
	unsigned n_checkpoints;
};

static struct volume volume_make(uint32_t unit_bytes,
				 uint64_t checkpoint_after_bytes)
{
	struct mafs_device_format format = {
		.alloc_unit_bytes = unit_bytes,
		.log_bytes = 64 << 10,
		.checkpoint_after_bytes = checkpoint_after_bytes,
	};
	struct mafs_device *device = t_memfd(8 * T_MIB);
	struct mafs_fault fault = MAFS_FAULT_INIT;
	struct mafs_log_reader *reader;
	struct mafs_log_position end;
	struct mafs_superblock sb;
	struct volume volume = {};
	struct mafs_entry entry;

	assert_ok(mafs_device_format(device, &format, &fault), &fault);
	t_begin(device);
	assert_int_equal(mafs_pool_new(&volume.pool), 0);
	assert_int_equal(mafs_pool_add(volume.pool, device), 0);
	assert_ok(mafs_log_reader_open(&device->media, &reader, &sb, &fault),
		  &fault);
	while (mafs_log_reader_next(reader, &entry, NULL, &fault) == 1)
		mafs_entry_done(&entry);
	mafs_log_reader_end(reader, &end);
	mafs_log_reader_close(reader);
	assert_ok(mafs_log_open(&device->media, &sb, &end, &volume.log, &fault),
		  &fault);
	return volume;
}

static void volume_done(struct volume *volume)
{
	mafs_log_close(volume->log);
	mafs_pool_free(volume->pool);
}
#define _cleanup_volume_ _cleanup_(volume_done)

static struct mafs_entry xattr_of(uint64_t id)
{
	static uint8_t value[XATTR_BYTES];

	return (struct mafs_entry){
		.type = MAFS_OMF_XATTR,
		.xattr = { .id = id,
			   .name = "user.x",
			   .value = value,
			   .value_len = sizeof(value) },
	};
}

static int emit_live(void *context, mafs_log_emit_fn *emit, void *emit_context)
{
	const struct volume *volume = context;
	int err = 0;

	for (uint64_t id = 1; !err && id <= volume->n_live; id++) {
		struct mafs_entry entry = xattr_of(id);

		err = emit(emit_context, &entry);
	}
	return err;
}

/* Appends, and makes the checkpoint that is due. */
static int append(struct volume *volume, const struct mafs_entry *entry)
{
	struct mafs_fault fault = MAFS_FAULT_INIT;
	int err = mafs_log_append(volume->log, entry, 1, NULL);

	if (err || !mafs_log_wants_checkpoint(volume->log))
		return err;
	volume->n_checkpoints++;
	assert_ok(mafs_log_checkpoint(volume->log, emit_live, volume, &fault),
		  &fault);
	return 0;
}

static void make_names_until_full(struct volume *volume, uint64_t n_max)
{
	while (volume->n_live < n_max && mafs_pool_has_log_room(volume->pool)) {
		struct mafs_entry entry = xattr_of(volume->n_live + 1);

		volume->n_live++;
		assert_int_equal(append(volume, &entry), 0);
	}
}

static void fill_with_data(struct volume *volume)
{
	struct mafs_layout layout = {}, added = {};
	struct mafs_pool_usage usage;

	mafs_pool_usage(volume->pool, &usage);
	if (!usage.free_bytes)
		return;
	assert_int_equal(mafs_pool_fill(volume->pool, &layout, 0,
					usage.free_bytes, &added),
			 0);
	mafs_layout_done(&layout);
	mafs_layout_done(&added);
}

/* Ten laps and more of what does not make the live state larger. */
static void change_without_end(struct volume *volume)
{
	unsigned n_before = volume->n_checkpoints;

	for (uint64_t i = 0; volume->n_checkpoints < n_before + 10; i++) {
		struct mafs_entry entry = xattr_of(i % volume->n_live + 1);

		assert_int_equal(append(volume, &entry), 0);
		assert_true(i < 1000000);
	}
}

static void run(uint32_t unit_bytes, uint64_t checkpoint_after_bytes,
		uint64_t n_names)
{
	_cleanup_volume_ struct volume volume =
		volume_make(unit_bytes, checkpoint_after_bytes);

	make_names_until_full(&volume, n_names);
	fill_with_data(&volume);
	make_names_until_full(&volume, UINT64_MAX);
	assert_false(mafs_pool_has_log_room(volume.pool));
	change_without_end(&volume);
}

static void test_full_of_data_the_log_goes_on(void **state)
{
	run(4096, 0, 10);
	run(4096, 0, 300);
	run(4096, 0, 1000);
}

static void test_full_of_names_the_log_goes_on(void **state)
{
	run(4096, 0, UINT64_MAX);
	run(4096, 4096, UINT64_MAX);
}

static void test_whatever_the_checkpoint_waits_for(void **state)
{
	static const uint64_t after[] = { 4096, 64 << 10, 300 << 10, T_MIB };

	for (size_t i = 0; i < MAFS_ARRAY_SIZE(after); i++)
		for (uint64_t n = 5; n < 2000; n *= 7)
			run(4096, after[i], n);
}

static void test_whatever_the_unit_is(void **state)
{
	for (uint32_t unit = 16 << 10; unit <= 512 << 10; unit *= 2) {
		run(unit, 0, 10);
		run(unit, 0, 100);
		run(unit, 0, UINT64_MAX);
		run(unit, 64 << 10, 10);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_full_of_data_the_log_goes_on),
		cmocka_unit_test(test_full_of_names_the_log_goes_on),
		cmocka_unit_test(test_whatever_the_checkpoint_waits_for),
		cmocka_unit_test(test_whatever_the_unit_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
