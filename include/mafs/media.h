/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The metadata of a memory device as lib/log sees it: three regions of bytes
 * that can be read, stored and flushed. Memory devices implement it; tests
 * have one that stops, tears, fails and reorders.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum mafs_region {
	MAFS_REGION_SUPERBLOCK,
	MAFS_REGION_LOG_A,
	MAFS_REGION_LOG_B,
	MAFS_N_REGIONS,
};

/* "superblock", "log slot A", "log slot B" */
const char *mafs_region_to_text(enum mafs_region region);

struct mafs_media;

/**
 * struct mafs_media_ops - none may be NULL
 *
 * Any thread may call them; the caller keeps stores to one region apart.
 * Errors: -EIO, -ENOSPC, -EROFS (opened for reading).
 */
struct mafs_media_ops {
	/* Return: bytes read, fewer than @len only at the region's end. */
	ssize_t (*read)(struct mafs_media *media, enum mafs_region region,
			uint64_t offset, void *bytes, size_t len);
	/* All or an error. Grows the region where the device allows it. */
	int (*write)(struct mafs_media *media, enum mafs_region region,
		     uint64_t offset, const void *bytes, size_t len);
	/* What was stored in the range is persistent when it returns. */
	int (*flush)(struct mafs_media *media, enum mafs_region region,
		     uint64_t offset, size_t len);
	/* Present length in bytes. */
	int (*length)(struct mafs_media *media, enum mafs_region region,
		      uint64_t *ret_bytes);
	/* Gives the space behind @length back where the device can. */
	int (*truncate)(struct mafs_media *media, enum mafs_region region,
			uint64_t length);
};

/* Embedded in the device that implements it. */
struct mafs_media {
	const struct mafs_media_ops *ops;
};
