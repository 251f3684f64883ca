// SPDX-License-Identifier: Apache-2.0
/* Valid batches whose content may not stand where it stands. */
#include "lib/log/batch.h"
#include "log_damaged.h"

#include <errno.h>
#include <mafs/cleanup.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void assert_result_of(struct damaged *damaged, int err)
{
	_cleanup_replayed_ struct t_replayed replayed =
		t_replay(&damaged->memory->media);

	assert_int_equal(replayed.result, err);
	assert_int_equal(replayed.n_ids, damaged->n_entries);
	assert_true(replayed.fault.media_offset >=
		    damaged->batch_offsets[damaged->n_entries]);
}

static void test_sequence_backwards_is_a_protocol_error(void **state)
{
	_cleanup_damaged_ struct damaged damaged = make_log(3, 0);

	append_raw(&damaged, t_writing(9), 3, 5);
	assert_result_of(&damaged, -EPROTO);
	append_raw(&damaged, t_writing(9), 0, 5);
	assert_result_of(&damaged, -EPROTO);
}

static void test_gap_in_the_sequence_is_corruption(void **state)
{
	_cleanup_damaged_ struct damaged damaged = make_log(3, 0);

	append_raw(&damaged, t_writing(9), 5, 5);
	assert_result_of(&damaged, -EUCLEAN);
}

static void test_batch_number_backwards_is_a_protocol_error(void **state)
{
	_cleanup_damaged_ struct damaged damaged = make_log(3, 0);

	append_raw(&damaged, t_writing(9), 4, 4);
	assert_result_of(&damaged, -EPROTO);
}

static void test_gap_in_the_batch_numbers_is_corruption(void **state)
{
	_cleanup_damaged_ struct damaged damaged = make_log(3, 0);

	append_raw(&damaged, t_writing(9), 4, 6);
	assert_result_of(&damaged, -EUCLEAN);
}

static void test_checkpoint_records_in_the_tail_are_corruption(void **state)
{
	_cleanup_damaged_ struct damaged damaged = make_log(3, 0);
	struct mafs_entry entry = { .type = MAFS_OMF_CHECKPOINT_BEGIN };

	append_raw(&damaged, entry, 4, 5);
	assert_result_of(&damaged, -EUCLEAN);
}

static void test_unknown_record_type_is_not_supported(void **state)
{
	_cleanup_damaged_ struct damaged damaged = make_log(3, 0);
	_cleanup_(mafs_buffer_done) struct mafs_buffer batch = {};
	struct mafs_entry entry = t_writing(9);

	entry.seq = 4;
	seal_entry(&damaged, &entry, 5, &batch);
	batch.bytes[BATCH_HEADER_BYTES] = 200;
	mafs_batch_seal(batch.bytes, batch.len, damaged.sb.slots[0].salt, 5, 1);
	assert_int_equal(mafs_buffer_append(slot_a(&damaged), batch.bytes,
					    batch.len),
			 0);
	assert_result_of(&damaged, -EOPNOTSUPP);
}

/* A valid checksum over a count or length that does not add up. */
static void check_absurd_record(uint32_t record_length, uint32_t n_records)
{
	_cleanup_damaged_ struct damaged damaged = make_log(3, 0);
	_cleanup_(mafs_buffer_done) struct mafs_buffer batch = {};
	struct mafs_entry entry = t_writing(9);
	struct mafs_omf_record *record;

	entry.seq = 4;
	seal_entry(&damaged, &entry, 5, &batch);
	record = (struct mafs_omf_record *)(batch.bytes + BATCH_HEADER_BYTES);
	record->length = record_length;
	mafs_batch_seal(batch.bytes, batch.len, damaged.sb.slots[0].salt, 5,
			n_records);
	assert_int_equal(mafs_buffer_append(slot_a(&damaged), batch.bytes,
					    batch.len),
			 0);
	_cleanup_replayed_ struct t_replayed replayed =
		t_replay(&damaged.memory->media);
	/* More records than bytes for them: not even a header. */
	if (n_records > 1 && n_records * sizeof(*record) > 32)
		assert_int_equal(replayed.result, 0);
	else
		assert_int_equal(replayed.result, -EUCLEAN);
	assert_int_equal(replayed.n_ids, 3);
}

static void test_absurd_record_lengths_are_corruption(void **state)
{
	static const uint32_t lengths[] = { 0,  8,  24,         31,
					    33, 40, UINT32_MAX, 1U << 31 };

	for (size_t i = 0; i < MAFS_ARRAY_SIZE(lengths); i++)
		check_absurd_record(lengths[i], 1);
	check_absurd_record(32, 2);
	check_absurd_record(32, UINT32_MAX);
}

static void test_switch_to_nowhere_is_corruption(void **state)
{
	_cleanup_damaged_ struct damaged damaged = make_log(3, 0);
	struct mafs_entry entry = {
		.type = MAFS_OMF_SWITCH,
		.log_switch = { .slot = 1, .salt = 5, .offset = 144, 2 },
	};

	append_raw(&damaged, entry, 3, 5);
	assert_result_of(&damaged, -EUCLEAN);
	/* Round and round. */
	entry.log_switch =
		(struct mafs_entry_switch){ 0, damaged.sb.slots[0].salt,
					    damaged.batch_offsets[0], 2 };
	append_raw(&damaged, entry, 3, 5);
	assert_result_of(&damaged, -EUCLEAN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sequence_backwards_is_a_protocol_error),
		cmocka_unit_test(test_gap_in_the_sequence_is_corruption),
		cmocka_unit_test(
			test_batch_number_backwards_is_a_protocol_error),
		cmocka_unit_test(test_gap_in_the_batch_numbers_is_corruption),
		cmocka_unit_test(
			test_checkpoint_records_in_the_tail_are_corruption),
		cmocka_unit_test(test_unknown_record_type_is_not_supported),
		cmocka_unit_test(test_absurd_record_lengths_are_corruption),
		cmocka_unit_test(test_switch_to_nowhere_is_corruption),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
