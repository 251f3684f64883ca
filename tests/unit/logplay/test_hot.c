// SPDX-License-Identifier: Apache-2.0
/* What each log entry does to the hot table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <mafs/cleanup.h>
#include <mafs/hot.h>
#include <string.h>

static int setup(void **state)
{
	*state = mafs_hot_table_new();
	return *state ? 0 : -1;
}

static int teardown(void **state)
{
	mafs_hot_table_free(*state);
	return 0;
}

static struct mafs_identity file(uint64_t number)
{
	struct mafs_identity identity = {
		.handle = { .type = 1, .length = sizeof(number) },
		.ino = number,
	};

	memcpy(identity.handle.bytes, &number, sizeof(number));
	return identity;
}

static void apply_map(struct mafs_hot_table *table, uint64_t id,
		      uint64_t number, uint32_t flags)
{
	struct mafs_extent extent = { .length_bytes = 4096 + number };
	struct mafs_entry entry = {
		.type = MAFS_OMF_MAP,
		.seq = 100 + id,
		.map = {
			.id = id,
			.flags = flags,
			.identity = file(number),
			.map = { .extents = &extent, .n_extents = 1 },
		},
	};

	assert_int_equal(mafs_hot_apply(table, &entry), 0);
}

static void apply_id(struct mafs_hot_table *table, enum mafs_omf_type type,
		     uint64_t id)
{
	struct mafs_entry entry = { .type = type, .seq = 7, .id = { id } };

	assert_int_equal(mafs_hot_apply(table, &entry), 0);
}

static struct mafs_hot *find_file(struct mafs_hot_table *table, uint64_t number)
{
	struct mafs_identity identity = file(number);

	return mafs_hot_find_identity(table, &identity);
}

static void test_mapped_file_is_found_by_id_and_by_identity(void **state)
{
	struct mafs_hot *hot;

	assert_null(mafs_hot_find(*state, 1));
	assert_null(find_file(*state, 10));
	apply_map(*state, 1, 10, MAFS_OMF_MAP_DIRTY);
	hot = mafs_hot_find(*state, 1);
	assert_non_null(hot);
	assert_ptr_equal(find_file(*state, 10), hot);
	assert_int_equal(hot->state, MAFS_HOT_DIRTY);
	assert_int_equal(hot->seq, 101);
	assert_int_equal(hot->map.extents[0].length_bytes, 4106);
	assert_int_equal(mafs_hot_count(*state), 1);
	assert_null(mafs_hot_find(*state, 2));
	assert_null(find_file(*state, 11));
}

static void test_flags_of_a_map_give_the_state(void **state)
{
	apply_map(*state, 1, 1, 0);
	apply_map(*state, 2, 2, MAFS_OMF_MAP_DIRTY);
	apply_map(*state, 3, 3, MAFS_OMF_MAP_DIRTY | MAFS_OMF_MAP_WRITING);
	apply_map(*state, 4, 4, MAFS_OMF_MAP_DIRTY | MAFS_OMF_MAP_INTENT);
	assert_int_equal(mafs_hot_find(*state, 1)->state, MAFS_HOT_CLEAN);
	assert_int_equal(mafs_hot_find(*state, 2)->state, MAFS_HOT_DIRTY);
	assert_int_equal(mafs_hot_find(*state, 3)->state, MAFS_HOT_WRITING);
	assert_false(mafs_hot_find(*state, 3)->drop_intent);
	assert_true(mafs_hot_find(*state, 4)->drop_intent);
}

static void test_write_back_goes_by_writing_to_clean(void **state)
{
	struct mafs_entry clean = {
		.type = MAFS_OMF_CLEAN,
		.seq = 9,
		.clean = { .id = 1,
			   .fingerprint.size_bytes = 77,
			   .shown_ctime.tv_sec = 5 },
	};
	struct mafs_hot *hot;

	apply_map(*state, 1, 10, MAFS_OMF_MAP_DIRTY);
	apply_id(*state, MAFS_OMF_WRITING, 1);
	hot = mafs_hot_find(*state, 1);
	assert_int_equal(hot->state, MAFS_HOT_WRITING);
	assert_int_equal(mafs_hot_apply(*state, &clean), 0);
	assert_int_equal(hot->state, MAFS_HOT_CLEAN);
	assert_int_equal(hot->fingerprint.size_bytes, 77);
	assert_int_equal(hot->shown_ctime.tv_sec, 5);
	assert_int_equal(hot->seq, 9);
}

static void test_intent_stays_until_the_next_map(void **state)
{
	apply_map(*state, 1, 10, MAFS_OMF_MAP_DIRTY);
	apply_id(*state, MAFS_OMF_DROP_INTENT, 1);
	assert_true(mafs_hot_find(*state, 1)->drop_intent);
	apply_id(*state, MAFS_OMF_WRITING, 1);
	assert_true(mafs_hot_find(*state, 1)->drop_intent);
	apply_map(*state, 1, 10, MAFS_OMF_MAP_DIRTY);
	assert_false(mafs_hot_find(*state, 1)->drop_intent);
}

static void test_dropped_file_is_gone(void **state)
{
	apply_map(*state, 1, 10, 0);
	apply_id(*state, MAFS_OMF_DROP, 1);
	assert_null(mafs_hot_find(*state, 1));
	assert_null(find_file(*state, 10));
	assert_int_equal(mafs_hot_count(*state), 0);
}

static void test_entries_of_unknown_ids_are_ignored(void **state)
{
	struct mafs_entry clean = { .type = MAFS_OMF_CLEAN, .clean.id = 5 };

	apply_id(*state, MAFS_OMF_WRITING, 5);
	apply_id(*state, MAFS_OMF_DROP_INTENT, 5);
	apply_id(*state, MAFS_OMF_DROP, 5);
	assert_int_equal(mafs_hot_apply(*state, &clean), 0);
	assert_int_equal(mafs_hot_count(*state), 0);
}

static void test_entries_about_the_log_change_nothing(void **state)
{
	const enum mafs_omf_type types[] = {
		MAFS_OMF_CHECKPOINT_BEGIN, MAFS_OMF_CHECKPOINT_END,
		MAFS_OMF_SWITCH, MAFS_OMF_DEVICE_ADD, MAFS_OMF_CONFLICT
	};

	apply_map(*state, 1, 10, 0);
	for (size_t i = 0; i < MAFS_ARRAY_SIZE(types); i++) {
		struct mafs_entry entry = { .type = types[i] };

		assert_int_equal(mafs_hot_apply(*state, &entry), 0);
	}
	assert_int_equal(mafs_hot_count(*state), 1);
	assert_int_equal(mafs_hot_max_id(*state), 1);
}

static void test_second_map_of_an_id_replaces_it_in_place(void **state)
{
	struct mafs_hot *hot;

	apply_map(*state, 1, 10, 0);
	hot = mafs_hot_find(*state, 1);
	hot->claimed = true;
	apply_map(*state, 1, 10, MAFS_OMF_MAP_DIRTY);
	assert_ptr_equal(mafs_hot_find(*state, 1), hot);
	assert_true(hot->claimed);
	assert_int_equal(hot->state, MAFS_HOT_DIRTY);
}

static void test_new_identity_under_an_id_replaces_the_old(void **state)
{
	apply_map(*state, 1, 10, 0);
	mafs_hot_find(*state, 1)->claimed = true;
	apply_map(*state, 1, 11, 0);
	assert_null(find_file(*state, 10));
	assert_int_equal(find_file(*state, 11)->id, 1);
	assert_false(find_file(*state, 11)->claimed);
	assert_int_equal(mafs_hot_count(*state), 1);
}

static void test_identity_under_a_second_id_replaces_the_old(void **state)
{
	apply_map(*state, 1, 10, 0);
	apply_map(*state, 2, 10, 0);
	assert_null(mafs_hot_find(*state, 1));
	assert_int_equal(find_file(*state, 10)->id, 2);
	assert_int_equal(mafs_hot_count(*state), 1);
}

static void test_map_may_replace_two_at_once(void **state)
{
	apply_map(*state, 1, 10, 0);
	apply_map(*state, 2, 11, 0);
	apply_map(*state, 1, 11, 0);
	assert_int_equal(mafs_hot_count(*state), 1);
	assert_int_equal(find_file(*state, 11)->id, 1);
	assert_null(mafs_hot_find(*state, 2));
	assert_null(find_file(*state, 10));
}

static void test_highest_id_is_known_after_its_drop(void **state)
{
	apply_map(*state, 3, 10, 0);
	apply_map(*state, 9, 11, 0);
	apply_id(*state, MAFS_OMF_DROP, 9);
	assert_int_equal(mafs_hot_max_id(*state), 9);
	apply_id(*state, MAFS_OMF_DROP, 20);
	assert_int_equal(mafs_hot_max_id(*state), 20);
}

static void test_entry_for_a_checkpoint_makes_the_same_again(void **state)
{
	struct mafs_hot_table *copy = mafs_hot_table_new();
	struct mafs_entry entry;
	struct mafs_hot *hot;

	apply_map(*state, 1, 10,
		  MAFS_OMF_MAP_DIRTY | MAFS_OMF_MAP_WRITING |
			  MAFS_OMF_MAP_INTENT);
	mafs_hot_to_entry(mafs_hot_find(*state, 1), &entry);
	assert_int_equal(mafs_hot_apply(copy, &entry), 0);
	hot = mafs_hot_find(copy, 1);
	assert_int_equal(hot->state, MAFS_HOT_WRITING);
	assert_true(hot->drop_intent);
	assert_int_equal(hot->map.n_extents, 1);
	assert_int_equal(hot->map.extents[0].length_bytes, 4106);
	mafs_hot_table_free(copy);
}

static void test_replay_begins_with_an_empty_table(void **state)
{
	apply_map(*state, 1, 10, 0);
	assert_int_equal(mafs_hot_replay_ops.begin(*state, NULL), 0);
	assert_int_equal(mafs_hot_count(*state), 0);
	assert_int_equal(mafs_hot_max_id(*state), 0);
	assert_null(find_file(*state, 10));
}

static int count_up(void *context, struct mafs_hot *hot)
{
	size_t *n = context;

	assert_non_null(hot);
	return ++*n == 3 ? 42 : 0;
}

static void test_visit_stops_at_the_first_answer(void **state)
{
	size_t n = 0;

	for (uint64_t id = 1; id <= 5; id++)
		apply_map(*state, id, id, 0);
	assert_int_equal(mafs_hot_visit(*state, count_up, &n), 42);
	assert_int_equal(n, 3);
}

/* Random maps and drops against two plain arrays. */
static void test_table_agrees_with_a_model(void **state)
{
	enum {
		N = 3000
	};
	static uint64_t file_of_id[N], id_of_file[N];
	uint64_t random = 1;
	size_t n = 0;

	for (int i = 0; i < 60000; i++) {
		uint64_t id, number;

		random = random * 6364136223846793005ULL + 1442695040888963407;
		id = 1 + (random >> 33) % (N - 1);
		number = 1 + (random >> 13) % (N - 1);
		if (random >> 62) {
			apply_map(*state, id, number, 0);
			n -= file_of_id[id] != 0;
			id_of_file[file_of_id[id]] = 0;
			if (id_of_file[number]) {
				file_of_id[id_of_file[number]] = 0;
				n--;
			}
			file_of_id[id] = number;
			id_of_file[number] = id;
			n++;
		} else {
			apply_id(*state, MAFS_OMF_DROP, id);
			n -= file_of_id[id] != 0;
			id_of_file[file_of_id[id]] = 0;
			file_of_id[id] = 0;
		}
		assert_int_equal(mafs_hot_count(*state), n);
	}
	for (uint64_t i = 1; i < N; i++) {
		struct mafs_hot *hot = mafs_hot_find(*state, i);

		assert_int_equal(hot ? hot->identity.ino : 0, file_of_id[i]);
		hot = find_file(*state, i);
		assert_int_equal(hot ? hot->id : 0, id_of_file[i]);
	}
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_mapped_file_is_found_by_id_and_by_identity),
		T(test_flags_of_a_map_give_the_state),
		T(test_write_back_goes_by_writing_to_clean),
		T(test_intent_stays_until_the_next_map),
		T(test_dropped_file_is_gone),
		T(test_entries_of_unknown_ids_are_ignored),
		T(test_entries_about_the_log_change_nothing),
		T(test_second_map_of_an_id_replaces_it_in_place),
		T(test_new_identity_under_an_id_replaces_the_old),
		T(test_identity_under_a_second_id_replaces_the_old),
		T(test_map_may_replace_two_at_once),
		T(test_highest_id_is_known_after_its_drop),
		T(test_entry_for_a_checkpoint_makes_the_same_again),
		T(test_replay_begins_with_an_empty_table),
		T(test_visit_stops_at_the_first_answer),
		T(test_table_agrees_with_a_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
