/* SPDX-License-Identifier: Apache-2.0 */
/* Devices for tests: memfds, formatted. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <mafs/cleanup.h>
#include <mafs/device.h>

#define T_MIB (1ULL << 20)

static inline void t_devicep(struct mafs_device **device)
{
	mafs_device_close(*device);
}
#define _cleanup_device_ _cleanup_(t_devicep)

#define assert_ok(call, fault)                                \
	do {                                                  \
		int err_ = (call);                            \
                                                              \
		if (err_)                                     \
			print_message("%s\n", (fault)->what); \
		assert_int_equal(err_, 0);                    \
	} while (0)

static inline struct mafs_device *t_memfd(uint64_t size_bytes)
{
	struct mafs_device_spec spec = { .kind = MAFS_DEVICE_MEMFD,
					 .size_bytes = size_bytes };
	struct mafs_fault fault = MAFS_FAULT_INIT;
	struct mafs_device *device;

	assert_ok(mafs_device_open(&spec, true, false, false, &device, &fault),
		  &fault);
	return device;
}

static inline void t_begin(struct mafs_device *device)
{
	struct mafs_fault fault = MAFS_FAULT_INIT;
	struct mafs_superblock sb;

	assert_ok(mafs_superblock_read(&device->media, &sb, NULL, &fault),
		  &fault);
	assert_ok(mafs_device_alloc_begin(device, &sb, &fault), &fault);
}

/* Units of 4 KiB, first segments of 64 KiB. */
static inline void t_format(struct mafs_device *device, bool secondary)
{
	struct mafs_device_format format = {
		.alloc_unit_bytes = 4096,
		.log_bytes = 64 << 10,
		.secondary = secondary,
	};
	struct mafs_fault fault = MAFS_FAULT_INIT;

	mafs_uuid_generate(&format.fs_uuid);
	assert_ok(mafs_device_format(device, &format, &fault), &fault);
}

static inline struct mafs_device *t_device(uint64_t size_bytes, bool secondary)
{
	struct mafs_device *device = t_memfd(size_bytes);

	t_format(device, secondary);
	t_begin(device);
	return device;
}
