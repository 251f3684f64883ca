/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who a file of the namespace directory is. Never a path: a path names another
 * file after a rename, an inode number is reused at once, and a handle alone
 * was seen to come back after a power cut (btrfs). So: the file system's id,
 * the file handle and the birth time together.
 */
#pragma once

#include <mafs/uuid.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#define MAFS_HANDLE_MAX 128 /* MAX_HANDLE_SZ of the kernel */
#define MAFS_NAME_MAX 255

/**
 * struct mafs_handle - a file handle of name_to_handle_at(2)
 * @length: bytes used; 0 when the file system gives none, then @ino counts
 */
struct mafs_handle {
	int32_t type;
	uint32_t length;
	uint8_t bytes[MAFS_HANDLE_MAX];
};

struct mafs_identity {
	struct mafs_uuid fs_id;
	struct mafs_handle handle;
	uint64_t ino;
	struct timespec btime; /* zero where the file system has none */
};

/**
 * struct mafs_hint - where the file was when it was last named
 *
 * Only ever a hint: it is verified against the identity before it is used.
 */
struct mafs_hint {
	struct mafs_handle parent;
	char name[MAFS_NAME_MAX + 1];
};

/**
 * struct mafs_fingerprint - the state of N's file at the last clean moment
 *
 * N's file is unchanged by others as long as it still has all three.
 */
struct mafs_fingerprint {
	uint64_t size_bytes;
	struct timespec mtime;
	struct timespec ctime;
};

bool mafs_handle_equal(const struct mafs_handle *a,
		       const struct mafs_handle *b);
bool mafs_identity_equal(const struct mafs_identity *a,
			 const struct mafs_identity *b);
bool mafs_fingerprint_equal(const struct mafs_fingerprint *a,
			    const struct mafs_fingerprint *b);
/* The same, but ctime may differ: chmod(2) and link(2) move it alone. */
bool mafs_fingerprint_same_bytes(const struct mafs_fingerprint *a,
				 const struct mafs_fingerprint *b);
/* Hash of the handle (or ino), for tables. */
uint64_t mafs_identity_hash(const struct mafs_identity *identity);
