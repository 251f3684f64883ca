// SPDX-License-Identifier: Apache-2.0
/* ctest: timeout=3000 */
/*
 * Memory devices that somebody has changed, given to fsck, log, logplay, repair
 * and mount's opening, in process. Whatever the bytes: each ends, with a clear
 * error or none, and nothing is touched but the shadow and the image.
 *
 * The seed is printed; MAFS_TEST_SEED takes it, MAFS_TEST_LONG makes 10,000
 * images. MAFS_TEST_IMAGES=N only leaves N of them in the present directory,
 * for a mount to be given.
 */
#include "cli/log_json.c"
#include "cli/log_print.c"
#include "cli/names.c"

#include "hostile_image.h"
#include "memvol_fixture.h"

#include <dirent.h>
#include <fcntl.h>
#include <mafs/memory_check.h>
#include <mafs/names_shadow.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define ROOT MAFS_OMF_ROOT_ID
#define SECONDS_MAX 60 /* for one image, under sanitizers, on a busy machine */

/* ---- what is done with it ---- */

static void assert_told_by(const char *who, struct hostile *hostile, int r,
			   const struct mafs_fault *fault)
{
	if (r >= 0) {
		hostile->n_opened++;
		return;
	}
	hostile->n_refused++;
	if (r != -ENOMEM && !fault->what[0])
		fail_msg("%s: error %d without a word", who, r);
}

#define assert_told(...) assert_told_by(__func__, __VA_ARGS__)

static void run_fsck(struct hostile *hostile)
{
	const struct mafs_memory_check_options options = {
		.source = hostile->spec,
	};
	struct mafs_fault fault = MAFS_FAULT_INIT;
	struct mafs_memory_check check = {};
	int r = mafs_memory_check(&options, &check, &fault);

	assert_told(hostile, r, &fault);
	for (size_t i = 0; i < check.found.n; i++)
		assert_true(check.found.list[i].fault.what[0]);
	mafs_memory_check_done(&check);
}

static void print_entries(struct mafs_media *media, struct hostile *hostile)
{
	struct mafs_fault fault = MAFS_FAULT_INIT;
	struct mafs_log_position position;
	struct mafs_log_reader *reader;
	struct mafs_entry entry;
	int r = mafs_log_reader_open(media, &reader, NULL, &fault);

	if (r < 0) {
		assert_told(hostile, r, &fault);
		return;
	}
	while ((r = mafs_log_reader_next(reader, &entry, &position, &fault)) ==
	       1) {
		json_t *object = mafs_log_entry_to_json(&entry, &position);

		assert_non_null(object);
		json_decref(object);
		mafs_log_print_text(&entry, &position);
		mafs_entry_done(&entry);
	}
	assert_told(hostile, r, &fault);
	mafs_log_reader_close(reader);
}

static void run_log(struct hostile *hostile)
{
	struct mafs_device_spec spec = {};
	struct mafs_fault fault = MAFS_FAULT_INIT;
	struct mafs_device *device = NULL;
	int r = mafs_device_spec_parse(hostile->spec, &spec, &fault);

	if (r == 0)
		r = mafs_device_open(&spec, false, true, false, &device,
				     &fault);
	mafs_device_spec_done(&spec);
	if (r == 0)
		print_entries(&device->media, hostile);
	else
		assert_told(hostile, r, &fault);
	mafs_device_close(device);
}

static int fill_shadow(struct hostile *hostile,
		       struct mafs_memory_volume *volume,
		       struct mafs_fault *fault)
{
	struct mafs_names_shadow *shadow = NULL;
	int r = mafs_names_shadow_open(t_path(hostile->place, "shadow"),
				       &volume->uuid, &shadow, fault);

	if (r == 0)
		r = mafs_names_shadow_fill(shadow, volume, fault);
	mafs_names_shadow_close(shadow);
	return r;
}

/* Read back what was written. */
static void load_shadow(struct hostile *hostile)
{
	const char *const devices[] = { hostile->spec };
	struct mafs_fault fault = MAFS_FAULT_INIT;
	struct mafs_memory_volume *volume = NULL;
	int r = mafs_names_shadow_load(t_path(hostile->place, "shadow"),
				       devices, 1, &volume, &fault);

	assert_told(hostile, r, &fault);
	mafs_memory_volume_close(volume);
}

/* Deeper than a path may be long. */
static void remove_shadow(const struct hostile *hostile)
{
	int fd = open(hostile->place, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_int_equal(mafs_shadow_remove(fd, "shadow"), 0);
	close(fd);
}

static void run_logplay(struct hostile *hostile)
{
	const struct mafs_memory_volume_options options = {
		.source = hostile->spec,
		.role = MAFS_ROLE_CLIENT,
		.incomplete = true,
	};
	struct mafs_fault fault = MAFS_FAULT_INIT;
	struct mafs_memory_volume *volume = NULL;
	int r = mafs_memory_volume_open(&options, &volume, &fault);

	if (r == 0)
		r = fill_shadow(hostile, volume, &fault);
	assert_told(hostile, r, &fault);
	mafs_memory_volume_close(volume);
	if (r == 0)
		load_shadow(hostile);
	remove_shadow(hostile);
}

static void run_repair(struct hostile *hostile)
{
	const struct mafs_memory_check_options options = {
		.source = hostile->spec,
	};
	struct mafs_fault fault = MAFS_FAULT_INIT;
	struct mafs_memory_check check = {};
	struct mafs_findings found = {};
	size_t n_mended = 0;
	int r = mafs_memory_check(&options, &check, &fault);

	if (r == 0)
		r = mafs_memory_repair(&options, &check, &found, &n_mended,
				       &fault);
	assert_told(hostile, r, &fault);
	mafs_findings_done(&found);
	mafs_memory_check_done(&check);
}

/* Opened as a mount opens it, and written. */
static void run_open(struct hostile *hostile)
{
	const struct mafs_memory_volume_options options = {
		.source = hostile->spec,
		.role = MAFS_ROLE_MASTER,
	};
	const struct mafs_entry entry = { .type = MAFS_OMF_ATTR,
					  .attr = { .id = ROOT } };
	struct mafs_fault fault = MAFS_FAULT_INIT;
	struct mafs_memory_volume *volume = NULL;
	int r = mafs_memory_volume_open(&options, &volume, &fault);

	assert_told(hostile, r, &fault);
	if (r == 0) {
		(void)mafs_log_append(volume->log, &entry, 1, NULL);
		(void)mafs_log_checkpoint(volume->log, t_memvol_give_live,
					  volume, &fault);
	}
	mafs_memory_volume_close(volume);
}

/* Nothing beside the image, and the sentinel as it was. */
static void assert_nothing_else(const struct hostile *hostile)
{
	DIR *dir = opendir(hostile->place);
	struct dirent *entry;

	assert_non_null(dir);
	while ((entry = readdir(dir)))
		if (entry->d_name[0] != '.' && strcmp(entry->d_name, "image") &&
		    strcmp(entry->d_name, "sentinel"))
			fail_msg("%s was made", entry->d_name);
	closedir(dir);
}

static void try_image(struct hostile *hostile)
{
	hostile_change(hostile);
	hostile_store(hostile, "image");
	alarm(SECONDS_MAX);
	run_fsck(hostile);
	run_log(hostile);
	run_logplay(hostile);
	run_repair(hostile);
	run_open(hostile);
	run_fsck(hostile);
	alarm(0);
	assert_nothing_else(hostile);
}

static size_t n_images(void)
{
	return getenv("MAFS_TEST_LONG") ? 10000 : 500;
}

static unsigned first_seed(void)
{
	const char *text = getenv("MAFS_TEST_SEED");

	return text ? (unsigned)strtoul(text, NULL, 10) : (unsigned)getpid();
}

static void try_many(bool checkpointed)
{
	struct hostile hostile = { .seed = first_seed() };
	size_t n = n_images() / 2;
	int null, out;

	t_place_make("hostile", hostile.place);
	t_write_file(hostile.place, "sentinel", "untouched");
	hostile_make(&hostile, checkpointed);
	fflush(stdout);
	out = dup(STDOUT_FILENO);
	null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	for (size_t i = 0; i < n; i++) {
		hostile.seed = first_seed() + (unsigned)i * 7919U;
		/* A crash tells which one it was. */
		fprintf(stderr, "\rimage %zu, seed %u ", i, hostile.seed);
		dup2(null, STDOUT_FILENO);
		try_image(&hostile);
		fflush(stdout);
		dup2(out, STDOUT_FILENO);
	}
	close(null);
	close(out);
	printf("%zu images: %zu calls were refused, %zu were not\n", n,
	       hostile.n_refused, hostile.n_opened);
	/* Both are met, or the images are all too bad or all too good. */
	assert_true(hostile.n_refused > n / 2 && hostile.n_opened > n / 2);
	t_place_remove(hostile.place);
	hostile_done(&hostile);
}

static void test_a_log_that_only_grew(void **state)
{
	try_many(false);
}

static void test_a_log_behind_a_checkpoint(void **state)
{
	try_many(true);
}

/* image-0, image-1, ... */
static int leave_images(size_t n)
{
	struct hostile hostile = { .place = "." };

	for (size_t i = 0; i < n; i++) {
		char name[32];

		(void)snprintf(name, sizeof(name), "image-%zu", i);
		if (i == 0 || i == n / 2) {
			hostile_done(&hostile);
			hostile_make(&hostile, i > 0);
		}
		hostile.seed = first_seed() + (unsigned)i * 7919U;
		hostile_change(&hostile);
		hostile_store(&hostile, name);
	}
	hostile_done(&hostile);
	return 0;
}

int main(void)
{
	const char *images = getenv("MAFS_TEST_IMAGES");
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_log_that_only_grew),
		cmocka_unit_test(test_a_log_behind_a_checkpoint),
	};

	if (images)
		return leave_images(strtoul(images, NULL, 10));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
