// SPDX-License-Identifier: Apache-2.0
/* ctest: labels=tsan */
/* Appending in two steps: an order is taken first, waited for later. */
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

#define N_THREADS 6
#define N_EACH 400

static uint64_t submit(struct mafs_log *log, uint64_t id)
{
	struct mafs_entry entry = t_writing(id);
	uint64_t ticket = 0;

	assert_int_equal(mafs_log_submit(log, &entry, 1, &ticket), 0);
	return ticket;
}

static void assert_ids(struct mafs_media *media, uint64_t n_ids)
{
	_cleanup_replayed_ struct t_replayed replayed = t_replay(media);

	assert_int_equal(replayed.result, 0);
	assert_int_equal(replayed.n_ids, n_ids);
	assert_int_equal(replayed.end.seq, n_ids);
	for (size_t i = 0; i < n_ids; i++)
		assert_int_equal(replayed.ids[i], i + 1);
}

static void test_submitted_entries_are_stored_by_who_waits(void **state)
{
	_cleanup_media_memory_ struct media_memory *memory =
		media_memory_new(0);
	struct mafs_log *log;
	uint64_t first, last;

	t_log_format(&memory->media, 0);
	log = t_log_open(&memory->media);
	first = submit(log, 1);
	last = submit(log, 2);
	assert_true(first < last);
	assert_ids(&memory->media, 0);
	assert_int_equal(mafs_log_wait(log, last), 0);
	assert_ids(&memory->media, 2);
	/* Again, and for an earlier one: nothing is left to do. */
	assert_int_equal(mafs_log_wait(log, last), 0);
	assert_int_equal(mafs_log_wait(log, first), 0);
	mafs_log_close(log);
}

static void test_appended_and_submitted_entries_keep_one_order(void **state)
{
	_cleanup_media_memory_ struct media_memory *memory =
		media_memory_new(0);
	struct mafs_log *log;

	t_log_format(&memory->media, 0);
	log = t_log_open(&memory->media);
	for (uint64_t id = 1; id <= 99; id += 3) {
		submit(log, id);
		submit(log, id + 1);
		assert_int_equal(t_append(log, id + 2), 0);
		assert_ids(&memory->media, id + 2);
	}
	mafs_log_close(log);
}

static void test_many_submitted_entries_take_few_batches(void **state)
{
	_cleanup_media_memory_ struct media_memory *memory =
		media_memory_new(0);
	const uint64_t n_entries = 100000; /* of 32 bytes */
	uint64_t ticket = 0;
	struct mafs_log *log;

	t_log_format(&memory->media, 0);
	log = t_log_open(&memory->media);
	for (uint64_t id = 1; id <= n_entries; id++)
		ticket = submit(log, id);
	assert_int_equal(mafs_log_wait(log, ticket), 0);
	mafs_log_close(log);
	assert_ids(&memory->media, n_entries);
	_cleanup_replayed_ struct t_replayed replayed =
		t_replay(&memory->media);
	assert_in_range(replayed.end.batch_number, 3, 2 + 5);
}

static void test_what_was_not_waited_for_may_be_lost(void **state)
{
	_cleanup_media_memory_ struct media_memory *memory =
		media_memory_new(0);
	struct mafs_log *log;

	t_log_format(&memory->media, 0);
	log = t_log_open(&memory->media);
	assert_int_equal(t_append(log, 1), 0);
	submit(log, 2);
	mafs_log_close(log);
	assert_ids(&memory->media, 1);
	/* The sequence is given once more. */
	log = t_log_open(&memory->media);
	assert_int_equal(submit(log, 2), 2);
	assert_int_equal(mafs_log_wait(log, 2), 0);
	mafs_log_close(log);
	assert_ids(&memory->media, 2);
}

static void test_refused_entries_leave_no_gap(void **state)
{
	_cleanup_media_memory_ struct media_memory *memory =
		media_memory_new(0);
	struct mafs_entry wrong = { .type = MAFS_OMF_CHECKPOINT_END };
	struct mafs_entry entries[] = { t_writing(2), wrong };
	uint64_t ticket = 77;
	struct mafs_log *log;

	t_log_format(&memory->media, 0);
	log = t_log_open(&memory->media);
	submit(log, 1);
	assert_int_equal(mafs_log_submit(log, entries, 2, &ticket), -EINVAL);
	assert_int_equal(mafs_log_submit(log, NULL, 0, &ticket), -EINVAL);
	assert_int_equal(ticket, 77);
	assert_int_equal(mafs_log_wait(log, submit(log, 2)), 0);
	mafs_log_close(log);
	assert_ids(&memory->media, 2);
}

static void test_a_full_slot_refuses_before_it_promises(void **state)
{
	const size_t slot_bytes = 4096;
	_cleanup_media_memory_ struct media_memory *memory =
		media_memory_new(slot_bytes);
	uint64_t id = 0, ticket = 0;
	struct mafs_log *log;
	int err;

	t_log_format(&memory->media, slot_bytes);
	log = t_log_open(&memory->media);
	for (;;) {
		struct mafs_entry entry = t_writing(id + 1);

		err = mafs_log_submit(log, &entry, 1, &ticket);
		if (err)
			break;
		id++;
	}
	assert_int_equal(err, -ENOSPC);
	assert_int_equal(mafs_log_wait(log, ticket), 0);
	assert_ids(&memory->media, id);
	mafs_log_close(log);
}

static int emit_many(void *context, mafs_log_emit_fn *emit, void *emit_context)
{
	const uint64_t *n_live = context;

	for (uint64_t id = 1; id <= *n_live; id++) {
		struct mafs_entry entry = t_map(id);
		int err = emit(emit_context, &entry);

		if (err)
			return err;
	}
	return 0;
}

/* A new lap that would not hold what is queued is not begun. */
static void test_a_checkpoint_leaves_room_for_what_is_queued(void **state)
{
	const size_t slot_bytes = 8192;
	_cleanup_media_memory_ struct media_memory *memory =
		media_memory_new(slot_bytes);
	uint64_t n_live = 20, ticket = 0, n_ids = 0;
	struct mafs_log *log;

	t_log_format(&memory->media, slot_bytes);
	log = t_log_open(&memory->media);
	while (n_ids < 150)
		ticket = submit(log, ++n_ids);
	assert_int_equal(mafs_log_checkpoint(log, emit_many, &n_live, NULL),
			 -ENOSPC);
	assert_int_equal(mafs_log_wait(log, ticket), 0);
	assert_ids(&memory->media, n_ids);
	n_live = 0;
	ticket = submit(log, ++n_ids);
	assert_int_equal(mafs_log_checkpoint(log, emit_many, &n_live, NULL), 0);
	assert_int_equal(mafs_log_wait(log, ticket), 0);
	mafs_log_close(log);
	_cleanup_replayed_ struct t_replayed replayed =
		t_replay(&memory->media);
	assert_int_equal(replayed.result, 0);
	assert_int_equal(replayed.end.seq, n_ids);
	assert_int_equal(replayed.n_ids, 1);
}

static void test_media_error_is_told_to_all_who_wait(void **state)
{
	_cleanup_media_memory_ struct media_memory *memory =
		media_memory_new(0);
	struct media_fault *fault;
	uint64_t stored, lost;
	struct mafs_entry entry = t_writing(9);
	struct mafs_log *log;

	t_log_format(&memory->media, 0);
	fault = media_fault_new(memory);
	log = t_log_open(media_fault_media(fault));
	stored = submit(log, 1);
	assert_int_equal(mafs_log_wait(log, stored), 0);
	lost = submit(log, 2);
	media_fault_fail_at(fault, 1, -ENOSPC);
	assert_int_equal(mafs_log_wait(log, lost), -EIO);
	assert_int_equal(mafs_log_wait(log, lost), -EIO);
	assert_int_equal(mafs_log_wait(log, stored), 0);
	assert_int_equal(mafs_log_submit(log, &entry, 1, &lost), -EIO);
	mafs_log_close(log);
	media_fault_free(fault);
}

static void test_superblock_says_when_a_checkpoint_is_due(void **state)
{
	_cleanup_media_memory_ struct media_memory *memory =
		media_memory_new(0);
	struct mafs_superblock sb = t_log_format(&memory->media, 0);
	struct mafs_log *log;
	uint64_t id = 0;

	sb.checkpoint_after_bytes = 4096;
	assert_int_equal(mafs_superblock_flip(&memory->media, &sb, NULL), 0);
	log = t_log_open(&memory->media);
	while (mafs_log_length(log) <= 4096) {
		assert_false(mafs_log_wants_checkpoint(log));
		assert_int_equal(t_append(log, ++id), 0);
	}
	while (!mafs_log_wants_checkpoint(log)) {
		assert_true(mafs_log_length(log) < 8192);
		assert_int_equal(t_append(log, ++id), 0);
	}
	mafs_log_close(log);
}

/* Each takes its place under a lock of its own, as a namespace does, and waits
 * without it. */
struct order {
	struct mafs_log *log;
	pthread_mutex_t lock;
	uint64_t next_id;
	atomic_int n_failed;
	atomic_bool stop;
};

static void *submit_in_order(void *context)
{
	struct order *order = context;

	for (size_t i = 0; i < N_EACH; i++) {
		struct mafs_entry entry;
		uint64_t ticket;
		int err;

		pthread_mutex_lock(&order->lock);
		entry = t_writing(order->next_id++);
		err = mafs_log_submit(order->log, &entry, 1, &ticket);
		pthread_mutex_unlock(&order->lock);
		if (!err && i % 3)
			err = mafs_log_wait(order->log, ticket);
		if (err)
			order->n_failed++;
	}
	return NULL;
}

static void *checkpoint_on_and_on(void *context)
{
	struct order *order = context;
	uint64_t n_live = 3;

	while (!order->stop)
		if (mafs_log_checkpoint(order->log, emit_many, &n_live, NULL))
			order->n_failed++;
	return NULL;
}

/* The last entry of the log has the last sequence, whatever checkpoints did
 * meanwhile; what a reader sees behind the checkpoint is in order. */
static void test_order_holds_beside_checkpoints(void **state)
{
	_cleanup_media_memory_ struct media_memory *memory =
		media_memory_new(0);
	struct order order = { .next_id = 1 };
	pthread_t threads[N_THREADS], checkpoints;

	t_log_format(&memory->media, 0);
	order.log = t_log_open(&memory->media);
	pthread_mutex_init(&order.lock, NULL);
	for (size_t i = 0; i < N_THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL,
						submit_in_order, &order),
				 0);
	assert_int_equal(pthread_create(&checkpoints, NULL,
					checkpoint_on_and_on, &order),
			 0);
	for (size_t i = 0; i < N_THREADS; i++)
		pthread_join(threads[i], NULL);
	order.stop = true;
	pthread_join(checkpoints, NULL);
	assert_int_equal(t_append(order.log, order.next_id), 0);
	mafs_log_close(order.log);
	assert_int_equal(order.n_failed, 0);
	_cleanup_replayed_ struct t_replayed replayed =
		t_replay(&memory->media);
	assert_int_equal(replayed.result, 0);
	assert_int_equal(replayed.end.seq, N_THREADS * N_EACH + 1);
	assert_true(replayed.n_ids >= 1);
	for (size_t i = 0; i < replayed.n_ids; i++)
		assert_int_equal(replayed.ids[i],
				 order.next_id - replayed.n_ids + 1 + i);
	pthread_mutex_destroy(&order.lock);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			test_submitted_entries_are_stored_by_who_waits),
		cmocka_unit_test(
			test_appended_and_submitted_entries_keep_one_order),
		cmocka_unit_test(test_many_submitted_entries_take_few_batches),
		cmocka_unit_test(test_what_was_not_waited_for_may_be_lost),
		cmocka_unit_test(test_refused_entries_leave_no_gap),
		cmocka_unit_test(test_a_full_slot_refuses_before_it_promises),
		cmocka_unit_test(
			test_a_checkpoint_leaves_room_for_what_is_queued),
		cmocka_unit_test(test_media_error_is_told_to_all_who_wait),
		cmocka_unit_test(test_superblock_says_when_a_checkpoint_is_due),
		cmocka_unit_test(test_order_holds_beside_checkpoints),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
