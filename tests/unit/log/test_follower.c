// SPDX-License-Identifier: Apache-2.0
/* ctest: labels=tsan */
#include "log_fixture.h"
#include "media_memory.h"

#include <errno.h>
#include <mafs/cleanup.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <string.h>

#include <cmocka.h>

#define SLOT_BYTES 65536

static int emit_one(void *context, mafs_log_emit_fn *emit, void *emit_context)
{
	struct mafs_entry entry = t_map(1);

	return emit(emit_context, &entry);
}

struct following {
	struct media_memory *memory;
	struct mafs_log *log;
	struct mafs_log_reader *reader;
	struct t_replayed got;
	uint64_t n_appended;
};

static struct following begin(size_t slot_bytes)
{
	struct following following = { .got = { .fault = MAFS_FAULT_INIT } };

	following.memory = media_memory_new(slot_bytes);
	t_log_format(&following.memory->media, slot_bytes);
	following.log = t_log_open(&following.memory->media);
	assert_int_equal(mafs_log_reader_open(&following.memory->media,
					      &following.reader, NULL, NULL),
			 0);
	return following;
}

static void following_done(struct following *following)
{
	mafs_log_close(following->log);
	mafs_log_reader_close(following->reader);
	t_replayed_done(&following->got);
	media_memory_free(following->memory);
}
#define _cleanup_following_ _cleanup_(following_done)

static void append(struct following *following, size_t n)
{
	for (; n; n--)
		assert_int_equal(
			t_append(following->log, ++following->n_appended), 0);
}

static void checkpoint(struct following *following)
{
	assert_int_equal(
		mafs_log_checkpoint(following->log, emit_one, NULL, NULL), 0);
}

/* All that was appended was handed out once, in order. */
static void assert_followed(struct following *following)
{
	t_read_on(following->reader, &following->got);
	assert_int_equal(following->got.result, 0);
	assert_int_equal(following->got.n_ids, following->n_appended);
	for (size_t i = 0; i < following->got.n_ids; i++)
		assert_int_equal(following->got.ids[i], i + 1);
	assert_int_equal(following->got.end.seq, following->n_appended);
	assert_int_equal(following->got.tail, MAFS_LOG_TAIL_CLEAN);
}

static void assert_stale(struct following *following)
{
	t_read_on(following->reader, &following->got);
	assert_int_equal(following->got.result, -ESTALE);
	t_read_on(following->reader, &following->got);
	assert_int_equal(following->got.result, -ESTALE);
}

static void test_follower_gets_what_was_appended_since(void **state)
{
	_cleanup_following_ struct following following = begin(0);

	for (size_t n = 0; n < 20; n++) {
		append(&following, n);
		assert_followed(&following);
	}
}

static void test_follower_across_1000_checkpoints_gets_each_once(void **state)
{
	_cleanup_following_ struct following following = begin(SLOT_BYTES);

	for (size_t n = 0; n < 1000; n++) {
		append(&following, n % 4);
		if (n % 3 == 0)
			assert_followed(&following);
		checkpoint(&following);
		append(&following, n % 3);
		if (n % 2 == 0)
			t_read_on(following.reader, &following.got);
		append(&following, n % 2);
		assert_followed(&following);
	}
}

/* On tmpfs the old slot is given back at once, with its `switch`. */
static void
test_follower_that_had_all_goes_on_in_a_slot_given_back(void **state)
{
	_cleanup_following_ struct following following = begin(0);

	for (size_t n = 0; n < 1000; n++) {
		append(&following, n % 4);
		assert_followed(&following);
		checkpoint(&following);
		append(&following, n % 3);
		assert_followed(&following);
	}
}

static void test_follower_that_missed_entries_is_stale(void **state)
{
	_cleanup_following_ struct following following = begin(0);

	append(&following, 3);
	assert_followed(&following);
	append(&following, 1);
	checkpoint(&following);
	assert_stale(&following);
}

static void test_follower_overtaken_twice_is_stale(void **state)
{
	_cleanup_following_ struct following following = begin(SLOT_BYTES);

	append(&following, 3);
	assert_followed(&following);
	append(&following, 1);
	checkpoint(&following);
	checkpoint(&following);
	assert_stale(&following);
}

static void
test_follower_overtaken_twice_that_missed_nothing_goes_on(void **state)
{
	_cleanup_following_ struct following following = begin(SLOT_BYTES);

	append(&following, 3);
	assert_followed(&following);
	checkpoint(&following);
	checkpoint(&following);
	append(&following, 2);
	assert_followed(&following);
}

static void test_reader_overtaken_in_its_first_checkpoint_is_stale(void **state)
{
	_cleanup_following_ struct following following = begin(0);
	struct mafs_entry entry;

	assert_int_equal(
		mafs_log_reader_next(following.reader, &entry, NULL, NULL), 1);
	checkpoint(&following);
	assert_stale(&following);
}

static void test_follower_of_a_device_formatted_anew_is_stale(void **state)
{
	_cleanup_following_ struct following following = begin(SLOT_BYTES);
	struct mafs_superblock sb = { .fs_uuid = { { 9 } } };

	append(&following, 3);
	assert_followed(&following);
	assert_int_equal(mafs_log_format(&following.memory->media, &sb, NULL),
			 0);
	assert_stale(&following);
}

static void test_half_stored_batch_is_read_when_it_is_whole(void **state)
{
	_cleanup_following_ struct following following = begin(SLOT_BYTES);
	uint8_t *bytes = following.memory->regions[MAFS_REGION_LOG_A].bytes;
	uint8_t whole[256];
	uint64_t from, len;

	append(&following, 1);
	from = mafs_log_length(following.log);
	append(&following, 1);
	len = mafs_log_length(following.log) - from;
	memcpy(whole, bytes + from, len);
	memset(bytes + from, 0, len);
	/* The upper seven bytes of the id, the last ones, are zeros anyway. */
	for (uint64_t stored = 0; stored < len - 7; stored++) {
		memcpy(bytes + from, whole, stored);
		t_read_on(following.reader, &following.got);
		assert_int_equal(following.got.result, 0);
		assert_int_equal(following.got.n_ids, 1);
		assert_int_equal(following.got.tail,
				 stored ? MAFS_LOG_TAIL_TORN :
					  MAFS_LOG_TAIL_CLEAN);
	}
	memcpy(bytes + from, whole, len);
	t_read_on(following.reader, &following.got);
	assert_int_equal(following.got.n_ids, 2);
}

/* Damage to what the follower waits for shows once a later batch is there. */
static void test_follower_meets_corruption(void **state)
{
	_cleanup_following_ struct following following = begin(SLOT_BYTES);
	uint64_t from;

	append(&following, 1);
	assert_followed(&following);
	from = mafs_log_length(following.log);
	append(&following, 2);
	following.memory->regions[MAFS_REGION_LOG_A].bytes[from + 40] ^= 1;
	t_read_on(following.reader, &following.got);
	assert_int_equal(following.got.result, -EBADMSG);
	assert_int_equal(following.got.fault.media_offset, from);
	assert_int_equal(following.got.n_ids, 1);
}

struct beside {
	struct following *following;
	atomic_ullong n_appended;
	atomic_ullong n_followed;
	atomic_bool done;
};

/* A checkpoint only when the follower has come into the lap before it. */
static void *write_beside(void *context)
{
	struct beside *beside = context;
	struct following *following = beside->following;
	uint64_t lap_began = 0;

	for (int i = 0; i < 4000; i++) {
		append(following, 1);
		atomic_store(&beside->n_appended, following->n_appended);
		if (i % 40)
			continue;
		while (atomic_load(&beside->n_followed) <= lap_began)
			sched_yield();
		lap_began = following->n_appended;
		checkpoint(following);
	}
	atomic_store(&beside->done, true);
	return NULL;
}

static void test_follower_beside_a_writer_gets_each_once(void **state)
{
	_cleanup_following_ struct following following = begin(SLOT_BYTES);
	struct beside beside = { .following = &following };
	struct t_replayed *got = &following.got;
	pthread_t thread;
	bool done;

	assert_int_equal(pthread_create(&thread, NULL, write_beside, &beside),
			 0);
	do {
		done = atomic_load(&beside.done);
		t_read_on(following.reader, got);
		assert_int_equal(got->result, 0);
		atomic_store(&beside.n_followed, got->n_ids);
	} while (!done);
	pthread_join(thread, NULL);
	assert_followed(&following);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_follower_gets_what_was_appended_since),
		cmocka_unit_test(
			test_follower_across_1000_checkpoints_gets_each_once),
		cmocka_unit_test(
			test_follower_that_had_all_goes_on_in_a_slot_given_back),
		cmocka_unit_test(test_follower_that_missed_entries_is_stale),
		cmocka_unit_test(test_follower_overtaken_twice_is_stale),
		cmocka_unit_test(
			test_follower_overtaken_twice_that_missed_nothing_goes_on),
		cmocka_unit_test(
			test_reader_overtaken_in_its_first_checkpoint_is_stale),
		cmocka_unit_test(
			test_follower_of_a_device_formatted_anew_is_stale),
		cmocka_unit_test(
			test_half_stored_batch_is_read_when_it_is_whole),
		cmocka_unit_test(test_follower_meets_corruption),
		cmocka_unit_test(test_follower_beside_a_writer_gets_each_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
