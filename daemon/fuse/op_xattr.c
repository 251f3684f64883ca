// SPDX-License-Identifier: Apache-2.0
/*
 * Requests about extended attributes. A length of 0 asks how long the value
 * is; otherwise what does not fit is -ERANGE, said by the core.
 */
#include "adapter.h"

#include <linux/limits.h>
#include <string.h>

#define ACL_ACCESS "system.posix_acl_access"

/* Answers with @n bytes at @bytes, or with the number when @size is 0. */
static void reply_value(fuse_req_t req, const char *bytes, ssize_t n,
			size_t size)
{
	if (n >= 0 && size == 0)
		(void)fuse_reply_xattr(req, (size_t)n);
	else
		mafsd_reply_bytes(req, bytes, n);
}

static void op_getxattr(fuse_req_t req, fuse_ino_t nodeid, const char *name,
			size_t size)
{
	struct mafsd_fs *fs = mafsd_request_begin(req, MAFSD_UPCALL_getxattr);
	char *value = mafsd_thread_buffer();

	if (!value || size > XATTR_SIZE_MAX)
		mafsd_reply(req, -ENOMEM);
	else
		reply_value(req, value,
			    fs->ops->getxattr(fs, nodeid, name, value, size),
			    size);
}

static void op_listxattr(fuse_req_t req, fuse_ino_t nodeid, size_t size)
{
	struct mafsd_fs *fs = mafsd_request_begin(req, MAFSD_UPCALL_listxattr);
	char *list = mafsd_thread_buffer();
	struct mafsd_caller caller;

	mafsd_request_caller(req, &caller);
	if (!list || size > XATTR_LIST_MAX)
		mafsd_reply(req, -ENOMEM);
	else
		reply_value(req, list,
			    fs->ops->listxattr(fs, &caller, nodeid, list, size),
			    size);
}

/* Supplementary groups of the caller. None when they cannot be had, as from
 * another pid namespace: then it counts as a member of fewer groups. */
static size_t groups_of(fuse_req_t req, gid_t **ret)
{
	_cleanup_free_ gid_t *groups = NULL;
	int n, n_got;

	n = fuse_req_getgroups(req, 0, NULL);
	if (n <= 0)
		return 0;
	groups = calloc((size_t)n, sizeof(*groups));
	if (!groups)
		return 0;
	n_got = fuse_req_getgroups(req, n, groups);
	if (n_got <= 0)
		return 0;
	*ret = take_ptr(groups);
	return (size_t)(n_got < n ? n_got : n);
}

/* ---- the policy: what is below it is looked at, in the pool ---- */

struct policy_job {
	struct mafsd_job job;
	uint64_t nodeid;
	size_t len;
	int flags;
};

static void run_policy(struct mafsd_job *job)
{
	struct policy_job *policy =
		mafs_container_of(job, struct policy_job, job);

	mafsd_reply(job->req, job->fs->ops->set_policy(
				      job->fs, &job->caller, policy->nodeid,
				      job->tail, policy->len, policy->flags));
}

/* @value: NULL: removed. */
static void set_policy(fuse_req_t req, enum mafsd_upcall upcall,
		       fuse_ino_t nodeid, const char *value, size_t len,
		       int flags)
{
	struct policy_job policy = {
		.nodeid = nodeid,
		.len = len,
		.flags = flags,
	};

	mafsd_job_begin(&policy.job, req, upcall);
	mafsd_job_defer(&policy.job, sizeof(policy), run_policy, value, len);
}

/* ---- all others ---- */

static void op_setxattr(fuse_req_t req, fuse_ino_t nodeid, const char *name,
			const char *value, size_t size, int flags)
{
	_cleanup_free_ gid_t *groups = NULL;
	struct mafsd_caller caller;
	size_t n_groups = 0;
	struct mafsd_fs *fs;

	if (!strcmp(name, MAFSD_POLICY_XATTR)) {
		set_policy(req, MAFSD_UPCALL_setxattr, nodeid, value, size,
			   flags);
		return;
	}
	fs = mafsd_request_begin(req, MAFSD_UPCALL_setxattr);
	mafsd_request_caller(req, &caller);
	/* Reading them takes a while, and only an access ACL needs them. */
	if (caller.uid != 0 && !strcmp(name, ACL_ACCESS))
		n_groups = groups_of(req, &groups);
	mafsd_reply(req, fs->ops->setxattr(fs, &caller, groups, n_groups,
					   nodeid, name, value, size, flags));
}

static void op_removexattr(fuse_req_t req, fuse_ino_t nodeid, const char *name)
{
	struct mafsd_fs *fs;

	if (!strcmp(name, MAFSD_POLICY_XATTR)) {
		set_policy(req, MAFSD_UPCALL_removexattr, nodeid, NULL, 0, 0);
		return;
	}
	fs = mafsd_request_begin(req, MAFSD_UPCALL_removexattr);
	mafsd_reply(req, fs->ops->removexattr(fs, nodeid, name));
}

void mafsd_ops_xattr(struct fuse_lowlevel_ops *ops)
{
	ops->getxattr = op_getxattr;
	ops->listxattr = op_listxattr;
	ops->setxattr = op_setxattr;
	ops->removexattr = op_removexattr;
}
