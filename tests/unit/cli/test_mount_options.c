// SPDX-License-Identifier: Apache-2.0
/* The words of mafs mount -o. */
#include "cli/mount_options.c"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static int parse(const char *text, struct mafs_mount_request *ret,
		 struct mafs_fault *fault)
{
	*ret = (struct mafs_mount_request){ 0 };
	return mafs_mount_options(ret, text, fault);
}

static void assert_options(const char *text, const char *options)
{
	struct mafs_mount_request request;

	assert_int_equal(parse(text, &request, NULL), 0);
	if (options)
		assert_string_equal(request.options, options);
	else
		assert_null(request.options);
	mafs_mount_request_done(&request);
}

static void assert_refused(const char *text, const char *said)
{
	struct mafs_fault fault = MAFS_FAULT_INIT;
	struct mafs_mount_request request;

	assert_int_equal(parse(text, &request, &fault), -EINVAL);
	assert_non_null(strstr(fault.what, said));
	mafs_mount_request_done(&request);
}

static void test_words_of_mount_are_handed_on_in_order(void **state)
{
	assert_options("nosuid,dev,noatime", "nosuid,dev,noatime");
	assert_options("allow_other", "allow_other");
	assert_options("writeback_after=2.5", "writeback_after=2.5");
	assert_options("policy=lru", "policy=lru");
	assert_options("promote=off,promote=1.5", "promote=off,promote=1.5");
}

static void test_words_for_others_are_taken_silently(void **state)
{
	assert_options("defaults,noauto,user,_netdev,nofail,async", NULL);
	assert_options("x-systemd.automount,x-gvfs-show,comment=a b", NULL);
	assert_options("default_permissions", NULL);
	assert_options("", NULL);
	assert_options(",,exec,", "exec");
}

static void test_last_of_ro_and_rw_counts(void **state)
{
	struct mafs_mount_request request;

	assert_int_equal(parse("ro,rw", &request, NULL), 0);
	assert_false(request.read_only);
	mafs_mount_request_done(&request);
	assert_int_equal(parse("rw,ro", &request, NULL), 0);
	assert_true(request.read_only);
	mafs_mount_request_done(&request);
}

static void test_memory_keeps_its_own_commas(void **state)
{
	struct mafs_mount_request request;

	assert_int_equal(parse("memory=tmpfs:8G,mpol=bind:2,ro,huge=always",
			       &request, NULL),
			 0);
	assert_string_equal(request.memory, "tmpfs:8G,mpol=bind:2,huge=always");
	assert_true(request.read_only);
	assert_null(request.options);
	mafs_mount_request_done(&request);
}

static void test_size_alone_means_tmpfs(void **state)
{
	struct mafs_mount_request request;

	assert_int_equal(parse("memory=50%", &request, NULL), 0);
	assert_string_equal(request.memory, "tmpfs:50%");
	mafs_mount_request_done(&request);
}

static void test_unknown_word_is_named_with_those_known(void **state)
{
	assert_refused("ro,noatim", "unknown option noatim;");
	assert_refused("noatim", "noatime");
	assert_refused("mpol=bind:2", "unknown option mpol=bind:2");
	assert_refused("memoryx=1", "unknown option memoryx=1");
}

static void test_bad_value_is_refused(void **state)
{
	assert_refused("writeback_after=", "seconds");
	assert_refused("writeback_after=5x", "seconds");
	assert_refused("writeback_after=-1", "seconds");
	assert_refused("writeback_after=nan", "seconds");
	assert_refused("policy=random", "s3fifo|lru");
	assert_refused("policy=", "s3fifo|lru");
	assert_refused("promote=on", "promote=on: give seconds");
	assert_refused("promote=-1", "seconds");
	assert_refused("memory=", "size");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words_of_mount_are_handed_on_in_order),
		cmocka_unit_test(test_words_for_others_are_taken_silently),
		cmocka_unit_test(test_last_of_ro_and_rw_counts),
		cmocka_unit_test(test_memory_keeps_its_own_commas),
		cmocka_unit_test(test_size_alone_means_tmpfs),
		cmocka_unit_test(test_unknown_word_is_named_with_those_known),
		cmocka_unit_test(test_bad_value_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
