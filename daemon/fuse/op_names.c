// SPDX-License-Identifier: Apache-2.0
/*
 * Requests about names: lookup and forget, making, removing, renaming,
 * symbolic links. They run in the handler, but for a rename that may wait.
 */
#include "adapter.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

static void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct mafsd_fs *fs = mafsd_request_begin(req, MAFSD_UPCALL_lookup);
	const struct fuse_entry_param negative = {
		/* Asked before: it may come, and all be done, meanwhile. */
		.entry_timeout = atomic_load(&fs->names_come) ? 0 :
								fs->cached_s,
	};
	struct mafsd_entry entry;
	int r;

	r = fs->ops->lookup(fs, parent, name, &entry);
	/* The kernel remembers that there is no such name. */
	if (r == -ENOENT)
		(void)fuse_reply_entry(req, &negative);
	else
		mafsd_reply_entry(req, fs, r, &entry);
}

static void op_forget(fuse_req_t req, fuse_ino_t nodeid, uint64_t n)
{
	struct mafsd_fs *fs = mafsd_request_begin(req, MAFSD_UPCALL_forget);

	fs->ops->forget(fs, nodeid, n);
	fuse_reply_none(req);
}

static void op_forget_multi(fuse_req_t req, size_t count,
			    struct fuse_forget_data *forgets)
{
	struct mafsd_fs *fs = mafsd_request_begin(req, MAFSD_UPCALL_forget);

	for (size_t i = 0; i < count; i++)
		fs->ops->forget(fs, forgets[i].ino, forgets[i].nlookup);
	fuse_reply_none(req);
}

static void op_readlink(fuse_req_t req, fuse_ino_t nodeid)
{
	struct mafsd_fs *fs = mafsd_request_begin(req, MAFSD_UPCALL_readlink);
	char target[PATH_MAX + 1] = "";
	int r;

	r = fs->ops->readlink(fs, nodeid, target, sizeof(target));
	if (r < 0)
		mafsd_reply(req, r);
	else
		(void)fuse_reply_readlink(req, target);
}

static void op_mknod(fuse_req_t req, fuse_ino_t parent, const char *name,
		     mode_t mode, dev_t rdev)
{
	struct mafsd_fs *fs = mafsd_request_begin(req, MAFSD_UPCALL_mknod);
	struct mafsd_caller caller;
	struct mafsd_entry entry;
	int r;

	mafsd_request_caller(req, &caller);
	r = fs->ops->mknod(fs, &caller, parent, name, mode, rdev, &entry);
	mafsd_reply_entry(req, fs, r, &entry);
}

static void op_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name,
		     mode_t mode)
{
	struct mafsd_fs *fs = mafsd_request_begin(req, MAFSD_UPCALL_mkdir);
	struct mafsd_caller caller;
	struct mafsd_entry entry;
	int r;

	mafsd_request_caller(req, &caller);
	r = fs->ops->mkdir(fs, &caller, parent, name, mode, &entry);
	mafsd_reply_entry(req, fs, r, &entry);
}

static void op_symlink(fuse_req_t req, const char *target, fuse_ino_t parent,
		       const char *name)
{
	struct mafsd_fs *fs = mafsd_request_begin(req, MAFSD_UPCALL_symlink);
	struct mafsd_caller caller;
	struct mafsd_entry entry;
	int r;

	mafsd_request_caller(req, &caller);
	r = fs->ops->symlink(fs, &caller, target, parent, name, &entry);
	mafsd_reply_entry(req, fs, r, &entry);
}

static void op_link(fuse_req_t req, fuse_ino_t nodeid, fuse_ino_t parent,
		    const char *name)
{
	struct mafsd_fs *fs = mafsd_request_begin(req, MAFSD_UPCALL_link);
	struct mafsd_entry entry;
	int r;

	r = fs->ops->link(fs, nodeid, parent, name, &entry);
	mafsd_reply_entry(req, fs, r, &entry);
}

/* The last name of an open file may go, and a backing id keeps the file then:
 * what can pass through must be known. */
static void op_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct mafsd_fs *fs = mafsd_request_begin(req, MAFSD_UPCALL_unlink);

	mafsd_kernel_connect(fuse_req_userdata(req));
	mafsd_reply(req, fs->ops->unlink(fs, parent, name));
}

static void op_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct mafsd_fs *fs = mafsd_request_begin(req, MAFSD_UPCALL_rmdir);

	mafsd_reply(req, fs->ops->rmdir(fs, parent, name));
}

/* ---- rename ---- */

/* The tail is both names, each with its NUL. */
struct rename_job {
	struct mafsd_job job;
	fuse_ino_t parent, new_parent;
	unsigned int flags;
};

/* Return: MAFSD_WOULD_BLOCK, or 0: answered. */
static int try_rename(struct rename_job *rename, bool may_block)
{
	struct mafsd_job *job = &rename->job;
	const char *name = job->tail;
	int r;

	r = job->fs->ops->rename(job->fs, rename->parent, name,
				 rename->new_parent, name + strlen(name) + 1,
				 rename->flags, may_block);
	if (r == MAFSD_WOULD_BLOCK && !may_block)
		return r;
	mafsd_reply(job->req, r);
	return 0;
}

static void run_rename(struct mafsd_job *job)
{
	(void)try_rename(mafs_container_of(job, struct rename_job, job), true);
}

static void op_rename(fuse_req_t req, fuse_ino_t parent, const char *name,
		      fuse_ino_t new_parent, const char *new_name,
		      unsigned int flags)
{
	struct rename_job rename = {
		.parent = parent,
		.new_parent = new_parent,
		.flags = flags,
	};
	char names[2 * (NAME_MAX + 1)];
	int len;

	mafsd_job_begin(&rename.job, req, MAFSD_UPCALL_rename);
	mafsd_kernel_connect(rename.job.fuse);
	len = snprintf(names, sizeof(names), "%s%c%s", name, 0, new_name);
	if (len >= (int)sizeof(names)) {
		mafsd_reply(req, -ENAMETOOLONG);
		return;
	}
	rename.job.tail = names;
	if (try_rename(&rename, false) == MAFSD_WOULD_BLOCK)
		mafsd_job_defer(&rename.job, sizeof(rename), run_rename, names,
				(size_t)len + 1);
}

void mafsd_ops_names(struct fuse_lowlevel_ops *ops)
{
	ops->lookup = op_lookup;
	ops->forget = op_forget;
	ops->forget_multi = op_forget_multi;
	ops->readlink = op_readlink;
	ops->mknod = op_mknod;
	ops->mkdir = op_mkdir;
	ops->symlink = op_symlink;
	ops->link = op_link;
	ops->unlink = op_unlink;
	ops->rmdir = op_rmdir;
	ops->rename = op_rename;
}
