// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <mafs/identity.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const struct mafs_identity with_handle = {
	.fs_id = { { 1 } },
	.handle = { .type = 1, .length = 3, .bytes = { 1, 2, 3 } },
	.ino = 5,
	.btime = { 6, 7 },
};

static void test_identity_is_all_of_its_parts(void **state)
{
	struct mafs_identity other;

	other = with_handle;
	assert_true(mafs_identity_equal(&with_handle, &other));
	other.fs_id.bytes[15] = 1;
	assert_false(mafs_identity_equal(&with_handle, &other));
	other = with_handle;
	other.handle.type = 2;
	assert_false(mafs_identity_equal(&with_handle, &other));
	other = with_handle;
	other.handle.length = 2;
	assert_false(mafs_identity_equal(&with_handle, &other));
	other = with_handle;
	other.handle.bytes[2] = 4;
	assert_false(mafs_identity_equal(&with_handle, &other));
	other = with_handle;
	other.btime.tv_nsec = 8;
	assert_false(mafs_identity_equal(&with_handle, &other));
}

static void test_bytes_behind_a_handle_do_not_count(void **state)
{
	struct mafs_identity other = with_handle;

	other.handle.bytes[3] = 9;
	assert_true(mafs_identity_equal(&with_handle, &other));
	assert_int_equal(mafs_identity_hash(&with_handle),
			 mafs_identity_hash(&other));
}

static void test_inode_number_counts_without_a_handle(void **state)
{
	struct mafs_identity a = with_handle, b = with_handle;

	b.ino = 6;
	assert_true(mafs_identity_equal(&a, &b));
	a.handle.length = b.handle.length = 0;
	assert_false(mafs_identity_equal(&a, &b));
	assert_int_not_equal(mafs_identity_hash(&a), mafs_identity_hash(&b));
	b.ino = a.ino;
	assert_true(mafs_identity_equal(&a, &b));
}

static void test_handle_of_absurd_length_equals_nothing(void **state)
{
	struct mafs_identity a = with_handle;

	a.handle.length = MAFS_HANDLE_MAX + 1;
	assert_false(mafs_handle_equal(&a.handle, &a.handle));
	(void)mafs_identity_hash(&a);
}

static void test_fingerprint_is_size_and_both_times(void **state)
{
	const struct mafs_fingerprint a = { 1, { 2, 3 }, { 4, 5 } };
	struct mafs_fingerprint b = a;

	assert_true(mafs_fingerprint_equal(&a, &b));
	b.size_bytes++;
	assert_false(mafs_fingerprint_equal(&a, &b));
	b = a;
	b.mtime.tv_nsec++;
	assert_false(mafs_fingerprint_equal(&a, &b));
	b = a;
	b.ctime.tv_sec++;
	assert_false(mafs_fingerprint_equal(&a, &b));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_identity_is_all_of_its_parts),
		cmocka_unit_test(test_bytes_behind_a_handle_do_not_count),
		cmocka_unit_test(test_inode_number_counts_without_a_handle),
		cmocka_unit_test(test_handle_of_absurd_length_equals_nothing),
		cmocka_unit_test(test_fingerprint_is_size_and_both_times),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
