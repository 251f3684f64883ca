// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <mafs/cleanup.h>
#include <mafs/policy.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define MIB (1ULL << 20)
#define N_FILES 4096U

/* Memory for 100 files of a MiB. */
struct memory {
	const struct mafs_policy_ops *ops;
	struct mafs_policy *policy;
	struct mafs_policy_file *files;
};

static struct memory memory_of(const struct mafs_policy_ops *ops)
{
	struct memory m = { .ops = ops };

	m.files = calloc(N_FILES, sizeof(*m.files));
	assert_non_null(m.files);
	assert_int_equal(ops->new (100 * MIB, &m.policy), 0);
	return m;
}

static void memory_done(struct memory *m)
{
	m->ops->free(m->policy);
	free(m->files);
}

static void admit(struct memory *m, size_t number, uint64_t size_bytes)
{
	m->files[number].key = number;
	m->files[number].size_bytes = size_bytes;
	m->ops->admit(m->policy, &m->files[number]);
}

static void use(struct memory *m, size_t number)
{
	m->ops->use(m->policy, &m->files[number]);
}

static void drop(struct memory *m, size_t number)
{
	m->ops->remove(m->policy, &m->files[number]);
	m->ops->evicted(m->policy, &m->files[number]);
}

/* Evicts the victim. Return: its number. */
static size_t evict(struct memory *m)
{
	struct mafs_policy_file *victim = m->ops->victim(m->policy);
	size_t number;

	assert_non_null(victim);
	number = (size_t)(victim - m->files);
	drop(m, number);
	return number;
}

static void test_policies_are_found_by_name(void **state)
{
	assert_ptr_equal(mafs_policy_find("lru"), &mafs_policy_lru);
	assert_ptr_equal(mafs_policy_find("s3fifo"), &mafs_policy_s3fifo);
	assert_null(mafs_policy_find("fifo"));
	assert_null(mafs_policy_find(""));
}

/* A test of all policies gets the table as its state. */
static void test_each_admitted_file_is_a_victim_once(void **state)
{
	_cleanup_(memory_done) struct memory m = memory_of(*state);
	unsigned char seen[100] = { 0 };

	for (size_t i = 0; i < 100; i++)
		admit(&m, i, MIB);
	for (size_t i = 0; i < 100; i += 3)
		use(&m, i);
	assert_int_equal(m.ops->count(m.policy), 100);
	for (size_t i = 0; i < 100; i++)
		seen[evict(&m)]++;
	for (size_t i = 0; i < 100; i++)
		assert_int_equal(seen[i], 1);
	assert_null(m.ops->victim(m.policy));
	assert_int_equal(m.ops->count(m.policy), 0);
}

static void test_what_is_removed_is_no_victim_until_it_is_back(void **state)
{
	_cleanup_(memory_done) struct memory m = memory_of(*state);

	for (size_t i = 0; i < 3; i++)
		admit(&m, i, MIB);
	m.ops->remove(m.policy, &m.files[0]);
	m.ops->remove(m.policy, &m.files[0]);
	use(&m, 0);
	assert_int_equal(evict(&m), 1);
	m.ops->admit(m.policy, &m.files[0]);
	m.ops->admit(m.policy, &m.files[0]);
	assert_int_equal(m.ops->count(m.policy), 2);
	assert_int_equal(evict(&m), 2);
	assert_int_equal(evict(&m), 0);
}

static void test_a_victim_that_stays_is_not_the_next_one(void **state)
{
	_cleanup_(memory_done) struct memory m = memory_of(*state);

	for (size_t i = 0; i < 3; i++)
		admit(&m, i, MIB);
	for (size_t i = 0; i < 7; i++)
		assert_ptr_equal(m.ops->victim(m.policy), &m.files[i % 3]);
}

static void test_lru_takes_what_was_used_longest_ago(void **state)
{
	_cleanup_(memory_done) struct memory m = memory_of(&mafs_policy_lru);

	for (size_t i = 0; i < 4; i++)
		admit(&m, i, MIB);
	use(&m, 0);
	use(&m, 2);
	assert_int_equal(evict(&m), 1);
	assert_int_equal(evict(&m), 3);
	assert_int_equal(evict(&m), 0);
	assert_int_equal(evict(&m), 2);
}

/* 0 to 49 are used and so in the main queue, 50 to 59 in the small one. */
static struct memory warm(void)
{
	struct memory m = memory_of(&mafs_policy_s3fifo);

	for (size_t i = 0; i < 50; i++) {
		admit(&m, i, MIB);
		use(&m, i);
	}
	for (size_t i = 50; i < 60; i++)
		admit(&m, i, MIB);
	return m;
}

static void test_s3fifo_keeps_the_used_through_a_scan(void **state)
{
	_cleanup_(memory_done) struct memory m = warm();

	for (size_t i = 100; i < 1100; i++) {
		assert_in_range(evict(&m), 50, 1099);
		admit(&m, i, MIB);
	}
	for (size_t i = 0; i < 50; i++)
		assert_non_null(m.files[i].queue);
}

static void test_s3fifo_keeps_a_tenth_for_new_files(void **state)
{
	_cleanup_(memory_done) struct memory m = warm();

	assert_int_equal(evict(&m), 50);
	/* Nine MiB are less than a tenth. */
	assert_int_equal(evict(&m), 0);
}

static void test_s3fifo_finds_the_one_that_can_go(void **state)
{
	_cleanup_(memory_done) struct memory m = warm();
	struct mafs_policy_file *victim;

	/* All are in use but one in each queue. */
	for (size_t free_one = 59; free_one != 8; free_one -= 51) {
		for (size_t i = 0; i < 120; i++) {
			victim = m.ops->victim(m.policy);
			if (victim == &m.files[free_one])
				break;
		}
		assert_ptr_equal(victim, &m.files[free_one]);
	}
}

static void test_s3fifo_knows_again_who_comes_back_soon(void **state)
{
	_cleanup_(memory_done) struct memory m = warm();

	assert_int_equal(evict(&m), 50);
	admit(&m, 50, MIB);
	admit(&m, 60, MIB);
	/* 50 is in main now: the others go before. */
	for (size_t i = 51; i < 53; i++) {
		assert_int_equal(evict(&m), i);
		admit(&m, i + 100, MIB);
	}
	assert_non_null(m.files[50].queue);
	assert_ptr_equal(m.files[50].queue, m.files[0].queue);
}

static void test_s3fifo_forgets_who_comes_back_late(void **state)
{
	_cleanup_(memory_done) struct memory m = warm();

	assert_int_equal(evict(&m), 50);
	/* The ghosts of 90 MiB. */
	for (size_t i = 100; i < 200; i++) {
		admit(&m, i, MIB);
		evict(&m);
	}
	admit(&m, 50, MIB);
	assert_ptr_not_equal(m.files[50].queue, m.files[0].queue);
}

static void test_s3fifo_wants_more_uses_of_a_large_file(void **state)
{
	_cleanup_(memory_done) struct memory m = memory_of(&mafs_policy_s3fifo);

	for (size_t i = 1; i < 10; i++) {
		admit(&m, i, MIB);
		use(&m, i);
	}
	admit(&m, 0, 20 * MIB);
	use(&m, 0);
	assert_int_equal(evict(&m), 0);
	admit(&m, 20, 20 * MIB);
	use(&m, 20);
	use(&m, 20);
	assert_int_equal(evict(&m), 1);
}

#define for_each(test)                                             \
	cmocka_unit_test_prestate(test, (void *)&mafs_policy_lru), \
		cmocka_unit_test_prestate(test, (void *)&mafs_policy_s3fifo)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_policies_are_found_by_name),
		for_each(test_each_admitted_file_is_a_victim_once),
		for_each(test_what_is_removed_is_no_victim_until_it_is_back),
		for_each(test_a_victim_that_stays_is_not_the_next_one),
		cmocka_unit_test(test_lru_takes_what_was_used_longest_ago),
		cmocka_unit_test(test_s3fifo_keeps_the_used_through_a_scan),
		cmocka_unit_test(test_s3fifo_keeps_a_tenth_for_new_files),
		cmocka_unit_test(test_s3fifo_finds_the_one_that_can_go),
		cmocka_unit_test(test_s3fifo_knows_again_who_comes_back_soon),
		cmocka_unit_test(test_s3fifo_forgets_who_comes_back_late),
		cmocka_unit_test(test_s3fifo_wants_more_uses_of_a_large_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
