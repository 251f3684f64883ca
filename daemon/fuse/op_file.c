// SPDX-License-Identifier: Apache-2.0
/*
 * Requests about the bytes of open files: those that do not pass through. A
 * write that would wait for memory, and all that waits for the disk, goes on
 * in the worker pool.
 */
#include "adapter.h"

static struct mafsd_open *open_of(const struct fuse_file_info *fi)
{
	return (struct mafsd_open *)(uintptr_t)fi->fh;
}

/* ---- read ---- */

/* Where the reply's bytes go: over io_uring straight into what the kernel
 * copies from. */
static char *read_buffer(fuse_req_t req, size_t size)
{
#if FUSE_VERSION >= FUSE_MAKE_VERSION(3, 18)
	size_t room;
	char *payload;
	void *mr;

	if (fuse_req_is_uring(req) &&
	    fuse_req_get_payload(req, &payload, &room, &mr) == 0 &&
	    room >= size)
		return payload;
#endif
	return size <= MAFSD_REQUEST_MAX ? mafsd_thread_buffer() : NULL;
}

static void op_read(fuse_req_t req, fuse_ino_t nodeid, size_t size,
		    off_t offset, struct fuse_file_info *fi)
{
	struct mafsd_fs *fs = mafsd_request_begin(req, MAFSD_UPCALL_read);
	char *bytes = read_buffer(req, size);

	if (!bytes)
		mafsd_reply(req, -ENOMEM);
	else
		mafsd_reply_bytes(req, bytes,
				  fs->ops->read(fs, open_of(fi), bytes, size,
						(uint64_t)offset));
}

/* ---- write ---- */

struct write_job {
	struct mafsd_job job;
	struct mafsd_open *open;
	const void *bytes;
	size_t len;
	uint64_t offset;
	int flags;
	bool from_cache;
};

/* Return: MAFSD_WOULD_BLOCK, or 0: answered. */
static int try_write(struct write_job *write, bool may_block)
{
	struct mafsd_job *job = &write->job;
	ssize_t n;

	n = job->fs->ops->write(job->fs, &job->caller, write->open,
				write->bytes, write->len, write->offset,
				write->flags, write->from_cache, may_block);
	if (n == MAFSD_WOULD_BLOCK && !may_block)
		return MAFSD_WOULD_BLOCK;
	mafsd_reply_written(job->req, n);
	return 0;
}

static void run_write(struct mafsd_job *job)
{
	struct write_job *write = mafs_container_of(job, struct write_job, job);

	write->bytes = job->tail;
	(void)try_write(write, true);
}

static void op_write(fuse_req_t req, fuse_ino_t nodeid, const char *bytes,
		     size_t len, off_t offset, struct fuse_file_info *fi)
{
	struct write_job write = {
		.open = open_of(fi),
		.bytes = bytes,
		.len = len,
		.offset = (uint64_t)offset,
		.flags = fi->flags,
		.from_cache = fi->writepage,
	};

	mafsd_job_begin(&write.job, req, MAFSD_UPCALL_write);
	if (try_write(&write, false) == MAFSD_WOULD_BLOCK)
		mafsd_job_defer(&write.job, sizeof(write), run_write, bytes,
				len);
}

/* ---- fallocate ---- */

struct fallocate_job {
	struct mafsd_job job;
	struct mafsd_open *open;
	int mode;
	uint64_t offset, len;
};

/* Return: MAFSD_WOULD_BLOCK, or 0: answered. */
static int try_fallocate(struct fallocate_job *request, bool may_block)
{
	struct mafsd_job *job = &request->job;
	int r;

	r = job->fs->ops->fallocate(job->fs, &job->caller, request->open,
				    request->mode, request->offset,
				    request->len, may_block);
	if (r == MAFSD_WOULD_BLOCK && !may_block)
		return r;
	mafsd_reply(job->req, r);
	return 0;
}

static void run_fallocate(struct mafsd_job *job)
{
	(void)try_fallocate(mafs_container_of(job, struct fallocate_job, job),
			    true);
}

static void op_fallocate(fuse_req_t req, fuse_ino_t nodeid, int mode,
			 off_t offset, off_t len, struct fuse_file_info *fi)
{
	struct fallocate_job request = {
		.open = open_of(fi),
		.mode = mode,
		.offset = (uint64_t)offset,
		.len = (uint64_t)len,
	};

	mafsd_job_begin(&request.job, req, MAFSD_UPCALL_fallocate);
	if (try_fallocate(&request, false) == MAFSD_WOULD_BLOCK)
		mafsd_job_defer(&request.job, sizeof(request), run_fallocate,
				NULL, 0);
}

/* ---- fsync ---- */

struct fsync_job {
	struct mafsd_job job;
	struct mafsd_open *open;
	bool data_only;
};

static void run_fsync(struct mafsd_job *job)
{
	struct fsync_job *sync = mafs_container_of(job, struct fsync_job, job);

	mafsd_reply(job->req,
		    job->fs->ops->fsync(job->fs, sync->open, sync->data_only));
}

static void op_fsync(fuse_req_t req, fuse_ino_t nodeid, int data_only,
		     struct fuse_file_info *fi)
{
	struct fsync_job sync = {
		.open = open_of(fi),
		.data_only = data_only,
	};

	mafsd_job_begin(&sync.job, req, MAFSD_UPCALL_fsync);
	mafsd_job_defer(&sync.job, sizeof(sync), run_fsync, NULL, 0);
}

/* ---- copy_file_range ---- */

struct copy_job {
	struct mafsd_job job;
	struct mafsd_open *in, *out;
	uint64_t offset_in, offset_out;
	size_t len;
};

static void run_copy(struct mafsd_job *job)
{
	struct copy_job *copy = mafs_container_of(job, struct copy_job, job);

	mafsd_reply_written(job->req, job->fs->ops->copy_file_range(
					      job->fs, &job->caller, copy->in,
					      copy->offset_in, copy->out,
					      copy->offset_out, copy->len));
}

static void op_copy_file_range(fuse_req_t req, fuse_ino_t nodeid_in,
			       off_t offset_in, struct fuse_file_info *fi_in,
			       fuse_ino_t nodeid_out, off_t offset_out,
			       struct fuse_file_info *fi_out, size_t len,
			       int flags)
{
	struct copy_job copy = {
		.in = open_of(fi_in),
		.out = open_of(fi_out),
		.offset_in = (uint64_t)offset_in,
		.offset_out = (uint64_t)offset_out,
		.len = len,
	};

	mafsd_job_begin(&copy.job, req, MAFSD_UPCALL_copy_file_range);
	mafsd_job_defer(&copy.job, sizeof(copy), run_copy, NULL, 0);
}

static void op_lseek(fuse_req_t req, fuse_ino_t nodeid, off_t offset,
		     int whence, struct fuse_file_info *fi)
{
	struct mafsd_fs *fs = mafsd_request_begin(req, MAFSD_UPCALL_lseek);
	off_t found = fs->ops->lseek(fs, open_of(fi), offset, whence);

	if (found < 0)
		mafsd_reply(req, (int)found);
	else
		(void)fuse_reply_lseek(req, found);
}

void mafsd_ops_file(struct fuse_lowlevel_ops *ops)
{
	ops->read = op_read;
	ops->write = op_write;
	ops->fallocate = op_fallocate;
	ops->fsync = op_fsync;
	ops->copy_file_range = op_copy_file_range;
	ops->lseek = op_lseek;
}
