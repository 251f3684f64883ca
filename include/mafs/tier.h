/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tiers below memory (lib/tier): where bytes are written back to. The disk
 * tier is N itself; tests have one that fails, tears and hangs.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/types.h>
#include <time.h>

/**
 * struct mafs_tier_ops - no slot is NULL
 *
 * @fd: a descriptor of N's file, open for reading and writing. Context: any
 * thread, no locks held, already acting under the file owner's ids; may
 * block for as long as the disk does. Errors: -errno of the call; -ENOSPC,
 * -EDQUOT and -EIO are kept and retried by the caller.
 */
struct mafs_tier_ops {
	const char *kind;
	ssize_t (*pread)(int fd, void *bytes, size_t len, uint64_t offset);
	/* All of it or an error. */
	int (*pwrite)(int fd, const void *bytes, size_t len, uint64_t offset);
	/* The range reads as zeros afterwards and the size stays; blocks are
	 * given back where the file system can. */
	int (*zero)(int fd, uint64_t offset, uint64_t len);
	int (*truncate)(int fd, uint64_t size_bytes);
	int (*set_times)(int fd, const struct timespec times[2]);
	/* What was written is below before a later change of names or xattrs
	 * can become durable; cheaper than a flush where N keeps order. */
	int (*settle)(int fd);
	/* Durable when it returns 0. @data_only: fdatasync. */
	int (*flush)(int fd, bool data_only);
	/* All of the file system that @fd is on (syncfs). */
	int (*flush_all)(int fd);
	int (*stat)(int fd, struct stat *ret);
	/* Of the file system that @fd is on. */
	int (*statvfs)(int fd, struct statvfs *ret);
};

extern const struct mafs_tier_ops mafs_tier_disk;
