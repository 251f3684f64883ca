// SPDX-License-Identifier: Apache-2.0
#include "device_fixture.h"

#include <errno.h>
#include <mafs/pool.h>
#include <stdio.h>
#include <string.h>

#define UNIT 4096U

static void t_poolp(struct mafs_pool **pool)
{
	mafs_pool_free(*pool);
}
#define _cleanup_pool_ _cleanup_(t_poolp)
#define _cleanup_layout_ _cleanup_(mafs_layout_done)

static struct mafs_pool *t_pool(unsigned n_devices)
{
	struct mafs_pool *pool;

	assert_int_equal(mafs_pool_new(&pool), 0);
	for (unsigned i = 0; i < n_devices; i++)
		assert_int_equal(mafs_pool_add(pool, t_device(8 * T_MIB, i)),
				 0);
	return pool;
}

static uint64_t free_bytes(struct mafs_pool *pool)
{
	struct mafs_pool_usage usage;

	mafs_pool_usage(pool, &usage);
	return usage.free_bytes;
}

static void fill(struct mafs_pool *pool, struct mafs_layout *layout,
		 uint64_t start, uint64_t end)
{
	_cleanup_layout_ struct mafs_layout added = {};

	assert_int_equal(mafs_pool_fill(pool, layout, start, end, &added), 0);
	for (uint32_t i = 0; i < added.n_runs; i++)
		assert_int_equal(mafs_pool_zero(pool, &added,
						added.runs[i].file_offset,
						added.runs[i].file_offset +
							added.runs[i].length),
				 0);
}

static void test_file_that_grows_is_one_run(void **state)
{
	_cleanup_pool_ struct mafs_pool *pool = t_pool(1);
	_cleanup_layout_ struct mafs_layout layout = {};

	for (uint64_t at = 0; at < 100; at++)
		fill(pool, &layout, at * 5000, at * 5000 + 5000);
	assert_int_equal(layout.n_runs, 1);
	assert_int_equal(mafs_layout_end(&layout), 500000 / UNIT * UNIT + UNIT);
	assert_int_equal(mafs_layout_bytes(&layout), mafs_layout_end(&layout));
}

static void test_holes_read_as_zeros_and_refuse_stores(void **state)
{
	_cleanup_pool_ struct mafs_pool *pool = t_pool(1);
	_cleanup_layout_ struct mafs_layout layout = {};
	char bytes[3 * UNIT];

	fill(pool, &layout, UNIT, 2 * UNIT);
	assert_int_equal(mafs_pool_write(pool, &layout, "x", 1, UNIT), 0);
	memset(bytes, 'y', sizeof(bytes));
	assert_int_equal(mafs_pool_read(pool, &layout, bytes, sizeof(bytes), 0),
			 0);
	for (size_t i = 0; i < sizeof(bytes); i++)
		assert_int_equal(bytes[i], i == UNIT ? 'x' : 0);
	assert_int_equal(mafs_pool_write(pool, &layout, bytes, 2, UNIT - 1),
			 -EINVAL);
	assert_int_equal(mafs_pool_write(pool, &layout, bytes, 2, 2 * UNIT - 1),
			 -EINVAL);
	assert_int_equal(mafs_pool_write(pool, &layout, bytes, 1,
					 UINT64_MAX - 1),
			 -EINVAL);
}

static void test_reach_is_what_can_be_filled(void **state)
{
	_cleanup_pool_ struct mafs_pool *pool = t_pool(2);
	_cleanup_layout_ struct mafs_layout layout = {}, added = {};
	uint64_t room = free_bytes(pool), end = room + 10 * UNIT;

	assert_int_equal(mafs_pool_reach(pool, &layout, 0, room), room);
	assert_int_equal(mafs_pool_reach(pool, &layout, 0, end), room);
	assert_int_equal(mafs_pool_reach(pool, &layout, UNIT + 5, end),
			 UNIT + room);
	assert_int_equal(mafs_pool_reach(pool, &layout, 7, 8), 8);
	/* What it has takes no room. */
	fill(pool, &layout, 4 * UNIT, 6 * UNIT);
	assert_int_equal(free_bytes(pool), room - 2 * UNIT);
	assert_int_equal(mafs_pool_reach(pool, &layout, 0, end), room);
	assert_int_equal(mafs_pool_reach(pool, &layout, 5 * UNIT, end),
			 4 * UNIT + room);
	assert_int_equal(mafs_pool_fill(pool, &layout, 0, room, &added), 0);
	mafs_layout_done(&added);
	assert_int_equal(mafs_pool_reach(pool, &layout, 0, end), room);
	assert_int_equal(mafs_pool_reach(pool, &layout, 5, 6), 6);
	assert_int_equal(mafs_pool_reach(pool, &layout, room + 5, end),
			 room + 5);
	assert_int_equal(mafs_pool_fill(pool, &layout, 0, end, &added),
			 -ENOSPC);
	mafs_pool_give(pool, &layout, true);
}

static void test_seek_is_as_lseek(void **state)
{
	_cleanup_pool_ struct mafs_pool *pool = t_pool(1);
	_cleanup_layout_ struct mafs_layout layout = {};
	uint64_t size = 8 * UNIT + 10;

	fill(pool, &layout, 2 * UNIT, 4 * UNIT);
	fill(pool, &layout, 8 * UNIT, 8 * UNIT + 10);
	assert_int_equal(mafs_layout_seek(&layout, size, 0, SEEK_DATA),
			 2 * UNIT);
	assert_int_equal(mafs_layout_seek(&layout, size, 0, SEEK_HOLE), 0);
	assert_int_equal(mafs_layout_seek(&layout, size, 2 * UNIT + 5,
					  SEEK_DATA),
			 2 * UNIT + 5);
	assert_int_equal(mafs_layout_seek(&layout, size, 2 * UNIT + 5,
					  SEEK_HOLE),
			 4 * UNIT);
	assert_int_equal(mafs_layout_seek(&layout, size, 4 * UNIT, SEEK_DATA),
			 8 * UNIT);
	assert_int_equal(mafs_layout_seek(&layout, size, 8 * UNIT, SEEK_HOLE),
			 size);
	assert_int_equal(mafs_layout_seek(&layout, size, size, SEEK_HOLE),
			 -ENXIO);
	assert_int_equal(mafs_layout_seek(&layout, size, -1, SEEK_DATA),
			 -ENXIO);
	assert_int_equal(mafs_layout_seek(&layout, 8 * UNIT, 5 * UNIT,
					  SEEK_DATA),
			 -ENXIO);
	assert_int_equal(mafs_layout_seek(&layout, size, 0, SEEK_SET), -EINVAL);
}

static void test_fill_is_all_or_nothing(void **state)
{
	_cleanup_pool_ struct mafs_pool *pool = t_pool(1);
	_cleanup_layout_ struct mafs_layout layout = {}, added = {};
	uint64_t room;

	fill(pool, &layout, 5 * UNIT, 6 * UNIT);
	room = free_bytes(pool);
	assert_int_equal(mafs_pool_fill(pool, &layout, 0, room + 2 * UNIT,
					&added),
			 -ENOSPC);
	assert_int_equal(mafs_pool_fill(pool, &layout, 0, UINT64_MAX, &added),
			 -ENOSPC);
	assert_int_equal(mafs_layout_bytes(&layout), UNIT);
	assert_int_equal(free_bytes(pool), room);
	assert_int_equal(mafs_pool_fill(pool, &layout, 0, room + UNIT, &added),
			 0);
	assert_int_equal(free_bytes(pool), 0);
	assert_false(mafs_pool_has_log_room(pool));
}

static void test_log_grows_on_a_device_full_of_files(void **state)
{
	_cleanup_pool_ struct mafs_pool *pool = t_pool(1);
	_cleanup_layout_ struct mafs_layout layout = {}, added = {};
	struct mafs_device *device = mafs_pool_device(pool, 0);
	const uint64_t ends[] = { 0, 120 << 10, 80 << 10 };
	char bytes[4096] = {};

	assert_int_equal(
		mafs_pool_fill(pool, &layout, 0, free_bytes(pool), &added), 0);
	/* The rest of the lap, and the next one. */
	for (int region = 1; region <= 2; region++)
		for (uint64_t at = 0; at < ends[region]; at += sizeof(bytes))
			assert_int_equal(device->media.ops->write(
						 &device->media,
						 (enum mafs_region)region, at,
						 bytes, sizeof(bytes)),
					 0);
}

static void test_given_runs_are_free_only_once_settled(void **state)
{
	_cleanup_pool_ struct mafs_pool *pool = t_pool(1);
	_cleanup_layout_ struct mafs_layout layout = {}, removed = {};
	struct mafs_device *device = mafs_pool_device(pool, 0);
	uint64_t before = free_bytes(pool), epoch;
	struct mafs_pool_usage usage;

	fill(pool, &layout, 0, 10 * UNIT);
	assert_int_equal(mafs_pool_cut(pool, &layout, 0, UINT64_MAX, &removed),
			 0);
	assert_int_equal(layout.n_runs, 0);
	epoch = mafs_device_free_epoch(device);
	mafs_pool_give(pool, &removed, false);
	mafs_pool_usage(pool, &usage);
	assert_int_equal(usage.free_bytes, before - 10 * UNIT);
	assert_int_equal(usage.quarantined_bytes, 10 * UNIT);
	assert_int_equal(mafs_device_free_epoch(device), epoch);
	assert_int_equal(mafs_pool_settle(pool), 0);
	mafs_pool_usage(pool, &usage);
	assert_int_equal(usage.free_bytes, before);
	assert_int_equal(usage.quarantined_bytes, 0);
	assert_int_equal(mafs_device_free_epoch(device), epoch + 1);
	/* Nothing waits: nobody is bothered. */
	assert_int_equal(mafs_pool_settle(pool), 0);
	assert_int_equal(mafs_device_free_epoch(device), epoch + 1);
}

static void test_fresh_runs_are_free_at_once(void **state)
{
	_cleanup_pool_ struct mafs_pool *pool = t_pool(1);
	_cleanup_layout_ struct mafs_layout layout = {}, added = {};
	uint64_t before = free_bytes(pool);

	assert_int_equal(mafs_pool_fill(pool, &layout, 0, 100000, &added), 0);
	mafs_pool_give(pool, &added, true);
	assert_int_equal(free_bytes(pool), before);
}

static void test_cut_takes_whole_units_only(void **state)
{
	_cleanup_pool_ struct mafs_pool *pool = t_pool(1);
	_cleanup_layout_ struct mafs_layout layout = {};
	struct mafs_layout removed = {};

	fill(pool, &layout, 0, 10 * UNIT);
	assert_int_equal(mafs_pool_cut(pool, &layout, 2 * UNIT + 1,
				       5 * UNIT - 1, &removed),
			 0);
	assert_int_equal(mafs_layout_bytes(&removed), UNIT);
	assert_int_equal(removed.runs[0].file_offset, 3 * UNIT);
	assert_int_equal(layout.n_runs, 2);
	assert_false(mafs_layout_covers(&layout, 3 * UNIT, 3 * UNIT + 1));
	assert_true(mafs_layout_covers(&layout, 0, 3 * UNIT));
	/* Back again: one run. */
	assert_int_equal(mafs_layout_merge(&layout, &removed), 0);
	assert_int_equal(layout.n_runs, 1);
	mafs_layout_done(&removed);
	assert_int_equal(mafs_pool_cut(pool, &layout, 2 * UNIT + 1,
				       3 * UNIT - 1, &removed),
			 0);
	assert_int_equal(removed.n_runs, 0);
	assert_int_equal(mafs_pool_cut(pool, &layout, UINT64_MAX - 1,
				       UINT64_MAX, &removed),
			 0);
	assert_int_equal(removed.n_runs, 0);
}

static void test_second_device_is_used_and_named_in_maps(void **state)
{
	_cleanup_pool_ struct mafs_pool *pool = t_pool(2);
	_cleanup_layout_ struct mafs_layout layout = {}, again = {}, added = {};
	_cleanup_(mafs_map_done) struct mafs_map map = {};
	struct mafs_fault fault = MAFS_FAULT_INIT;
	uint64_t room = free_bytes(pool);
	unsigned seen = 0;

	assert_int_equal(
		mafs_pool_fill(pool, &layout, UNIT, UNIT + room, &added), 0);
	assert_int_equal(mafs_layout_to_map(pool, &layout, &map), 0);
	assert_true(mafs_uuid_is_null(&map.extents[0].device_uuid));
	assert_int_equal(map.extents[0].length_bytes, UNIT);
	for (size_t i = 1; i < map.n_extents; i++)
		seen |= 1U << mafs_pool_find(pool, &map.extents[i].device_uuid);
	assert_int_equal(seen, 3);
	assert_ok(mafs_layout_from_map(pool, &map, &again, &fault), &fault);
	assert_int_equal(again.n_runs, layout.n_runs);
	for (uint32_t i = 0; i < layout.n_runs; i++) {
		const struct mafs_run *run = &again.runs[i];

		assert_int_equal(run->file_offset, layout.runs[i].file_offset);
		assert_int_equal(run->offset, layout.runs[i].offset);
		assert_int_equal(run->length, layout.runs[i].length);
		assert_int_equal(run->device, layout.runs[i].device);
	}
}

static void test_same_device_is_added_once(void **state)
{
	_cleanup_pool_ struct mafs_pool *pool = t_pool(1);
	struct mafs_device *device = t_device(2 * T_MIB, true), *first;

	first = mafs_pool_device(pool, 0);
	assert_int_equal(mafs_pool_add(pool, first), -EEXIST);
	device->unit_bytes = 8192;
	assert_int_equal(mafs_pool_add(pool, device), -EINVAL);
	mafs_device_close(device);
	assert_int_equal(mafs_pool_n_devices(pool), 1);
	assert_null(mafs_pool_device(pool, 1));
}

static void refuse_map(struct mafs_pool *pool, struct mafs_extent extent,
		       int expected)
{
	struct mafs_map map = { .extents = &extent, .n_extents = 1 };
	struct mafs_fault fault = MAFS_FAULT_INIT;
	struct mafs_layout layout;

	assert_int_equal(mafs_layout_from_map(pool, &map, &layout, &fault),
			 expected);
	assert_true(*fault.what);
}

static void test_maps_that_lie_are_refused(void **state)
{
	_cleanup_pool_ struct mafs_pool *pool = t_pool(1);
	struct mafs_uuid device = mafs_pool_device(pool, 0)->uuid, other;
	struct mafs_extent extents[] = {
		{ device, 1 * T_MIB, UNIT },
		{ device, 1 * T_MIB, UNIT },
	};
	struct mafs_map map = { .extents = extents, .n_extents = 2 };
	struct mafs_fault fault = MAFS_FAULT_INIT;
	_cleanup_layout_ struct mafs_layout layout = {};
	uint64_t before = free_bytes(pool);

	mafs_uuid_generate(&other);
	refuse_map(pool, (struct mafs_extent){ other, T_MIB, UNIT }, -ENODEV);
	refuse_map(pool, (struct mafs_extent){ device, T_MIB + 1, UNIT },
		   -EUCLEAN);
	refuse_map(pool, (struct mafs_extent){ device, T_MIB, 0 }, -EUCLEAN);
	refuse_map(pool, (struct mafs_extent){ device, 8 * T_MIB, UNIT },
		   -EUCLEAN);
	refuse_map(pool,
		   (struct mafs_extent){ device, UINT64_MAX - UNIT + 1, UNIT },
		   -EUCLEAN);
	refuse_map(pool, (struct mafs_extent){ {}, 0, UINT64_MAX - UNIT + 1 },
		   -EUCLEAN);
	/* In itself in use twice; over the log. */
	assert_int_equal(mafs_layout_from_map(pool, &map, &layout, &fault), 0);
	assert_int_equal(mafs_pool_claim(pool, &layout, &fault), -EEXIST);
	assert_int_equal(free_bytes(pool), before);
	mafs_layout_done(&layout);
	extents[0].offset_bytes = 0;
	assert_int_equal(mafs_layout_from_map(pool, &map, &layout, &fault), 0);
	assert_int_equal(mafs_pool_claim(pool, &layout, &fault), -EEXIST);
	assert_int_equal(free_bytes(pool), before);
}

/* ---- against a flat buffer ---- */

#define MODEL_BYTES (2U << 20)
#define MODEL_FILES 3

struct model {
	struct mafs_layout layout;
	uint8_t bytes[MODEL_BYTES];
	bool present[MODEL_BYTES / UNIT];
};

static uint32_t next_random(uint32_t *seed)
{
	*seed = *seed * 1664525U + 1013904223U;
	return *seed >> 8;
}

static void model_fill(struct mafs_pool *pool, struct model *model,
		       uint64_t start, uint64_t end)
{
	fill(pool, &model->layout, start, end);
	for (uint64_t at = start / UNIT; at * UNIT < end; at++)
		model->present[at] = true;
}

static void model_cut(struct mafs_pool *pool, struct model *model,
		      uint64_t start, uint64_t end)
{
	struct mafs_layout removed;

	assert_int_equal(
		mafs_pool_cut(pool, &model->layout, start, end, &removed), 0);
	for (uint64_t at = (start + UNIT - 1) / UNIT; (at + 1) * UNIT <= end;
	     at++) {
		model->present[at] = false;
		memset(model->bytes + at * UNIT, 0, UNIT);
	}
	mafs_pool_give(pool, &removed, false);
	mafs_layout_done(&removed);
}

static void model_write(struct mafs_pool *pool, struct model *model,
			uint64_t start, uint64_t end, uint32_t *seed)
{
	uint8_t *bytes = malloc(end - start);
	bool whole = true;
	int err;

	for (uint64_t i = 0; i < end - start; i++)
		bytes[i] = (uint8_t)next_random(seed);
	for (uint64_t at = start / UNIT; at * UNIT < end; at++)
		whole &= model->present[at];
	err = mafs_pool_write(pool, &model->layout, bytes, end - start, start);
	assert_int_equal(err, whole ? 0 : -EINVAL);
	assert_int_equal(mafs_layout_covers(&model->layout, start, end), whole);
	if (whole)
		memcpy(model->bytes + start, bytes, end - start);
	free(bytes);
}

static void model_check(struct mafs_pool *pool, struct model *model)
{
	static uint8_t bytes[MODEL_BYTES];
	const struct mafs_layout *layout = &model->layout;

	assert_int_equal(mafs_pool_read(pool, layout, bytes, MODEL_BYTES, 0),
			 0);
	assert_memory_equal(bytes, model->bytes, MODEL_BYTES);
	for (uint32_t i = 1; i < layout->n_runs; i++) {
		const struct mafs_run *a = &layout->runs[i - 1];
		const struct mafs_run *b = &layout->runs[i];

		assert_true(a->file_offset + a->length <= b->file_offset);
		assert_false(a->file_offset + a->length == b->file_offset &&
			     a->offset + a->length == b->offset &&
			     a->device == b->device);
	}
	for (uint64_t at = 0; at < MODEL_BYTES / UNIT; at++)
		assert_int_equal(mafs_layout_covers(layout, at * UNIT,
						    at * UNIT + UNIT),
				 model->present[at]);
}

static void test_random_changes_are_as_those_of_a_buffer(void **state)
{
	_cleanup_pool_ struct mafs_pool *pool = t_pool(2);
	struct model *models = calloc(MODEL_FILES, sizeof(*models));
	uint64_t before = free_bytes(pool);
	uint32_t seed = 42;

	for (int i = 0; i < 6000; i++) {
		struct model *model = &models[next_random(&seed) % MODEL_FILES];
		uint64_t start = next_random(&seed) % MODEL_BYTES;
		uint64_t end = start + 1 + next_random(&seed) % 20000;

		if (end > MODEL_BYTES)
			end = MODEL_BYTES;
		switch (next_random(&seed) % 8) {
		case 0:
		case 1:
			model_fill(pool, model, start, end);
			break;
		case 2:
			model_cut(pool, model, start, end);
			break;
		case 3:
			assert_int_equal(mafs_pool_zero(pool, &model->layout,
							start, end),
					 0);
			memset(model->bytes + start, 0, end - start);
			break;
		case 4:
			assert_int_equal(mafs_pool_settle(pool), 0);
			break;
		case 5:
			assert_int_equal(mafs_pool_flush(pool, &model->layout,
							 start, end),
					 0);
			mafs_pool_invalidate(pool, &model->layout, start, end);
			break;
		default:
			model_write(pool, model, start, end, &seed);
		}
		if (i % 100 == 0)
			model_check(pool, model);
	}
	for (int i = 0; i < MODEL_FILES; i++) {
		model_check(pool, &models[i]);
		model_cut(pool, &models[i], 0, MODEL_BYTES);
		mafs_layout_done(&models[i].layout);
	}
	assert_int_equal(mafs_pool_settle(pool), 0);
	assert_int_equal(free_bytes(pool), before);
	free(models);
}

static void test_file_of_a_thousand_runs_is_whole(void **state)
{
	_cleanup_pool_ struct mafs_pool *pool = t_pool(2);
	_cleanup_layout_ struct mafs_layout comb = {}, layout = {}, again = {};
	_cleanup_(mafs_map_done) struct mafs_map map = {};
	uint64_t n = free_bytes(pool) / UNIT / 2;
	struct mafs_layout removed;
	struct mafs_fault fault = MAFS_FAULT_INIT;
	uint64_t word;

	/* Every other unit is somebody else's. */
	fill(pool, &comb, 0, 2 * n * UNIT);
	for (uint64_t i = 0; i < n; i++) {
		assert_int_equal(mafs_pool_cut(pool, &comb, 2 * i * UNIT,
					       (2 * i + 1) * UNIT, &removed),
				 0);
		mafs_pool_give(pool, &removed, false);
		mafs_layout_done(&removed);
	}
	assert_int_equal(mafs_pool_settle(pool), 0);
	for (uint64_t i = 0; i < n; i++) {
		fill(pool, &layout, i * UNIT, (i + 1) * UNIT);
		assert_int_equal(mafs_pool_write(pool, &layout, &i, sizeof(i),
						 i * UNIT),
				 0);
	}
	assert_true(layout.n_runs > 1000);
	for (uint64_t i = 0; i < n; i++) {
		assert_int_equal(mafs_pool_read(pool, &layout, &word,
						sizeof(word), i * UNIT),
				 0);
		assert_int_equal(word, i);
	}
	assert_int_equal(mafs_layout_to_map(pool, &layout, &map), 0);
	assert_ok(mafs_layout_from_map(pool, &map, &again, &fault), &fault);
	assert_int_equal(again.n_runs, layout.n_runs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_file_that_grows_is_one_run),
		cmocka_unit_test(test_holes_read_as_zeros_and_refuse_stores),
		cmocka_unit_test(test_reach_is_what_can_be_filled),
		cmocka_unit_test(test_seek_is_as_lseek),
		cmocka_unit_test(test_fill_is_all_or_nothing),
		cmocka_unit_test(test_log_grows_on_a_device_full_of_files),
		cmocka_unit_test(test_given_runs_are_free_only_once_settled),
		cmocka_unit_test(test_fresh_runs_are_free_at_once),
		cmocka_unit_test(test_cut_takes_whole_units_only),
		cmocka_unit_test(test_second_device_is_used_and_named_in_maps),
		cmocka_unit_test(test_same_device_is_added_once),
		cmocka_unit_test(test_maps_that_lie_are_refused),
		cmocka_unit_test(test_random_changes_are_as_those_of_a_buffer),
		cmocka_unit_test(test_file_of_a_thousand_runs_is_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
