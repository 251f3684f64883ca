// SPDX-License-Identifier: Apache-2.0
/* Faults, messages and UUIDs as text. */
#include <errno.h>
#include <mafs/cleanup.h>
#include <mafs/diag.h>
#include <mafs/fault.h>
#include <mafs/uuid.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

static void test_fault_tells_what_and_where(void **state)
{
	struct mafs_fault fault = MAFS_FAULT_INIT;

	assert_int_equal(mafs_fault_at(&fault, -EBADMSG, 4096, "slot %c", 'A'),
			 -EBADMSG);
	assert_string_equal(fault.what, "slot A");
	assert_int_equal(fault.media_offset, 4096);
	fault.seq = 5;
	assert_int_equal(mafs_fault_set(&fault, -EIO, "gone"), -EIO);
	assert_string_equal(fault.what, "gone");
	assert_true(fault.media_offset == MAFS_FAULT_NO_OFFSET);
	assert_int_equal(fault.seq, 0);
	assert_int_equal(mafs_fault_set(NULL, -EIO, "nobody asks"), -EIO);
}

static void test_long_fault_is_cut(void **state)
{
	struct mafs_fault fault;

	mafs_fault_set(&fault, -EIO, "%1000s", "x");
	assert_int_equal(strlen(fault.what), sizeof(fault.what) - 1);
}

/* What goes to standard error meanwhile. */
static void catch_stderr(void (*speak)(void), char *ret, size_t len)
{
	_cleanup_close_ int caught = memfd_create("stderr", MFD_CLOEXEC);
	_cleanup_close_ int kept = dup(2);
	ssize_t n;

	assert_true(caught >= 0 && kept >= 0);
	assert_int_equal(dup2(caught, 2), 2);
	speak();
	dup2(kept, 2);
	n = pread(caught, ret, len - 1, 0);
	assert_true(n >= 0);
	ret[n] = '\0';
}

static void speak(void)
{
	mafs_diag_level(MAFS_DIAG_WARNING);
	mafs_error("one %d", 1);
	mafs_notice("not this");
	errno = EXDEV;
	mafs_warning("two");
	mafs_diag_program("mafs-fused");
	mafs_diag_level(MAFS_DIAG_DEBUG);
	mafs_debug("three");
}

static void test_messages_name_the_program_and_mind_the_level(void **state)
{
	char text[200];

	catch_stderr(speak, text, sizeof(text));
	assert_string_equal(text, "mafs: one 1\nmafs: two\n"
				  "mafs-fused: three\n");
	errno = 0;
}

static void keep_errno(void)
{
	errno = EXDEV;
	mafs_error("%s", "x");
	assert_int_equal(errno, EXDEV);
}

static void test_message_keeps_errno(void **state)
{
	char text[200];

	catch_stderr(keep_errno, text, sizeof(text));
	errno = 0;
}

static void test_uuid_is_read_back_from_its_text(void **state)
{
	char text[MAFS_UUID_TEXT_LEN];
	struct mafs_uuid a, b = {};

	assert_true(mafs_uuid_is_null(&b));
	mafs_uuid_generate(&a);
	assert_false(mafs_uuid_is_null(&a));
	assert_false(mafs_uuid_equal(&a, &b));
	mafs_uuid_to_text(&a, text);
	assert_int_equal(mafs_uuid_parse(text, &b), 0);
	assert_true(mafs_uuid_equal(&a, &b));
}

static void test_text_that_is_no_uuid_is_refused(void **state)
{
	static const char *const texts[] = {
		"",
		"x",
		"0b0e5c1e-6ad9-4a7c-9a5e-7c1a5f2e3d4",
		"0b0e5c1e-6ad9-4a7c-9a5e-7c1a5f2e3d4ff",
		"0b0e5c1e-6ad9-4a7c-9a5e-7c1a5f2e3d4 ",
		"0b0e5c1e06ad904a7c09a5e07c1a5f2e3d4f",
		"gb0e5c1e-6ad9-4a7c-9a5e-7c1a5f2e3d4f",
	};
	struct mafs_uuid uuid = { { 7 } };

	for (size_t i = 0; i < MAFS_ARRAY_SIZE(texts); i++)
		assert_int_equal(mafs_uuid_parse(texts[i], &uuid), -EINVAL);
	assert_int_equal(uuid.bytes[0], 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fault_tells_what_and_where),
		cmocka_unit_test(test_long_fault_is_cut),
		cmocka_unit_test(
			test_messages_name_the_program_and_mind_the_level),
		cmocka_unit_test(test_message_keeps_errno),
		cmocka_unit_test(test_uuid_is_read_back_from_its_text),
		cmocka_unit_test(test_text_that_is_no_uuid_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
