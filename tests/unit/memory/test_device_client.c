// SPDX-License-Identifier: Apache-2.0
/*
 * A second host that reads what the first one writes, through caches that are
 * not coherent: the log across growing and cut chains, and files' bytes while
 * extents are used again. The writer acts between any two looks that the
 * reader takes at memory.
 */
#include "device_fixture.h"
#include "device_lines.h"

#include <errno.h>
#include <mafs/log.h>
#include <mafs/pool.h>
#include <string.h>

#define UNIT 4096U
#define DEVICE_BYTES (2U << 20)
#define XATTR_BYTES 6000U

/* One host with its view of the device. */
struct host {
	struct mafs_mapping *mapping;
	struct mafs_pool *pool;
	struct mafs_media *media;
};

static struct host host_open(struct device_lines *lines, bool read_only)
{
	struct host host = { .mapping = device_lines_host(lines) };
	struct mafs_device *device;

	assert_int_equal(mafs_device_on_mapping(MAFS_DEVICE_DAX, host.mapping,
						read_only, &device),
			 0);
	if (!read_only)
		t_begin(device);
	assert_int_equal(mafs_pool_new(&host.pool), 0);
	assert_int_equal(mafs_pool_add(host.pool, device), 0);
	host.media = &device->media;
	return host;
}

struct scene {
	struct device_lines *lines;
	struct host master, client;
	struct mafs_log *log;
	uint64_t n_appended;
	uint32_t seed;
};

static void scene_begin(struct scene *scene)
{
	struct mafs_fault fault = MAFS_FAULT_INIT;
	struct mafs_log_position end;
	struct mafs_log_reader *reader;
	struct mafs_device *device;
	struct mafs_superblock sb;
	struct mafs_entry entry;

	*scene = (struct scene){ .lines = device_lines_new(DEVICE_BYTES),
				 .seed = 1 };
	assert_int_equal(mafs_device_on_mapping(MAFS_DEVICE_DAX,
						device_lines_host(scene->lines),
						false, &device),
			 0);
	t_format(device, false);
	mafs_device_close(device);
	scene->master = host_open(scene->lines, false);
	scene->client = host_open(scene->lines, true);
	assert_ok(mafs_log_reader_open(scene->master.media, &reader, &sb,
				       &fault),
		  &fault);
	while (mafs_log_reader_next(reader, &entry, NULL, &fault) == 1)
		mafs_entry_done(&entry);
	mafs_log_reader_end(reader, &end);
	mafs_log_reader_close(reader);
	assert_ok(mafs_log_open(scene->master.media, &sb, &end, &scene->log,
				&fault),
		  &fault);
}

static void scene_done(struct scene *scene)
{
	mafs_log_close(scene->log);
	mafs_pool_free(scene->master.pool);
	mafs_pool_free(scene->client.pool);
	device_lines_free(scene->lines);
}
#define _cleanup_scene_ _cleanup_(scene_done)

/* Entry n is an xattr of inode n. */
static void append(struct scene *scene, unsigned n)
{
	static uint8_t value[XATTR_BYTES];

	for (; n; n--) {
		struct mafs_entry entry = {
			.type = MAFS_OMF_XATTR,
			.xattr = { .id = ++scene->n_appended,
				   .name = "user.filler",
				   .value = value,
				   .value_len = sizeof(value) },
		};

		assert_int_equal(mafs_log_append(scene->log, &entry, 1, NULL),
				 0);
	}
}

/* So many live inodes that a checkpoint alone makes a slot grow. */
static int emit_live(void *context, mafs_log_emit_fn *emit, void *emit_context)
{
	static uint8_t value[XATTR_BYTES];
	int err = 0;

	for (uint64_t id = 1; !err && id <= 14; id++) {
		struct mafs_entry entry = {
			.type = MAFS_OMF_XATTR,
			.quiet = true,
			.xattr = { .id = id,
				   .name = "user.live",
				   .value = value,
				   .value_len = sizeof(value) },
		};

		err = emit(emit_context, &entry);
	}
	return err;
}

static void checkpoint(struct scene *scene)
{
	struct mafs_fault fault = MAFS_FAULT_INIT;

	assert_ok(mafs_log_checkpoint(scene->log, emit_live, NULL, &fault),
		  &fault);
}

/* ---- the log ---- */

struct following {
	struct mafs_log_reader *reader;
	uint64_t seq; /* of the last entry */
	unsigned n_overtaken;
};

/* What a client does at each poll. Return: as mafs_log_reader_next(). */
static int follow(struct scene *scene, struct following *following)
{
	struct mafs_fault fault = MAFS_FAULT_INIT;
	struct mafs_entry entry;
	int err;

	if (!following->reader) {
		assert_ok(mafs_log_reader_open(scene->client.media,
					       &following->reader, NULL,
					       &fault),
			  &fault);
		following->seq = 0;
	}
	while ((err = mafs_log_reader_next(following->reader, &entry, NULL,
					   &fault)) == 1) {
		if (entry.type == MAFS_OMF_XATTR && !entry.quiet)
			assert_true(entry.xattr.id == entry.seq);
		if (following->seq && entry.seq > following->seq)
			assert_int_equal(entry.seq, following->seq + 1);
		following->seq = entry.seq;
		mafs_entry_done(&entry);
	}
	if (err == -ESTALE) {
		mafs_log_reader_close(following->reader);
		following->reader = NULL;
		following->n_overtaken++;
	} else if (err) {
		print_message("%d: %s\n", err, fault.what);
	}
	return err;
}

static void test_client_follows_across_growing_and_cut_chains(void **state)
{
	_cleanup_scene_ struct scene scene;
	struct following following = {};
	uint64_t length = 0, longest = 0;

	scene_begin(&scene);
	for (int lap = 0; lap < 50; lap++) {
		for (int i = 0; i < 5; i++) {
			append(&scene, 5);
			assert_int_equal(follow(&scene, &following), 0);
			assert_int_equal(following.seq, scene.n_appended);
		}
		assert_int_equal(scene.client.media->ops->length(
					 scene.client.media, MAFS_REGION_LOG_A,
					 &length),
				 0);
		if (length > longest)
			longest = length;
		checkpoint(&scene);
	}
	assert_int_equal(following.n_overtaken, 0);
	assert_true(longest > 100000);
	mafs_log_reader_close(following.reader);
}

/* Takes what is free at the front, and keeps it. */
static void litter(struct scene *scene)
{
	struct mafs_pool *pool = scene->master.pool;
	struct mafs_layout layout = {}, added = {};
	uint8_t bytes[UNIT];

	memset(bytes, 0xee, sizeof(bytes));
	assert_int_equal(mafs_pool_fill(pool, &layout, 0, 60 * UNIT, &added),
			 0);
	for (uint64_t at = 0; at < 60; at++)
		assert_int_equal(mafs_pool_write(pool, &layout, bytes, UNIT,
						 at * UNIT),
				 0);
	assert_int_equal(mafs_pool_flush(pool, &layout, 0, UINT64_MAX), 0);
	mafs_layout_done(&added);
	mafs_layout_done(&layout);
}

/* Twice, so that the slot that the client reads has another lap, in other
 * segments; where the old ones were are other bytes. */
static void overtake(void *context)
{
	struct scene *scene = context;

	for (int i = 0; i < 2; i++) {
		append(scene, 5);
		checkpoint(scene);
		litter(scene);
	}
}

static void test_client_that_is_overtaken_at_any_look_catches_up(void **state)
{
	bool called = true;
	unsigned n;

	for (n = 1; called; n++) {
		_cleanup_scene_ struct scene scene;
		struct following following = {};
		int err;

		scene_begin(&scene);
		append(&scene, 20);
		assert_int_equal(follow(&scene, &following), 0);
		append(&scene, 20);
		device_lines_call_at(scene.lines, n, overtake, &scene);
		err = follow(&scene, &following);
		assert_true(err == 0 || err == -ESTALE);
		called = device_lines_called(scene.lines);
		if (!called)
			device_lines_call_at(scene.lines, 0, NULL, NULL);
		err = follow(&scene, &following);
		if (err == -ESTALE)
			err = follow(&scene, &following);
		assert_int_equal(err, 0);
		assert_int_equal(following.seq, scene.n_appended);
		mafs_log_reader_close(following.reader);
	}
	print_message("%u looks\n", n - 2);
	assert_true(n > 50);
}

/* ---- bytes ---- */

/* A file of one unit; the log says where it is, or that it is gone. */
static void log_file(struct scene *scene, uint64_t id,
		     const struct mafs_layout *layout)
{
	struct mafs_entry entry = {
		.type = MAFS_OMF_EXTENTS,
		.extents = { .id = id, .size_bytes = UNIT },
	};

	assert_int_equal(mafs_layout_to_map(scene->master.pool, layout,
					    &entry.extents.map),
			 0);
	assert_int_equal(mafs_log_append(scene->log, &entry, 1, NULL), 0);
	mafs_entry_done(&entry);
	scene->n_appended++;
}

static void pattern(uint64_t id, uint64_t ret[UNIT / 8])
{
	for (uint64_t i = 0; i < UNIT / 8; i++)
		ret[i] = id << 32 | i;
}

static void make_file(struct scene *scene, uint64_t id,
		      struct mafs_layout *layout)
{
	struct mafs_pool *pool = scene->master.pool;
	struct mafs_layout added = {};
	uint64_t words[UNIT / 8];

	pattern(id, words);
	assert_int_equal(mafs_pool_fill(pool, layout, 0, UNIT, &added), 0);
	mafs_layout_done(&added);
	assert_int_equal(mafs_pool_write(pool, layout, words, UNIT, 0), 0);
	device_lines_evict(scene->master.mapping, &scene->seed);
	assert_int_equal(mafs_pool_flush(pool, layout, 0, UNIT), 0);
	log_file(scene, id, layout);
}

struct reuse {
	struct scene scene;
	struct mafs_layout layout; /* the master's, of file 1 */
};

/* File 1 goes, and file 2 gets its bytes. */
static void reuse_extent(void *context)
{
	struct reuse *reuse = context;
	struct scene *scene = &reuse->scene;
	struct mafs_layout none = {}, other = {};

	log_file(scene, 1, &none);
	mafs_pool_give(scene->master.pool, &reuse->layout, false);
	assert_int_equal(mafs_pool_settle(scene->master.pool), 0);
	make_file(scene, 2, &other);
	assert_int_equal(other.runs[0].offset, reuse->layout.runs[0].offset);
	mafs_layout_done(&other);
}

struct client_file {
	struct mafs_log_reader *reader;
	struct mafs_layout layout; /* of file 1 */
	uint64_t epoch;
};

static void client_catch_up(struct scene *scene, struct client_file *file)
{
	struct mafs_fault fault = MAFS_FAULT_INIT;
	struct mafs_entry entry;
	int err;

	while ((err = mafs_log_reader_next(file->reader, &entry, NULL,
					   &fault)) == 1) {
		if (entry.type == MAFS_OMF_EXTENTS && entry.extents.id == 1) {
			mafs_layout_done(&file->layout);
			assert_ok(mafs_layout_from_map(scene->client.pool,
						       &entry.extents.map,
						       &file->layout, &fault),
				  &fault);
		}
		mafs_entry_done(&entry);
	}
	assert_ok(err, &fault);
}

/* As the contract of the free epoch says. */
static void client_read(struct scene *scene, struct client_file *file,
			uint64_t words[UNIT / 8])
{
	struct mafs_device *device = mafs_pool_device(scene->client.pool, 0);

	for (;;) {
		uint64_t epoch = mafs_device_free_epoch(device);

		if (epoch != file->epoch) {
			client_catch_up(scene, file);
			file->epoch = epoch;
		}
		mafs_pool_invalidate(scene->client.pool, &file->layout, 0,
				     UNIT);
		assert_int_equal(mafs_pool_read(scene->client.pool,
						&file->layout, words, UNIT, 0),
				 0);
		if (mafs_device_free_epoch(device) == epoch)
			return;
	}
}

static void test_client_never_reads_anothers_bytes(void **state)
{
	uint64_t mine[UNIT / 8], words[UNIT / 8];
	static const uint64_t zeros[UNIT / 8];
	bool called = true;
	unsigned n;

	pattern(1, mine);
	for (n = 1; called; n++) {
		struct reuse reuse = {};
		struct scene *scene = &reuse.scene;
		struct client_file file = { .epoch = UINT64_MAX };

		scene_begin(scene);
		make_file(scene, 1, &reuse.layout);
		assert_int_equal(mafs_log_reader_open(scene->client.media,
						      &file.reader, NULL, NULL),
				 0);
		client_read(scene, &file, words);
		assert_memory_equal(words, mine, UNIT);
		device_lines_call_at(scene->lines, n, reuse_extent, &reuse);
		for (int i = 0; i < 3; i++) {
			client_read(scene, &file, words);
			assert_true(!memcmp(words, mine, UNIT) ||
				    !memcmp(words, zeros, UNIT));
		}
		called = device_lines_called(scene->lines);
		if (called && n > 1)
			assert_memory_equal(words, zeros, UNIT);
		device_lines_call_at(scene->lines, 0, NULL, NULL);
		mafs_log_reader_close(file.reader);
		mafs_layout_done(&file.layout);
		mafs_layout_done(&reuse.layout);
		scene_done(scene);
	}
	assert_true(n > 5);
}

static void test_client_sees_pulse_words_at_once(void **state)
{
	_cleanup_scene_ struct scene scene;
	struct mafs_device *master, *client;

	scene_begin(&scene);
	master = mafs_pool_device(scene.master.pool, 0);
	client = mafs_pool_device(scene.client.pool, 0);
	for (uint64_t i = 1; i < 4; i++) {
		assert_int_equal(mafs_device_heartbeat_beat(master), 0);
		assert_int_equal(mafs_device_heartbeat(client), i);
		assert_int_equal(mafs_device_master_epoch_set(master, i * 10),
				 0);
		assert_int_equal(mafs_device_master_epoch(client), i * 10);
		assert_int_equal(mafs_device_free_epoch_raise(master), 0);
		assert_int_equal(mafs_device_free_epoch(client), i);
	}
	assert_int_equal(mafs_device_heartbeat_beat(client), -EROFS);
	assert_int_equal(mafs_device_master_epoch_set(client, 1), -EROFS);
	assert_int_equal(mafs_device_free_epoch_raise(client), -EROFS);
}

static void test_client_stores_nothing(void **state)
{
	_cleanup_scene_ struct scene scene;
	struct mafs_media *media;
	struct mafs_layout layout = {}, added = {};

	scene_begin(&scene);
	media = scene.client.media;
	assert_int_equal(media->ops->write(media, MAFS_REGION_LOG_A, 0, "x", 1),
			 -EROFS);
	assert_int_equal(media->ops->write(media, MAFS_REGION_SUPERBLOCK, 0,
					   "x", 1),
			 -EROFS);
	assert_int_equal(media->ops->truncate(media, MAFS_REGION_LOG_A, 0),
			 -EROFS);
	assert_int_equal(mafs_pool_fill(scene.client.pool, &layout, 0, 1,
					&added),
			 -ENOSPC);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			test_client_follows_across_growing_and_cut_chains),
		cmocka_unit_test(
			test_client_that_is_overtaken_at_any_look_catches_up),
		cmocka_unit_test(test_client_never_reads_anothers_bytes),
		cmocka_unit_test(test_client_sees_pulse_words_at_once),
		cmocka_unit_test(test_client_stores_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
