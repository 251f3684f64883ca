/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a file is to be treated: hot, tiered, cold or pinned, as is set on it or
 * on the nearest directory above it. It stands in an xattr of N's own inode,
 * so it moves with it and outlives the session.
 *
 * What was set is read once in an inode's life and changed by us alone.
 * inode->own_policy is atomic: who reads it from N publishes it only if nobody
 * was first, who sets it does so after N has it.
 */
#include "names.h"

#include <mafs/checked.h>
#include <string.h>
#include <sys/xattr.h>

#define VALUE_MAX 16

static const char *const texts[] = {
	[MAFSD_POLICY_INHERIT] = "inherit", [MAFSD_POLICY_TIERED] = "tiered",
	[MAFSD_POLICY_HOT] = "hot",         [MAFSD_POLICY_COLD] = "cold",
	[MAFSD_POLICY_PINNED] = "pinned",
};

const char *mafsd_policy_to_text(enum mafsd_policy policy)
{
	return texts[policy];
}

int mafsd_policy_from_text(const char *text, size_t len, enum mafsd_policy *ret)
{
	for (size_t i = MAFSD_POLICY_TIERED; i < MAFS_ARRAY_SIZE(texts); i++)
		if (strlen(texts[i]) == len && !memcmp(texts[i], text, len)) {
			*ret = (enum mafsd_policy)i;
			return 0;
		}
	return -EINVAL;
}

static const char *xattr_name(const struct mafsd *d)
{
	return d->root ? "trusted.mafs.policy" : "user.mafs.policy";
}

/* What N says; nothing where it cannot be read, or is not ours. */
static enum mafsd_policy read_own(struct mafsd *d, struct mafsd_inode *inode)
{
	enum mafsd_policy policy = MAFSD_POLICY_INHERIT;
	char path[MAFSD_PROC_LEN], value[VALUE_MAX];
	ssize_t n;
	int fd;

	if (!S_ISREG(inode->type) && !S_ISDIR(inode->type))
		return policy;
	fd = mafsd_path_get(d, inode);
	if (fd < 0)
		return policy;
	mafsd_proc_path(fd, path);
	n = getxattr(path, xattr_name(d), value, sizeof(value));
	mafsd_path_put(d, inode);
	if (n > 0)
		(void)mafsd_policy_from_text(value, (size_t)n, &policy);
	return policy;
}

/* 0: not known yet. */
static unsigned int known(struct mafsd_inode *inode)
{
	return __atomic_load_n(&inode->own_policy, __ATOMIC_ACQUIRE);
}

static void publish(struct mafsd_inode *inode, enum mafsd_policy policy)
{
	__atomic_store_n(&inode->own_policy, (uint8_t)(policy + 1),
			 __ATOMIC_RELEASE);
}

void mafsd_policy_of_new(struct mafsd_inode *inode)
{
	publish(inode, MAFSD_POLICY_INHERIT);
}

enum mafsd_policy mafsd_policy_own(struct mafsd *d, struct mafsd_inode *inode)
{
	uint8_t nobody = 0;

	if (!known(inode))
		__atomic_compare_exchange_n(&inode->own_policy, &nobody,
					    (uint8_t)(read_own(d, inode) + 1),
					    false, __ATOMIC_ACQ_REL,
					    __ATOMIC_ACQUIRE);
	return (enum mafsd_policy)(known(inode) - 1);
}

/* What is known from @inode up. Return: a policy, or INHERIT with the first that
 * has not been asked, referenced. */
static enum mafsd_policy look_up(struct mafsd *d, struct mafsd_inode *inode,
				 struct mafsd_inode **ret_unknown)
{
	mafs_guard(&d->names_lock);

	while (inode && known(inode) == MAFSD_POLICY_INHERIT + 1)
		inode = inode->parent;
	if (!inode)
		return MAFSD_POLICY_TIERED;
	if (known(inode))
		return (enum mafsd_policy)(known(inode) - 1);
	*ret_unknown = mafsd_inode_ref(d, inode);
	return MAFSD_POLICY_INHERIT;
}

enum mafsd_policy mafsd_policy_of(struct mafsd *d, struct mafsd_inode *inode)
{
	struct mafsd_inode *unknown = NULL;
	enum mafsd_policy policy;

	while ((policy = look_up(d, inode, &unknown)) == MAFSD_POLICY_INHERIT) {
		(void)mafsd_policy_own(d, unknown);
		mafsd_inode_unref(d, unknown);
	}
	return policy;
}

struct mafsd_inode *mafsd_policy_from(struct mafsd *d,
				      struct mafsd_inode *inode)
{
	(void)mafsd_policy_of(d, inode);
	mafs_guard(&d->names_lock);

	while (inode && known(inode) == MAFSD_POLICY_INHERIT + 1)
		inode = inode->parent;
	return inode ? mafsd_inode_ref(d, inode) : NULL;
}

int mafsd_policy_store(struct mafsd *d, struct mafsd_inode *inode,
		       enum mafsd_policy policy, int flags)
{
	const char *text = mafsd_policy_to_text(policy);
	char path[MAFSD_PROC_LEN];
	int fd, r;
	mafs_guard(&inode->lock);

	fd = mafsd_path_get(d, inode);
	if (fd < 0)
		return fd;
	mafsd_proc_path(fd, path);
	if (policy == MAFSD_POLICY_INHERIT)
		r = removexattr(path, xattr_name(d));
	else
		r = setxattr(path, xattr_name(d), text, strlen(text), flags);
	r = r < 0 ? -errno : 0;
	mafsd_path_put(d, inode);
	if (r == 0) {
		publish(inode, policy);
		mafsd_attr_touched(d, inode);
	}
	return r;
}
