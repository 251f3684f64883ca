// SPDX-License-Identifier: Apache-2.0
#include <mafs/crc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* RFC 3720, B.4, as integers. */
static void test_crc_gives_the_vectors_of_rfc_3720(void **state)
{
	uint8_t bytes[32];

	memset(bytes, 0, sizeof(bytes));
	assert_int_equal(mafs_crc32c(0, bytes, sizeof(bytes)), 0x8a9136aa);
	memset(bytes, 0xff, sizeof(bytes));
	assert_int_equal(mafs_crc32c(0, bytes, sizeof(bytes)), 0x62a8ab43);
	for (uint8_t i = 0; i < 32; i++)
		bytes[i] = i;
	assert_int_equal(mafs_crc32c(0, bytes, sizeof(bytes)), 0x46dd794e);
	for (uint8_t i = 0; i < 32; i++)
		bytes[i] = (uint8_t)(31 - i);
	assert_int_equal(mafs_crc32c(0, bytes, sizeof(bytes)), 0x113fdb5c);
	assert_int_equal(mafs_crc32c(0, "123456789", 9), 0xe3069283);
}

static void test_crc_goes_on_with_an_earlier_result(void **state)
{
	const char *text = "some bytes that are given in two parts";
	size_t len = strlen(text);

	for (size_t cut = 0; cut <= len; cut++)
		assert_int_equal(mafs_crc32c(mafs_crc32c(0, text, cut),
					     text + cut, len - cut),
				 mafs_crc32c(0, text, len));
}

static void test_crc_of_nothing_is_zero(void **state)
{
	assert_int_equal(mafs_crc32c(0, "", 0), 0);
	assert_int_equal(mafs_crc32c(0, NULL, 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_crc_gives_the_vectors_of_rfc_3720),
		cmocka_unit_test(test_crc_goes_on_with_an_earlier_result),
		cmocka_unit_test(test_crc_of_nothing_is_zero),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
