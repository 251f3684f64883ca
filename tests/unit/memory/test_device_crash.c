// SPDX-License-Identifier: Apache-2.0
/*
 * Crashes at every flush of the life of a mapped device, with any of the lines
 * that were changed and not flushed.
 *
 * File n has one unit of data and, in the log, its extents and an xattr that
 * makes the log grow. The last FILES_LIVE files are live, the older ones were
 * dropped, their units given back and used again. So a replay ends with file
 * k, k is at least what was acknowledged, and the live files have their bytes,
 * in nobody else's units.
 */
#include "device_fixture.h"
#include "device_lines.h"

#include <errno.h>
#include <mafs/log.h>
#include <mafs/pool.h>
#include <string.h>

#define UNIT 4096U
#define DEVICE_BYTES (2U << 20)
#define FILES_LIVE 12U
#define FILES_MAX 256U
#define XATTR_BYTES 6000U

struct life {
	struct mafs_pool *pool;
	struct mafs_log *log;
	uint64_t n_acknowledged, n_tried;
	struct mafs_layout layouts[FILES_MAX]; /* of file n at n */
};

static uint64_t first_live(uint64_t n)
{
	return n < FILES_LIVE ? 1 : n - FILES_LIVE + 1;
}

static struct mafs_entry xattr_of(uint64_t id)
{
	static uint8_t value[XATTR_BYTES];

	return (struct mafs_entry){
		.type = MAFS_OMF_XATTR,
		.quiet = true,
		.xattr = { .id = id,
			   .name = "user.filler",
			   .value = value,
			   .value_len = sizeof(value) },
	};
}

static struct mafs_entry extents_of(const struct life *life, uint64_t id)
{
	struct mafs_entry entry = {
		.type = MAFS_OMF_EXTENTS,
		.quiet = true,
		.extents = { .id = id, .size_bytes = UNIT },
	};

	assert_int_equal(mafs_layout_to_map(life->pool, &life->layouts[id],
					    &entry.extents.map),
			 0);
	return entry;
}

static int log_file(struct life *life, uint64_t id)
{
	struct mafs_entry entries[] = { xattr_of(id), extents_of(life, id) };
	int err = mafs_log_append(life->log, entries, 2, NULL);

	mafs_entry_done(&entries[1]);
	return err;
}

static void pattern(uint64_t id, uint64_t ret[UNIT / 8])
{
	for (uint64_t i = 0; i < UNIT / 8; i++)
		ret[i] = id << 32 | i;
}

/* Makes the next file: bytes, flush, entry; then the oldest goes. */
static int make_file(struct life *life)
{
	uint64_t id = ++life->n_tried, words[UNIT / 8];
	struct mafs_layout *layout = &life->layouts[id], added = {};
	int err;

	pattern(id, words);
	err = mafs_pool_fill(life->pool, layout, 0, UNIT, &added);
	mafs_layout_done(&added);
	if (!err)
		err = mafs_pool_write(life->pool, layout, words, UNIT, 0);
	if (!err)
		err = mafs_pool_flush(life->pool, layout, 0, UNIT);
	if (!err)
		err = log_file(life, id);
	if (err)
		return err;
	life->n_acknowledged = id;
	if (id <= FILES_LIVE)
		return 0;
	mafs_pool_give(life->pool, &life->layouts[id - FILES_LIVE], false);
	return id % 3 ? 0 : mafs_pool_settle(life->pool);
}

static int emit_live(void *context, mafs_log_emit_fn *emit, void *emit_context)
{
	struct life *life = context;
	uint64_t end = life->n_acknowledged;
	int err = 0;

	for (uint64_t id = first_live(end); !err && id <= end; id++) {
		struct mafs_entry xattr = xattr_of(id);
		struct mafs_entry extents = extents_of(life, id);

		err = emit(emit_context, &xattr);
		if (!err)
			err = emit(emit_context, &extents);
		mafs_entry_done(&extents);
	}
	/* Beside the checkpoint. */
	for (int i = 0; !err && i < 2; i++)
		err = make_file(life);
	return err;
}

static void live(struct life *life, int n_laps)
{
	for (int lap = 0; lap < n_laps; lap++) {
		for (int i = 0; i < 14; i++)
			if (make_file(life))
				return;
		if (mafs_log_checkpoint(life->log, emit_live, life, NULL))
			return;
	}
}

/* A replayed file is where it says, and is no one else's. */
static void take_extents(struct life *life,
			 const struct mafs_entry_extents *extents)
{
	struct mafs_fault fault = MAFS_FAULT_INIT;

	assert_in_range(extents->id, 1, FILES_MAX - 1);
	mafs_layout_done(&life->layouts[extents->id]);
	assert_ok(mafs_layout_from_map(life->pool, &extents->map,
				       &life->layouts[extents->id], &fault),
		  &fault);
	if (extents->id > life->n_acknowledged) {
		if (life->n_acknowledged)
			assert_int_equal(extents->id, life->n_acknowledged + 1);
		life->n_acknowledged = extents->id;
	}
}

static void check_live(struct life *life)
{
	uint64_t words[UNIT / 8], found[UNIT / 8];
	struct mafs_fault fault = MAFS_FAULT_INIT;
	uint64_t end = life->n_acknowledged;

	for (uint64_t id = 1; id < first_live(end); id++)
		mafs_layout_done(&life->layouts[id]);
	for (uint64_t id = first_live(end); id <= end; id++) {
		const struct mafs_layout *layout = &life->layouts[id];

		assert_ok(mafs_pool_claim(life->pool, layout, &fault), &fault);
		assert_int_equal(layout->n_runs, 1);
		assert_int_equal(
			mafs_pool_read(life->pool, layout, found, UNIT, 0), 0);
		pattern(id, words);
		assert_memory_equal(found, words, UNIT);
	}
}

/* Replays what is there, and opens it for more. */
static void life_open(struct life *life, struct mafs_mapping *mapping)
{
	struct mafs_fault fault = MAFS_FAULT_INIT;
	struct mafs_log_position end;
	struct mafs_log_reader *reader;
	struct mafs_device *device;
	struct mafs_superblock sb;
	struct mafs_entry entry;
	int err;

	assert_int_equal(mafs_device_on_mapping(MAFS_DEVICE_DAX, mapping, false,
						&device),
			 0);
	assert_int_equal(mafs_pool_new(&life->pool), 0);
	t_begin(device);
	assert_int_equal(mafs_pool_add(life->pool, device), 0);
	assert_ok(mafs_log_reader_open(&device->media, &reader, &sb, &fault),
		  &fault);
	while ((err = mafs_log_reader_next(reader, &entry, NULL, &fault)) ==
	       1) {
		if (entry.type == MAFS_OMF_EXTENTS)
			take_extents(life, &entry.extents);
		mafs_entry_done(&entry);
	}
	assert_ok(err, &fault);
	mafs_log_reader_end(reader, &end);
	mafs_log_reader_close(reader);
	check_live(life);
	life->n_tried = life->n_acknowledged;
	assert_ok(mafs_log_open(&device->media, &sb, &end, &life->log, &fault),
		  &fault);
}

static void life_close(struct life *life)
{
	mafs_log_close(life->log);
	mafs_pool_free(life->pool);
	for (size_t i = 0; i < FILES_MAX; i++)
		mafs_layout_done(&life->layouts[i]);
}

static struct device_lines *formatted(void)
{
	struct device_lines *lines = device_lines_new(DEVICE_BYTES);
	struct mafs_device *device;

	assert_int_equal(mafs_device_on_mapping(MAFS_DEVICE_DAX,
						device_lines_host(lines), false,
						&device),
			 0);
	t_format(device, false);
	mafs_device_close(device);
	return lines;
}

/* What a crash left is whole, and can be gone on with. */
static void check_crash(const struct device_lines *lines,
			const struct life *crashed, enum device_lines_crash how,
			uint32_t seed)
{
	struct device_lines *left = device_lines_crash(lines, how, seed);
	struct life life = {};

	life_open(&life, device_lines_host(left));
	assert_in_range(life.n_acknowledged, crashed->n_acknowledged,
			crashed->n_tried);
	live(&life, 1);
	assert_int_equal(life.n_acknowledged, life.n_tried);
	life_close(&life);
	device_lines_free(left);
}

/* Stops a life at its @n-th flush. Return: whether it came so far. */
static bool crash_at(unsigned n)
{
	struct device_lines *lines = formatted();
	struct life life = {};
	bool hit;

	life_open(&life, device_lines_host(lines));
	device_lines_stop_at(lines, n);
	live(&life, 3);
	hit = device_lines_hit(lines);
	if (!hit)
		assert_true(mafs_device_log_bytes(
				    mafs_pool_device(life.pool, 0)) > 0);
	for (int how = 0; how < N_LINES_CRASHES; how++)
		check_crash(lines, &life, (enum device_lines_crash)how, n);
	life_close(&life);
	device_lines_free(lines);
	return hit;
}

static void test_crash_anywhere_leaves_files_and_their_bytes(void **state)
{
	unsigned n = 1;

	while (crash_at(n))
		n++;
	print_message("%u flushes\n", n - 1);
	assert_true(n > 100);
}

/* Formats over a device that was in use, and stops. */
static bool crash_format_at(const struct device_lines *used, unsigned n)
{
	struct device_lines *lines = device_lines_crash(used, LINES_NONE, 0);
	struct mafs_device_format format = { .alloc_unit_bytes = UNIT,
					     .log_bytes = 64 << 10 };
	struct mafs_fault fault = MAFS_FAULT_INIT;
	struct mafs_device *device;
	bool hit;
	int err;

	mafs_uuid_generate(&format.fs_uuid);
	assert_int_equal(mafs_device_on_mapping(MAFS_DEVICE_DAX,
						device_lines_host(lines), false,
						&device),
			 0);
	device_lines_stop_at(lines, n);
	err = mafs_device_format(device, &format, &fault);
	hit = device_lines_hit(lines);
	assert_int_equal(err, hit ? -EIO : 0);
	for (int how = 0; how < N_LINES_CRASHES; how++) {
		struct device_lines *left = device_lines_crash(
			lines, (enum device_lines_crash)how, n);
		struct mafs_mapping *host = device_lines_host(left);
		struct mafs_device *again;
		struct mafs_superblock sb;
		struct life life = {};

		assert_int_equal(mafs_device_on_mapping(MAFS_DEVICE_DAX, host,
							false, &again),
				 0);
		err = mafs_superblock_read(&again->media, &sb, NULL, NULL);
		mafs_device_close(again);
		/* As it was, while nothing was stored; not formatted, or torn
		 * to what is no superblock; or formatted. */
		if (!err) {
			life_open(&life, device_lines_host(left));
			if (!mafs_uuid_equal(&sb.fs_uuid, &format.fs_uuid))
				assert_int_equal(n, 1);
			else
				assert_int_equal(life.n_acknowledged, 0);
			life_close(&life);
		} else if (n > 1) {
			assert_true(err == -ENODATA || err == -EUCLEAN ||
				    err == -EBADMSG);
		}
		device_lines_free(left);
	}
	mafs_device_close(device);
	device_lines_free(lines);
	return hit;
}

static void test_crash_while_formatting_leaves_no_half_device(void **state)
{
	struct device_lines *used = formatted();
	struct life life = {};
	unsigned n = 1;

	life_open(&life, device_lines_host(used));
	live(&life, 2);
	life_close(&life);
	while (crash_format_at(used, n))
		n++;
	assert_true(n > 5);
	device_lines_free(used);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			test_crash_anywhere_leaves_files_and_their_bytes),
		cmocka_unit_test(
			test_crash_while_formatting_leaves_no_half_device),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
