// SPDX-License-Identifier: Apache-2.0
/*
 * open, create, tmpfile, flush, release. The core chooses how a file is
 * served; here that becomes the flags of the reply. A handle is the address
 * of a struct mafsd_open; the kernel hands it back until release.
 */
#include "adapter.h"

static struct mafsd_open *open_of(const struct fuse_file_info *fi)
{
	return (struct mafsd_open *)(uintptr_t)fi->fh;
}

static void open_to_fuse(struct mafsd_open *open, struct fuse_file_info *fi)
{
	fi->fh = (uintptr_t)open;
	fi->direct_io = open->direct_io;
	fi->keep_cache = open->keep_cache;
	fi->parallel_direct_writes = open->direct_io;
	if (!open->passthrough)
		return;
	fi->backing_id = open->backing_id;
	/* Its bytes did not come through us: no error of ours to tell. */
	fi->noflush = !open->direct_io;
}

/* ---- open ---- */

struct open_job {
	struct mafsd_job job;
	uint64_t nodeid;
	struct fuse_file_info fi;
};

/* Return: MAFSD_WOULD_BLOCK, or 0: answered. */
static int try_open(struct open_job *request, bool may_block)
{
	struct mafsd_job *job = &request->job;
	struct mafsd_open *open;
	int r;

	r = job->fs->ops->open(job->fs, &job->caller, request->nodeid,
			       request->fi.flags, may_block, &open);
	if (r == MAFSD_WOULD_BLOCK && !may_block)
		return r;
	if (r < 0) {
		mafsd_reply(job->req, r);
		return 0;
	}
	open_to_fuse(open, &request->fi);
	if (fuse_reply_open(job->req, &request->fi) < 0)
		job->fs->ops->release(job->fs, open);
	return 0;
}

static void run_open(struct mafsd_job *job)
{
	(void)try_open(mafs_container_of(job, struct open_job, job), true);
}

static void op_open(fuse_req_t req, fuse_ino_t nodeid,
		    struct fuse_file_info *fi)
{
	struct open_job request = { .nodeid = nodeid, .fi = *fi };

	mafsd_job_begin(&request.job, req, MAFSD_UPCALL_open);
	mafsd_kernel_connect(request.job.fuse);
	if (try_open(&request, false) == MAFSD_WOULD_BLOCK)
		mafsd_job_defer(&request.job, sizeof(request), run_open, NULL,
				0);
}

/* ---- create ---- */

static void reply_create(fuse_req_t req, struct mafsd_fs *fs, int r,
			 const struct mafsd_entry *entry,
			 struct mafsd_open *open, struct fuse_file_info *fi)
{
	struct fuse_entry_param param;

	if (r < 0) {
		mafsd_reply(req, r);
		return;
	}
	mafsd_entry_to_fuse(fs, entry, &param);
	open_to_fuse(open, fi);
	if (fuse_reply_create(req, &param, fi) < 0) {
		fs->ops->release(fs, open);
		fs->ops->forget(fs, entry->nodeid, 1);
	}
}

static void op_create(fuse_req_t req, fuse_ino_t parent, const char *name,
		      mode_t mode, struct fuse_file_info *fi)
{
	struct mafsd_fs *fs = mafsd_request_begin(req, MAFSD_UPCALL_create);
	struct mafsd_open *open = NULL;
	struct mafsd_caller caller;
	struct mafsd_entry entry;
	int r;

	mafsd_kernel_connect(fuse_req_userdata(req));
	mafsd_request_caller(req, &caller);
	r = fs->ops->create(fs, &caller, parent, name, mode, fi->flags, &entry,
			    &open);
	reply_create(req, fs, r, &entry, open, fi);
}

static void op_tmpfile(fuse_req_t req, fuse_ino_t parent, mode_t mode,
		       struct fuse_file_info *fi)
{
	struct mafsd_fs *fs = mafsd_request_begin(req, MAFSD_UPCALL_tmpfile);
	struct mafsd_open *open = NULL;
	struct mafsd_caller caller;
	struct mafsd_entry entry;
	int r;

	mafsd_kernel_connect(fuse_req_userdata(req));
	mafsd_request_caller(req, &caller);
	r = fs->ops->tmpfile(fs, &caller, parent, mode, fi->flags, &entry,
			     &open);
	reply_create(req, fs, r, &entry, open, fi);
}

/* ---- close ---- */

static void op_flush(fuse_req_t req, fuse_ino_t nodeid,
		     struct fuse_file_info *fi)
{
	struct mafsd_fs *fs = mafsd_request_begin(req, MAFSD_UPCALL_flush);

	mafsd_reply(req, fs->ops->flush(fs, open_of(fi)));
}

static void op_release(fuse_req_t req, fuse_ino_t nodeid,
		       struct fuse_file_info *fi)
{
	struct mafsd_fs *fs = mafsd_request_begin(req, MAFSD_UPCALL_release);

	fs->ops->release(fs, open_of(fi));
	mafsd_reply(req, 0);
}

void mafsd_ops_open(struct fuse_lowlevel_ops *ops)
{
	ops->open = op_open;
	ops->create = op_create;
	ops->tmpfile = op_tmpfile;
	ops->flush = op_flush;
	ops->release = op_release;
}
