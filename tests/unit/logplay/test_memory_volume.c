// SPDX-License-Identifier: Apache-2.0
/* ctest: timeout=120 */
#include "memvol_fixture.h"

#include <errno.h>
#include <mafs/cleanup.h>
#include <mafs/platform.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

#define ROOT MAFS_OMF_ROOT_ID

static int set_up(void **state)
{
	char *place = malloc(T_PLACE_LEN);

	t_place_make("memvol", place);
	*state = place;
	return 0;
}

static int tear_down(void **state)
{
	t_place_remove(*state);
	free(*state);
	return 0;
}

static void closep(struct mafs_memory_volume **volume)
{
	mafs_memory_volume_close(*volume);
}
#define _cleanup_volume_ _cleanup_(closep)

static int try_open(const struct mafs_memory_volume_options *options,
		    struct mafs_fault *fault)
{
	struct mafs_memory_volume *volume = NULL;
	int err = mafs_memory_volume_open(options, &volume, fault);

	mafs_memory_volume_close(volume);
	return err;
}

static int try_open_spec(const char *spec, struct mafs_fault *fault)
{
	return try_open(&(struct mafs_memory_volume_options){ .source = spec },
			fault);
}

static struct mafs_node *node_at(struct mafs_memory_volume *volume,
				 uint64_t parent, const char *name)
{
	struct mafs_name *found = mafs_names_lookup(
		volume->names, mafs_names_node(volume->names, parent), name);

	return found ? found->node : NULL;
}

static uint64_t free_bytes(struct mafs_memory_volume *volume)
{
	struct mafs_pool_usage usage;

	mafs_pool_usage(volume->pool, &usage);
	return usage.free_bytes;
}

static void test_what_was_logged_is_there_again(void **state)
{
	_cleanup_free_ char *spec = t_memvol_format(*state, "a", NULL, false);
	struct mafs_memory_volume *volume = t_memvol_open(spec, false);
	uint64_t free_before;

	t_memvol_mkdir(volume, ROOT, "dir", 2);
	t_memvol_create(volume, 2, "file", 3, 100000);
	free_before = free_bytes(volume);
	mafs_memory_volume_close(volume);

	volume = t_memvol_open(spec, true);
	assert_null(volume->log);
	assert_int_equal(node_at(volume, 2, "file")->size_bytes, 100000);
	mafs_memory_volume_close(volume);

	volume = t_memvol_open(spec, false);
	assert_int_equal(node_at(volume, ROOT, "dir")->id, 2);
	assert_int_equal(free_bytes(volume), free_before);
	assert_string_equal(volume->source, spec);
	mafs_memory_volume_close(volume);
}

static void test_space_of_what_has_no_name_is_free(void **state)
{
	_cleanup_free_ char *spec = t_memvol_format(*state, "a", NULL, false);
	struct mafs_memory_volume *volume = t_memvol_open(spec, false);
	uint64_t free_before = free_bytes(volume);

	t_memvol_create(volume, ROOT, "file", 2, T_MIB);
	t_memvol_unlink(volume, ROOT, "file", 2);
	mafs_memory_volume_close(volume);
	volume = t_memvol_open(spec, false);
	assert_int_equal(free_bytes(volume), free_before);
	assert_null(mafs_names_node(volume->names, 2));
	mafs_memory_volume_close(volume);
}

static void test_what_is_no_volume_is_told_apart(void **state)
{
	_cleanup_free_ char *primary =
		t_memvol_format(*state, "a", NULL, false);
	_cleanup_free_ char *secondary =
		t_memvol_format(*state, "b", NULL, true);
	struct mafs_fault fault = MAFS_FAULT_INIT;
	char spec[128];

	assert_int_equal(try_open_spec(secondary, &fault), -EINVAL);
	assert_non_null(strstr(fault.what, "further device"));
	(void)snprintf(spec, sizeof(spec), "file:%s", t_path(*state, "zeros"));
	assert_int_equal(truncate(t_path(*state, "a"), 8 * T_MIB), 0);
	t_write_file(*state, "zeros", "");
	assert_int_equal(truncate(t_path(*state, "zeros"), 8 * T_MIB), 0);
	assert_int_equal(try_open_spec(spec, &fault), -ENODATA);
	assert_non_null(strstr(fault.what, "mafs mkfs"));
	assert_int_equal(unlink(t_path(*state, "zeros")), 0);
	assert_int_equal(try_open_spec(spec, &fault), -ENOENT);
}

static void test_memfd_is_formatted_when_it_is_made(void **state)
{
	const char *const devices[] = { "memfd:4M" };
	const struct mafs_memory_volume_options options = {
		.source = "memfd:8M",
		.devices = devices,
		.n_devices = 1,
	};
	_cleanup_volume_ struct mafs_memory_volume *volume = NULL;
	struct mafs_fault fault = MAFS_FAULT_INIT;

	assert_int_equal(mafs_memory_volume_open(&options, &volume, &fault), 0);
	assert_int_equal(mafs_pool_n_devices(volume->pool), 2);
	t_memvol_create(volume, ROOT, "file", 2, 9 * T_MIB);
}

/* ---- further devices ---- */

static void add_device(const char *primary, const char *place, const char *name)
{
	_cleanup_volume_ struct mafs_memory_volume *volume =
		t_memvol_open(primary, false);
	_cleanup_free_ char *text =
		t_memvol_format(place, name, &volume->uuid, true);
	struct mafs_fault fault = MAFS_FAULT_INIT;
	struct mafs_device_spec spec;
	struct mafs_device *device;

	assert_int_equal(mafs_device_spec_parse(text, &spec, &fault), 0);
	assert_int_equal(mafs_device_open(&spec, false, false, false, &device,
					  &fault),
			 0);
	assert_int_equal(mafs_memory_volume_add(volume, device, text, &fault),
			 0);
	mafs_device_spec_done(&spec);
}

static void test_further_devices_are_found_where_they_were(void **state)
{
	_cleanup_free_ char *spec = t_memvol_format(*state, "a", NULL, false);
	struct mafs_memory_volume *volume;
	uint64_t size;

	add_device(spec, *state, "b");
	volume = t_memvol_open(spec, false);
	assert_int_equal(mafs_pool_n_devices(volume->pool), 2);
	size = 12 * T_MIB; /* more than one has */
	t_memvol_create(volume, ROOT, "large", 2, size);
	assert_true(node_at(volume, ROOT, "large")->map.n_extents > 1);
	mafs_memory_volume_close(volume);
	volume = t_memvol_open(spec, false);
	assert_int_equal(volume->n_records, 1);
	assert_false(volume->records[0].missing);
	assert_int_equal(node_at(volume, ROOT, "large")->size_bytes, size);
	mafs_memory_volume_close(volume);
}

static void test_a_missing_device_is_named(void **state)
{
	_cleanup_free_ char *spec = t_memvol_format(*state, "a", NULL, false);
	char moved[128], uuid[MAFS_UUID_TEXT_LEN];
	struct mafs_memory_volume_options options = { .source = spec };
	const char *const devices[] = { moved };
	_cleanup_volume_ struct mafs_memory_volume *volume = NULL;
	struct mafs_fault fault = MAFS_FAULT_INIT;
	char *from = strdup(t_path(*state, "b"));

	add_device(spec, *state, "b");
	(void)snprintf(moved, sizeof(moved), "%s", t_path(*state, "moved"));
	assert_int_equal(rename(from, moved), 0);
	assert_int_equal(try_open(&options, &fault), -ENODEV);
	assert_non_null(strstr(fault.what, from));
	options.role = MAFS_ROLE_CLIENT;
	options.incomplete = true;
	assert_int_equal(mafs_memory_volume_open(&options, &volume, &fault), 0);
	assert_true(volume->records[0].missing);
	mafs_uuid_to_text(&volume->records[0].uuid, uuid);
	options.incomplete = false;
	assert_int_equal(try_open(&options, &fault), -ENODEV);
	assert_non_null(strstr(fault.what, uuid));
	options.role = MAFS_ROLE_AUTO;
	options.devices = devices;
	options.n_devices = 1;
	assert_int_equal(try_open(&options, &fault), 0);
	free(from);
}

static void test_foreign_devices_are_refused(void **state)
{
	_cleanup_free_ char *spec = t_memvol_format(*state, "a", NULL, false);
	_cleanup_free_ char *other = t_memvol_format(*state, "b", NULL, true);
	const char *const devices[] = { other };
	const struct mafs_memory_volume_options options = {
		.source = spec,
		.devices = devices,
		.n_devices = 1,
	};
	struct mafs_memory_volume *volume = t_memvol_open(spec, true);
	struct mafs_fault fault = MAFS_FAULT_INIT;
	char *unnamed;

	assert_int_equal(try_open(&options, &fault), -EINVAL);
	assert_non_null(strstr(fault.what, "another volume"));
	unnamed = t_memvol_format(*state, "b", &volume->uuid, true);
	mafs_memory_volume_close(volume);
	assert_int_equal(try_open(&options, &fault), -EINVAL);
	assert_non_null(strstr(fault.what, "mafs device add"));
	free(unnamed);
}

/* ---- damage ---- */

static void test_bytes_in_use_twice_are_refused(void **state)
{
	_cleanup_free_ char *spec = t_memvol_format(*state, "a", NULL, false);
	struct mafs_memory_volume *volume = t_memvol_open(spec, false);
	struct mafs_fault fault = MAFS_FAULT_INIT;
	struct mafs_entry twice = { .type = MAFS_OMF_EXTENTS };

	t_memvol_create(volume, ROOT, "one", 2, 4096);
	t_memvol_create(volume, ROOT, "two", 3, 0);
	twice.extents = (struct mafs_entry_extents){
		.id = 3,
		.size_bytes = 4096,
		.map = node_at(volume, ROOT, "one")->map,
	};
	t_memvol_append(volume, &twice, 1);
	mafs_memory_volume_close(volume);
	assert_int_equal(try_open_spec(spec, &fault), -EUCLEAN);
	assert_non_null(strstr(fault.what, "inode "));
	/* To read there is no harm in it. */
	mafs_memory_volume_close(t_memvol_open(spec, true));
}

static void test_an_impossible_entry_is_named(void **state)
{
	_cleanup_free_ char *spec = t_memvol_format(*state, "a", NULL, false);
	struct mafs_memory_volume *volume = t_memvol_open(spec, false);
	struct mafs_entry below = t_name_entry(MAFS_OMF_NAME, 2, "x", 3);
	struct mafs_fault fault = MAFS_FAULT_INIT;

	t_memvol_create(volume, ROOT, "file", 2, 0);
	t_memvol_create(volume, ROOT, "other", 3, 0);
	assert_int_equal(mafs_log_append(volume->log, &below, 1, NULL), 0);
	mafs_memory_volume_close(volume);
	assert_int_equal(try_open_spec(spec, &fault), -EUCLEAN);
	assert_non_null(strstr(fault.what, "log slot A: batch "));
	assert_non_null(strstr(fault.what, "no directory"));
	assert_int_equal(fault.seq, 5);
}

/* ---- masters ---- */

static void test_a_second_master_is_refused(void **state)
{
	_cleanup_free_ char *spec = t_memvol_format(*state, "a", NULL, false);
	struct mafs_memory_volume *volume = t_memvol_open(spec, false);
	struct mafs_fault fault = MAFS_FAULT_INIT;
	uint64_t epoch = volume->epoch;

	assert_int_equal(try_open_spec(spec, &fault), -EBUSY);
	assert_non_null(strstr(fault.what, "this host"));
	/* The one that is keeps its place. */
	assert_int_equal(
		mafs_device_master_epoch(mafs_pool_device(volume->pool, 0)),
		epoch);
	t_memvol_create(volume, ROOT, "file", 2, 0);
	mafs_memory_volume_close(volume);
	volume = t_memvol_open(spec, false);
	assert_int_equal(volume->epoch, epoch + 1);
	assert_non_null(node_at(volume, ROOT, "file"));
	mafs_memory_volume_close(volume);
}

static void test_a_master_says_who_it_is_until_it_ends(void **state)
{
	_cleanup_free_ char *spec = t_memvol_format(*state, "a", NULL, false);
	struct mafs_memory_volume *master = t_memvol_open(spec, false);
	struct mafs_memory_volume *reader = t_memvol_open(spec, true);
	struct mafs_uuid boot;

	assert_int_equal(mafs_boot_id(&boot), 0);
	assert_true(mafs_uuid_equal(&reader->sb.master_boot, &boot));
	assert_int_equal(reader->sb.master_epoch, master->epoch);
	assert_false(mafs_uuid_is_null(&reader->sb.master_instance));
	mafs_memory_volume_close(reader);
	mafs_memory_volume_close(master);
	reader = t_memvol_open(spec, true);
	assert_true(mafs_uuid_is_null(&reader->sb.master_boot));
	mafs_memory_volume_close(reader);
}

/* As if another machine had it. */
static void set_master(const char *spec, bool same_machine)
{
	struct mafs_memory_volume *volume = t_memvol_open(spec, false);
	struct mafs_device *device = mafs_pool_device(volume->pool, 0);
	struct mafs_superblock sb;

	assert_int_equal(mafs_superblock_read(&device->media, &sb, NULL, NULL),
			 0);
	if (!same_machine)
		mafs_uuid_generate(&sb.master_machine);
	mafs_uuid_generate(&sb.master_boot);
	sb.master_epoch = volume->epoch + 7;
	assert_int_equal(mafs_superblock_flip(&device->media, &sb, NULL), 0);
	mafs_memory_volume_close(volume);
}

static void test_a_master_elsewhere_is_respected(void **state)
{
	_cleanup_free_ char *spec = t_memvol_format(*state, "a", NULL, false);
	struct mafs_memory_volume_options options = { .source = spec };
	_cleanup_volume_ struct mafs_memory_volume *volume = NULL;
	struct mafs_fault fault = MAFS_FAULT_INIT;

	set_master(spec, false);
	volume = t_memvol_open(spec, false);
	assert_true(volume->is_client);
	mafs_memory_volume_close(take_ptr(volume));
	options.role = MAFS_ROLE_MASTER;
	assert_int_equal(try_open(&options, &fault), -EBUSY);
	assert_non_null(strstr(fault.what, "-o takeover"));
	options.takeover = true;
	assert_int_equal(mafs_memory_volume_open(&options, &volume, &fault), 0);
	assert_int_equal(volume->epoch, 1 + 7 + 1);
}

static void test_an_earlier_boot_of_this_machine_is_dead(void **state)
{
	_cleanup_free_ char *spec = t_memvol_format(*state, "a", NULL, false);
	struct mafs_fault fault = MAFS_FAULT_INIT;

	set_master(spec, true);
	assert_int_equal(try_open_spec(spec, &fault), 0);
}

struct beater {
	struct mafs_device *device;
	atomic_bool stop;
};

static void *beat(void *context)
{
	struct beater *beater = context;

	while (!beater->stop) {
		mafs_device_heartbeat_beat(beater->device);
		usleep(50000);
	}
	return NULL;
}

static void test_no_master_is_taken_from_a_living_one(void **state)
{
	_cleanup_free_ char *spec = t_memvol_format(*state, "a", NULL, false);
	const struct mafs_memory_volume_options options = { .source = spec,
							    .takeover = true };
	struct mafs_memory_volume *old = t_memvol_open(spec, false);
	struct beater beater = { mafs_pool_device(old->pool, 0), false };
	_cleanup_volume_ struct mafs_memory_volume *volume = NULL;
	struct mafs_fault fault = MAFS_FAULT_INIT;
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, beat, &beater), 0);
	assert_int_equal(try_open(&options, &fault), -EBUSY);
	assert_non_null(strstr(fault.what, "heartbeat"));
	beater.stop = true;
	pthread_join(thread, NULL);
	t_memvol_create(old, ROOT, "last", 2, 0);
	assert_int_equal(mafs_memory_volume_open(&options, &volume, &fault), 0);
	assert_non_null(node_at(volume, ROOT, "last"));
	/* It knows, and leaves the new one's record alone. */
	assert_int_equal(
		mafs_device_master_epoch(mafs_pool_device(old->pool, 0)),
		volume->epoch);
	assert_true(old->epoch < volume->epoch);
	mafs_memory_volume_close(old);
	assert_int_equal(try_open_spec(spec, &fault), -EBUSY);
}

/* What a master that was taken over stores late is in no lap that counts. */
static void test_a_late_store_of_the_old_master_does_not_count(void **state)
{
	_cleanup_free_ char *spec = t_memvol_format(*state, "a", NULL, false);
	const struct mafs_memory_volume_options options = { .source = spec,
							    .takeover = true };
	struct mafs_memory_volume *old = t_memvol_open(spec, false);
	struct mafs_memory_volume *volume;
	struct mafs_fault fault = MAFS_FAULT_INIT;

	t_memvol_create(old, ROOT, "before", 2, 0);
	assert_int_equal(mafs_memory_volume_open(&options, &volume, &fault), 0);
	/* It had looked before. */
	mafs_pool_device(old->pool, 0)->epoch = 0;
	t_memvol_create(old, ROOT, "late", 3, 0);
	t_memvol_create(volume, ROOT, "new", 3, 0);
	mafs_memory_volume_close(volume);
	mafs_memory_volume_close(old);
	volume = t_memvol_open(spec, true);
	assert_non_null(node_at(volume, ROOT, "before"));
	assert_non_null(node_at(volume, ROOT, "new"));
	assert_null(node_at(volume, ROOT, "late"));
	mafs_memory_volume_close(volume);
}

/* Neither entries that wait for their turn, nor a checkpoint. */
static void test_an_old_master_stores_nothing_more(void **state)
{
	_cleanup_free_ char *spec = t_memvol_format(*state, "a", NULL, false);
	const struct mafs_memory_volume_options options = { .source = spec,
							    .takeover = true };
	struct mafs_memory_volume *old[2], *volume;
	struct mafs_entry entry = t_name_entry(MAFS_OMF_NAME, ROOT, "late", 2);
	struct mafs_fault fault = MAFS_FAULT_INIT;
	struct mafs_device *device;
	uint8_t *before;
	uint64_t ticket;

	for (int i = 0; i < 2; i++) {
		assert_int_equal(
			mafs_memory_volume_open(&options, &old[i], &fault), 0);
		if (i == 0)
			t_memvol_create(old[0], ROOT, "before", 2, 0);
		assert_int_equal(
			mafs_log_submit(old[i]->log, &entry, 1, &ticket), 0);
	}
	assert_int_equal(mafs_memory_volume_open(&options, &volume, &fault), 0);
	device = mafs_pool_device(volume->pool, 0);
	before = malloc(device->size_bytes);
	assert_non_null(before);
	memcpy(before, device->base, device->size_bytes);
	assert_int_equal(mafs_log_wait(old[0]->log, ticket), -EIO);
	assert_int_not_equal(mafs_log_checkpoint(old[1]->log,
						 t_memvol_give_live, old[1],
						 &fault),
			     0);
	for (int i = 0; i < 2; i++) {
		struct mafs_device *late = mafs_pool_device(old[i]->pool, 0);

		assert_int_equal(mafs_device_free_epoch_raise(late), -EIO);
		assert_int_equal(mafs_device_heartbeat_beat(late), -EIO);
	}
	assert_memory_equal(before, device->base, device->size_bytes);
	free(before);
	mafs_memory_volume_close(volume);
	for (int i = 0; i < 2; i++)
		mafs_memory_volume_close(old[i]);
}

static void test_the_lock_ends_with_its_process(void **state)
{
	_cleanup_free_ char *spec = t_memvol_format(*state, "a", NULL, false);
	struct mafs_fault fault = MAFS_FAULT_INIT;
	pid_t child = fork();
	int status;

	assert_true(child >= 0);
	if (!child) {
		struct mafs_memory_volume *volume = t_memvol_open(spec, false);

		t_memvol_create(volume, ROOT, "file", 2, 0);
		raise(SIGKILL);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(try_open_spec(spec, &fault), 0);
}

/* ---- followers ---- */

static void count_names(void *context, const struct mafs_entry *entry)
{
	*(size_t *)context += entry->type == MAFS_OMF_NAME;
}

static void test_a_reader_follows_the_master(void **state)
{
	_cleanup_free_ char *spec = t_memvol_format(*state, "a", NULL, false);
	_cleanup_volume_ struct mafs_memory_volume *master =
		t_memvol_open(spec, false);
	_cleanup_volume_ struct mafs_memory_volume *reader =
		t_memvol_open(spec, true);
	struct mafs_fault fault = MAFS_FAULT_INIT;
	size_t n_names = 0;

	t_memvol_create(master, ROOT, "a", 2, 8192);
	t_memvol_create(master, ROOT, "b", 3, 0);
	assert_int_equal(mafs_memory_volume_follow(reader, count_names,
						   &n_names, &fault),
			 5);
	assert_int_equal(n_names, 2);
	assert_int_equal(node_at(reader, ROOT, "a")->size_bytes, 8192);
	t_memvol_unlink(master, ROOT, "a", 2);
	assert_int_equal(mafs_memory_volume_follow(reader, NULL, NULL, &fault),
			 1);
	assert_null(node_at(reader, ROOT, "a"));
	assert_null(mafs_names_node(reader->names, 2));
	assert_int_equal(mafs_memory_volume_follow(reader, NULL, NULL, &fault),
			 0);
}

static void test_a_reader_keeps_what_will_be_named_yet(void **state)
{
	_cleanup_free_ char *spec = t_memvol_format(*state, "a", NULL, false);
	_cleanup_volume_ struct mafs_memory_volume *master =
		t_memvol_open(spec, false);
	const struct mafs_entry made = {
		.type = MAFS_OMF_NODE,
		.node = { .id = 2, .mode = S_IFREG | 0600 },
	};
	const struct mafs_entry named =
		t_name_entry(MAFS_OMF_NAME, ROOT, "linked", 2);
	struct mafs_fault fault = MAFS_FAULT_INIT;

	t_memvol_append(master, &made, 1);
	_cleanup_volume_ struct mafs_memory_volume *reader =
		t_memvol_open(spec, true);
	t_memvol_append(master, &named, 1);
	assert_int_equal(mafs_memory_volume_follow(reader, NULL, NULL, &fault),
			 1);
	assert_non_null(node_at(reader, ROOT, "linked"));
}

static void test_a_reader_meets_a_device_that_is_added(void **state)
{
	_cleanup_free_ char *spec = t_memvol_format(*state, "a", NULL, false);
	_cleanup_volume_ struct mafs_memory_volume *reader =
		t_memvol_open(spec, true);
	struct mafs_fault fault = MAFS_FAULT_INIT;

	add_device(spec, *state, "b");
	assert_int_equal(mafs_memory_volume_follow(reader, NULL, NULL, &fault),
			 1);
	assert_int_equal(mafs_pool_n_devices(reader->pool), 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_what_was_logged_is_there_again),
		TEST(test_space_of_what_has_no_name_is_free),
		TEST(test_what_is_no_volume_is_told_apart),
		TEST(test_memfd_is_formatted_when_it_is_made),
		TEST(test_further_devices_are_found_where_they_were),
		TEST(test_a_missing_device_is_named),
		TEST(test_foreign_devices_are_refused),
		TEST(test_bytes_in_use_twice_are_refused),
		TEST(test_an_impossible_entry_is_named),
		TEST(test_a_second_master_is_refused),
		TEST(test_a_master_says_who_it_is_until_it_ends),
		TEST(test_a_master_elsewhere_is_respected),
		TEST(test_an_earlier_boot_of_this_machine_is_dead),
		TEST(test_no_master_is_taken_from_a_living_one),
		TEST(test_a_late_store_of_the_old_master_does_not_count),
		TEST(test_an_old_master_stores_nothing_more),
		TEST(test_the_lock_ends_with_its_process),
		TEST(test_a_reader_follows_the_master),
		TEST(test_a_reader_keeps_what_will_be_named_yet),
		TEST(test_a_reader_meets_a_device_that_is_added),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
