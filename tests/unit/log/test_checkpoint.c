// SPDX-License-Identifier: Apache-2.0
/* ctest: labels=tsan */
#include "log_fixture.h"
#include "media_fault.h"

#include <errno.h>
#include <mafs/cleanup.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <string.h>

#include <cmocka.h>

/* Live files 1 to n; @during is appended while the checkpoint runs. */
struct live {
	uint64_t n_live;
	uint64_t n_during;
	uint64_t next_id;
	uint64_t n_appended; /* acknowledged */
	struct mafs_log *log;
	int err;
};

static int emit_live(void *context, mafs_log_emit_fn *emit, void *emit_context)
{
	struct live *live = context;

	for (uint64_t id = 1; id <= live->n_live; id++) {
		struct mafs_entry entry = t_map(id);
		int err = emit(emit_context, &entry);

		if (err)
			return err;
	}
	for (uint64_t i = 0; i < live->n_during; i++) {
		int err = t_append(live->log, live->next_id++);

		if (err)
			return err;
		live->n_appended++;
	}
	return live->err;
}

static void test_checkpoint_replaces_what_was_before(void **state)
{
	_cleanup_media_memory_ struct media_memory *memory =
		media_memory_new(0);
	struct live live = { .n_live = 3 };
	struct mafs_log *log;

	t_log_format(&memory->media, 0);
	log = t_log_open(&memory->media);
	for (uint64_t id = 1; id <= 50; id++)
		assert_int_equal(t_append(log, id), 0);
	assert_int_equal(mafs_log_checkpoint(log, emit_live, &live, NULL), 0);
	assert_int_equal(t_append(log, 51), 0);
	mafs_log_close(log);
	_cleanup_replayed_ struct t_replayed replayed =
		t_replay(&memory->media);
	assert_int_equal(replayed.result, 0);
	assert_int_equal(replayed.n_live, 3);
	assert_int_equal(replayed.n_ids, 1);
	assert_int_equal(replayed.ids[0], 51);
	assert_int_equal(replayed.end.seq, 51);
	assert_int_equal(replayed.end.region, MAFS_REGION_LOG_B);
	/* The old slot's space is free. */
	assert_int_equal(memory->regions[MAFS_REGION_LOG_A].len, 0);
}

static void test_entries_appended_meanwhile_are_copied(void **state)
{
	_cleanup_media_memory_ struct media_memory *memory =
		media_memory_new(0);
	struct live live = { .n_live = 2, .n_during = 5000, .next_id = 100 };
	struct mafs_log *log;

	t_log_format(&memory->media, 0);
	log = t_log_open(&memory->media);
	live.log = log;
	assert_int_equal(t_append(log, 1), 0);
	assert_int_equal(mafs_log_checkpoint(log, emit_live, &live, NULL), 0);
	assert_int_equal(t_append(log, 99), 0);
	mafs_log_close(log);
	_cleanup_replayed_ struct t_replayed replayed =
		t_replay(&memory->media);
	assert_int_equal(replayed.result, 0);
	assert_int_equal(replayed.n_live, 2);
	assert_int_equal(replayed.n_ids, 5001);
	for (uint64_t i = 0; i < 5000; i++)
		assert_int_equal(replayed.ids[i], 100 + i);
	assert_int_equal(replayed.end.seq, 5002);
}

static void test_large_checkpoint_has_many_batches(void **state)
{
	_cleanup_media_memory_ struct media_memory *memory =
		media_memory_new(0);
	struct live live = { .n_live = 30000 };
	struct mafs_log *log;

	t_log_format(&memory->media, 0);
	log = t_log_open(&memory->media);
	assert_int_equal(mafs_log_checkpoint(log, emit_live, &live, NULL), 0);
	mafs_log_close(log);
	/* Reopened: the bound on the tail is known again. */
	log = t_log_open(&memory->media);
	assert_false(mafs_log_wants_checkpoint(log));
	mafs_log_close(log);
	_cleanup_replayed_ struct t_replayed replayed =
		t_replay(&memory->media);
	assert_int_equal(replayed.result, 0);
	assert_int_equal(replayed.n_live, 30000);
	assert_true(replayed.end.batch_number > 5);
}

static int emit_long(void *context, mafs_log_emit_fn *emit, void *emit_context)
{
	struct mafs_entry small = t_map(1);
	int err = emit(emit_context, &small);

	if (!err)
		err = emit(emit_context, context);
	return err ? err : emit(emit_context, &small);
}

static void test_map_as_long_as_a_batch_is_checkpointed(void **state)
{
	_cleanup_media_memory_ struct media_memory *memory =
		media_memory_new(0);
	size_t n_extents = MAFS_OMF_BATCH_MAX / 32 - 16;
	struct mafs_extent *extents = calloc(n_extents, sizeof(*extents));
	struct mafs_entry long_map = t_map(2);
	struct mafs_log *log;

	assert_non_null(extents);
	for (size_t i = 0; i < n_extents; i++)
		extents[i] = (struct mafs_extent){ { { 1 } }, 0, 1 };
	long_map.map.map = (struct mafs_map){ extents, n_extents };
	t_log_format(&memory->media, 0);
	log = t_log_open(&memory->media);
	assert_int_equal(mafs_log_checkpoint(log, emit_long, &long_map, NULL),
			 0);
	mafs_log_close(log);
	free(extents);
	_cleanup_replayed_ struct t_replayed replayed =
		t_replay(&memory->media);
	assert_int_equal(replayed.result, 0);
	assert_int_equal(replayed.n_live, 3);
}

static void test_error_of_the_live_function_leaves_the_old_log(void **state)
{
	_cleanup_media_memory_ struct media_memory *memory =
		media_memory_new(0);
	struct live live = { .n_live = 9, .err = -ENOMEM };
	struct mafs_log *log;

	t_log_format(&memory->media, 0);
	log = t_log_open(&memory->media);
	assert_int_equal(t_append(log, 1), 0);
	assert_int_equal(mafs_log_checkpoint(log, emit_live, &live, NULL),
			 -ENOMEM);
	assert_int_equal(memory->regions[MAFS_REGION_LOG_B].len, 0);
	assert_int_equal(t_append(log, 2), 0);
	live.err = 0;
	assert_int_equal(mafs_log_checkpoint(log, emit_live, &live, NULL), 0);
	assert_int_equal(t_append(log, 3), 0);
	mafs_log_close(log);
	_cleanup_replayed_ struct t_replayed replayed =
		t_replay(&memory->media);
	assert_int_equal(replayed.n_live, 9);
	assert_int_equal(replayed.end.seq, 3);
}

static int emit_wrong(void *context, mafs_log_emit_fn *emit, void *emit_context)
{
	struct mafs_entry entry = t_writing(1);

	return emit(emit_context, &entry);
}

static void test_only_live_state_may_be_emitted(void **state)
{
	_cleanup_media_memory_ struct media_memory *memory =
		media_memory_new(0);
	struct mafs_log *log;

	t_log_format(&memory->media, 0);
	log = t_log_open(&memory->media);
	assert_int_equal(mafs_log_checkpoint(log, emit_wrong, NULL, NULL),
			 -EINVAL);
	mafs_log_close(log);
}

static int emit_checkpoint(void *context, mafs_log_emit_fn *emit,
			   void *emit_context)
{
	struct live live = {};

	assert_int_equal(mafs_log_checkpoint(context, emit_live, &live, NULL),
			 -EBUSY);
	return 0;
}

static void test_second_checkpoint_meanwhile_is_busy(void **state)
{
	_cleanup_media_memory_ struct media_memory *memory =
		media_memory_new(0);
	struct mafs_log *log;

	t_log_format(&memory->media, 0);
	log = t_log_open(&memory->media);
	assert_int_equal(mafs_log_checkpoint(log, emit_checkpoint, log, NULL),
			 0);
	mafs_log_close(log);
}

static void
test_live_state_larger_than_the_slot_leaves_the_old_log(void **state)
{
	_cleanup_media_memory_ struct media_memory *memory =
		media_memory_new(8192);
	struct live live = { .n_live = 1000 };
	struct mafs_log *log;

	t_log_format(&memory->media, 8192);
	log = t_log_open(&memory->media);
	assert_int_equal(mafs_log_checkpoint(log, emit_live, &live, NULL),
			 -ENOSPC);
	assert_int_equal(t_append(log, 1), 0);
	mafs_log_close(log);
}

struct damage {
	struct media_memory *memory;
	struct mafs_log *log;
	uint64_t at;
};

static int append_and_damage(void *context, mafs_log_emit_fn *emit,
			     void *emit_context)
{
	struct damage *damage = context;

	damage->at = mafs_log_length(damage->log);
	assert_int_equal(t_append(damage->log, 1), 0);
	damage->memory->regions[MAFS_REGION_LOG_A].bytes[damage->at + 50] ^= 1;
	return 0;
}

/* What is damaged in the log must not get a new checksum. */
static void test_damaged_tail_is_not_copied(void **state)
{
	_cleanup_media_memory_ struct media_memory *memory =
		media_memory_new(0);
	struct mafs_fault fault = MAFS_FAULT_INIT;
	struct damage damage = { .memory = memory };

	t_log_format(&memory->media, 0);
	damage.log = t_log_open(&memory->media);
	assert_int_equal(mafs_log_checkpoint(damage.log, append_and_damage,
					     &damage, &fault),
			 -EBADMSG);
	assert_int_equal(fault.media_offset, damage.at);
	mafs_log_close(damage.log);
}

/* Each operation fails alone: what follows is said in checkpoint.c. */
static void test_each_media_error_leaves_a_log_or_breaks_it(void **state)
{
	_cleanup_media_memory_ struct media_memory *memory =
		media_memory_new(0);
	unsigned n = 1, n_broken = 0, n_old = 0;
	bool hit = true;

	t_log_format(&memory->media, 0);
	for (; hit; n++) {
		struct media_fault *fault = media_fault_new(memory);
		struct mafs_log *log = t_log_open(media_fault_media(fault));
		struct live live = {
			.n_live = 3, .n_during = 2, .next_id = 2, .log = log
		};
		uint64_t n_appended;
		int err, append_err;

		assert_int_equal(t_append(log, 1), 0);
		media_fault_fail_at(fault, n, -EIO);
		err = mafs_log_checkpoint(log, emit_live, &live, NULL);
		hit = media_fault_hit(fault);
		media_fault_fail_at(fault, 0, 0);
		append_err = t_append(log, 4);
		assert_true(!append_err || append_err == -EIO);
		/* Broken only with an error. */
		assert_true(!append_err || err);
		n_broken += append_err != 0;
		n_old += err && !append_err;
		n_appended = 1 + live.n_appended + !append_err;
		mafs_log_close(log);
		{
			_cleanup_replayed_ struct t_replayed replayed =
				t_replay(media_fault_media(fault));

			assert_int_equal(replayed.result, 0);
			assert_true(replayed.end.seq >= n_appended);
		}
		/* And it can be gone on with. */
		log = t_log_open(media_fault_media(fault));
		assert_int_equal(t_append(log, 5), 0);
		mafs_log_close(log);
		media_fault_free(fault);
	}
	assert_true(n_old >= 3);
	assert_true(n_broken >= 6);
}

struct beside {
	struct mafs_log *log;
	atomic_bool stop;
	uint64_t n_appended;
};

static void *append_beside(void *context)
{
	struct beside *beside = context;

	while (!atomic_load(&beside->stop) &&
	       !t_append(beside->log, beside->n_appended + 1))
		beside->n_appended++;
	return NULL;
}

static void test_appends_beside_checkpoints_lose_nothing(void **state)
{
	_cleanup_media_memory_ struct media_memory *memory =
		media_memory_new(0);
	struct beside besides[3] = {};
	pthread_t threads[3];
	struct live live = { .n_live = 10 };
	struct t_replayed replayed = { .fault = MAFS_FAULT_INIT };
	struct mafs_log_reader *reader;
	struct mafs_log *log;
	uint64_t n_appended = 0, n_live = 0;

	t_log_format(&memory->media, 0);
	log = t_log_open(&memory->media);
	for (size_t i = 0; i < 3; i++) {
		besides[i].log = log;
		assert_int_equal(pthread_create(&threads[i], NULL,
						append_beside, &besides[i]),
				 0);
	}
	for (int i = 0; i < 200; i++)
		assert_int_equal(
			mafs_log_checkpoint(log, emit_live, &live, NULL), 0);
	for (size_t i = 0; i < 3; i++)
		atomic_store(&besides[i].stop, true);
	for (size_t i = 0; i < 3; i++) {
		pthread_join(threads[i], NULL);
		n_appended += besides[i].n_appended;
	}
	mafs_log_close(log);
	assert_int_equal(
		mafs_log_reader_open(&memory->media, &reader, NULL, NULL), 0);
	t_read_on(reader, &replayed);
	n_live = replayed.n_live;
	assert_int_equal(replayed.result, 0);
	assert_int_equal(n_live, 10);
	assert_int_equal(replayed.end.seq, n_appended);
	t_replayed_done(&replayed);
	mafs_log_reader_close(reader);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_checkpoint_replaces_what_was_before),
		cmocka_unit_test(test_entries_appended_meanwhile_are_copied),
		cmocka_unit_test(test_large_checkpoint_has_many_batches),
		cmocka_unit_test(test_map_as_long_as_a_batch_is_checkpointed),
		cmocka_unit_test(
			test_error_of_the_live_function_leaves_the_old_log),
		cmocka_unit_test(test_only_live_state_may_be_emitted),
		cmocka_unit_test(test_second_checkpoint_meanwhile_is_busy),
		cmocka_unit_test(
			test_live_state_larger_than_the_slot_leaves_the_old_log),
		cmocka_unit_test(test_damaged_tail_is_not_copied),
		cmocka_unit_test(
			test_each_media_error_leaves_a_log_or_breaks_it),
		cmocka_unit_test(test_appends_beside_checkpoints_lose_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
