/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Eviction policies (lib/policy): which file's copy in memory goes next. They
 * hear of opens only, as what passes through the kernel is seen by nobody.
 * No I/O and no lock: the caller's lock guards a policy and its files.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct mafs_policy;
struct mafs_policy_queue;

/**
 * struct mafs_policy_file - a policy's part of a file; zeroed: never seen
 *
 * Lies within the caller's own structure. The caller sets @key and
 * @size_bytes while the file is not admitted; the rest is the policy's.
 */
struct mafs_policy_file {
	uint64_t key; /* hash of the identity, to know it again */
	uint64_t size_bytes;
	struct mafs_policy_file *prev, *next;
	struct mafs_policy_queue *queue; /* NULL: not admitted */
	struct mafs_policy_queue *home; /* where it was last */
	uint8_t n_uses;
};

/**
 * struct mafs_policy_ops - no slot is NULL
 *
 * All but new and free take amortised constant time and cannot fail.
 */
struct mafs_policy_ops {
	const char *name;
	/* @memory_bytes: what the files share. Return: 0, -ENOMEM. */
	int (*new)(uint64_t memory_bytes, struct mafs_policy **ret);
	/* Files may still be admitted; they are not touched. NULL is fine. */
	void (*free)(struct mafs_policy *policy);
	/* From now on it may be the victim. A file that was removed and not
	 * zeroed since comes back as it was. */
	void (*admit)(struct mafs_policy *policy,
		      struct mafs_policy_file *file);
	/* It was opened, admitted or not. */
	void (*use)(struct mafs_policy *policy, struct mafs_policy_file *file);
	/* No victim for now, or gone. Also one that is not admitted. */
	void (*remove)(struct mafs_policy *policy,
		       struct mafs_policy_file *file);
	/* A removed file was evicted: zeroed here, may be known again. */
	void (*evicted)(struct mafs_policy *policy,
			struct mafs_policy_file *file);
	/* The next to be evicted, or NULL. It stays admitted, behind others,
	 * so that one that cannot go now stands in nobody's way. */
	struct mafs_policy_file *(*victim)(struct mafs_policy *policy);
	/* Files that are admitted. */
	size_t (*count)(const struct mafs_policy *policy);
};

extern const struct mafs_policy_ops mafs_policy_lru;
extern const struct mafs_policy_ops mafs_policy_s3fifo;

/* NULL: no policy has that name. */
const struct mafs_policy_ops *mafs_policy_find(const char *name);
