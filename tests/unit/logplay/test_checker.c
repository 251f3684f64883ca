// SPDX-License-Identifier: Apache-2.0
/* What the checker finds on a device of memory files, and what it lets be. */
#include "log_fixture.h"
#include "media_memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <mafs/checker.h>
#include <mafs/cleanup.h>
#include <mafs/omf.h>
#include <string.h>

#define N_FILES_MAX 8

/**
 * struct device - a memory device that has only a list of files
 * @media: forwards to @bytes
 * @at_visit: done in the middle, as a daemon would
 */
struct device {
	struct mafs_memory memory;
	struct media_memory *bytes;
	struct mafs_log *log;
	struct mafs_uuid volume;
	struct {
		struct mafs_uuid tag;
		uint64_t size_bytes;
		struct mafs_buffer id;
	} files[N_FILES_MAX];
	size_t n_files;
	void (*at_visit)(struct device *device);
	struct mafs_check check;
};

static struct device *device_of(struct mafs_media *media)
{
	return mafs_container_of(mafs_container_of(media, struct mafs_memory,
						   media),
				 struct device, memory);
}

static ssize_t device_read(struct mafs_media *media, enum mafs_region region,
			   uint64_t offset, void *bytes, size_t len)
{
	struct mafs_media *below = &device_of(media)->bytes->media;

	return below->ops->read(below, region, offset, bytes, len);
}

static int device_length(struct mafs_media *media, enum mafs_region region,
			 uint64_t *ret_bytes)
{
	struct mafs_media *below = &device_of(media)->bytes->media;

	return below->ops->length(below, region, ret_bytes);
}

/* The checker only reads: the other slots are not there. */
static const struct mafs_media_ops device_media_ops = {
	.read = device_read,
	.length = device_length,
};

static int device_visit(struct mafs_memory *memory, enum mafs_visit what,
			int (*visit)(void *context, const struct mafs_map *map,
				     const void *id, size_t id_len,
				     const struct stat *st),
			void *context)
{
	struct device *device =
		mafs_container_of(memory, struct device, memory);

	for (size_t i = 0; i < device->n_files; i++) {
		struct mafs_extent extent = {
			.device_uuid = device->files[i].tag,
			.length_bytes = 1,
		};
		struct mafs_map map = { .extents = &extent, .n_extents = 1 };
		struct stat st = {
			.st_size = (off_t)device->files[i].size_bytes,
			.st_blocks = 8,
		};
		int r = visit(context, &map, device->files[i].id.bytes,
			      device->files[i].id.len, &st);

		if (r < 0)
			return r;
	}
	if (device->at_visit)
		device->at_visit(device);
	return 0;
}

static const struct mafs_memory_ops device_ops = {
	.visit = device_visit,
};

static int setup(void **state)
{
	struct device *device = calloc(1, sizeof(*device));

	assert_non_null(device);
	device->memory.ops = &device_ops;
	device->memory.media.ops = &device_media_ops;
	device->bytes = media_memory_new(0);
	device->volume = t_log_format(&device->bytes->media, 0).fs_uuid;
	device->log = t_log_open(&device->bytes->media);
	*state = device;
	return 0;
}

static int teardown(void **state)
{
	struct device *device = *state;

	mafs_check_done(&device->check);
	mafs_log_close(device->log);
	for (size_t i = 0; i < device->n_files; i++)
		mafs_buffer_done(&device->files[i].id);
	media_memory_free(device->bytes);
	free(device);
	return 0;
}

static struct mafs_uuid tag(uint8_t number)
{
	return (struct mafs_uuid){ { 0xfe, number } };
}

static void add_file(struct device *device, uint8_t number, uint64_t size_bytes)
{
	device->files[device->n_files].tag = tag(number);
	device->files[device->n_files++].size_bytes = size_bytes;
}

/* A `map` of file @id, whose bytes are in memory file @number. */
static struct mafs_entry map_to(uint64_t id, uint8_t number, uint32_t flags,
				uint64_t size_bytes)
{
	static struct mafs_extent extents[N_FILES_MAX];
	struct mafs_entry entry = t_map(id);

	extents[number] = (struct mafs_extent){ .device_uuid = tag(number),
						.length_bytes = 1 };
	entry.map.flags = flags;
	entry.map.fingerprint.size_bytes = size_bytes;
	entry.map.map.extents = &extents[number];
	return entry;
}

static void log_entry(struct device *device, const struct mafs_entry *entry)
{
	assert_int_equal(mafs_log_append(device->log, entry, 1, NULL), 0);
}

static void log_map(struct device *device, uint64_t id, uint8_t number,
		    uint32_t flags, uint64_t size_bytes)
{
	struct mafs_entry entry = map_to(id, number, flags, size_bytes);

	log_entry(device, &entry);
}

static size_t check(struct device *device, bool live)
{
	struct mafs_fault fault = MAFS_FAULT_INIT;

	mafs_check_done(&device->check);
	assert_int_equal(mafs_check_device(&device->memory, &device->volume,
					   live, &device->check, &fault),
			 0);
	return device->check.found.n_of_kind[MAFS_FINDING_ERROR];
}

static bool said(struct device *device, enum mafs_finding_kind kind,
		 const char *what)
{
	for (size_t i = 0; i < device->check.found.n; i++)
		if (device->check.found.list[i].kind == kind &&
		    strstr(device->check.found.list[i].fault.what, what))
			return true;
	return false;
}

static void test_empty_device_is_fine(void **state)
{
	struct device *device = *state;

	assert_int_equal(check(device, false), 0);
	assert_int_equal(device->check.found.n, 0);
	assert_true(device->check.have_sb);
	assert_true(device->check.log_whole);
}

static void test_files_with_their_memory_are_fine(void **state)
{
	struct device *device = *state;

	add_file(device, 1, 100);
	add_file(device, 2, 7);
	log_map(device, 1, 1, MAFS_OMF_MAP_DIRTY, 0);
	log_map(device, 2, 2, 0, 7);
	assert_int_equal(check(device, false), 0);
	assert_int_equal(device->check.found.n, 0);
	assert_int_equal(mafs_hot_count(device->check.hot), 2);
	assert_true(device->check.n_entries >= 2);
	assert_true(device->check.n_batches >= 2);
}

static void test_missing_memory_file_is_an_error(void **state)
{
	struct device *device = *state;

	log_map(device, 1, 1, 0, 0);
	assert_int_equal(check(device, false), 1);
	assert_true(said(device, MAFS_FINDING_ERROR, "is missing"));
	assert_true(said(device, MAFS_FINDING_ERROR, "file 1 (name)"));
}

static void test_two_files_in_one_memory_file_are_an_error(void **state)
{
	struct device *device = *state;

	add_file(device, 1, 0);
	log_map(device, 1, 1, 0, 0);
	log_map(device, 2, 1, 0, 0);
	assert_int_equal(check(device, false), 1);
	assert_true(said(device, MAFS_FINDING_ERROR, "is also that of file"));
}

static void test_clean_file_of_another_size_is_an_error(void **state)
{
	struct device *device = *state;

	add_file(device, 1, 10);
	log_map(device, 1, 1, 0, 11);
	assert_int_equal(check(device, false), 1);
	assert_true(said(device, MAFS_FINDING_ERROR, "clean with 11 bytes"));
}

static void test_map_of_two_extents_is_an_error(void **state)
{
	struct device *device = *state;
	struct mafs_extent extents[2] = {
		{ .device_uuid = tag(1), .length_bytes = 1 },
		{ .device_uuid = tag(2), .length_bytes = 1 },
	};
	struct mafs_entry entry = t_map(1);

	add_file(device, 1, 0);
	add_file(device, 2, 0);
	entry.map.map = (struct mafs_map){ .extents = extents, .n_extents = 2 };
	log_entry(device, &entry);
	assert_int_equal(check(device, false), 1);
	assert_true(said(device, MAFS_FINDING_ERROR, "2 extents"));
}

static void test_memory_file_of_no_file_is_an_orphan(void **state)
{
	struct device *device = *state;

	add_file(device, 1, 100);
	assert_int_equal(check(device, false), 0);
	assert_int_equal(device->check.found.n_of_kind[MAFS_FINDING_ORPHAN], 1);
	assert_true(said(device, MAFS_FINDING_ORPHAN, "fe010000-"));
}

static void test_identity_kept_with_the_memory_must_agree(void **state)
{
	struct device *device = *state;
	struct mafs_entry entry = map_to(1, 1, MAFS_OMF_MAP_DIRTY, 0);

	add_file(device, 1, 0);
	log_entry(device, &entry);
	assert_int_equal(mafs_entry_encode(&entry, &device->files[0].id), 0);
	assert_int_equal(check(device, false), 0);

	device->files[0].id.len = 0;
	entry.map.identity.ino++;
	assert_int_equal(mafs_entry_encode(&entry, &device->files[0].id), 0);
	assert_int_equal(check(device, false), 1);
	assert_true(
		said(device, MAFS_FINDING_ERROR, "another file's identity"));

	device->files[0].id.len = 5;
	assert_int_equal(check(device, false), 0);
}

static void test_other_volumes_memory_is_an_error(void **state)
{
	struct device *device = *state;

	mafs_uuid_generate(&device->volume);
	assert_int_equal(check(device, false), 1);
	assert_true(said(device, MAFS_FINDING_ERROR, "belongs to volume"));
}

static void damage(struct device *device, enum mafs_region region,
		   uint64_t offset)
{
	assert_true(offset < device->bytes->regions[region].len);
	device->bytes->regions[region].bytes[offset] ^= 0x10;
}

static void test_bad_superblock_copy_is_named_and_survived(void **state)
{
	struct device *device = *state;
	struct mafs_superblock sb;
	uint64_t offset;

	/* Both copies are in use from here on. */
	assert_int_equal(mafs_superblock_read(&device->bytes->media, &sb, NULL,
					      NULL),
			 0);
	assert_int_equal(mafs_superblock_flip(&device->bytes->media, &sb, NULL),
			 0);
	for (unsigned int copy = 0; copy < 2; copy++) {
		offset = copy * MAFS_OMF_SB_SIZE + 64;
		damage(device, MAFS_REGION_SUPERBLOCK, offset);
		assert_int_equal(check(device, false), 1);
		assert_true(said(device, MAFS_FINDING_ERROR,
				 copy ? "copy 2" : "copy 1"));
		assert_int_equal(device->check.sb_copy, !copy);
		assert_true(device->check.log_whole);
		damage(device, MAFS_REGION_SUPERBLOCK, offset);
	}
}

static void test_two_bad_superblock_copies_end_the_check(void **state)
{
	struct device *device = *state;
	struct mafs_superblock sb;

	assert_int_equal(mafs_superblock_read(&device->bytes->media, &sb, NULL,
					      NULL),
			 0);
	assert_int_equal(mafs_superblock_flip(&device->bytes->media, &sb, NULL),
			 0);
	damage(device, MAFS_REGION_SUPERBLOCK, 64);
	damage(device, MAFS_REGION_SUPERBLOCK, MAFS_OMF_SB_SIZE + 64);
	assert_int_equal(check(device, false), 2);
	assert_false(device->check.have_sb);
}

static void test_device_without_superblock_is_an_error(void **state)
{
	struct device *device = *state;

	memset(device->bytes->regions[MAFS_REGION_SUPERBLOCK].bytes, 0,
	       device->bytes->regions[MAFS_REGION_SUPERBLOCK].len);
	assert_int_equal(check(device, false), 1);
	assert_true(said(device, MAFS_FINDING_ERROR, "missing"));
}

static void test_corrupt_log_is_named_and_judges_no_file(void **state)
{
	struct device *device = *state;
	uint64_t offset;

	add_file(device, 1, 0);
	check(device, false);
	offset = device->check.end.batch_offset;
	log_map(device, 1, 1, 0, 0);
	log_map(device, 2, 2, 0, 0);
	damage(device, device->check.end.region, offset + 40);
	assert_int_equal(check(device, false), 1);
	assert_false(device->check.log_whole);
	assert_int_equal(device->check.found.list[0].fault.media_offset,
			 offset);
	assert_true(said(device, MAFS_FINDING_ERROR, "log slot"));
	assert_int_equal(device->check.found.n_of_kind[MAFS_FINDING_ORPHAN], 0);
	assert_true(said(device, MAFS_FINDING_NOTE, "not judged"));
}

static void test_torn_tail_is_a_note(void **state)
{
	struct device *device = *state;

	check(device, false);
	log_map(device, 1, 1, 0, 0);
	device->bytes->regions[device->check.end.region].len -= 8;
	assert_int_equal(check(device, false), 0);
	assert_int_equal(device->check.tail, MAFS_LOG_TAIL_TORN);
	assert_true(said(device, MAFS_FINDING_NOTE, "never counted"));
	assert_int_equal(device->check.found.list[0].fault.media_offset,
			 device->check.end.batch_offset);
}

/* The daemon drops one file, makes another and grows a third one. */
static void work_on(struct device *device)
{
	struct mafs_entry drop = { .type = MAFS_OMF_DROP, .id = { 1 } };

	log_entry(device, &drop);
	log_map(device, 2, 2, MAFS_OMF_MAP_DIRTY, 0);
	log_map(device, 3, 3, 0, 500);
	device->at_visit = NULL;
}

static void test_what_a_daemon_does_meanwhile_is_no_fault(void **state)
{
	struct device *device = *state;

	add_file(device, 3, 3);
	log_map(device, 1, 1, 0, 0);
	log_map(device, 3, 3, MAFS_OMF_MAP_DIRTY, 0);
	device->at_visit = work_on;
	assert_int_equal(check(device, true), 0);
	assert_int_equal(mafs_hot_count(device->check.hot), 2);
}

static void test_live_check_still_finds_what_is_missing(void **state)
{
	struct device *device = *state;

	log_map(device, 1, 1, 0, 0);
	assert_int_equal(check(device, true), 1);
}

static void test_endless_findings_are_only_counted(void **state)
{
	struct device *device = *state;

	for (uint64_t id = 1; id <= MAFS_FINDINGS_MAX + 5; id++)
		log_map(device, id, 1, 0, 0);
	assert_int_equal(check(device, false), MAFS_FINDINGS_MAX + 5);
	assert_int_equal(device->check.found.n, MAFS_FINDINGS_MAX);
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_empty_device_is_fine),
		T(test_files_with_their_memory_are_fine),
		T(test_missing_memory_file_is_an_error),
		T(test_two_files_in_one_memory_file_are_an_error),
		T(test_clean_file_of_another_size_is_an_error),
		T(test_map_of_two_extents_is_an_error),
		T(test_memory_file_of_no_file_is_an_orphan),
		T(test_identity_kept_with_the_memory_must_agree),
		T(test_other_volumes_memory_is_an_error),
		T(test_bad_superblock_copy_is_named_and_survived),
		T(test_two_bad_superblock_copies_end_the_check),
		T(test_device_without_superblock_is_an_error),
		T(test_corrupt_log_is_named_and_judges_no_file),
		T(test_torn_tail_is_a_note),
		T(test_what_a_daemon_does_meanwhile_is_no_fault),
		T(test_live_check_still_finds_what_is_missing),
		T(test_endless_findings_are_only_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
