// SPDX-License-Identifier: Apache-2.0
/* What may stand behind --memory. */
#include <mafs/memory.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <mafs/platform.h>
#include <string.h>

static struct mafs_memory_spec parsed(const char *text)
{
	struct mafs_memory_spec spec;
	struct mafs_fault fault = MAFS_FAULT_INIT;
	int r = mafs_memory_spec_parse(text, &spec, &fault);

	if (r < 0)
		print_message("%s: %s\n", text, fault.what);
	assert_int_equal(r, 0);
	return spec;
}

static void refused(const char *text, int expected)
{
	struct mafs_memory_spec spec = { .size_bytes = 7 };
	struct mafs_fault fault = MAFS_FAULT_INIT;

	assert_int_equal(mafs_memory_spec_parse(text, &spec, &fault), expected);
	assert_int_equal(spec.size_bytes, 7);
	assert_true(*fault.what);
}

static void test_kind_alone_leaves_all_to_the_defaults(void **state)
{
	struct mafs_memory_spec spec = parsed("tmpfs");

	assert_string_equal(spec.kind, "tmpfs");
	assert_int_equal(spec.size_bytes, 0);
	assert_string_equal(spec.mpol, "");
	assert_string_equal(spec.huge, "");
}

static void test_size_is_read_with_its_suffix(void **state)
{
	assert_true(parsed("tmpfs:512M").size_bytes == UINT64_C(512) << 20);
	assert_true(parsed("tmpfs:8G").size_bytes == UINT64_C(8) << 30);
	assert_true(parsed("tmpfs:4096").size_bytes == 4096);
}

static void test_percentage_is_of_ram(void **state)
{
	struct mafs_bounds bounds;

	assert_int_equal(mafs_bounds_read(&bounds), 0);
	assert_int_equal(parsed("tmpfs:50%").size_bytes, bounds.ram_bytes / 2);
}

static void test_options_are_kept_as_the_kernel_reads_them(void **state)
{
	struct mafs_memory_spec spec =
		parsed("tmpfs:64G,mpol=bind:2,huge=within_size");

	assert_true(spec.size_bytes == UINT64_C(64) << 30);
	assert_string_equal(spec.mpol, "bind:2");
	assert_string_equal(spec.huge, "within_size");
}

static void test_list_of_nodes_may_hold_commas(void **state)
{
	struct mafs_memory_spec spec =
		parsed("tmpfs,mpol=interleave:0,2-3,5,huge=never");

	assert_string_equal(spec.mpol, "interleave:0,2-3,5");
	assert_string_equal(spec.huge, "never");
	assert_int_equal(spec.size_bytes, 0);
}

static void test_unknown_kind_is_refused(void **state)
{
	refused("", -EINVAL);
	refused("ramfs:1G", -EINVAL);
	refused("8G", -EINVAL);
}

static void test_size_that_is_none_is_refused(void **state)
{
	refused("tmpfs:", -EINVAL);
	refused("tmpfs:much", -EINVAL);
	refused("tmpfs:0", -EINVAL);
	refused("tmpfs:101%", -ERANGE);
	refused("tmpfs:99999999999P", -ERANGE);
}

static void test_unknown_option_or_value_is_refused(void **state)
{
	refused("tmpfs,", -EINVAL);
	refused("tmpfs,noswap", -EINVAL);
	refused("tmpfs,mpol=", -EINVAL);
	refused("tmpfs,huge=sometimes", -EINVAL);
	refused("tmpfs:1G,size=2G", -EINVAL);
}

static void test_overlong_value_is_refused(void **state)
{
	char text[200] = "tmpfs,mpol=";

	memset(text + strlen(text), 'x', 100);
	refused(text, -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kind_alone_leaves_all_to_the_defaults),
		cmocka_unit_test(test_size_is_read_with_its_suffix),
		cmocka_unit_test(test_percentage_is_of_ram),
		cmocka_unit_test(
			test_options_are_kept_as_the_kernel_reads_them),
		cmocka_unit_test(test_list_of_nodes_may_hold_commas),
		cmocka_unit_test(test_unknown_kind_is_refused),
		cmocka_unit_test(test_size_that_is_none_is_refused),
		cmocka_unit_test(test_unknown_option_or_value_is_refused),
		cmocka_unit_test(test_overlong_value_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
