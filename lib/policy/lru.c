// SPDX-License-Identifier: Apache-2.0
/* lru: the file that was not opened for the longest time goes first. */
#include "queue.h"

#include <errno.h>
#include <mafs/cleanup.h>
#include <string.h>

struct mafs_policy {
	struct mafs_policy_queue queue; /* the last was used last */
};

static int lru_new(uint64_t memory_bytes, struct mafs_policy **ret)
{
	*ret = calloc(1, sizeof(**ret));
	return *ret ? 0 : -ENOMEM;
}

static void lru_free(struct mafs_policy *policy)
{
	free(policy);
}

static void lru_remove(struct mafs_policy *policy,
		       struct mafs_policy_file *file)
{
	mafs_policy_queue_remove(file);
}

static void lru_admit(struct mafs_policy *policy, struct mafs_policy_file *file)
{
	if (!file->queue)
		mafs_policy_queue_append(&policy->queue, file);
}

static void lru_use(struct mafs_policy *policy, struct mafs_policy_file *file)
{
	if (!file->queue)
		return;
	mafs_policy_queue_remove(file);
	mafs_policy_queue_append(&policy->queue, file);
}

static void lru_evicted(struct mafs_policy *policy,
			struct mafs_policy_file *file)
{
	memset(file, 0, sizeof(*file));
}

static struct mafs_policy_file *lru_victim(struct mafs_policy *policy)
{
	struct mafs_policy_file *file = policy->queue.first;

	if (file)
		lru_use(policy, file);
	return file;
}

static size_t lru_count(const struct mafs_policy *policy)
{
	return policy->queue.n;
}

const struct mafs_policy_ops mafs_policy_lru = {
	.name = "lru",
	.new = lru_new,
	.free = lru_free,
	.admit = lru_admit,
	.use = lru_use,
	.remove = lru_remove,
	.evicted = lru_evicted,
	.victim = lru_victim,
	.count = lru_count,
};
