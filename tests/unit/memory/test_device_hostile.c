// SPDX-License-Identifier: Apache-2.0
/* Chains of log segments that lie: each is refused, and the fault says where. */
#include "device_fixture.h"
#include "forge.h"

#include <endian.h>
#include <errno.h>
#include <mafs/omf.h>
#include <string.h>

#define FIRST_A 16384U
#define FIRST_B (FIRST_A + (64U << 10))
#define OFFSET_NONE UINT64_MAX

struct scene {
	struct mafs_device *device;
	uint64_t second; /* offset of slot A's second segment */
};

static struct mafs_omf_segment *head_at(const struct scene *scene,
					uint64_t offset)
{
	return (struct mafs_omf_segment *)(scene->device->base + offset);
}

static struct scene scene_begin(void)
{
	struct scene scene = { .device = t_device(4 * T_MIB, false) };
	struct mafs_media *media = &scene.device->media;
	char bytes[200000] = {};

	/* Three segments. */
	for (size_t len = 100000; len <= sizeof(bytes); len += 100000)
		assert_int_equal(media->ops->write(media, MAFS_REGION_LOG_A, 0,
						   bytes, len),
				 0);
	scene.second = le64toh(head_at(&scene, FIRST_A)->next) >> 24 << 12;
	assert_in_range(scene.second, FIRST_B, 4 * T_MIB);
	return scene;
}

static void scene_done(struct scene *scene)
{
	mafs_device_close(scene->device);
}
#define _cleanup_scene_ _cleanup_(scene_done)

/* By who allocates, and by who only follows. */
static void refused(struct scene *scene, int expected, uint64_t offset)
{
	struct mafs_device *device = scene->device;
	struct mafs_fault fault = MAFS_FAULT_INIT;
	struct mafs_superblock sb;
	uint64_t length;
	int err;

	assert_int_equal(mafs_superblock_read(&device->media, &sb, NULL, NULL),
			 0);
	err = mafs_device_alloc_begin(device, &sb, &fault);
	if (err != expected)
		print_message("%d: %s\n", err, fault.what);
	assert_int_equal(err, expected);
	if (offset != OFFSET_NONE)
		assert_int_equal(fault.media_offset, offset);
	assert_non_null(strstr(fault.what, "log slot"));

	device->read_only = true;
	err = device->media.ops->length(&device->media, MAFS_REGION_LOG_A,
					&length);
	assert_true(err == expected || err == 0);
}

static void test_forger_writes_what_we_write(void **state)
{
	_cleanup_scene_ struct scene scene = scene_begin();
	struct mafs_omf_segment before = *head_at(&scene, FIRST_A);

	forge_head(scene.device->base + FIRST_A);
	forge_link(scene.device->base + FIRST_A, scene.second);
	assert_memory_equal(&before, head_at(&scene, FIRST_A), sizeof(before));
}

static void test_flipped_bit_is_a_wrong_checksum(void **state)
{
	for (size_t bit = 0; bit < 8 * sizeof(struct mafs_omf_segment); bit++) {
		_cleanup_scene_ struct scene scene = scene_begin();
		uint8_t *head = scene.device->base + scene.second;

		head[bit / 8] ^= (uint8_t)(1U << bit % 8);
		refused(&scene, bit < 64 ? -EUCLEAN : -EBADMSG, scene.second);
	}
}

static void test_torn_link_is_a_wrong_checksum(void **state)
{
	_cleanup_scene_ struct scene scene = scene_begin();

	head_at(&scene, FIRST_A)->next = 0;
	refused(&scene, -EBADMSG, FIRST_A);
}

static void test_loop_is_refused(void **state)
{
	const uint64_t targets[] = { FIRST_A, FIRST_B, 0 };

	for (size_t i = 0; i < MAFS_ARRAY_SIZE(targets); i++) {
		_cleanup_scene_ struct scene scene = scene_begin();
		uint64_t to = targets[i] ? targets[i] : scene.second;

		forge_link(scene.device->base + scene.second, to);
		refused(&scene, -EUCLEAN, to);
	}
}

static void test_segment_outside_the_device_is_refused(void **state)
{
	const uint64_t offsets[] = { 4096, 8192, 4 * T_MIB, 1ULL << 51,
				     (1ULL << 52) - 4096 };

	for (size_t i = 0; i < MAFS_ARRAY_SIZE(offsets); i++) {
		_cleanup_scene_ struct scene scene = scene_begin();

		forge_link(scene.device->base + FIRST_A, offsets[i]);
		refused(&scene, -EUCLEAN, offsets[i]);
	}
}

static void test_absurd_length_is_refused(void **state)
{
	const uint64_t lengths[] = { 0,          64,         4 * T_MIB,
				     1ULL << 63, UINT64_MAX, 4097 };

	for (size_t i = 0; i < MAFS_ARRAY_SIZE(lengths); i++) {
		_cleanup_scene_ struct scene scene = scene_begin();

		head_at(&scene, scene.second)->length = htole64(lengths[i]);
		forge_head(scene.device->base + scene.second);
		refused(&scene, -EUCLEAN, scene.second);
	}
}

static void test_segments_that_overlap_are_refused(void **state)
{
	_cleanup_scene_ struct scene scene = scene_begin();
	struct mafs_omf_segment *head = head_at(&scene, scene.second);

	/* Over what comes next in its own chain. */
	head->length = htole64(le64toh(head->length) + 4096);
	forge_head(scene.device->base + scene.second);
	refused(&scene, -EUCLEAN, OFFSET_NONE);
	/* No whole units. */
	head->length = htole64(le64toh(head->length) - 2048);
	forge_head(scene.device->base + scene.second);
	scene.device->read_only = false;
	refused(&scene, -EUCLEAN, scene.second);
}

static void edit_superblock(const struct scene *scene, uint64_t offset_a,
			    uint64_t offset_b)
{
	for (uint64_t copy = 0; copy < 2; copy++) {
		uint8_t *at = scene->device->base + copy * MAFS_OMF_SB_SIZE;
		struct mafs_omf_superblock *sb = (void *)at;

		sb->slots[0].offset = htole64(offset_a);
		sb->slots[1].offset = htole64(offset_b);
		forge_superblock(at);
	}
}

static void test_superblock_that_names_no_segment_is_refused(void **state)
{
	_cleanup_scene_ struct scene scene = scene_begin();

	edit_superblock(&scene, FIRST_B, FIRST_A);
	refused(&scene, -EUCLEAN, FIRST_B);
	edit_superblock(&scene, FIRST_A, UINT64_MAX);
	scene.device->read_only = false;
	refused(&scene, -EUCLEAN, UINT64_MAX);
	edit_superblock(&scene, FIRST_A, T_MIB);
	scene.device->read_only = false;
	refused(&scene, -EUCLEAN, T_MIB);
}

static void test_first_segments_that_overlap_are_refused(void **state)
{
	_cleanup_scene_ struct scene scene = scene_begin();

	head_at(&scene, FIRST_A)->length = htole64(128 << 10);
	forge_head(scene.device->base + FIRST_A);
	refused(&scene, -EUCLEAN, FIRST_B);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forger_writes_what_we_write),
		cmocka_unit_test(test_flipped_bit_is_a_wrong_checksum),
		cmocka_unit_test(test_torn_link_is_a_wrong_checksum),
		cmocka_unit_test(test_loop_is_refused),
		cmocka_unit_test(test_segment_outside_the_device_is_refused),
		cmocka_unit_test(test_absurd_length_is_refused),
		cmocka_unit_test(test_segments_that_overlap_are_refused),
		cmocka_unit_test(
			test_superblock_that_names_no_segment_is_refused),
		cmocka_unit_test(test_first_segments_that_overlap_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
