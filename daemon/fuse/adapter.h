/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between libfuse's low-level API and the core: what the files of daemon/fuse
 * share. A request is translated, done by a function of core/ops.h, and
 * answered; what would block is done again on the core's worker pool.
 */
#pragma once

#include <fs/fs.h>
#include <fuse_lowlevel.h>
#include <mafs/cleanup.h>
#include <mafs/diag.h>
#include <pthread.h>

#define MAFSD_REQUEST_MAX (1024 * 1024)

/**
 * struct mafsd_fuse - one session; the user data of libfuse
 */
struct mafsd_fuse {
	struct mafsd_fs *fs;
	struct fuse_session *session;
	bool io_uring; /* asked for */
	uint32_t max_write;

	/* kernel.c: the calls into the kernel that are no replies. Held for
	 * reading by each, for writing when the session goes. */
	pthread_rwlock_t kernel_lock;
	int kernel_fd; /* kernel_lock; -1: not mounted, or no more */
	pthread_mutex_t connect_lock;
	atomic_bool connected;

	/* job.c */
	pthread_mutex_t jobs_lock;
	pthread_cond_t jobs_done;
	size_t n_jobs; /* jobs_lock */
	bool jobs_inline; /* jobs_lock: the session ends */
};

/* ---- kernel.c ---- */

void mafsd_kernel_begin(struct mafsd_fuse *fuse, int fd);
/* No call into the kernel after this one. */
void mafsd_kernel_end(struct mafsd_fuse *fuse);
/* Tells the core once that the kernel answers. Only when INIT is through: in
 * a handler or later. */
void mafsd_kernel_connect(struct mafsd_fuse *fuse);

/* ---- init.c ---- */

/* The INIT handshake: what is asked of the kernel. */
void mafsd_ops_init(struct fuse_lowlevel_ops *ops);

/* ---- reply.c: the sign of an error flips here, and nowhere else ---- */

/* Counts the request and readies the thread. */
struct mafsd_fs *mafsd_request_begin(fuse_req_t req, enum mafsd_upcall upcall);
void mafsd_request_caller(fuse_req_t req, struct mafsd_caller *ret);

/* @r: 0 or more: success without more to say; -errno. */
void mafsd_reply(fuse_req_t req, int r);
/* @n: bytes written, or -errno. */
void mafsd_reply_written(fuse_req_t req, ssize_t n);
/* @n: bytes at @bytes, or -errno. */
void mafsd_reply_bytes(fuse_req_t req, const void *bytes, ssize_t n);
/* @r: of the call that filled the entry. A reply that finds nobody gives the
 * lookup back. */
void mafsd_reply_entry(fuse_req_t req, struct mafsd_fs *fs, int r,
		       const struct mafsd_entry *entry);
void mafsd_reply_attr(fuse_req_t req, struct mafsd_fs *fs, int r,
		      const struct stat *st, bool is_volatile);
void mafsd_entry_to_fuse(struct mafsd_fs *fs, const struct mafsd_entry *entry,
			 struct fuse_entry_param *ret);
/* Of this thread, MAFSD_REQUEST_MAX bytes long; NULL without memory. */
char *mafsd_thread_buffer(void);

/* ---- job.c: requests that go on in the worker pool ---- */

/**
 * struct mafsd_job - embedded first in a request's arguments
 * @tail: bytes of the request, in the job's own memory; NULL: none
 */
struct mafsd_job {
	struct mafsd_fuse *fuse;
	struct mafsd_fs *fs;
	fuse_req_t req;
	struct mafsd_caller caller;
	void *tail;
	void (*run)(struct mafsd_job *job);
};

/* Counts the request and fills in what every one has. */
void mafsd_job_begin(struct mafsd_job *job, fuse_req_t req,
		     enum mafsd_upcall upcall);
/**
 * mafsd_job_defer() - run a request on the worker pool
 * @job: copied, with all @size bytes that it is embedded in
 * @run: answers the request
 * @tail: copied as well
 *
 * Where that fails the request is answered with the error.
 */
void mafsd_job_defer(const struct mafsd_job *job, size_t size,
		     void (*run)(struct mafsd_job *job), const void *tail,
		     size_t tail_len);
/* Until all deferred requests are answered; later ones are not deferred. */
void mafsd_jobs_wait(struct mafsd_fuse *fuse);

/* ---- op_*.c: fill in their handlers ---- */

void mafsd_ops_names(struct fuse_lowlevel_ops *ops);
void mafsd_ops_attr(struct fuse_lowlevel_ops *ops);
void mafsd_ops_xattr(struct fuse_lowlevel_ops *ops);
void mafsd_ops_dir(struct fuse_lowlevel_ops *ops);
void mafsd_ops_open(struct fuse_lowlevel_ops *ops);
void mafsd_ops_file(struct fuse_lowlevel_ops *ops);
