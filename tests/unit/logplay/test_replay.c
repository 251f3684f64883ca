// SPDX-License-Identifier: Apache-2.0
/* What replay gives to a sink, over a real log in process memory. */
#include "log_fixture.h"
#include "media_memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <mafs/cleanup.h>
#include <mafs/hot.h>
#include <mafs/replay.h>
#include <string.h>

struct sink {
	size_t n_begins, n_entries, n_ends;
	uint64_t last_id;
	enum mafs_log_tail tail;
	struct mafs_log_position end;
	int answer; /* of each call */
};

static int sink_begin(void *context, const struct mafs_superblock *sb)
{
	struct sink *sink = context;

	assert_true(sb->generation > 0);
	sink->n_begins++;
	return sink->answer;
}

static int sink_entry(void *context, const struct mafs_entry *entry,
		      const struct mafs_log_position *position)
{
	struct sink *sink = context;

	assert_int_equal(position->seq, entry->seq);
	if (entry->type == MAFS_OMF_WRITING) {
		sink->n_entries++;
		sink->last_id = entry->id.id;
	}
	return sink->answer;
}

static int sink_end(void *context, enum mafs_log_tail tail,
		    const struct mafs_log_position *end)
{
	struct sink *sink = context;

	sink->n_ends++;
	sink->tail = tail;
	sink->end = *end;
	return sink->answer;
}

static const struct mafs_replay_ops sink_ops = {
	.begin = sink_begin,
	.entry = sink_entry,
	.end = sink_end,
};

/* A sink that has only what every sink must have. */
static const struct mafs_replay_ops small_ops = { .entry = sink_entry };

struct fixture {
	struct media_memory *media;
	struct mafs_log *log;
	struct sink sink;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->media = media_memory_new(0);
	t_log_format(&f->media->media, 0);
	f->log = t_log_open(&f->media->media);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	mafs_log_close(f->log);
	media_memory_free(f->media);
	free(f);
	return 0;
}

static int replay(struct fixture *f)
{
	return mafs_replay(&f->media->media, &sink_ops, &f->sink, NULL, NULL,
			   NULL);
}

static void append(struct fixture *f, uint64_t first, uint64_t end)
{
	for (uint64_t id = first; id < end; id++)
		assert_int_equal(t_append(f->log, id), 0);
}

static void test_sink_gets_each_entry_once_in_order(void **state)
{
	struct fixture *f = *state;

	append(f, 1, 51);
	assert_int_equal(replay(f), 0);
	assert_int_equal(f->sink.n_begins, 1);
	assert_int_equal(f->sink.n_entries, 50);
	assert_int_equal(f->sink.last_id, 50);
	assert_int_equal(f->sink.n_ends, 1);
	assert_int_equal(f->sink.tail, MAFS_LOG_TAIL_CLEAN);
}

static void test_replay_tells_superblock_and_end(void **state)
{
	struct fixture *f = *state;
	struct mafs_log_position end = { 0 };
	struct mafs_superblock sb = { 0 };

	append(f, 1, 3);
	assert_int_equal(mafs_replay(&f->media->media, &sink_ops, &f->sink, &sb,
				     &end, NULL),
			 0);
	assert_true(sb.generation > 0);
	assert_int_equal(end.seq, f->sink.end.seq);
	assert_int_equal(end.batch_offset, f->sink.end.batch_offset);
}

static void test_sink_may_have_entries_only(void **state)
{
	struct fixture *f = *state;

	append(f, 1, 4);
	assert_int_equal(mafs_replay(&f->media->media, &small_ops, &f->sink,
				     NULL, NULL, NULL),
			 0);
	assert_int_equal(f->sink.n_entries, 3);
}

static void test_error_of_the_sink_ends_the_replay(void **state)
{
	struct fixture *f = *state;

	append(f, 1, 4);
	f->sink.answer = -ENOSPC;
	assert_int_equal(replay(f), -ENOSPC);
	assert_int_equal(f->sink.n_begins, 1);
	assert_int_equal(f->sink.n_entries, 0);
	assert_int_equal(mafs_replay(&f->media->media, &small_ops, &f->sink,
				     NULL, NULL, NULL),
			 -ENOSPC);
	assert_int_equal(f->sink.n_ends, 0);
}

static void test_unformatted_media_is_told(void **state)
{
	struct fixture *f = *state;
	struct media_memory *empty = media_memory_new(0);

	assert_int_equal(mafs_replay(&empty->media, &sink_ops, &f->sink, NULL,
				     NULL, NULL),
			 -ENODATA);
	assert_int_equal(f->sink.n_begins, 0);
	media_memory_free(empty);
}

static void test_torn_tail_is_told_and_no_error(void **state)
{
	struct fixture *f = *state;
	struct mafs_buffer *log;

	append(f, 1, 4);
	log = &f->media->regions[MAFS_REGION_LOG_A];
	if (!log->len)
		log = &f->media->regions[MAFS_REGION_LOG_B];
	log->len -= 8;
	assert_int_equal(replay(f), 0);
	assert_int_equal(f->sink.n_entries, 2);
	assert_int_equal(f->sink.tail, MAFS_LOG_TAIL_TORN);
}

static void test_corruption_names_structure_and_offset(void **state)
{
	struct fixture *f = *state;
	struct mafs_fault fault = MAFS_FAULT_INIT;
	struct mafs_log_position end = { 0 };
	int r;

	append(f, 1, 4);
	assert_int_equal(replay(f), 0);
	end = f->sink.end;
	append(f, 4, 8);
	/* The first byte of the checksum of what is appended now. */
	f->media->regions[end.region].bytes[end.batch_offset + 4] ^= 1;
	r = mafs_replay(&f->media->media, &sink_ops, &f->sink, NULL, NULL,
			&fault);
	assert_true(r == -EBADMSG || r == -EUCLEAN);
	assert_int_equal(fault.media_offset, end.batch_offset);
	assert_non_null(strstr(fault.what, "log slot"));
}

static int follow(struct fixture *f, struct mafs_log_reader *reader)
{
	return mafs_replay_follow(reader, &sink_ops, &f->sink, NULL);
}

static void test_follower_gets_what_was_appended_since(void **state)
{
	struct fixture *f = *state;
	struct mafs_log_reader *reader;

	append(f, 1, 4);
	assert_int_equal(
		mafs_log_reader_open(&f->media->media, &reader, NULL, NULL), 0);
	assert_true(follow(f, reader) >= 3);
	assert_int_equal(follow(f, reader), 0);
	append(f, 4, 6);
	assert_int_equal(follow(f, reader), 2);
	assert_int_equal(f->sink.n_entries, 5);
	assert_int_equal(f->sink.last_id, 5);
	assert_int_equal(f->sink.n_begins, 0);
	assert_int_equal(f->sink.n_ends, 3);
	mafs_log_reader_close(reader);
}

static int emit_nothing(void *context, mafs_log_emit_fn *emit,
			void *emit_context)
{
	return 0;
}

static void test_follower_goes_on_across_a_checkpoint(void **state)
{
	struct fixture *f = *state;
	struct mafs_log_reader *reader;

	append(f, 1, 4);
	assert_int_equal(
		mafs_log_reader_open(&f->media->media, &reader, NULL, NULL), 0);
	assert_true(follow(f, reader) >= 3);
	assert_int_equal(mafs_log_checkpoint(f->log, emit_nothing, NULL, NULL),
			 0);
	append(f, 4, 6);
	assert_true(follow(f, reader) >= 0);
	assert_int_equal(f->sink.n_entries, 5);
	assert_int_equal(f->sink.last_id, 5);
	mafs_log_reader_close(reader);
}

static int emit_all(void *context, mafs_log_emit_fn *emit, void *emit_context)
{
	for (uint64_t id = 1; id <= 1000; id++) {
		struct mafs_entry entry = t_map(id);
		int r = emit(emit_context, &entry);

		if (r < 0)
			return r;
	}
	return 0;
}

static void test_hot_table_is_the_same_before_and_after_checkpoint(void **state)
{
	struct fixture *f = *state;
	struct mafs_hot_table *table = mafs_hot_table_new();
	struct mafs_entry drop = { .type = MAFS_OMF_DROP, .id = { 7 } };

	assert_int_equal(mafs_log_checkpoint(f->log, emit_all, NULL, NULL), 0);
	assert_int_equal(mafs_log_append(f->log, &drop, 1, NULL), 0);
	assert_int_equal(mafs_replay(&f->media->media, &mafs_hot_replay_ops,
				     table, NULL, NULL, NULL),
			 0);
	assert_int_equal(mafs_hot_count(table), 999);
	assert_null(mafs_hot_find(table, 7));
	assert_non_null(mafs_hot_find(table, 1000));
	/* Anew into the same table. */
	assert_int_equal(mafs_replay(&f->media->media, &mafs_hot_replay_ops,
				     table, NULL, NULL, NULL),
			 0);
	assert_int_equal(mafs_hot_count(table), 999);
	mafs_hot_table_free(table);
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_sink_gets_each_entry_once_in_order),
		T(test_replay_tells_superblock_and_end),
		T(test_sink_may_have_entries_only),
		T(test_error_of_the_sink_ends_the_replay),
		T(test_unformatted_media_is_told),
		T(test_torn_tail_is_told_and_no_error),
		T(test_corruption_names_structure_and_offset),
		T(test_follower_gets_what_was_appended_since),
		T(test_follower_goes_on_across_a_checkpoint),
		T(test_hot_table_is_the_same_before_and_after_checkpoint),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
