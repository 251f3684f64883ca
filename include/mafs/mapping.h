/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A shared mapping of a file or device, how its stores become persistent, and
 * copies that outlive the loss of what is mapped (lib/platform).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mafs_mapping;

/**
 * struct mafs_mapping_ops - none may be NULL; any thread
 *
 * Ranges lie within the mapping.
 */
struct mafs_mapping_ops {
	/* What was stored there is persistent, and seen by other hosts.
	 * Return: 0, -EIO. */
	int (*flush)(struct mafs_mapping *mapping, uint64_t offset,
		     uint64_t len);
	/* What other hosts stored there is read next. */
	void (*invalidate)(struct mafs_mapping *mapping, uint64_t offset,
			   uint64_t len);
	void (*close)(struct mafs_mapping *mapping);
};

/* Embedded in whatever implements it. */
struct mafs_mapping {
	const struct mafs_mapping_ops *ops;
	uint8_t *base;
	uint64_t len;
};

enum mafs_persist {
	MAFS_PERSIST_NEVER, /* memfd: nothing to do */
	MAFS_PERSIST_FILE, /* CPU caches where MAP_SYNC is to be had, or msync */
	MAFS_PERSIST_MEMORY, /* device-DAX: CPU caches */
};

/**
 * mafs_mapping_open() - map [0, @len) of @fd, shared
 *
 * Also sees to it that SIGBUS reaches the guarded copies below; the handler
 * that was there gets every SIGBUS that is none of theirs.
 *
 * Return: 0; -EOPNOTSUPP: this processor's caches cannot be flushed; -errno
 * of mmap(2).
 */
int mafs_mapping_open(int fd, uint64_t len, enum mafs_persist persist,
		      bool read_only, struct mafs_mapping **ret);
void mafs_mapping_close(struct mafs_mapping *mapping);
/**
 * mafs_huge_pages() - pages of 2 MiB in place of small ones
 * @at, @len: within a mapping, multiples of 2 MiB
 *
 * What lies there stays. Whoever touches it meanwhile waits: about a ms for
 * 2 MiB.
 *
 * Return: 0; -EAGAIN: not all, now; -EOPNOTSUPP: not there, or no memory for
 * them: do not go on.
 */
int mafs_huge_pages(void *at, uint64_t len);

/* What the processor's caches are flushed with: "clwb", "clflushopt",
 * "clflush", "none". */
const char *mafs_persist_cpu(void);

/* ---- guarded copies: SIGBUS (an uncorrectable error, a truncated file) of
 * the calling thread within @to or @from is -EIO ---- */

/* Return: 0; -EIO: any part may have been copied. */
int mafs_guarded_copy(void *to, const void *from, size_t len);
int mafs_guarded_zero(void *to, size_t len);
/* One word, aligned, loaded or stored as a whole. */
int mafs_guarded_load(const uint64_t *from, uint64_t *ret);
int mafs_guarded_store(uint64_t *to, uint64_t value);
/* Stores @value where @old is. Return: 0; -EAGAIN: something else is there;
 * -EIO. */
int mafs_guarded_swap(uint64_t *at, uint64_t old, uint64_t value);
