// SPDX-License-Identifier: Apache-2.0
/* Settings as people write them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <mafs/settings.h>
#include <string.h>

static void assert_reads(const char *name, const char *text, uint64_t value)
{
	uint64_t is = ~value;

	assert_int_equal(mafs_setting_parse(mafs_setting_find(name), text, &is,
					    NULL),
			 0);
	assert_int_equal(is, value);
}

static void assert_refused(const char *name, const char *text, const char *said)
{
	struct mafs_fault fault = MAFS_FAULT_INIT;
	uint64_t is = 42;

	assert_int_equal(mafs_setting_parse(mafs_setting_find(name), text, &is,
					    &fault),
			 -EINVAL);
	assert_int_equal(is, 42);
	assert_non_null(strstr(fault.what, name));
	assert_non_null(strstr(fault.what, said));
}

static void test_times_have_units(void **state)
{
	assert_reads("writeback_after", "0", 0);
	assert_reads("writeback_after", "2.5", 2500);
	assert_reads("writeback_after", "250ms", 250);
	assert_reads("writeback_after", "90s", 90000);
	assert_reads("writeback_after", "1.5m", 90000);
	assert_reads("writeback_after", "1h", 3600000);
	assert_reads("writeback_after", "7d", MAFS_TIME_MAX);
	assert_reads("promote", "off", 0);
	assert_refused("writeback_after", "off", "seconds");
	assert_refused("writeback_after", "", "seconds");
	assert_refused("writeback_after", "-1", "seconds");
	assert_refused("writeback_after", "nan", "seconds");
	assert_refused("writeback_after", "inf", "seconds");
	assert_refused("writeback_after", "0x10", "seconds");
	assert_refused("writeback_after", "1e3", "seconds");
	assert_refused("writeback_after", "5x", "seconds");
	assert_refused("writeback_after", "8d", "seconds");
	assert_refused("writeback_after", "99999999999999999999", "seconds");
	assert_refused("promote", "on", "off|TIME");
	assert_refused("promote", "TIME", "off|TIME");
}

static void test_shares_are_sizes_or_percentages(void **state)
{
	assert_reads("writeback_at", "60%", MAFS_SHARE_PERCENT(60));
	assert_reads("writeback_at", "512M", UINT64_C(512) << 20);
	assert_reads("dirty_max", "auto", 0);
	assert_refused("writeback_at", "0", "60%");
	assert_refused("writeback_at", "0%", "60%");
	assert_refused("writeback_at", "101%", "60%");
	assert_refused("writeback_at", "auto", "60%");
	assert_refused("writeback_at", "18446744073709551615", "60%");
	assert_reads("watermark_high", "70", 70);
	assert_reads("watermark_high", "70%", 70);
	assert_refused("watermark_high", "0", "percentage");
	assert_refused("watermark_high", "101", "percentage");
	assert_refused("watermark_high", "-1", "percentage");
	assert_refused("watermark_high", "70M", "percentage");
	assert_int_equal(mafs_share_of(MAFS_SHARE_PERCENT(25), 4096), 1024);
	assert_int_equal(mafs_share_of(MAFS_SHARE_PERCENT(100), UINT64_MAX),
			 UINT64_MAX);
	assert_int_equal(mafs_share_of(5000, 4096), 4096);
	assert_int_equal(mafs_share_of(100, 4096), 100);
}

static void test_words_are_the_forms(void **state)
{
	assert_reads("policy", "s3fifo", 0);
	assert_reads("policy", "lru", 1);
	assert_refused("policy", "random", "s3fifo|lru");
	assert_refused("policy", "", "s3fifo|lru");
	assert_refused("policy", "lru|", "s3fifo|lru");
}

static void test_text_reads_as_the_same(void **state)
{
	static const char *const texts[][2] = {
		{ "writeback_after", "5s" }, { "writeback_after", "90s" },
		{ "writeback_after", "0s" }, { "writeback_after", "2h" },
		{ "writeback_after", "3d" }, { "writeback_after", "1500ms" },
		{ "promote", "off" },        { "writeback_at", "60%" },
		{ "writeback_at", "0.25%" }, { "writeback_at", "4K" },
		{ "dirty_max", "auto" },     { "watermark_low", "0%" },
		{ "dirty_max", "20M" },      { "dirty_max", "1G" },
		{ "dirty_max", "4097" },     { "dirty_max", "1025M" },
		{ "policy", "lru" },         { "policy", "s3fifo" },
	};
	char text[MAFS_SETTING_TEXT_LEN];
	const struct mafs_setting *setting;
	uint64_t value;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		setting = mafs_setting_find(texts[i][0]);
		value = 0;
		if (strcmp(texts[i][1], "0.25%") != 0)
			assert_int_equal(mafs_setting_parse(setting,
							    texts[i][1], &value,
							    NULL),
					 0);
		else
			value = MAFS_SHARE_OF_MEMORY | 25;
		mafs_setting_to_text(setting, value, text);
		assert_string_equal(text, texts[i][1]);
	}
	for (size_t i = 0; i < MAFS_N_SETTINGS; i++) {
		setting = &mafs_settings_table[i];
		mafs_setting_to_text(setting, setting->value, text);
		value = ~setting->value;
		assert_int_equal(
			mafs_setting_parse(setting, text, &value, NULL), 0);
		assert_int_equal(value, setting->value);
	}
}

static void test_later_ones_lie_over_earlier_ones(void **state)
{
	struct mafs_settings settings, over = { 0 };

	mafs_settings_default(&settings);
	assert_int_equal(settings.writeback_after, 5000);
	assert_int_equal(settings.given, 0);
	assert_int_equal(mafs_settings_take(&over, "writeback_after=0", NULL),
			 1);
	assert_int_equal(mafs_settings_take(&over, "policy=lru", NULL), 1);
	assert_int_equal(mafs_settings_take(&over, "policy", NULL), 0);
	assert_int_equal(mafs_settings_take(&over, "policyx=lru", NULL), 0);
	assert_int_equal(mafs_settings_take(&over, "policy=x", NULL), -EINVAL);
	assert_int_equal(mafs_settings_take(&over, "=", NULL), 0);
	mafs_settings_overlay(&settings, &over);
	assert_int_equal(settings.writeback_after, 0);
	assert_int_equal(settings.writeback_most, 30000);
	assert_int_equal(settings.policy, 1);
	assert_int_equal(settings.given, 1 << MAFS_SETTING_writeback_after |
						 1 << MAFS_SETTING_policy);
}

static void test_unknown_one_is_named(void **state)
{
	struct mafs_fault fault = MAFS_FAULT_INIT;
	struct mafs_settings settings;

	mafs_settings_default(&settings);
	assert_int_equal(mafs_settings_set(&settings, "colour", "1", &fault),
			 -ENOENT);
	assert_non_null(strstr(fault.what, "colour"));
}

static void test_watermarks_must_have_room_between(void **state)
{
	struct mafs_settings settings;

	mafs_settings_default(&settings);
	assert_int_equal(mafs_settings_check(&settings, NULL), 0);
	settings.watermark_low = settings.watermark_high;
	assert_int_equal(mafs_settings_check(&settings, NULL), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_times_have_units),
		cmocka_unit_test(test_shares_are_sizes_or_percentages),
		cmocka_unit_test(test_words_are_the_forms),
		cmocka_unit_test(test_text_reads_as_the_same),
		cmocka_unit_test(test_later_ones_lie_over_earlier_ones),
		cmocka_unit_test(test_unknown_one_is_named),
		cmocka_unit_test(test_watermarks_must_have_room_between),
	};

	return cmocka_run_group_tests_name("settings.settings", tests, NULL,
					   NULL);
}
