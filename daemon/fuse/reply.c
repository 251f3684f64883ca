// SPDX-License-Identifier: Apache-2.0
/*
 * Answers. The core says -errno, FUSE wants errno: the sign flips in
 * mafsd_reply() and nowhere else. A reply may find nobody (-ENOENT: the caller
 * was interrupted and is gone): what the kernel would have given back later is
 * given back at once.
 */
#include "adapter.h"

struct mafsd_fs *mafsd_request_begin(fuse_req_t req, enum mafsd_upcall upcall)
{
	struct mafsd_fuse *fuse = fuse_req_userdata(req);

	atomic_fetch_add_explicit(&fuse->fs->upcalls[upcall], 1,
				  memory_order_relaxed);
	mafsd_thread_enter();
	/* At the end libfuse cancels the threads of io_uring, which would leave
	 * the locks of a handler behind; they end by themselves. */
	if (fuse->io_uring)
		(void)pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
	return fuse->fs;
}

void mafsd_request_caller(fuse_req_t req, struct mafsd_caller *ret)
{
	const struct fuse_ctx *ctx = fuse_req_ctx(req);

	*ret = (struct mafsd_caller){
		.uid = ctx->uid,
		.gid = ctx->gid,
		.pid = ctx->pid,
		.umask = ctx->umask,
	};
}

void mafsd_reply(fuse_req_t req, int r)
{
	(void)fuse_reply_err(req, r < 0 ? -r : 0);
}

void mafsd_reply_written(fuse_req_t req, ssize_t n)
{
	if (n < 0)
		mafsd_reply(req, (int)n);
	else
		(void)fuse_reply_write(req, (size_t)n);
}

void mafsd_reply_bytes(fuse_req_t req, const void *bytes, ssize_t n)
{
	if (n < 0)
		mafsd_reply(req, (int)n);
	else
		(void)fuse_reply_buf(req, bytes, (size_t)n);
}

void mafsd_entry_to_fuse(struct mafsd_fs *fs, const struct mafsd_entry *entry,
			 struct fuse_entry_param *ret)
{
	*ret = (struct fuse_entry_param){
		.ino = entry->nodeid,
		.generation = entry->generation,
		.attr = entry->st,
		.attr_timeout = entry->attr_volatile ? 0 : fs->cached_s,
		.entry_timeout = fs->cached_s,
	};
}

void mafsd_reply_entry(fuse_req_t req, struct mafsd_fs *fs, int r,
		       const struct mafsd_entry *entry)
{
	struct fuse_entry_param param;

	if (r < 0) {
		mafsd_reply(req, r);
		return;
	}
	mafsd_entry_to_fuse(fs, entry, &param);
	if (fuse_reply_entry(req, &param) < 0)
		fs->ops->forget(fs, entry->nodeid, 1);
}

void mafsd_reply_attr(fuse_req_t req, struct mafsd_fs *fs, int r,
		      const struct stat *st, bool is_volatile)
{
	if (r < 0)
		mafsd_reply(req, r);
	else
		(void)fuse_reply_attr(req, st, is_volatile ? 0 : fs->cached_s);
}

/* ---- a buffer for each thread ---- */

static pthread_once_t buffer_once = PTHREAD_ONCE_INIT;
static pthread_key_t buffer_key;
static int buffer_error;

static void make_buffer_key(void)
{
	buffer_error = pthread_key_create(&buffer_key, free);
}

char *mafsd_thread_buffer(void)
{
	char *buffer;

	pthread_once(&buffer_once, make_buffer_key);
	if (buffer_error)
		return NULL;
	buffer = pthread_getspecific(buffer_key);
	if (buffer)
		return buffer;
	/* For O_DIRECT of N, should the core read so. */
	buffer = aligned_alloc(4096, MAFSD_REQUEST_MAX);
	if (buffer && pthread_setspecific(buffer_key, buffer)) {
		free(buffer);
		return NULL;
	}
	return buffer;
}
