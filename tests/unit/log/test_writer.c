// SPDX-License-Identifier: Apache-2.0
/* ctest: labels=tsan */
#include "log_fixture.h"
#include "media_fault.h"

#include <errno.h>
#include <mafs/cleanup.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define N_THREADS 8
#define N_EACH 500

static void assert_ids(struct mafs_media *media, size_t n_ids)
{
	_cleanup_replayed_ struct t_replayed replayed = t_replay(media);

	assert_int_equal(replayed.result, 0);
	assert_int_equal(replayed.n_ids, n_ids);
	assert_int_equal(replayed.end.seq, n_ids);
	for (size_t i = 0; i < n_ids; i++)
		assert_int_equal(replayed.ids[i], i + 1);
}

static void test_appended_entries_are_read_back_in_order(void **state)
{
	_cleanup_media_memory_ struct media_memory *memory =
		media_memory_new(0);
	struct mafs_log *log;

	t_log_format(&memory->media, 0);
	log = t_log_open(&memory->media);
	for (uint64_t id = 1; id <= 100; id++)
		assert_int_equal(t_append(log, id), 0);
	assert_ids(&memory->media, 100);
	mafs_log_close(log);
}

static void test_reopened_log_goes_on_with_the_next_sequence(void **state)
{
	_cleanup_media_memory_ struct media_memory *memory =
		media_memory_new(0);

	t_log_format(&memory->media, 0);
	for (uint64_t id = 1; id <= 20; id++) {
		struct mafs_log *log = t_log_open(&memory->media);
		struct mafs_entry entry = t_writing(id);
		uint64_t seq = 0;

		assert_int_equal(mafs_log_append(log, &entry, 1, &seq), 0);
		assert_int_equal(seq, id);
		mafs_log_close(log);
	}
	assert_ids(&memory->media, 20);
}

static void test_entries_of_one_call_share_a_batch(void **state)
{
	_cleanup_media_memory_ struct media_memory *memory =
		media_memory_new(0);
	struct mafs_entry entries[] = { t_writing(1), t_writing(2),
					t_writing(3) };
	struct mafs_log *log;
	uint64_t seq;

	t_log_format(&memory->media, 0);
	log = t_log_open(&memory->media);
	assert_int_equal(mafs_log_append(log, entries, 3, &seq), 0);
	assert_int_equal(seq, 3);
	mafs_log_close(log);
	_cleanup_replayed_ struct t_replayed replayed =
		t_replay(&memory->media);
	assert_int_equal(replayed.n_ids, 3);
	assert_int_equal(replayed.end.batch_number, 3);
}

static void test_wrong_entries_are_refused_and_store_nothing(void **state)
{
	_cleanup_media_memory_ struct media_memory *memory =
		media_memory_new(0);
	struct mafs_entry begin = { .type = MAFS_OMF_CHECKPOINT_BEGIN };
	struct mafs_entry end = { .type = MAFS_OMF_CHECKPOINT_END };
	struct mafs_entry to = { .type = MAFS_OMF_SWITCH,
				 .log_switch = { 1, 1, 8, 1 } };
	struct mafs_log *log;
	uint64_t length, seq = 77;

	t_log_format(&memory->media, 0);
	log = t_log_open(&memory->media);
	length = mafs_log_length(log);
	assert_int_equal(mafs_log_append(log, &begin, 1, &seq), -EINVAL);
	assert_int_equal(mafs_log_append(log, &end, 1, &seq), -EINVAL);
	assert_int_equal(mafs_log_append(log, &to, 1, &seq), -EINVAL);
	assert_int_equal(mafs_log_append(log, NULL, 0, &seq), -EINVAL);
	assert_int_equal(seq, 77);
	assert_int_equal(mafs_log_length(log), length);
	assert_int_equal(t_append(log, 1), 0);
	mafs_log_close(log);
}

static void test_map_beyond_a_batch_is_refused(void **state)
{
	_cleanup_media_memory_ struct media_memory *memory =
		media_memory_new(0);
	size_t n_extents = MAFS_OMF_BATCH_MAX / sizeof(struct mafs_omf_extent);
	struct mafs_extent *extents = calloc(n_extents, sizeof(*extents));
	struct mafs_entry entry = t_map(1);
	struct mafs_log *log;

	assert_non_null(extents);
	for (size_t i = 0; i < n_extents; i++)
		extents[i] = (struct mafs_extent){ { { 1 } }, 0, 1 };
	entry.map.map =
		(struct mafs_map){ .extents = extents, .n_extents = n_extents };
	t_log_format(&memory->media, 0);
	log = t_log_open(&memory->media);
	assert_int_equal(mafs_log_append(log, &entry, 1, NULL), -EINVAL);
	entry.map.map.n_extents = n_extents - 16;
	assert_int_equal(mafs_log_append(log, &entry, 1, NULL), 0);
	mafs_log_close(log);
	free(extents);
	_cleanup_replayed_ struct t_replayed replayed =
		t_replay(&memory->media);
	assert_int_equal(replayed.result, 0);
	assert_int_equal(replayed.n_ids, 1);
}

static void test_full_fixed_slot_is_no_space_and_not_broken(void **state)
{
	const size_t slot_bytes = 4096;
	_cleanup_media_memory_ struct media_memory *memory =
		media_memory_new(slot_bytes);
	struct mafs_log *log;
	uint64_t id = 0;
	int err;

	t_log_format(&memory->media, slot_bytes);
	log = t_log_open(&memory->media);
	while (!(err = t_append(log, id + 1)))
		id++;
	assert_int_equal(err, -ENOSPC);
	assert_true(mafs_log_wants_checkpoint(log));
	assert_int_equal(t_append(log, id + 1), -ENOSPC);
	assert_ids(&memory->media, id);
	mafs_log_close(log);
}

static void test_media_error_breaks_the_log_for_good(void **state)
{
	_cleanup_media_memory_ struct media_memory *memory =
		media_memory_new(0);

	t_log_format(&memory->media, 0);
	/* The store, then the flush. */
	for (unsigned n = 1; n <= 2; n++) {
		struct media_fault *fault = media_fault_new(memory);
		struct mafs_log *log = t_log_open(media_fault_media(fault));

		assert_int_equal(t_append(log, 1), 0);
		media_fault_fail_at(fault, n, -ENOSPC);
		assert_int_equal(t_append(log, 2), -EIO);
		assert_int_equal(t_append(log, 3), -EIO);
		assert_int_equal(media_fault_count(fault), n);
		mafs_log_close(log);
		media_fault_free(fault);
	}
}

/* As on dax, where nothing can be cut off. */
static void test_torn_tail_is_cleared_before_appending(void **state)
{
	_cleanup_media_memory_ struct media_memory *memory =
		media_memory_new(65536);
	struct mafs_buffer *slot = &memory->regions[MAFS_REGION_LOG_A];
	struct mafs_log *log;
	uint64_t torn_at;

	t_log_format(&memory->media, 65536);
	log = t_log_open(&memory->media);
	assert_int_equal(t_append(log, 1), 0);
	torn_at = mafs_log_length(log);
	mafs_log_close(log);
	memset(slot->bytes + torn_at, 0xa5, 3000);
	log = t_log_open(&memory->media);
	for (size_t i = 0; i < 3000; i++)
		assert_int_equal(slot->bytes[torn_at + i], 0);
	assert_int_equal(t_append(log, 2), 0);
	mafs_log_close(log);
	assert_ids(&memory->media, 2);
	_cleanup_replayed_ struct t_replayed replayed =
		t_replay(&memory->media);
	assert_int_equal(replayed.tail, MAFS_LOG_TAIL_CLEAN);
}

static void test_unknown_ro_compat_feature_forbids_writing(void **state)
{
	_cleanup_media_memory_ struct media_memory *memory =
		media_memory_new(0);
	struct mafs_superblock sb = t_log_format(&memory->media, 0);
	_cleanup_replayed_ struct t_replayed replayed =
		t_replay(&memory->media);
	struct mafs_log *log;

	sb.ro_compat = 1;
	assert_int_equal(mafs_log_open(&memory->media, &sb, &replayed.end, &log,
				       NULL),
			 -EOPNOTSUPP);
}

static void test_log_that_grew_wants_a_checkpoint(void **state)
{
	_cleanup_media_memory_ struct media_memory *memory =
		media_memory_new(0);
	struct mafs_entry entries[1000];
	struct mafs_log *log;

	for (size_t i = 0; i < MAFS_ARRAY_SIZE(entries); i++)
		entries[i] = t_writing(i);
	t_log_format(&memory->media, 0);
	log = t_log_open(&memory->media);
	assert_false(mafs_log_wants_checkpoint(log));
	while (mafs_log_length(log) < 8U << 20) {
		assert_false(mafs_log_wants_checkpoint(log));
		assert_int_equal(mafs_log_append(log, entries, 1000, NULL), 0);
	}
	assert_int_equal(mafs_log_append(log, entries, 1000, NULL), 0);
	assert_true(mafs_log_wants_checkpoint(log));
	mafs_log_close(log);
}

struct appender {
	pthread_t thread;
	struct mafs_log *log;
	uint64_t id;
	uint64_t seqs[N_EACH];
};

static void *append_many(void *context)
{
	struct appender *appender = context;

	for (size_t i = 0; i < N_EACH; i++) {
		struct mafs_entry entry = t_writing(appender->id + i);

		if (mafs_log_append(appender->log, &entry, 1,
				    &appender->seqs[i]))
			appender->seqs[i] = 0;
	}
	return NULL;
}

static void test_threads_lose_nothing_and_keep_their_order(void **state)
{
	_cleanup_media_memory_ struct media_memory *memory =
		media_memory_new(0);
	static struct appender appenders[N_THREADS];
	struct mafs_log *log;

	t_log_format(&memory->media, 0);
	log = t_log_open(&memory->media);
	for (size_t i = 0; i < N_THREADS; i++) {
		appenders[i].log = log;
		appenders[i].id = i * N_EACH;
		assert_int_equal(pthread_create(&appenders[i].thread, NULL,
						append_many, &appenders[i]),
				 0);
	}
	for (size_t i = 0; i < N_THREADS; i++)
		pthread_join(appenders[i].thread, NULL);
	mafs_log_close(log);
	_cleanup_replayed_ struct t_replayed replayed =
		t_replay(&memory->media);
	assert_int_equal(replayed.result, 0);
	assert_int_equal(replayed.n_ids, N_THREADS * N_EACH);
	for (size_t i = 0; i < N_THREADS; i++) {
		for (size_t j = 0; j < N_EACH; j++) {
			uint64_t seq = appenders[i].seqs[j];

			assert_true(seq > 0);
			assert_true(!j || seq > appenders[i].seqs[j - 1]);
			/* Sequence n is the n-th entry of the log. */
			assert_int_equal(replayed.ids[seq - 1],
					 appenders[i].id + j);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_appended_entries_are_read_back_in_order),
		cmocka_unit_test(
			test_reopened_log_goes_on_with_the_next_sequence),
		cmocka_unit_test(test_entries_of_one_call_share_a_batch),
		cmocka_unit_test(
			test_wrong_entries_are_refused_and_store_nothing),
		cmocka_unit_test(test_map_beyond_a_batch_is_refused),
		cmocka_unit_test(
			test_full_fixed_slot_is_no_space_and_not_broken),
		cmocka_unit_test(test_media_error_breaks_the_log_for_good),
		cmocka_unit_test(test_torn_tail_is_cleared_before_appending),
		cmocka_unit_test(
			test_unknown_ro_compat_feature_forbids_writing),
		cmocka_unit_test(test_log_that_grew_wants_a_checkpoint),
		cmocka_unit_test(
			test_threads_lose_nothing_and_keep_their_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
