// SPDX-License-Identifier: Apache-2.0
/*
 * Crashes at every store, flush and truncate of a log's life, with every order
 * and tearing of what was not flushed that media_fault knows.
 *
 * Entry n has id n and sequence n; a checkpoint holds a map of each id up to
 * its sequence. So whatever lap a replay is given, live files and entries
 * together are 1 to k without a gap, and k is at least what was acknowledged.
 */
#include "log_fixture.h"
#include "media_fault.h"

#include <errno.h>
#include <mafs/cleanup.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

struct life {
	struct mafs_log *log;
	uint64_t n_acknowledged;
	uint64_t n_tried;
};

static int live_append(struct life *life)
{
	int err;

	life->n_tried = life->n_acknowledged + 1;
	err = t_append(life->log, life->n_tried);
	if (!err)
		life->n_acknowledged = life->n_tried;
	return err;
}

static int emit_all(void *context, mafs_log_emit_fn *emit, void *emit_context)
{
	struct life *life = context;
	uint64_t n_live = life->n_acknowledged;

	for (uint64_t id = 1; id <= n_live; id++) {
		struct mafs_entry entry = t_map(id);
		int err = emit(emit_context, &entry);

		if (err)
			return err;
	}
	/* Beside the checkpoint. */
	for (int i = 0; i < 2; i++) {
		int err = live_append(life);

		if (err)
			return err;
	}
	return 0;
}

/* Appends, and three checkpoints, so that each slot holds old laps. */
static void live(struct life *life)
{
	for (int lap = 0; lap < 3; lap++) {
		for (int i = 0; i < 3; i++)
			if (live_append(life))
				return;
		if (mafs_log_checkpoint(life->log, emit_all, life, NULL))
			return;
		if (live_append(life))
			return;
	}
}

static uint64_t assert_history(struct mafs_media *media, uint64_t n_min,
			       uint64_t n_max)
{
	_cleanup_replayed_ struct t_replayed replayed = t_replay(media);
	uint64_t n = replayed.n_live + replayed.n_ids;

	assert_int_equal(replayed.result, 0);
	assert_int_equal(replayed.end.seq, n);
	assert_in_range(n, n_min, n_max);
	for (size_t i = 0; i < replayed.n_ids; i++)
		assert_int_equal(replayed.ids[i], replayed.n_live + i + 1);
	return n;
}

/* The log that a crash left is complete and can be gone on with. */
static void check_image(struct media_memory *image, const struct life *crashed)
{
	struct life life = {};

	life.n_acknowledged = assert_history(
		&image->media, crashed->n_acknowledged, crashed->n_tried);
	life.log = t_log_open(&image->media);
	live(&life);
	mafs_log_close(life.log);
	assert_int_equal(life.n_acknowledged, life.n_tried);
	assert_history(&image->media, life.n_acknowledged, life.n_acknowledged);
}

/* Stops the life at its @n-th operation. Return: whether it came so far. */
static bool crash_at(struct media_memory *formatted, unsigned n)
{
	struct media_fault *fault = media_fault_new(formatted);
	struct life life = {};
	bool hit;

	life.log = t_log_open(media_fault_media(fault));
	media_fault_stop_at(fault, n, -EIO);
	live(&life);
	mafs_log_close(life.log);
	hit = media_fault_hit(fault);
	for (int how = 0; how < N_CRASHES; how++) {
		_cleanup_media_memory_ struct media_memory *image =
			media_fault_crash(fault, (enum media_fault_crash)how);

		check_image(image, &life);
	}
	media_fault_free(fault);
	return hit;
}

static void crash_everywhere(size_t slot_bytes)
{
	_cleanup_media_memory_ struct media_memory *formatted =
		media_memory_new(slot_bytes);
	unsigned n = 1;

	t_log_format(&formatted->media, slot_bytes);
	while (crash_at(formatted, n))
		n++;
	assert_true(n > 60);
}

static void test_crash_anywhere_leaves_all_that_was_acknowledged(void **state)
{
	crash_everywhere(0);
}

static void
test_crash_anywhere_in_slots_with_old_laps_does_as_well(void **state)
{
	crash_everywhere(16384);
}

/* A crash while the log is opened after a crash. */
static void test_crash_while_opening_leaves_the_log(void **state)
{
	_cleanup_media_memory_ struct media_memory *formatted =
		media_memory_new(16384);

	t_log_format(&formatted->media, 16384);
	for (unsigned n = 1; n < 60; n++) {
		struct media_fault *fault = media_fault_new(formatted);
		_cleanup_media_memory_ struct media_memory *image = NULL;
		struct life life = {};
		bool hit = true;

		life.log = t_log_open(media_fault_media(fault));
		media_fault_stop_at(fault, n, -EIO);
		live(&life);
		mafs_log_close(life.log);
		image = media_fault_crash(fault, CRASH_FRONT_HALF);
		media_fault_free(fault);
		for (unsigned m = 1; hit; m++) {
			_cleanup_replayed_ struct t_replayed replayed =
				t_replay(&image->media);
			struct mafs_superblock sb;
			struct mafs_log *log = NULL;

			assert_int_equal(mafs_superblock_read(&image->media,
							      &sb, NULL, NULL),
					 0);
			fault = media_fault_new(image);
			media_fault_stop_at(fault, m, -EIO);
			(void)mafs_log_open(media_fault_media(fault), &sb,
					    &replayed.end, &log, NULL);
			mafs_log_close(log);
			hit = media_fault_hit(fault);
			for (int how = 0; how < N_CRASHES; how++) {
				_cleanup_media_memory_ struct media_memory
					*again = media_fault_crash(
						fault,
						(enum media_fault_crash)how);

				check_image(again, &life);
			}
			media_fault_free(fault);
		}
	}
}

/* The batch after an unflushed one cannot be on the media without it: but if
 * a device lies about flushes, the log is refused, not read with a hole. */
static void test_batch_without_the_one_before_is_refused(void **state)
{
	_cleanup_media_memory_ struct media_memory *memory =
		media_memory_new(16384);
	struct mafs_log *log;
	uint64_t from, end;

	t_log_format(&memory->media, 16384);
	log = t_log_open(&memory->media);
	assert_int_equal(t_append(log, 1), 0);
	from = mafs_log_length(log);
	assert_int_equal(t_append(log, 2), 0);
	end = mafs_log_length(log);
	assert_int_equal(t_append(log, 3), 0);
	mafs_log_close(log);
	memset(memory->regions[MAFS_REGION_LOG_A].bytes + from, 0, end - from);
	_cleanup_replayed_ struct t_replayed replayed =
		t_replay(&memory->media);
	assert_int_equal(replayed.result, -EUCLEAN);
	assert_int_equal(replayed.fault.media_offset, from);
}

/* The image of a crash between the first `switch` and the flip. */
static struct media_memory *crash_behind_switch(struct media_memory *formatted)
{
	for (unsigned n = 1;; n++) {
		struct media_fault *fault = media_fault_new(formatted);
		struct media_memory *image;
		struct life life = {};
		struct t_replayed replayed;

		life.log = t_log_open(media_fault_media(fault));
		media_fault_stop_at(fault, n, -EIO);
		live(&life);
		mafs_log_close(life.log);
		image = media_fault_crash(fault, CRASH_NONE);
		media_fault_free(fault);
		replayed = t_replay(&image->media);
		t_replayed_done(&replayed);
		/* Led to slot B with what is live only as entries. */
		if (replayed.end.region == MAFS_REGION_LOG_B)
			return image;
		media_memory_free(image);
	}
}

/* What was copied was flushed before the `switch`: its lack is no torn tail. */
static void test_tail_missing_behind_a_switch_is_corruption(void **state)
{
	_cleanup_media_memory_ struct media_memory *formatted =
		media_memory_new(0);
	_cleanup_media_memory_ struct media_memory *image = NULL;
	struct mafs_buffer *slot;

	t_log_format(&formatted->media, 0);
	image = crash_behind_switch(formatted);
	slot = &image->regions[MAFS_REGION_LOG_B];
	slot->bytes[slot->len - 20] ^= 1;
	{
		_cleanup_replayed_ struct t_replayed replayed =
			t_replay(&image->media);

		assert_int_equal(replayed.n_live, 0);
		assert_int_equal(replayed.result, -EBADMSG);
		assert_non_null(strstr(replayed.fault.what, "log slot B"));
	}
	slot->len = 200;
	_cleanup_replayed_ struct t_replayed replayed = t_replay(&image->media);
	assert_int_equal(replayed.result, -EUCLEAN);
}

/* With only the older superblock copy left, the log is still found. */
static void test_either_superblock_copy_leads_to_the_log(void **state)
{
	_cleanup_media_memory_ struct media_memory *memory =
		media_memory_new(0);
	struct life life = {};

	t_log_format(&memory->media, 0);
	life.log = t_log_open(&memory->media);
	live(&life);
	mafs_log_close(life.log);
	for (int i = 0; i < 2; i++) {
		uint8_t *copy = memory->regions[MAFS_REGION_SUPERBLOCK].bytes +
				(size_t)i * MAFS_OMF_SB_SIZE;

		copy[100] ^= 1;
		assert_history(&memory->media, life.n_acknowledged,
			       life.n_acknowledged);
		copy[100] ^= 1;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			test_crash_anywhere_leaves_all_that_was_acknowledged),
		cmocka_unit_test(
			test_crash_anywhere_in_slots_with_old_laps_does_as_well),
		cmocka_unit_test(test_crash_while_opening_leaves_the_log),
		cmocka_unit_test(test_batch_without_the_one_before_is_refused),
		cmocka_unit_test(
			test_tail_missing_behind_a_switch_is_corruption),
		cmocka_unit_test(test_either_superblock_copy_leads_to_the_log),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
