// SPDX-License-Identifier: Apache-2.0
#include <mafs/cleanup.h>
#include <mafs/policy.h>
#include <string.h>

static const struct mafs_policy_ops *const policies[] = {
	&mafs_policy_s3fifo,
	&mafs_policy_lru,
};

const struct mafs_policy_ops *mafs_policy_find(const char *name)
{
	for (size_t i = 0; i < MAFS_ARRAY_SIZE(policies); i++)
		if (!strcmp(policies[i]->name, name))
			return policies[i];
	return NULL;
}
