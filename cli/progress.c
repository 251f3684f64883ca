// SPDX-License-Identifier: Apache-2.0
/*
 * Progress on standard error, if that is a terminal: a long call runs in a
 * thread, while this one asks for the status and shows it. Called by sync,
 * push, pull and umount.
 */
#include "progress.h"

#include "client.h"

#include <errno.h>
#include <inttypes.h>
#include <mafs/cleanup.h>
#include <mafs/size.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

struct call {
	const char *control_path, *url, *path;
	json_t **ret;
	struct mafs_fault *fault;
	int result;
};

bool mafs_progress_wanted(void)
{
	return isatty(STDERR_FILENO);
}

void mafs_progress_show(const char *text)
{
	if (mafs_progress_wanted())
		(void)fprintf(stderr, "\r\033[K%s", text);
}

void mafs_progress_left(const json_t *status, char *ret, size_t len)
{
	uint64_t n_dirty = mafs_client_count(status, "n_dirty");
	char size[MAFS_SIZE_TEXT_LEN];

	mafs_size_to_text(mafs_client_count(status, "dirty_bytes"), size);
	(void)snprintf(ret, len, "%" PRIu64 " file%s, %s left", n_dirty,
		       n_dirty == 1 ? "" : "s", size);
}

static void *run_call(void *context)
{
	struct call *call = context;

	call->result = mafs_client_call(call->control_path, "POST", call->url,
					call->path, MAFS_CLIENT_FOREVER,
					call->ret, call->fault);
	return NULL;
}

static struct timespec step_from_now(void)
{
	struct timespec at;

	clock_gettime(CLOCK_REALTIME, &at);
	at.tv_nsec += MAFS_PROGRESS_STEP_MS * 1000000L;
	at.tv_sec += at.tv_nsec / 1000000000L;
	at.tv_nsec %= 1000000000L;
	return at;
}

static void show_now(const struct call *call, const json_t *before,
		     mafs_progress_fn *progress)
{
	_cleanup_(mafs_json_decrefp) json_t *now = NULL;
	char line[256];

	if (mafs_client_status(call->control_path, &now, NULL) < 0)
		return;
	progress(before, now, line, sizeof(line));
	mafs_progress_show(line);
}

int mafs_progress_call(const char *control_path, const char *url,
		       const char *path, mafs_progress_fn *progress,
		       json_t **ret, struct mafs_fault *fault)
{
	_cleanup_(mafs_json_decrefp) json_t *before = NULL;
	struct call call = { control_path, url, path, ret, fault, 0 };
	struct timespec until;
	pthread_t thread;

	if (!mafs_progress_wanted() ||
	    mafs_client_status(control_path, &before, NULL) < 0 ||
	    pthread_create(&thread, NULL, run_call, &call) != 0) {
		run_call(&call);
		return call.result;
	}
	until = step_from_now();
	while (pthread_timedjoin_np(thread, NULL, &until) == ETIMEDOUT) {
		show_now(&call, before, progress);
		until = step_from_now();
	}
	mafs_progress_show("");
	return call.result;
}
