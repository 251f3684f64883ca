// SPDX-License-Identifier: Apache-2.0
/*
 * Calls that move bytes between the tiers, and those of them that are under
 * way. A call that gives itself a name is counted first, and listed until it
 * ends: this is what a bar of progress is drawn from. Called through routes.c,
 * from any thread.
 */
#include "request.h"

#include "json.h"

#include <errno.h>
#include <mafs/cleanup.h>
#include <string.h>
#include <unistd.h>

/**
 * struct job - a move that was given a name
 *
 * Lives on the stack of the call. What is not atomic is fixed.
 */
struct job {
	struct job *next; /* under jobs->lock */
	const char *name, *action, *path;
	uid_t uid;
	atomic_bool stop;
	struct mafsd_progress progress;
};

struct mafsd_jobs {
	pthread_mutex_t lock;
	struct job *first; /* under lock */
};

struct mafsd_jobs *mafsd_jobs_new(void)
{
	struct mafsd_jobs *jobs = calloc(1, sizeof(*jobs));

	if (jobs)
		pthread_mutex_init(&jobs->lock, NULL);
	return jobs;
}

void mafsd_jobs_free(struct mafsd_jobs *jobs)
{
	if (!jobs)
		return;
	pthread_mutex_destroy(&jobs->lock);
	free(jobs);
}

static void begin_job(struct mafsd_jobs *jobs, struct job *job)
{
	mafs_guard(&jobs->lock);

	job->next = jobs->first;
	jobs->first = job;
}

static void end_job(struct mafsd_jobs *jobs, struct job *job)
{
	struct job **at = &jobs->first;
	mafs_guard(&jobs->lock);

	while (*at != job)
		at = &(*at)->next;
	*at = job->next;
}

static int set_progress(json_t *object, const struct mafsd_progress *progress)
{
	int failed;

	failed = mafsd_json_int(object, "n_moved", progress->n_moved);
	failed |= mafsd_json_int(object, "bytes_moved",
				 mafsd_progress_bytes(progress));
	failed |= mafsd_json_int(object, "n_kept", progress->n_kept);
	return failed;
}

static json_t *job_to_json(const struct job *job)
{
	const struct mafsd_progress *progress = &job->progress;
	json_t *object = json_object();
	int failed;

	failed = mafsd_json_bytes(object, "job", job->name);
	failed |= mafsd_json_bytes(object, "action", job->action);
	failed |= mafsd_json_bytes(object, "path", job->path);
	failed |= mafsd_json_bool(object, "counted", progress->counted);
	failed |= mafsd_json_int(object, "n_total", progress->n_total);
	failed |= mafsd_json_int(object, "bytes_total", progress->bytes_total);
	failed |= set_progress(object, progress);
	if (failed) {
		json_decref(object);
		return NULL;
	}
	return object;
}

static bool is_callers(const struct mafsd_request *request,
		       const struct job *job)
{
	return !request->who || request->who->uid == job->uid;
}

int mafsd_serve_jobs(struct mafsd *d, const struct mafsd_request *request,
		     json_t **ret, struct mafs_fault *fault)
{
	struct mafsd_jobs *jobs = request->jobs;
	json_t *array = json_array();
	int failed = 0;
	mafs_guard(&jobs->lock);

	for (struct job *job = jobs->first; job; job = job->next)
		if (is_callers(request, job))
			failed |=
				json_array_append_new(array, job_to_json(job));
	if (failed) {
		json_decref(array);
		return -ENOMEM;
	}
	return mafsd_or_no_memory(json_pack("{s:o}", "jobs", array), ret);
}

int mafsd_serve_stop(struct mafsd *d, const struct mafsd_request *request,
		     json_t **ret, struct mafs_fault *fault)
{
	const char *name = mafsd_request_text(request, "job");
	struct mafsd_jobs *jobs = request->jobs;
	int n = 0;

	if (!name)
		return mafs_fault_set(fault, -EINVAL, "give the job");
	pthread_mutex_lock(&jobs->lock);
	for (struct job *job = jobs->first; job; job = job->next) {
		if (!is_callers(request, job) || strcmp(job->name, name) != 0)
			continue;
		atomic_store(&job->stop, true);
		n++;
	}
	pthread_mutex_unlock(&jobs->lock);
	if (n == 0)
		return mafs_fault_set(fault, -ENOENT, "no such job runs: %.64s",
				      name);
	return mafsd_or_no_memory(json_pack("{s:i}", "n_stopped", n), ret);
}

static int answer_move(const struct mafsd_progress *progress,
		       const struct mafs_fault *fault, json_t **ret)
{
	bool stopped = progress->stop && atomic_load(progress->stop);
	json_t *answer = json_object();
	int failed;

	failed = set_progress(answer, progress);
	failed |= mafsd_json_bool(answer, "stopped", stopped);
	failed |= mafsd_json_bytes(answer, "kept_why",
				   progress->n_kept ? fault->what : NULL);
	if (failed)
		json_decref(take_ptr(answer));
	return mafsd_or_no_memory(answer, ret);
}

/* What a named call does; as mafsd_act() without the action. */
typedef int run_fn(struct mafsd *d, const struct mafsd_request *request,
		   int what, const char *path, bool count,
		   struct mafsd_progress *progress, struct mafs_fault *fault);

static int serve_job(struct mafsd *d, run_fn *run, int what, const char *text,
		     const struct mafsd_request *request, json_t **ret,
		     struct mafs_fault *fault)
{
	char path[MAFSD_PATH_MAX];
	struct job job = {
		.name = mafsd_request_text(request, "job"),
		.action = text,
		.path = path,
		.uid = request->who ? request->who->uid : geteuid(),
	};
	int r;

	job.progress.stop = &job.stop;
	r = mafsd_request_path(request, path, fault);
	if (r < 0)
		return r;
	if (job.name)
		begin_job(request->jobs, &job);
	r = run(d, request, what, path, job.name != NULL, &job.progress, fault);
	if (job.name)
		end_job(request->jobs, &job);
	return r < 0 ? r : answer_move(&job.progress, fault, ret);
}

static int run_action(struct mafsd *d, const struct mafsd_request *request,
		      int what, const char *path, bool count,
		      struct mafsd_progress *progress, struct mafs_fault *fault)
{
	return mafsd_act(d, request->who, (enum mafsd_action)what, path, count,
			 progress, fault);
}

static int serve_action(struct mafsd *d, enum mafsd_action action,
			const char *text, const struct mafsd_request *request,
			json_t **ret, struct mafs_fault *fault)
{
	return serve_job(d, run_action, (int)action, text, request, ret, fault);
}

static int run_policy(struct mafsd *d, const struct mafsd_request *request,
		      int what, const char *path, bool count,
		      struct mafsd_progress *progress, struct mafs_fault *fault)
{
	return mafsd_policy_set(d, request->who, path, (enum mafsd_policy)what,
				count, progress, fault);
}

int mafsd_serve_policy(struct mafsd *d, enum mafsd_policy policy,
		       const char *action, const struct mafsd_request *request,
		       json_t **ret, struct mafs_fault *fault)
{
	return serve_job(d, run_policy, (int)policy, action, request, ret,
			 fault);
}

int mafsd_serve_pin(struct mafsd *d, const struct mafsd_request *request,
		    json_t **ret, struct mafs_fault *fault)
{
	return mafsd_serve_policy(d, MAFSD_POLICY_PINNED, "pin", request, ret,
				  fault);
}

int mafsd_serve_unpin(struct mafsd *d, const struct mafsd_request *request,
		      json_t **ret, struct mafs_fault *fault)
{
	char path[MAFSD_PATH_MAX];
	uint64_t n = 0;
	int r;

	r = mafsd_request_path(request, path, fault);
	if (r == 0)
		r = mafsd_unpin(d, request->who, path, &n, fault);
	return r < 0 ? r :
		       mafsd_or_no_memory(json_pack("{s:I}", "n_unpinned",
						    (json_int_t)n),
					  ret);
}

int mafsd_serve_push(struct mafsd *d, const struct mafsd_request *request,
		     json_t **ret, struct mafs_fault *fault)
{
	return serve_action(d, MAFSD_PUSH, "push", request, ret, fault);
}

int mafsd_serve_pull(struct mafsd *d, const struct mafsd_request *request,
		     json_t **ret, struct mafs_fault *fault)
{
	return serve_action(d, MAFSD_PULL, "pull", request, ret, fault);
}

int mafsd_serve_evict(struct mafsd *d, const struct mafsd_request *request,
		      json_t **ret, struct mafs_fault *fault)
{
	return serve_action(d, MAFSD_EVICT, "evict", request, ret, fault);
}

static int flush_all(struct mafsd *d, const struct mafsd_request *request,
		     json_t **ret, struct mafs_fault *fault)
{
	struct mafsd_progress none = { 0 };
	int r;

	if (request->who)
		return mafs_fault_set(fault, -EACCES,
				      "only root and the volume's owner may "
				      "flush all of it: give a path");
	r = mafsd_sync(d, fault);
	return r < 0 ? r : answer_move(&none, fault, ret);
}

int mafsd_serve_flush(struct mafsd *d, const struct mafsd_request *request,
		      json_t **ret, struct mafs_fault *fault)
{
	if (!mafsd_request_text(request, "path"))
		return flush_all(d, request, ret, fault);
	return serve_action(d, MAFSD_FLUSH, "flush", request, ret, fault);
}
