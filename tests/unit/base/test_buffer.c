// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <mafs/buffer.h>
#include <mafs/cleanup.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

static void test_buffer_keeps_what_is_appended(void **state)
{
	_cleanup_(mafs_buffer_done) struct mafs_buffer buffer = {};

	for (unsigned i = 0; i < 10000; i++)
		assert_int_equal(mafs_buffer_append(&buffer, &i, sizeof(i)), 0);
	assert_int_equal(mafs_buffer_append_zeros(&buffer, 5), 0);
	assert_int_equal(mafs_buffer_append(&buffer, NULL, 0), 0);
	assert_int_equal(buffer.len, 40005);
	for (unsigned i = 0; i < 10000; i++)
		assert_memory_equal(buffer.bytes + i * sizeof(i), &i,
				    sizeof(i));
	for (size_t i = 40000; i < 40005; i++)
		assert_int_equal(buffer.bytes[i], 0);
}

static void test_buffer_that_cannot_grow_keeps_its_contents(void **state)
{
	_cleanup_(mafs_buffer_done) struct mafs_buffer buffer = {};

	assert_int_equal(mafs_buffer_append(&buffer, "abc", 3), 0);
	assert_int_equal(mafs_buffer_reserve(&buffer, SIZE_MAX), -EOVERFLOW);
	assert_int_equal(buffer.len, 3);
	assert_memory_equal(buffer.bytes, "abc", 3);
}

static void test_buffer_is_done_twice_without_harm(void **state)
{
	struct mafs_buffer buffer = {};

	assert_int_equal(mafs_buffer_append(&buffer, "abc", 3), 0);
	mafs_buffer_done(&buffer);
	mafs_buffer_done(&buffer);
	mafs_buffer_done(NULL);
}

static void test_file_ranges_are_written_and_read_whole(void **state)
{
	_cleanup_close_ int fd = memfd_create("test", MFD_CLOEXEC);
	char bytes[16] = {};

	assert_true(fd >= 0);
	assert_int_equal(mafs_pwrite_full(fd, "hello", 5, 1000), 0);
	assert_int_equal(mafs_pread_full(fd, bytes, 5, 1000), 5);
	assert_memory_equal(bytes, "hello", 5);
	/* Less only at end of file. */
	assert_int_equal(mafs_pread_full(fd, bytes, 16, 1003), 2);
	assert_int_equal(mafs_pread_full(fd, bytes, 16, 5000), 0);
}

static void test_file_errors_and_absurd_ranges_are_returned(void **state)
{
	char byte = 0;

	assert_int_equal(mafs_pread_full(-1, &byte, 1, 0), -EBADF);
	assert_int_equal(mafs_pwrite_full(-1, &byte, 1, 0), -EBADF);
	assert_int_equal(mafs_pread_full(0, &byte, 1, UINT64_MAX), -EOVERFLOW);
	assert_int_equal(mafs_pwrite_full(1, &byte, 1, INT64_MAX), -EOVERFLOW);
	assert_int_equal(mafs_pwrite_full(1, &byte, SIZE_MAX, 0), -EOVERFLOW);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_buffer_keeps_what_is_appended),
		cmocka_unit_test(
			test_buffer_that_cannot_grow_keeps_its_contents),
		cmocka_unit_test(test_buffer_is_done_twice_without_harm),
		cmocka_unit_test(test_file_ranges_are_written_and_read_whole),
		cmocka_unit_test(
			test_file_errors_and_absurd_ranges_are_returned),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
