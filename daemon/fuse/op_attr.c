// SPDX-License-Identifier: Apache-2.0
/*
 * Requests about attributes and the file system as a whole. Access is never
 * asked: default_permissions.
 */
#include "adapter.h"

static void op_getattr(fuse_req_t req, fuse_ino_t nodeid,
		       struct fuse_file_info *fi)
{
	struct mafsd_fs *fs = mafsd_request_begin(req, MAFSD_UPCALL_getattr);
	bool is_volatile = false;
	struct stat st;
	int r;

	r = fs->ops->getattr(fs, nodeid, &st, &is_volatile);
	mafsd_reply_attr(req, fs, r, &st, is_volatile);
}

/* ---- setattr ---- */

struct setattr_job {
	struct mafsd_job job;
	uint64_t nodeid;
	struct stat attr;
	int set;
};

static int set_of(int to_set)
{
	static const struct {
		int fuse, core;
	} bits[] = {
		{ FUSE_SET_ATTR_MODE, MAFSD_SET_MODE },
		{ FUSE_SET_ATTR_UID, MAFSD_SET_UID },
		{ FUSE_SET_ATTR_GID, MAFSD_SET_GID },
		{ FUSE_SET_ATTR_SIZE, MAFSD_SET_SIZE },
		{ FUSE_SET_ATTR_ATIME, MAFSD_SET_ATIME },
		{ FUSE_SET_ATTR_MTIME, MAFSD_SET_MTIME },
		{ FUSE_SET_ATTR_ATIME_NOW,
		  MAFSD_SET_ATIME | MAFSD_SET_ATIME_NOW },
		{ FUSE_SET_ATTR_MTIME_NOW,
		  MAFSD_SET_MTIME | MAFSD_SET_MTIME_NOW },
		{ FUSE_SET_ATTR_KILL_SUID, MAFSD_SET_KILL_PRIV },
		{ FUSE_SET_ATTR_KILL_SGID, MAFSD_SET_KILL_PRIV },
		{ FUSE_SET_ATTR_KILL_PRIV, MAFSD_SET_KILL_PRIV },
	};
	int set = 0;

	/* The kernel's only sign before a stranger's passthrough write. */
	if (to_set == 0)
		return MAFSD_SET_KILL_PRIV;
	for (size_t i = 0; i < MAFS_ARRAY_SIZE(bits); i++)
		if (to_set & bits[i].fuse)
			set |= bits[i].core;
	return set;
}

/* Return: MAFSD_WOULD_BLOCK, or 0: answered. */
static int try_setattr(struct setattr_job *setattr, bool may_block)
{
	struct mafsd_job *job = &setattr->job;
	bool is_volatile = false;
	struct stat st;
	int r;

	r = job->fs->ops->setattr(job->fs, &job->caller, setattr->nodeid,
				  &setattr->attr, setattr->set, may_block, &st,
				  &is_volatile);
	if (r == MAFSD_WOULD_BLOCK && !may_block)
		return r;
	mafsd_reply_attr(job->req, job->fs, r, &st, is_volatile);
	return 0;
}

static void run_setattr(struct mafsd_job *job)
{
	(void)try_setattr(mafs_container_of(job, struct setattr_job, job),
			  true);
}

/* A size is set by inode, also where a descriptor came with it: all opens of
 * a file share one place of its bytes. */
static void op_setattr(fuse_req_t req, fuse_ino_t nodeid, struct stat *attr,
		       int to_set, struct fuse_file_info *fi)
{
	struct setattr_job setattr = {
		.nodeid = nodeid,
		.attr = *attr,
		.set = set_of(to_set),
	};

	mafsd_job_begin(&setattr.job, req, MAFSD_UPCALL_setattr);
	if (try_setattr(&setattr, false) == MAFSD_WOULD_BLOCK)
		mafsd_job_defer(&setattr.job, sizeof(setattr), run_setattr,
				NULL, 0);
}

static void op_statfs(fuse_req_t req, fuse_ino_t nodeid)
{
	struct mafsd_fs *fs = mafsd_request_begin(req, MAFSD_UPCALL_statfs);
	struct statvfs st;
	int r;

	r = fs->ops->statfs(fs, &st);
	if (r < 0)
		mafsd_reply(req, r);
	else
		(void)fuse_reply_statfs(req, &st);
}

void mafsd_ops_attr(struct fuse_lowlevel_ops *ops)
{
	ops->getattr = op_getattr;
	ops->setattr = op_setattr;
	ops->statfs = op_statfs;
}
