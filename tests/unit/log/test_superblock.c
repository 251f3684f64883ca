// SPDX-License-Identifier: Apache-2.0
#include "lib/log/superblock_codec.h"
#include "log_fixture.h"
#include "media_fault.h"

#include <endian.h>
#include <errno.h>
#include <mafs/crc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct mafs_omf_superblock *copy_of(struct media_memory *memory, int i)
{
	return (struct mafs_omf_superblock
			*)(memory->regions[MAFS_REGION_SUPERBLOCK].bytes +
			   (size_t)i * MAFS_OMF_SB_SIZE);
}

static int read_sb(struct media_memory *memory, struct mafs_superblock *ret)
{
	return mafs_superblock_read(&memory->media, ret, NULL, NULL);
}

/* A right checksum over changed content. */
static void seal(struct mafs_omf_superblock *omf)
{
	omf->crc = 0;
	omf->crc = htole32(mafs_crc32c(0, omf, sizeof(*omf)));
}

static void test_device_of_zeros_was_never_formatted(void **state)
{
	_cleanup_media_memory_ struct media_memory *memory =
		media_memory_new(0);
	struct mafs_superblock sb;

	assert_int_equal(read_sb(memory, &sb), -ENODATA);
	memory->regions[MAFS_REGION_SUPERBLOCK].len = 0;
	assert_int_equal(read_sb(memory, &sb), -ENODATA);
}

static void test_superblock_keeps_every_field(void **state)
{
	_cleanup_media_memory_ struct media_memory *memory =
		media_memory_new(0);
	struct mafs_superblock back, sb = {
		.generation = 5,
		.compat = 1ULL << 63,
		.ro_compat = 2,
		.incompat = MAFS_OMF_INCOMPAT_TIERED,
		.fs_uuid = { { 1 } },
		.device_uuid = { { 2 } },
		.device_size_bytes = 3,
		.alloc_unit_bytes = 4096,
		.live_slot = 1,
		.master_machine = { { 4 } },
		.master_boot = { { 5 } },
		.master_instance = { { 6 } },
		.master_epoch = 7,
		.session = 8,
		.slots = { { 4096, 4096, 9, 10 }, { 8192, 4096, 11, 12 } },
	};
	int copy = -1;

	assert_int_equal(mafs_superblock_flip(&memory->media, &sb, NULL), 0);
	assert_int_equal(sb.generation, 6);
	assert_int_equal(
		mafs_superblock_read(&memory->media, &back, &copy, NULL), 0);
	assert_int_equal(copy, 0);
	assert_memory_equal(&back, &sb, sizeof(sb));
}

static void test_flip_writes_the_older_copy(void **state)
{
	_cleanup_media_memory_ struct media_memory *memory =
		media_memory_new(0);
	struct mafs_superblock sb = t_log_format(&memory->media, 0);
	struct mafs_superblock back;
	int copy, before;

	assert_int_equal(
		mafs_superblock_read(&memory->media, &back, &before, NULL), 0);
	assert_int_equal(mafs_superblock_flip(&memory->media, &sb, NULL), 0);
	assert_int_equal(
		mafs_superblock_read(&memory->media, &back, &copy, NULL), 0);
	assert_int_equal(copy, !before);
	assert_int_equal(back.generation, sb.generation);
}

static void test_flip_after_somebody_elses_is_a_protocol_error(void **state)
{
	_cleanup_media_memory_ struct media_memory *memory =
		media_memory_new(0);
	struct mafs_superblock sb = t_log_format(&memory->media, 0);
	struct mafs_superblock other = sb;

	assert_int_equal(mafs_superblock_flip(&memory->media, &other, NULL), 0);
	assert_int_equal(mafs_superblock_flip(&memory->media, &sb, NULL),
			 -EPROTO);
}

static void test_one_damaged_copy_leaves_the_other(void **state)
{
	_cleanup_media_memory_ struct media_memory *memory =
		media_memory_new(0);
	struct mafs_superblock back;

	t_log_format(&memory->media, 0);
	for (int i = 0; i < 2; i++) {
		struct mafs_omf_superblock *omf = copy_of(memory, i);

		for (size_t at = 0; at < sizeof(*omf); at++) {
			((uint8_t *)omf)[at] ^= 0x10;
			assert_int_equal(read_sb(memory, &back), 0);
			((uint8_t *)omf)[at] ^= 0x10;
		}
	}
}

static void test_both_copies_damaged_is_told(void **state)
{
	_cleanup_media_memory_ struct media_memory *memory =
		media_memory_new(0);
	struct mafs_fault fault = MAFS_FAULT_INIT;
	struct mafs_superblock back;

	t_log_format(&memory->media, 0);
	copy_of(memory, 0)->magic ^= 1;
	copy_of(memory, 1)->session ^= 1;
	assert_int_equal(mafs_superblock_read(&memory->media, &back, NULL,
					      &fault),
			 -EBADMSG);
	assert_int_equal(fault.media_offset, MAFS_OMF_SB_SIZE);
	copy_of(memory, 1)->magic ^= 1;
	assert_int_equal(mafs_superblock_read(&memory->media, &back, NULL,
					      &fault),
			 -EUCLEAN);
}

static void test_foreign_byte_order_is_named(void **state)
{
	_cleanup_media_memory_ struct media_memory *memory =
		media_memory_new(0);
	struct mafs_fault fault = MAFS_FAULT_INIT;
	struct mafs_superblock back;

	t_log_format(&memory->media, 0);
	for (int i = 0; i < 2; i++)
		copy_of(memory, i)->magic = htobe64(MAFS_OMF_SB_MAGIC);
	assert_int_equal(mafs_superblock_read(&memory->media, &back, NULL,
					      &fault),
			 -EUCLEAN);
	assert_non_null(strstr(fault.what, "byte order"));
}

static void
test_newer_copy_with_unknown_features_is_not_passed_over(void **state)
{
	_cleanup_media_memory_ struct media_memory *memory =
		media_memory_new(0);
	struct mafs_superblock back;
	int newest;

	t_log_format(&memory->media, 0);
	assert_int_equal(
		mafs_superblock_read(&memory->media, &back, &newest, NULL), 0);
	copy_of(memory, newest)->incompat |= htole64(1ULL << 40);
	seal(copy_of(memory, newest));
	assert_int_equal(read_sb(memory, &back), -EOPNOTSUPP);
	copy_of(memory, newest)->incompat = 0;
	copy_of(memory, newest)->version = htole32(2);
	seal(copy_of(memory, newest));
	assert_int_equal(read_sb(memory, &back), -EOPNOTSUPP);
}

static void assert_structure_refused(struct media_memory *memory)
{
	struct mafs_superblock back;

	memcpy(copy_of(memory, 1), copy_of(memory, 0),
	       sizeof(struct mafs_omf_superblock));
	seal(copy_of(memory, 0));
	seal(copy_of(memory, 1));
	assert_int_equal(read_sb(memory, &back), -EUCLEAN);
}

static void test_absurd_structure_is_refused(void **state)
{
	_cleanup_media_memory_ struct media_memory *memory =
		media_memory_new(0);
	struct mafs_omf_superblock good, *omf;

	t_log_format(&memory->media, 0);
	omf = copy_of(memory, 0);
	good = *omf;
	omf->live_slot = htole32(2);
	assert_structure_refused(memory);
	*omf = good;
	omf->alloc_unit = htole32(4097);
	assert_structure_refused(memory);
	*omf = good;
	omf->alloc_unit = htole32(512);
	assert_structure_refused(memory);
	*omf = good;
	omf->slots[0].salt = 0;
	assert_structure_refused(memory);
	*omf = good;
	omf->slots[1].salt = omf->slots[0].salt;
	assert_structure_refused(memory);
	*omf = good;
	omf->slots[1].offset = htole64(UINT64_MAX);
	omf->slots[1].length = htole64(2);
	assert_structure_refused(memory);
	*omf = good;
	omf->slots[0].length = htole64(4096);
	omf->slots[1].offset = htole64(4095);
	omf->slots[1].length = htole64(4096);
	assert_structure_refused(memory);
}

static void test_crash_within_a_flip_leaves_old_or_new(void **state)
{
	_cleanup_media_memory_ struct media_memory *memory =
		media_memory_new(0);
	struct mafs_superblock sb = t_log_format(&memory->media, 0);

	for (unsigned stop = 1; stop <= 3; stop++) {
		struct media_fault *fault = media_fault_new(memory);
		struct mafs_superblock next = sb;
		int err;

		next.session++;
		media_fault_stop_at(fault, stop, -EIO);
		err = mafs_superblock_flip(media_fault_media(fault), &next,
					   NULL);
		assert_int_equal(err, stop <= 2 ? -EIO : 0);
		assert_int_equal(next.generation, sb.generation + !err);
		for (int how = 0; how < N_CRASHES; how++) {
			_cleanup_media_memory_ struct media_memory *image =
				media_fault_crash(fault,
						  (enum media_fault_crash)how);
			struct mafs_superblock back;

			assert_int_equal(read_sb(image, &back), 0);
			if (back.session != sb.session || !err)
				assert_int_equal(back.session, next.session);
		}
		media_fault_free(fault);
	}
}

static void test_format_leaves_no_copy_of_the_format_before(void **state)
{
	_cleanup_media_memory_ struct media_memory *memory =
		media_memory_new(0);
	struct mafs_superblock sb = t_log_format(&memory->media, 0);
	struct mafs_superblock back, again;
	int newest;

	assert_int_equal(mafs_superblock_flip(&memory->media, &sb, NULL), 0);
	again = t_log_format(&memory->media, 0);
	assert_true(again.generation > sb.generation);
	assert_int_equal(
		mafs_superblock_read(&memory->media, &back, &newest, NULL), 0);
	copy_of(memory, newest)->magic ^= 1;
	assert_int_equal(read_sb(memory, &back), 0);
	assert_int_equal(back.slots[0].salt, again.slots[0].salt);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_device_of_zeros_was_never_formatted),
		cmocka_unit_test(test_superblock_keeps_every_field),
		cmocka_unit_test(test_flip_writes_the_older_copy),
		cmocka_unit_test(
			test_flip_after_somebody_elses_is_a_protocol_error),
		cmocka_unit_test(test_one_damaged_copy_leaves_the_other),
		cmocka_unit_test(test_both_copies_damaged_is_told),
		cmocka_unit_test(test_foreign_byte_order_is_named),
		cmocka_unit_test(
			test_newer_copy_with_unknown_features_is_not_passed_over),
		cmocka_unit_test(test_absurd_structure_is_refused),
		cmocka_unit_test(test_crash_within_a_flip_leaves_old_or_new),
		cmocka_unit_test(
			test_format_leaves_no_copy_of_the_format_before),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
