// SPDX-License-Identifier: Apache-2.0
/* The log of a mapped device: its slots grow by themselves, and give back. */
#include "device_fixture.h"

#include <errno.h>
#include <mafs/log.h>
#include <string.h>

static void test_formatted_device_has_an_empty_log(void **state)
{
	_cleanup_device_ struct mafs_device *device =
		t_device(8 * T_MIB, false);
	struct mafs_fault fault = MAFS_FAULT_INIT;
	struct mafs_log_reader *reader;
	struct mafs_superblock sb;
	struct mafs_entry entry;
	int n = 0, err;

	assert_ok(mafs_log_reader_open(&device->media, &reader, &sb, &fault),
		  &fault);
	while ((err = mafs_log_reader_next(reader, &entry, NULL, &fault)) ==
	       1) {
		mafs_entry_done(&entry);
		n++;
	}
	assert_int_equal(err, 0);
	assert_int_equal(n, 2); /* checkpoint-begin, checkpoint-end */
	assert_int_equal(mafs_log_reader_tail(reader), MAFS_LOG_TAIL_CLEAN);
	mafs_log_reader_close(reader);
	assert_true(mafs_uuid_equal(&device->uuid, &sb.device_uuid));
	assert_int_equal(device->unit_bytes, 4096);
}

static void write_pattern(struct mafs_media *media, enum mafs_region region,
			  uint64_t offset, size_t len)
{
	_cleanup_free_ uint8_t *bytes = malloc(len);

	for (size_t i = 0; i < len; i++)
		bytes[i] = (uint8_t)((offset + i) * 7 + region);
	assert_int_equal(media->ops->write(media, region, offset, bytes, len),
			 0);
	assert_int_equal(media->ops->flush(media, region, offset, len), 0);
}

static void check_pattern(struct mafs_media *media, enum mafs_region region,
			  uint64_t offset, size_t len)
{
	_cleanup_free_ uint8_t *bytes = malloc(len);

	assert_int_equal(media->ops->read(media, region, offset, bytes, len),
			 len);
	for (size_t i = 0; i < len; i++)
		assert_int_equal(bytes[i],
				 (uint8_t)((offset + i) * 7 + region));
}

static void test_slots_grow_and_give_back(void **state)
{
	_cleanup_device_ struct mafs_device *device =
		t_device(64 * T_MIB, false);
	struct mafs_media *media = &device->media;
	uint64_t free_before = mafs_alloc_free_bytes(device->alloc);
	uint64_t len_a, len_b;

	for (uint64_t at = 0; at < 5 * T_MIB; at += 10000) {
		write_pattern(media, MAFS_REGION_LOG_A, at, 10000);
		write_pattern(media, MAFS_REGION_LOG_B, at / 4, 2500);
	}
	assert_int_equal(media->ops->length(media, MAFS_REGION_LOG_A, &len_a),
			 0);
	assert_in_range(len_a, 5 * T_MIB, 7 * T_MIB);
	assert_int_equal(mafs_device_log_bytes(device),
			 free_before - mafs_alloc_free_bytes(device->alloc));
	check_pattern(media, MAFS_REGION_LOG_A, 0, 5 * T_MIB);
	check_pattern(media, MAFS_REGION_LOG_B, 0, 5 * T_MIB / 4);

	/* Another one who opens it finds the same. */
	t_begin(device);
	assert_int_equal(mafs_device_log_bytes(device),
			 free_before - mafs_alloc_free_bytes(device->alloc));
	check_pattern(media, MAFS_REGION_LOG_A, 0, 5 * T_MIB);

	assert_int_equal(
		media->ops->truncate(media, MAFS_REGION_LOG_A, 2 * T_MIB), 0);
	check_pattern(media, MAFS_REGION_LOG_A, 0, 2 * T_MIB);
	assert_int_equal(media->ops->length(media, MAFS_REGION_LOG_A, &len_b),
			 0);
	assert_in_range(len_b, 2 * T_MIB, len_a - T_MIB);
	assert_int_equal(media->ops->truncate(media, MAFS_REGION_LOG_A, 0), 0);
	assert_int_equal(media->ops->truncate(media, MAFS_REGION_LOG_B, 0), 0);
	assert_int_equal(mafs_alloc_free_bytes(device->alloc), free_before);
	assert_int_equal(mafs_device_log_bytes(device), 0);
}

static void test_new_segments_are_zeros(void **state)
{
	_cleanup_device_ struct mafs_device *device =
		t_device(8 * T_MIB, false);
	struct mafs_media *media = &device->media;
	uint8_t bytes[4096];
	uint64_t len;

	memset(device->base + T_MIB, 0xee, 7 * T_MIB);
	write_pattern(media, MAFS_REGION_LOG_A, 0, T_MIB);
	assert_int_equal(media->ops->length(media, MAFS_REGION_LOG_A, &len), 0);
	for (uint64_t at = T_MIB; at < len; at += sizeof(bytes)) {
		ssize_t n = media->ops->read(media, MAFS_REGION_LOG_A, at,
					     bytes, sizeof(bytes));

		for (ssize_t i = 0; i < n; i++)
			assert_int_equal(bytes[i], 0);
	}
}

static void test_full_device_is_enospc_and_keeps_the_slot(void **state)
{
	_cleanup_device_ struct mafs_device *device =
		t_device(2 * T_MIB, false);
	struct mafs_media *media = &device->media;
	char bytes[8192] = {};
	uint64_t at = 0;
	int err;

	do {
		err = media->ops->write(media, MAFS_REGION_LOG_A, at, bytes,
					sizeof(bytes));
		at += sizeof(bytes);
	} while (!err);
	assert_int_equal(err, -ENOSPC);
	assert_true(at > T_MIB);
	assert_int_equal(media->ops->truncate(media, MAFS_REGION_LOG_A, 0), 0);
	write_pattern(media, MAFS_REGION_LOG_A, 0, 100000);
	check_pattern(media, MAFS_REGION_LOG_A, 0, 100000);
}

static void test_beyond_the_end_is_short(void **state)
{
	_cleanup_device_ struct mafs_device *device =
		t_device(2 * T_MIB, false);
	struct mafs_media *media = &device->media;
	char bytes[100];
	uint64_t len;

	assert_int_equal(media->ops->length(media, MAFS_REGION_LOG_A, &len), 0);
	assert_int_equal(len, (64 << 10) - 64);
	assert_int_equal(media->ops->read(media, MAFS_REGION_LOG_A, len - 10,
					  bytes, sizeof(bytes)),
			 10);
	assert_int_equal(media->ops->read(media, MAFS_REGION_LOG_A, len, bytes,
					  sizeof(bytes)),
			 0);
	assert_int_equal(media->ops->read(media, MAFS_REGION_LOG_A, UINT64_MAX,
					  bytes, sizeof(bytes)),
			 0);
	assert_int_equal(media->ops->read(media, MAFS_REGION_SUPERBLOCK, 8190,
					  bytes, sizeof(bytes)),
			 2);
	assert_int_equal(media->ops->write(media, MAFS_REGION_SUPERBLOCK, 8190,
					   bytes, sizeof(bytes)),
			 -ENOSPC);
	assert_int_equal(media->ops->write(media, MAFS_REGION_LOG_A,
					   UINT64_MAX - 2, bytes,
					   sizeof(bytes)),
			 -ENOSPC);
}

static void test_secondary_device_has_no_log(void **state)
{
	_cleanup_device_ struct mafs_device *device = t_device(2 * T_MIB, true);
	struct mafs_media *media = &device->media;
	struct mafs_superblock sb;
	uint64_t len = 7;

	assert_int_equal(mafs_superblock_read(media, &sb, NULL, NULL), 0);
	assert_true(sb.incompat & MAFS_OMF_INCOMPAT_SECONDARY);
	assert_int_equal(media->ops->length(media, MAFS_REGION_LOG_A, &len), 0);
	assert_int_equal(len, 0);
	assert_int_equal(mafs_device_log_reserve(device), 0);
	assert_int_equal(mafs_alloc_free_bytes(device->alloc),
			 2 * T_MIB - 16384);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_formatted_device_has_an_empty_log),
		cmocka_unit_test(test_slots_grow_and_give_back),
		cmocka_unit_test(test_new_segments_are_zeros),
		cmocka_unit_test(test_full_device_is_enospc_and_keeps_the_slot),
		cmocka_unit_test(test_beyond_the_end_is_short),
		cmocka_unit_test(test_secondary_device_has_no_log),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
