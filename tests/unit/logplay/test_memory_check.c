// SPDX-License-Identifier: Apache-2.0
/* ctest: timeout=120 */
#include "lib/log/batch.h"
#include "memvol_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <mafs/cleanup.h>
#include <mafs/memory_check.h>
#include <mafs/names_shadow.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#define ROOT MAFS_OMF_ROOT_ID

struct side {
	char place[T_PLACE_LEN];
	char *spec, *second;
	struct mafs_memory_volume *volume;
	struct mafs_memory_check check;
};

static int set_up(void **state)
{
	struct side *side = calloc(1, sizeof(*side));

	t_place_make("check", side->place);
	side->spec = t_memvol_format(side->place, "volume", NULL, false);
	side->volume = t_memvol_open(side->spec, false);
	*state = side;
	return 0;
}

static int tear_down(void **state)
{
	struct side *side = *state;

	mafs_memory_check_done(&side->check);
	mafs_memory_volume_close(side->volume);
	t_place_remove(side->place);
	free(side->spec);
	free(side->second);
	free(side);
	return 0;
}

static size_t n_errors(const struct side *side)
{
	return side->check.found.n_of_kind[MAFS_FINDING_ERROR];
}

static void check_shadow(struct side *side, const char *shadow)
{
	const struct mafs_memory_check_options options = {
		.source = side->spec,
		.shadow = shadow,
	};
	struct mafs_fault fault = MAFS_FAULT_INIT;
	int r;

	mafs_memory_check_done(&side->check);
	r = mafs_memory_check(&options, &side->check, &fault);
	if (r)
		fail_msg("%d %s", r, fault.what);
}

static void check(struct side *side)
{
	check_shadow(side, NULL);
}

static void assert_says(const struct side *side, enum mafs_finding_kind kind,
			const char *what)
{
	for (size_t i = 0; i < side->check.found.n; i++)
		if (side->check.found.list[i].kind == kind &&
		    strstr(side->check.found.list[i].fault.what, what))
			return;
	for (size_t i = 0; i < side->check.found.n; i++)
		print_message("%s\n", side->check.found.list[i].fault.what);
	fail_msg("\"%s\" was not said", what);
}

/* Appended, but not told to the names: they would refuse it. */
static void log_only(struct side *side, struct mafs_entry entry)
{
	assert_int_equal(mafs_log_append(side->volume->log, &entry, 1, NULL),
			 0);
}

static void end(struct side *side)
{
	mafs_memory_volume_close(take_ptr(side->volume));
}

static void write_at(const struct side *side, uint64_t offset,
		     const void *bytes, size_t len)
{
	_cleanup_close_ int fd =
		open(t_path(side->place, "volume"), O_WRONLY | O_CLOEXEC);

	assert_int_equal(pwrite(fd, bytes, len, (off_t)offset), len);
}

static struct mafs_map map_of(const struct side *side, uint64_t id)
{
	return mafs_names_node(side->volume->names, id)->map;
}

/* ---- well ---- */

static void test_a_good_volume_has_no_errors(void **state)
{
	struct side *side = *state;
	uint64_t used;

	t_memvol_mkdir(side->volume, ROOT, "dir", 2);
	t_memvol_create(side->volume, 2, "file", 3, 100000);
	t_memvol_create(side->volume, 2, "gone", 4, 100000);
	t_memvol_unlink(side->volume, 2, "gone", 4);
	end(side);
	check(side);
	assert_int_equal(side->check.found.n, 0);
	assert_true(side->check.log_whole);
	assert_false(side->check.live);
	assert_int_equal(side->check.n_files, 1);
	assert_int_equal(side->check.n_dirs, 2);
	assert_int_equal(side->check.file_bytes, 100000);
	used = side->check.spaces[0].free_bytes;
	assert_true(used > 7 * T_MIB && used < 8 * T_MIB - 100000);
}

static void test_a_mounted_volume_is_checked(void **state)
{
	struct side *side = *state;

	t_memvol_create(side->volume, ROOT, "file", 2, 5000);
	check(side);
	assert_int_equal(n_errors(side), 0);
	assert_true(side->check.live);
	assert_int_equal(side->check.n_files, 1);
}

/* ---- superblocks ---- */

static int repair(struct side *side, size_t *ret_n)
{
	const struct mafs_memory_check_options options = {
		.source = side->spec,
	};
	struct mafs_findings found = {};
	struct mafs_fault fault = MAFS_FAULT_INIT;
	int r = mafs_memory_repair(&options, &side->check, &found, ret_n,
				   &fault);

	mafs_findings_done(&found);
	return r;
}

static void test_a_bad_superblock_copy_is_found_and_mended(void **state)
{
	static const uint8_t zeros[512], byte[1] = { 0x55 };
	struct side *side = *state;
	size_t n = 0;

	t_memvol_create(side->volume, ROOT, "file", 2, 0);
	end(side);
	for (uint64_t copy = 0; copy < 2; copy++) {
		for (int kind = 0; kind < 2; kind++) {
			write_at(side, copy * 4096 + (kind ? 0 : 300),
				 kind ? zeros : byte, kind ? sizeof(zeros) : 1);
			check(side);
			assert_int_equal(n_errors(side), 1);
			assert_true(side->check.bad_copies);
			assert_int_equal(side->check.n_files, 1);
			assert_int_equal(repair(side, &n), 0);
			assert_int_equal(n, 1);
			check(side);
			assert_int_equal(n_errors(side), 0);
		}
	}
}

static void test_two_bad_copies_are_not_mended(void **state)
{
	static const uint8_t byte[1] = { 0x55 };
	struct side *side = *state;
	size_t n = 0;

	end(side);
	write_at(side, 300, byte, 1);
	write_at(side, 4096 + 300, byte, 1);
	check(side);
	assert_int_equal(n_errors(side), 2);
	assert_false(side->check.have_sb);
	assert_int_equal(repair(side, &n), 0);
	assert_int_equal(n, 0);
}

static void test_a_mounted_volume_is_not_mended(void **state)
{
	static const uint8_t byte[1] = { 0x55 };
	struct side *side = *state;
	size_t n = 0;

	check(side);
	write_at(side, (uint64_t)!side->check.sb_copy * 4096 + 300, byte, 1);
	check(side);
	assert_true(side->check.bad_copies);
	assert_int_equal(repair(side, &n), -EBUSY);
}

/* ---- the log ---- */

static uint64_t slot_offset(const struct side *side)
{
	return side->check.sb.slots[0].offset + sizeof(struct mafs_omf_segment);
}

static void test_a_torn_tail_is_noted_and_cut(void **state)
{
	struct side *side = *state;
	struct mafs_omf_batch torn = { .magic = MAFS_OMF_BATCH_MAGIC };
	size_t n = 0;

	t_memvol_create(side->volume, ROOT, "file", 2, 0);
	end(side);
	check(side);
	torn.length = 24;
	torn.n_records = 1;
	torn.salt = side->check.sb.slots[0].salt;
	write_at(side, slot_offset(side) + side->check.volume->end.batch_offset,
		 &torn, sizeof(torn));
	check(side);
	assert_int_equal(n_errors(side), 0);
	assert_says(side, MAFS_FINDING_NOTE, "never counted");
	assert_int_equal(repair(side, &n), 0);
	assert_int_equal(n, 1);
	check(side);
	assert_int_equal(side->check.found.n, 0);
	assert_int_equal(side->check.n_files, 1);
}

static void test_a_damaged_log_is_named_and_left(void **state)
{
	struct side *side = *state;
	static const uint8_t byte[1] = { 0x55 };
	size_t n = 0;

	t_memvol_create(side->volume, ROOT, "one", 2, 0);
	t_memvol_create(side->volume, ROOT, "two", 3, 0);
	end(side);
	check(side);
	write_at(side, slot_offset(side) + 176 + 40, byte, 1);
	check(side);
	assert_int_equal(n_errors(side), 1);
	assert_says(side, MAFS_FINDING_ERROR, "log slot A: batch 2");
	assert_false(side->check.log_whole);
	assert_int_equal(repair(side, &n), 0);
	assert_int_equal(n, 0);
}

static void test_entries_that_cannot_be_are_named(void **state)
{
	struct side *side = *state;

	t_memvol_create(side->volume, ROOT, "file", 2, 0);
	t_memvol_mkdir(side->volume, ROOT, "dir", 3);
	log_only(side, t_name_entry(MAFS_OMF_NAME, 2, "below", 3));
	log_only(side, t_name_entry(MAFS_OMF_NAME, 3, "self", 3));
	log_only(side, (struct mafs_entry){ .type = MAFS_OMF_SIZE,
					    .size = { .id = 3 } });
	log_only(side,
		 (struct mafs_entry){ .type = MAFS_OMF_DROP, .id = { 3 } });
	end(side);
	check(side);
	assert_true(side->check.log_whole);
	assert_int_equal(n_errors(side), 4);
	assert_says(side, MAFS_FINDING_ERROR, "name: inode 2 is no directory");
	assert_says(side, MAFS_FINDING_ERROR, "directory in itself");
	assert_says(side, MAFS_FINDING_ERROR, "size: inode 3 is no regular");
	assert_says(side, MAFS_FINDING_ERROR, "drop: of a tiered volume");
}

static void test_a_circle_of_directories_is_found(void **state)
{
	struct side *side = *state;

	t_memvol_mkdir(side->volume, ROOT, "a", 2);
	t_memvol_mkdir(side->volume, 2, "b", 3);
	t_memvol_create(side->volume, 3, "lost", 4, 0);
	log_only(side, t_name_entry(MAFS_OMF_NAME, 3, "a", 2));
	end(side);
	check(side);
	assert_says(side, MAFS_FINDING_ERROR, "inode 2: a directory that no");
	assert_says(side, MAFS_FINDING_ERROR, "inode 3: a directory that no");
}

/* ---- space ---- */

static void log_extent(struct side *side, uint64_t id, uint64_t offset,
		       uint64_t length)
{
	struct mafs_extent extent = {
		.device_uuid = mafs_pool_device(side->volume->pool, 0)->uuid,
		.offset_bytes = offset,
		.length_bytes = length,
	};

	log_only(side,
		 (struct mafs_entry){ .type = MAFS_OMF_EXTENTS,
				      .extents = { .id = id,
						   .size_bytes = 1,
						   .map = { &extent, 1 } } });
}

static void test_bytes_in_use_twice_are_told_of_both(void **state)
{
	struct side *side = *state;

	t_memvol_create(side->volume, ROOT, "one", 2, 8192);
	t_memvol_create(side->volume, ROOT, "two", 3, 0);
	log_extent(side, 3, map_of(side, 2).extents[0].offset_bytes + 4096,
		   4096);
	end(side);
	check(side);
	assert_int_equal(n_errors(side), 1);
	assert_says(side, MAFS_FINDING_NOTE, "is also of inode ");
}

static void test_bytes_of_the_head_and_the_log_are_no_files(void **state)
{
	struct side *side = *state;

	for (uint64_t id = 2; id < 6; id++) {
		char name[8];

		(void)snprintf(name, sizeof(name), "f%u", (unsigned)id);
		t_memvol_create(side->volume, ROOT, name, id, 0);
	}
	log_extent(side, 2, 0, 4096);
	log_extent(side, 3, 32768, 4096);
	log_extent(side, 4, 8 * T_MIB, 4096);
	log_extent(side, 5, 4 * T_MIB + 1, 4096);
	end(side);
	check(side);
	assert_int_equal(n_errors(side), 4);
	assert_says(side, MAFS_FINDING_ERROR, "inode 4 (/f4)");
	assert_says(side, MAFS_FINDING_ERROR, "whole allocation units");
}

static void test_free_space_is_what_a_mount_has(void **state)
{
	struct side *side = *state;
	struct mafs_pool_usage usage;
	uint64_t reserve;

	t_memvol_create(side->volume, ROOT, "one", 2, 100000);
	t_memvol_create(side->volume, ROOT, "two", 3, 100000);
	t_memvol_create(side->volume, ROOT, "three", 4, 100000);
	t_memvol_unlink(side->volume, ROOT, "two", 3);
	end(side);
	check(side);
	assert_int_equal(side->check.spaces[0].n_free_runs, 2);
	side->volume = t_memvol_open(side->spec, false);
	mafs_pool_usage(side->volume->pool, &usage);
	reserve = mafs_device_log_reserve(
		mafs_pool_device(side->volume->pool, 0));
	assert_in_range(side->check.spaces[0].free_bytes - usage.free_bytes,
			reserve, reserve + 4095);
}

static void test_a_missing_device_is_an_error(void **state)
{
	struct side *side = *state;
	struct mafs_device_spec spec = {};
	struct mafs_fault fault = MAFS_FAULT_INIT;
	struct mafs_device *device;

	side->second =
		t_memvol_format(side->place, "b", &side->volume->uuid, true);
	assert_int_equal(mafs_device_spec_parse(side->second, &spec, &fault),
			 0);
	assert_int_equal(mafs_device_open(&spec, false, false, false, &device,
					  &fault),
			 0);
	mafs_device_spec_done(&spec);
	assert_int_equal(mafs_memory_volume_add(side->volume, device,
						side->second, &fault),
			 0);
	t_memvol_create(side->volume, ROOT, "large", 2, 12 * T_MIB);
	end(side);
	check(side);
	assert_int_equal(n_errors(side), 0);
	assert_int_equal(unlink(t_path(side->place, "b")), 0);
	check(side);
	assert_says(side, MAFS_FINDING_ERROR, side->second);
	assert_says(side, MAFS_FINDING_ERROR, "the device is missing");
}

static void test_a_file_cut_short_is_an_error(void **state)
{
	struct side *side = *state;

	end(side);
	assert_int_equal(truncate(t_path(side->place, "volume"), 4 * T_MIB), 0);
	check(side);
	assert_says(side, MAFS_FINDING_ERROR, "cut short");
}

/* ---- a shadow ---- */

static void fill(struct side *side)
{
	struct mafs_memory_volume *client = t_memvol_open(side->spec, true);
	struct mafs_fault fault = MAFS_FAULT_INIT;
	struct mafs_names_shadow *shadow;

	assert_int_equal(mafs_names_shadow_open(t_path(side->place, "shadow"),
						&client->uuid, &shadow, &fault),
			 0);
	assert_int_equal(mafs_names_shadow_fill(shadow, client, &fault), 0);
	mafs_names_shadow_close(shadow);
	mafs_memory_volume_close(client);
}

static void test_a_shadow_is_compared_with_the_log(void **state)
{
	struct side *side = *state;
	_cleanup_free_ char *shadow = strdup(t_path(side->place, "shadow"));
	_cleanup_free_ char *command = NULL;

	t_memvol_mkdir(side->volume, ROOT, "dir", 2);
	t_memvol_create(side->volume, 2, "one", 3, 100);
	t_memvol_create(side->volume, 2, "two", 4, 100);
	fill(side);
	check_shadow(side, shadow);
	assert_int_equal(n_errors(side), 0);
	t_memvol_create(side->volume, 2, "new", 5, 0);
	assert_true(asprintf(&command,
			     "mv %s/dir/two %s/dir/three && "
			     "sed -i 's/size: 100/size: 101/' %s/dir/one",
			     shadow, shadow, shadow) >= 0);
	assert_int_equal(system(command), 0);
	check_shadow(side, shadow);
	assert_says(side, MAFS_FINDING_ERROR, "shadow: /dir/new: missing");
	assert_says(side, MAFS_FINDING_ERROR, "shadow: /dir/two: missing");
	assert_says(side, MAFS_FINDING_ERROR, "shadow: /dir/three: not in");
	assert_says(side, MAFS_FINDING_ERROR, "shadow: /dir/one: another size");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_good_volume_has_no_errors),
		TEST(test_a_mounted_volume_is_checked),
		TEST(test_a_bad_superblock_copy_is_found_and_mended),
		TEST(test_two_bad_copies_are_not_mended),
		TEST(test_a_mounted_volume_is_not_mended),
		TEST(test_a_torn_tail_is_noted_and_cut),
		TEST(test_a_damaged_log_is_named_and_left),
		TEST(test_entries_that_cannot_be_are_named),
		TEST(test_a_circle_of_directories_is_found),
		TEST(test_bytes_in_use_twice_are_told_of_both),
		TEST(test_bytes_of_the_head_and_the_log_are_no_files),
		TEST(test_free_space_is_what_a_mount_has),
		TEST(test_a_missing_device_is_an_error),
		TEST(test_a_file_cut_short_is_an_error),
		TEST(test_a_shadow_is_compared_with_the_log),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
