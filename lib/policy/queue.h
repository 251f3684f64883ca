/* SPDX-License-Identifier: Apache-2.0 */
/* A queue of files and of their bytes; the first was put in first. */
#pragma once

#include <mafs/policy.h>

/* What a file counts at least: an empty one is not free either. */
#define MAFS_POLICY_WEIGHT_MIN 4096U

struct mafs_policy_queue {
	struct mafs_policy_file *first, *last;
	size_t n;
	uint64_t weight; /* bytes */
};

static inline uint64_t mafs_policy_weight(const struct mafs_policy_file *file)
{
	return file->size_bytes > MAFS_POLICY_WEIGHT_MIN ?
		       file->size_bytes :
		       MAFS_POLICY_WEIGHT_MIN;
}

void mafs_policy_queue_append(struct mafs_policy_queue *queue,
			      struct mafs_policy_file *file);
/* Out of the queue it is in, if any. */
void mafs_policy_queue_remove(struct mafs_policy_file *file);
