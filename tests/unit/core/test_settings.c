// SPDX-License-Identifier: Apache-2.0
/* Where settings come from, and that a change of one counts. */
#include "core_fixture.h"

static void set(struct core *c, const char *name, const char *value)
{
	struct mafs_fault fault = MAFS_FAULT_INIT;

	must_be(mafsd_set(c->d, name, value, &fault), 0);
}

/* Line for line, behind the uuid. */
static void add_to_yaml(struct core *c, const char *text)
{
	int fd = n_open(c, ".mafs/volume.yaml", O_WRONLY | O_APPEND);

	must_be(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static bool wait_clean(struct core *c)
{
	for (int i = 0; i < 500 && c->d->n_dirty; i++)
		usleep(10000);
	return c->d->n_dirty == 0;
}

static void make_dirty(struct core *c, const char *name, size_t len)
{
	struct mafsd_open *open = core_create(c, name, O_WRONLY, NULL);

	core_write_pattern(c, open, 0, len, 1);
	mafsd_release(c->d, open);
}

static void test_later_source_is_stronger(void **state)
{
	struct core *c = *state;

	core_start(c);
	must_be(mafsd_setting(c->d, writeback_most), 30000);
	must_be(c->d->writeback_at_bytes, 16 * MIB);
	must_be(c->d->dirty_max_bytes, 16 * MIB);
	core_stop(c);
	add_to_yaml(c, "writeback_most: 10m\nwriteback_after: 1s\n"
		       "dirty_max: '50%'\ncolour: blue\n");
	core_start(c); /* colour is only warned of */
	must_be(mafsd_setting(c->d, writeback_most), 600000);
	must_be(mafsd_setting(c->d, writeback_after), 24 * 3600 * 1000);
	must_be(c->d->writeback_at_bytes, 16 * MIB);
	must_be(c->d->dirty_max_bytes, 32 * MIB);
	core_stop(c);
}

static void test_bad_value_in_the_file_is_named(void **state)
{
	struct mafs_fault fault = MAFS_FAULT_INIT;
	struct core *c = *state;

	core_start(c);
	core_stop(c);
	add_to_yaml(c, "writeback_most: soon\n");
	must_be(mafsd_start(&c->options, &c->d, &fault), -EUCLEAN);
	assert_non_null(strstr(fault.what, "volume.yaml: writeback_most=soon"));
	c->d = NULL;
}

static void test_change_counts_now_and_is_kept(void **state)
{
	struct mafs_settings settings;
	struct core *c = *state;

	core_start(c);
	make_dirty(c, "f", 1000);
	usleep(50000);
	must_be(c->d->n_dirty, 1);
	set(c, "writeback_most", "10ms");
	set(c, "writeback_after", "10ms");
	must(wait_clean(c)); /* also what waited already */
	make_dirty(c, "g", 1000);
	must(wait_clean(c));
	set(c, "watermark_high", "95");
	core_stop(c);
	c->options.settings = (struct mafs_settings){ 0 };
	core_start(c);
	must_be(mafsd_setting(c->d, writeback_after), 10);
	must_be(mafsd_setting(c->d, watermark_high), 95);
	set(c, "writeback_after", NULL);
	mafsd_settings_get(c->d, &settings);
	must_be(settings.writeback_after, 5000);
	must_be(settings.given & 1 << MAFS_SETTING_writeback_after, 0);
	core_stop(c);
	core_start(c);
	must_be(mafsd_setting(c->d, writeback_after), 5000);
	core_stop(c);
}

static void test_change_is_not_held_up_by_what_failed(void **state)
{
	struct mafsd_inode *failed;
	struct core *c = *state;

	core_start(c);
	make_dirty(c, "f", 1000);
	make_dirty(c, "g", 1000);
	failed = mafsd_inode_by_id(c->d, core_lookup(c, "f"));
	pthread_mutex_lock(&failed->lock);
	mafsd_queue_patient(c->d, failed->file, mafsd_now_ms() + 30000);
	pthread_mutex_unlock(&failed->lock);
	set(c, "writeback_most", "10ms");
	set(c, "writeback_after", "10ms");
	for (int i = 0; i < 500 && c->d->n_written_back == 0; i++)
		usleep(10000);
	must_be(c->d->n_written_back, 1);
	must_be(n_size(c, "g"), 1000);
	must_be(c->d->n_dirty, 1);
	core_stop(c);
	must_be(n_size(c, "f"), 1000);
}

static void test_wrong_change_changes_nothing(void **state)
{
	struct mafs_fault fault = MAFS_FAULT_INIT;
	struct core *c = *state;

	core_start(c);
	must_be(mafsd_set(c->d, "colour", "1", &fault), -ENOENT);
	must_be(mafsd_set(c->d, "colour", NULL, &fault), -ENOENT);
	must_be(mafsd_set(c->d, "uuid", "1", &fault), -ENOENT);
	must_be(mafsd_set(c->d, "promote", "never", &fault), -EINVAL);
	must_be(mafsd_set(c->d, "watermark_low", "95", &fault), -EINVAL);
	must_be(mafsd_setting(c->d, watermark_low), 80);
	/* One that counts from the next mount on. */
	must_be(mafsd_set(c->d, "policy", "lru", &fault), 1);
	assert_string_equal(c->d->policy_ops->name, "s3fifo");
	core_stop(c);
	core_start(c);
	assert_string_equal(c->d->policy_ops->name, "lru");
	must_be(mafsd_setting(c->d, watermark_low), 80);
	core_stop(c);
}

static void test_so_much_dirty_is_written_back_at_once(void **state)
{
	struct core *c = *state;

	core_option(c, "writeback_at", "60%");
	core_start(c);
	must_be(c->d->dirty_max_bytes, c->d->writeback_at_bytes);
	make_dirty(c, "f", 36 * MIB); /* of 64 */
	usleep(1200000); /* the thread looks once a second */
	must_be(c->d->n_dirty, 1);
	make_dirty(c, "g", 4 * MIB);
	must(wait_clean(c));
	set(c, "dirty_max", "1M");
	must_be(c->d->writeback_at_bytes, MIB);
	core_stop(c);
}

/* It goes down soon as long as it is empty, and not any more when the
 * bytes of a rewrite have come. */
static void test_emptied_file_is_held_again_when_bytes_come(void **state)
{
	struct mafsd_open *open;
	struct core *c = *state;
	uint64_t f;

	core_start(c);
	make_dirty(c, "f", 1000);
	must_be(mafsd_sync(c->d, NULL), 0);
	f = core_lookup(c, "f");
	mafsd_release(c->d, core_open(c, f, O_WRONLY | O_TRUNC));
	open = core_open(c, f, O_WRONLY);
	core_write_text(c, open, "new");
	mafsd_release(c->d, open);
	usleep(1500000);
	must_be(c->d->n_dirty, 1);
	must_be(c->d->n_written_back, 1);
	mafsd_release(c->d, core_open(c, f, O_WRONLY | O_TRUNC));
	must(wait_clean(c));
	must_be(n_size(c, "f"), 0);
	core_stop(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CORE_TEST(test_later_source_is_stronger),
		CORE_TEST(test_bad_value_in_the_file_is_named),
		CORE_TEST(test_change_counts_now_and_is_kept),
		CORE_TEST(test_change_is_not_held_up_by_what_failed),
		CORE_TEST(test_wrong_change_changes_nothing),
		CORE_TEST(test_so_much_dirty_is_written_back_at_once),
		CORE_TEST(test_emptied_file_is_held_again_when_bytes_come),
	};

	return cmocka_run_group_tests_name("core.settings", tests, NULL, NULL);
}
