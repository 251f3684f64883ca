// SPDX-License-Identifier: Apache-2.0
/* A memory device of a directory to try things on, of any kind. */
#pragma once

#include <mafs/memory.h>
#include <mafs/omf.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "place.h"

#define MIB (UINT64_C(1) << 20)

struct device {
	char place[T_PLACE_LEN];
	char path[2 * T_PLACE_LEN];
	struct mafs_memory_spec spec;
	struct mafs_memory *memory;
};

static const struct mafs_uuid volume_uuid = { "volume of a test" };

/* As a daemon does it. */
static inline void device_format(struct device *d)
{
	struct mafs_superblock sb = {
		.incompat = MAFS_OMF_INCOMPAT_TIERED,
		.fs_uuid = volume_uuid,
	};
	struct mafs_fault fault = MAFS_FAULT_INIT;

	mafs_uuid_generate(&sb.device_uuid);
	if (d->memory->ops->format(d->memory, &sb, &fault) < 0)
		fail_msg("%s", fault.what);
}

static inline struct device *device_make(const char *path, uint64_t size_bytes)
{
	struct device *d = calloc(1, sizeof(*d));
	struct mafs_fault fault = MAFS_FAULT_INIT;

	d->spec = (struct mafs_memory_spec){ .kind = "tmpfs",
					     .size_bytes = size_bytes };
	t_place_make("memory", d->place);
	snprintf(d->path, sizeof(d->path), "%s",
		 path ? path : t_path(d->place, "memory"));
	mkdir(d->path, 0700);
	if (mafs_memory_make(d->path, &d->spec, &volume_uuid, &d->memory,
			     &fault) < 0)
		fail_msg("%s", fault.what);
	return d;
}

/* "file" or "memfd", formatted. */
static inline struct device *device_make_mapped(const char *kind,
						uint64_t size_bytes)
{
	struct device *d = calloc(1, sizeof(*d));
	struct mafs_fault fault = MAFS_FAULT_INIT;

	d->spec.size_bytes = size_bytes;
	t_place_make("memory", d->place);
	snprintf(d->path, sizeof(d->path), "%s", t_path(d->place, "memory"));
	strcpy(d->spec.kind, kind);
	if (!strcmp(kind, "file"))
		strcpy(d->spec.path, t_path(d->place, "bytes"));
	mkdir(d->path, 0700);
	if (mafs_memory_make(d->path, &d->spec, &volume_uuid, &d->memory,
			     &fault) < 0)
		fail_msg("%s", fault.what);
	device_format(d);
	return d;
}

static inline void device_free(struct device *d)
{
	if (d->memory)
		d->memory->ops->free(d->memory);
	mafs_memory_destroy(d->path, NULL);
	t_place_remove(d->place);
	free(d);
}

static inline void device_reattach(struct device *d, bool read_only)
{
	d->memory->ops->free(d->memory);
	d->memory = NULL;
	assert_int_equal(
		mafs_memory_attach(d->path, read_only, &d->memory, NULL), 0);
}

static inline struct mafs_memory_file *create(struct device *d,
					      struct mafs_map *ret_map)
{
	struct mafs_memory_file *file;

	assert_int_equal(d->memory->ops->create(d->memory, "identity", 8,
						ret_map, &file),
			 0);
	return file;
}

static inline struct mafs_memory_file *
reopen(struct device *d, const struct mafs_map *map, bool writable)
{
	struct mafs_memory_file *file;

	assert_int_equal(d->memory->ops->open(d->memory, map, writable, &file),
			 0);
	return file;
}

static inline ssize_t store(struct mafs_memory_file *file, uint64_t offset,
			    size_t len)
{
	static char bytes[1 << 20];

	memset(bytes, 'x', sizeof(bytes));
	assert_true(len <= sizeof(bytes));
	return file->memory->ops->pwrite(file, bytes, len, offset);
}

static inline struct mafs_memory_usage usage_of(struct device *d)
{
	struct mafs_memory_usage usage;

	assert_int_equal(d->memory->ops->usage(d->memory, &usage), 0);
	return usage;
}

static inline struct stat stat_of(struct mafs_memory_file *file)
{
	struct stat st;

	assert_int_equal(file->memory->ops->stat(file, &st), 0);
	return st;
}

/* Stores until the device is full. Return: bytes that fitted. */
static inline uint64_t fill(struct mafs_memory_file *file)
{
	uint64_t offset = 0;
	ssize_t n;

	while ((n = store(file, offset, 1 << 16)) > 0)
		offset += (uint64_t)n;
	assert_int_equal(n, -ENOSPC);
	return offset;
}
