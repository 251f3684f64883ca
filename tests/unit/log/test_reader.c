// SPDX-License-Identifier: Apache-2.0
#include "lib/log/batch.h"
#include "log_damaged.h"

#include <errno.h>
#include <mafs/cleanup.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void test_fresh_log_is_empty_and_clean(void **state)
{
	_cleanup_damaged_ struct damaged damaged = make_log(0, 0);
	_cleanup_replayed_ struct t_replayed replayed =
		t_replay(&damaged.memory->media);

	assert_int_equal(replayed.result, 0);
	assert_int_equal(replayed.n_live, 0);
	assert_int_equal(replayed.n_ids, 0);
	assert_int_equal(replayed.end.seq, 0);
	assert_int_equal(replayed.end.batch_number, 2);
	assert_int_equal(replayed.tail, MAFS_LOG_TAIL_CLEAN);
}

static void test_reader_stops_at_torn_entry(void **state)
{
	for (size_t cut = 1;; cut++) {
		_cleanup_damaged_ struct damaged damaged = make_log(3, 0);
		size_t last_bytes =
			damaged.batch_offsets[3] - damaged.batch_offsets[2];

		if (cut >= last_bytes)
			break;
		slot_a(&damaged)->len -= cut;
		_cleanup_replayed_ struct t_replayed replayed =
			t_replay(&damaged.memory->media);

		assert_int_equal(replayed.result, 0);
		assert_int_equal(replayed.tail, MAFS_LOG_TAIL_TORN);
		assert_int_equal(replayed.n_ids, 2);
		assert_int_equal(replayed.end.batch_offset,
				 damaged.batch_offsets[2]);
	}
}

static void test_zeros_behind_the_end_are_a_clean_tail(void **state)
{
	_cleanup_damaged_ struct damaged damaged = make_log(3, 0);

	assert_int_equal(mafs_buffer_append_zeros(slot_a(&damaged), 5000), 0);
	_cleanup_replayed_ struct t_replayed replayed =
		t_replay(&damaged.memory->media);
	assert_int_equal(replayed.result, 0);
	assert_int_equal(replayed.tail, MAFS_LOG_TAIL_CLEAN);
	assert_int_equal(replayed.n_ids, 3);
}

/* In which batch of the log is the byte? */
static uint64_t batch_of(const struct damaged *damaged, uint64_t offset)
{
	size_t i = damaged->n_entries - 1;

	while (i && damaged->batch_offsets[i] > offset)
		i--;
	return damaged->batch_offsets[i];
}

static void check_flip(struct damaged *damaged, uint64_t at)
{
	const size_t last = damaged->n_entries - 1;
	_cleanup_replayed_ struct t_replayed replayed =
		t_replay(&damaged->memory->media);
	uint64_t in_batch = batch_of(damaged, at);

	if (at >= damaged->batch_offsets[last]) {
		assert_int_equal(replayed.result, 0);
		assert_int_equal(replayed.n_ids, last);
		/* Nothing else can make a header all zeros. */
		assert_int_equal(replayed.tail, MAFS_LOG_TAIL_TORN);
		assert_int_equal(replayed.end.batch_offset,
				 damaged->batch_offsets[last]);
		return;
	}
	assert_true(replayed.result == -EBADMSG || replayed.result == -EUCLEAN);
	assert_non_null(strstr(replayed.fault.what, "log slot A"));
	if (at >= damaged->batch_offsets[0])
		assert_int_equal(replayed.fault.media_offset, in_batch);
	else /* checkpoint-begin is batch 0, checkpoint-end batch 1 */
		assert_int_equal(replayed.fault.media_offset, at < 72 ? 0 : 72);
}

static void test_each_flipped_byte_is_torn_or_corruption(void **state)
{
	_cleanup_damaged_ struct damaged damaged = make_log(4, 0);
	struct mafs_buffer *slot = slot_a(&damaged);
	static const uint8_t flips[] = { 0x01, 0x80, 0xff };

	for (size_t at = 0; at < slot->len; at++) {
		for (size_t i = 0; i < sizeof(flips); i++) {
			slot->bytes[at] ^= flips[i];
			check_flip(&damaged, at);
			slot->bytes[at] ^= flips[i];
		}
	}
}

static void test_zeroed_batch_with_a_later_one_is_corruption(void **state)
{
	_cleanup_damaged_ struct damaged damaged = make_log(4, 0);
	uint64_t from = damaged.batch_offsets[1];

	memset(slot_a(&damaged)->bytes + from, 0,
	       damaged.batch_offsets[2] - from);
	_cleanup_replayed_ struct t_replayed replayed =
		t_replay(&damaged.memory->media);
	assert_int_equal(replayed.result, -EUCLEAN);
	assert_int_equal(replayed.fault.media_offset, from);
	assert_int_equal(replayed.n_ids, 1);
}

static void test_error_is_found_again_by_the_next_call(void **state)
{
	_cleanup_damaged_ struct damaged damaged = make_log(4, 0);
	struct mafs_log_reader *reader;
	struct t_replayed replayed = { .fault = MAFS_FAULT_INIT };

	slot_a(&damaged)->bytes[damaged.batch_offsets[1] + 40] ^= 1;
	assert_int_equal(mafs_log_reader_open(&damaged.memory->media, &reader,
					      NULL, NULL),
			 0);
	t_read_on(reader, &replayed);
	assert_int_equal(replayed.result, -EBADMSG);
	t_read_on(reader, &replayed);
	assert_int_equal(replayed.result, -EBADMSG);
	assert_int_equal(replayed.n_ids, 1);
	slot_a(&damaged)->bytes[damaged.batch_offsets[1] + 40] ^= 1;
	t_read_on(reader, &replayed);
	assert_int_equal(replayed.result, 0);
	assert_int_equal(replayed.n_ids, 4);
	t_replayed_done(&replayed);
	mafs_log_reader_close(reader);
}

static void test_bytes_of_an_earlier_lap_do_not_count(void **state)
{
	_cleanup_damaged_ struct damaged old = make_log(4, 16384);
	struct mafs_superblock sb;

	/* Formatted anew over it: a new salt, the old batches still there. */
	sb = t_log_format(&old.memory->media, 16384);
	assert_int_not_equal(sb.slots[0].salt, old.sb.slots[0].salt);
	_cleanup_replayed_ struct t_replayed replayed =
		t_replay(&old.memory->media);
	assert_int_equal(replayed.result, 0);
	assert_int_equal(replayed.n_ids, 0);
	assert_int_equal(replayed.tail, MAFS_LOG_TAIL_CLEAN);
}

/* Number, sequence and checksum are right: only the salt tells. */
static void test_stale_batch_that_fits_exactly_does_not_count(void **state)
{
	_cleanup_damaged_ struct damaged damaged = make_log(4, 16384);
	uint8_t *slot = slot_a(&damaged)->bytes;
	struct mafs_log *log;
	uint8_t old[16384];
	uint64_t end;

	memcpy(old, slot, sizeof(old));
	t_log_format(&damaged.memory->media, 16384);
	log = t_log_open(&damaged.memory->media);
	assert_int_equal(t_append(log, 1), 0);
	end = mafs_log_length(log);
	mafs_log_close(log);
	assert_int_equal(end, damaged.batch_offsets[1]);
	memcpy(slot + end, old + end, sizeof(old) - end);
	_cleanup_replayed_ struct t_replayed replayed =
		t_replay(&damaged.memory->media);
	assert_int_equal(replayed.result, 0);
	assert_int_equal(replayed.n_ids, 1);
	assert_int_equal(replayed.tail, MAFS_LOG_TAIL_TORN);
}

static void test_torn_entry_before_stale_bytes_is_a_torn_tail(void **state)
{
	_cleanup_damaged_ struct damaged damaged = make_log(4, 16384);
	struct mafs_log *log;
	uint64_t length;

	t_log_format(&damaged.memory->media, 16384);
	log = t_log_open(&damaged.memory->media);
	assert_int_equal(t_append(log, 1), 0);
	length = mafs_log_length(log);
	mafs_log_close(log);
	slot_a(&damaged)->bytes[length - 1] ^= 1;
	_cleanup_replayed_ struct t_replayed replayed =
		t_replay(&damaged.memory->media);
	assert_int_equal(replayed.result, 0);
	assert_int_equal(replayed.n_ids, 0);
	assert_int_equal(replayed.tail, MAFS_LOG_TAIL_TORN);
}

/* In the name, and in the handle, of a file; with a salt that was guessed and
 * with the right one. */
static void check_image_in_record(bool right_salt)
{
	_cleanup_damaged_ struct damaged damaged = make_log(1, 0);
	_cleanup_(mafs_buffer_done) struct mafs_buffer image = {};
	struct mafs_entry inner = { .type = MAFS_OMF_DROP, .seq = 3 };
	struct mafs_entry entry = t_map(2);
	struct mafs_log *log;

	if (!right_salt)
		damaged.sb.slots[0].salt++;
	seal_entry(&damaged, &inner, 4, &image);
	assert_true(image.len <= MAFS_HANDLE_MAX);
	entry.map.identity.handle.length = (uint32_t)image.len;
	memcpy(entry.map.identity.handle.bytes, image.bytes, image.len);
	for (size_t i = 0; i < image.len; i++) {
		uint8_t byte = image.bytes[i];

		entry.map.hint.name[i] = byte && byte != '/' ? (char)byte : 'x';
	}
	log = t_log_open(&damaged.memory->media);
	assert_int_equal(mafs_log_append(log, &entry, 1, NULL), 0);
	mafs_log_close(log);
	{
		_cleanup_replayed_ struct t_replayed replayed =
			t_replay(&damaged.memory->media);

		assert_int_equal(replayed.result, 0);
		assert_int_equal(replayed.n_ids, 2);
		assert_int_equal(replayed.end.seq, 2);
	}
	/* The record around it is torn: it must still not be handed out. */
	slot_a(&damaged)->bytes[damaged.batch_offsets[1]] ^= 1;
	{
		_cleanup_replayed_ struct t_replayed replayed =
			t_replay(&damaged.memory->media);

		assert_int_equal(replayed.n_ids, 1);
		/* Who knows the salt can have the log refused, no more. */
		assert_int_equal(replayed.result, right_salt ? -EUCLEAN : 0);
	}
}

static void test_batch_image_inside_a_record_does_not_count(void **state)
{
	check_image_in_record(false);
	check_image_in_record(true);
}

static void test_absurd_batch_lengths_are_torn(void **state)
{
	static const uint32_t lengths[] = { 0,
					    1,
					    7,
					    MAFS_OMF_BATCH_MAX,
					    MAFS_OMF_BATCH_MAX - 40,
					    UINT32_MAX,
					    UINT32_MAX - 7 };
	_cleanup_damaged_ struct damaged damaged = make_log(3, 0);
	struct mafs_omf_batch *batch =
		(struct mafs_omf_batch *)(slot_a(&damaged)->bytes +
					  damaged.batch_offsets[2]);

	for (size_t i = 0; i < MAFS_ARRAY_SIZE(lengths); i++) {
		batch->length = lengths[i];
		_cleanup_replayed_ struct t_replayed replayed =
			t_replay(&damaged.memory->media);

		assert_int_equal(replayed.result, 0);
		assert_int_equal(replayed.tail, MAFS_LOG_TAIL_TORN);
		assert_int_equal(replayed.n_ids, 2);
	}
}

static void test_empty_live_slot_is_corruption(void **state)
{
	_cleanup_damaged_ struct damaged damaged = make_log(3, 0);

	slot_a(&damaged)->len = 0;
	_cleanup_replayed_ struct t_replayed replayed =
		t_replay(&damaged.memory->media);
	assert_int_equal(replayed.result, -EUCLEAN);
	assert_int_equal(replayed.fault.media_offset, 0);
}

static void test_position_tells_where_the_record_stands(void **state)
{
	_cleanup_damaged_ struct damaged damaged = make_log(2, 0);
	struct mafs_log_reader *reader;
	struct mafs_log_position position;
	struct mafs_entry entry;

	assert_int_equal(mafs_log_reader_open(&damaged.memory->media, &reader,
					      NULL, NULL),
			 0);
	for (int i = 0; i < 4; i++)
		assert_int_equal(mafs_log_reader_next(reader, &entry, &position,
						      NULL),
				 1);
	assert_int_equal(position.region, MAFS_REGION_LOG_A);
	assert_int_equal(position.batch_offset, damaged.batch_offsets[1]);
	assert_int_equal(position.record_offset,
			 damaged.batch_offsets[1] + BATCH_HEADER_BYTES);
	assert_int_equal(position.batch_number, 3);
	assert_int_equal(position.seq, 2);
	mafs_log_reader_close(reader);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fresh_log_is_empty_and_clean),
		cmocka_unit_test(test_reader_stops_at_torn_entry),
		cmocka_unit_test(test_zeros_behind_the_end_are_a_clean_tail),
		cmocka_unit_test(test_each_flipped_byte_is_torn_or_corruption),
		cmocka_unit_test(
			test_zeroed_batch_with_a_later_one_is_corruption),
		cmocka_unit_test(test_error_is_found_again_by_the_next_call),
		cmocka_unit_test(test_bytes_of_an_earlier_lap_do_not_count),
		cmocka_unit_test(
			test_stale_batch_that_fits_exactly_does_not_count),
		cmocka_unit_test(
			test_torn_entry_before_stale_bytes_is_a_torn_tail),
		cmocka_unit_test(
			test_batch_image_inside_a_record_does_not_count),
		cmocka_unit_test(test_absurd_batch_lengths_are_torn),
		cmocka_unit_test(test_empty_live_slot_is_corruption),
		cmocka_unit_test(test_position_tells_where_the_record_stands),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
