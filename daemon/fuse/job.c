// SPDX-License-Identifier: Apache-2.0
/*
 * Requests that would block a handler go on in the core's worker pool, with
 * their arguments copied, and are answered from there. They are counted: the
 * session must not go while one of them still has to answer.
 */
#include "adapter.h"

#include <string.h>

void mafsd_job_begin(struct mafsd_job *job, fuse_req_t req,
		     enum mafsd_upcall upcall)
{
	*job = (struct mafsd_job){
		.fuse = fuse_req_userdata(req),
		.fs = mafsd_request_begin(req, upcall),
		.req = req,
	};
	mafsd_request_caller(req, &job->caller);
}

/* Return: may it go to the pool? */
static bool count_job(struct mafsd_fuse *fuse)
{
	mafs_guard(&fuse->jobs_lock);
	fuse->n_jobs++;
	return !fuse->jobs_inline;
}

static void uncount_job(struct mafsd_fuse *fuse)
{
	mafs_guard(&fuse->jobs_lock);
	if (--fuse->n_jobs == 0)
		pthread_cond_broadcast(&fuse->jobs_done);
}

static void run_job(void *argument)
{
	struct mafsd_job *job = argument;
	struct mafsd_fuse *fuse = job->fuse;

	job->run(job);
	free(job);
	uncount_job(fuse);
}

void mafsd_job_defer(const struct mafsd_job *job, size_t size,
		     void (*run)(struct mafsd_job *job), const void *tail,
		     size_t tail_len)
{
	struct mafsd_job *copy = malloc(size + tail_len);
	int r;

	if (!copy) {
		mafsd_reply(job->req, -ENOMEM);
		return;
	}
	memcpy(copy, job, size);
	copy->run = run;
	if (tail) {
		copy->tail = (char *)copy + size;
		memcpy(copy->tail, tail, tail_len);
	}
	if (!count_job(job->fuse)) {
		run_job(copy);
		return;
	}
	r = mafsd_pool_submit(job->fs->pool, run_job, copy);
	if (r < 0) {
		mafsd_reply(job->req, r);
		free(copy);
		uncount_job(job->fuse);
	}
}

void mafsd_jobs_wait(struct mafsd_fuse *fuse)
{
	mafs_guard(&fuse->jobs_lock);
	fuse->jobs_inline = true;
	while (fuse->n_jobs)
		pthread_cond_wait(&fuse->jobs_done, &fuse->jobs_lock);
}
