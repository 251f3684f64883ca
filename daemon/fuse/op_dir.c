// SPDX-License-Identifier: Apache-2.0
/*
 * Requests about open directories. A buffer is filled until the next entry
 * does not fit; with readdirplus each entry but "." and ".." is a lookup as
 * well, which the kernel gives back with a forget.
 */
#include "adapter.h"

#include <string.h>

static struct mafsd_dir *dir_of(const struct fuse_file_info *fi)
{
	return (struct mafsd_dir *)(uintptr_t)fi->fh;
}

static void op_opendir(fuse_req_t req, fuse_ino_t nodeid,
		       struct fuse_file_info *fi)
{
	struct mafsd_fs *fs = mafsd_request_begin(req, MAFSD_UPCALL_opendir);
	struct mafsd_dir *dir;
	int r;

	r = fs->ops->opendir(fs, nodeid, &dir);
	if (r < 0) {
		mafsd_reply(req, r);
		return;
	}
	fi->fh = (uintptr_t)dir;
	if (fuse_reply_open(req, fi) < 0)
		fs->ops->closedir(fs, dir);
}

static void op_releasedir(fuse_req_t req, fuse_ino_t nodeid,
			  struct fuse_file_info *fi)
{
	struct mafsd_fs *fs = mafsd_request_begin(req, MAFSD_UPCALL_releasedir);

	fs->ops->closedir(fs, dir_of(fi));
	mafsd_reply(req, 0);
}

/* ---- fsyncdir ---- */

struct fsyncdir_job {
	struct mafsd_job job;
	struct mafsd_dir *dir;
	bool data_only;
};

static void run_fsyncdir(struct mafsd_job *job)
{
	struct fsyncdir_job *sync =
		mafs_container_of(job, struct fsyncdir_job, job);

	mafsd_reply(job->req, job->fs->ops->fsyncdir(job->fs, sync->dir,
						     sync->data_only));
}

static void op_fsyncdir(fuse_req_t req, fuse_ino_t nodeid, int data_only,
			struct fuse_file_info *fi)
{
	struct fsyncdir_job sync = {
		.dir = dir_of(fi),
		.data_only = data_only,
	};

	mafsd_job_begin(&sync.job, req, MAFSD_UPCALL_fsyncdir);
	mafsd_job_defer(&sync.job, sizeof(sync), run_fsyncdir, NULL, 0);
}

/* ---- readdir ---- */

/**
 * struct listing - one reply that is being filled
 */
struct listing {
	fuse_req_t req;
	struct mafsd_fs *fs;
	uint64_t nodeid;
	char *buffer;
	size_t size, len;
};

/* Return: did it fit? */
static bool add_plain(struct listing *listing, const char *name,
		      const struct stat *st, off_t next)
{
	size_t room = listing->size - listing->len;
	size_t len = fuse_add_direntry(listing->req,
				       listing->buffer + listing->len, room,
				       name, st, next);

	if (len > room)
		return false;
	listing->len += len;
	return true;
}

static bool is_dot(const char *name)
{
	return !strcmp(name, ".") || !strcmp(name, "..");
}

/* Looks @name up, into what goes with the entry. An entry of node id 0 is one
 * that the kernel has to look up by itself. */
static void fill_plus(struct listing *listing, const char *name,
		      const struct stat *st, struct fuse_entry_param *ret)
{
	struct mafsd_entry entry;

	*ret = (struct fuse_entry_param){ .attr = *st };
	if (!is_dot(name) &&
	    listing->fs->ops->lookup(listing->fs, listing->nodeid, name,
				     &entry) >= 0)
		mafsd_entry_to_fuse(listing->fs, &entry, ret);
}

static bool add_plus(struct listing *listing, const char *name,
		     const struct stat *st, off_t next)
{
	size_t room = listing->size - listing->len, len;
	struct fuse_entry_param param;

	/* Asked before the lookup, which would be for nothing. */
	if (fuse_add_direntry_plus(listing->req, NULL, 0, name, NULL, 0) > room)
		return false;
	fill_plus(listing, name, st, &param);
	len = fuse_add_direntry_plus(listing->req,
				     listing->buffer + listing->len, room, name,
				     &param, next);
	if (len > room) {
		if (param.ino)
			listing->fs->ops->forget(listing->fs, param.ino, 1);
		return false;
	}
	listing->len += len;
	return true;
}

static void list(fuse_req_t req, struct mafsd_fs *fs, uint64_t nodeid,
		 size_t size, off_t offset, struct mafsd_dir *dir,
		 bool (*add)(struct listing *listing, const char *name,
			     const struct stat *st, off_t next))
{
	struct listing listing = {
		.req = req,
		.fs = fs,
		.nodeid = nodeid,
		.buffer = mafsd_thread_buffer(),
		.size = size < MAFSD_REQUEST_MAX ? size : MAFSD_REQUEST_MAX,
	};
	const char *name;
	struct stat st;
	int r;

	if (!listing.buffer) {
		mafsd_reply(req, -ENOMEM);
		return;
	}
	while ((r = fs->ops->readdir(fs, dir, offset, &name, &st, &offset)) > 0)
		if (!add(&listing, name, &st, offset))
			break;
	/* An error after some entries comes again with the next request. */
	if (r < 0 && listing.len == 0)
		mafsd_reply(req, r);
	else
		mafsd_reply_bytes(req, listing.buffer, (ssize_t)listing.len);
}

static void op_readdir(fuse_req_t req, fuse_ino_t nodeid, size_t size,
		       off_t offset, struct fuse_file_info *fi)
{
	struct mafsd_fs *fs = mafsd_request_begin(req, MAFSD_UPCALL_readdir);

	list(req, fs, nodeid, size, offset, dir_of(fi), add_plain);
}

static void op_readdirplus(fuse_req_t req, fuse_ino_t nodeid, size_t size,
			   off_t offset, struct fuse_file_info *fi)
{
	struct mafsd_fs *fs =
		mafsd_request_begin(req, MAFSD_UPCALL_readdirplus);

	list(req, fs, nodeid, size, offset, dir_of(fi), add_plus);
}

void mafsd_ops_dir(struct fuse_lowlevel_ops *ops)
{
	ops->opendir = op_opendir;
	ops->releasedir = op_releasedir;
	ops->fsyncdir = op_fsyncdir;
	ops->readdir = op_readdir;
	ops->readdirplus = op_readdirplus;
}
