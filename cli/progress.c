// SPDX-License-Identifier: Apache-2.0
/*
 * Progress on standard error, if that is a terminal: a long call runs in a
 * thread, while this one asks how far it is and shows it. Called by the
 * commands that move bytes.
 */
#include "progress.h"

#include <errno.h>
#include <inttypes.h>
#include <mafs/cleanup.h>
#include <mafs/size.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

struct call {
	const char *control_path;
	const struct mafs_request *request;
	json_t **ret;
	struct mafs_fault *fault;
	int result;
};

bool mafs_progress_wanted(void)
{
	return isatty(STDERR_FILENO);
}

size_t mafs_progress_columns(void)
{
	struct winsize size;

	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_col == 0)
		return 80;
	return size.ws_col;
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

	call->result = mafs_client_call(call->control_path, call->request,
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

/* Signals are for who shows the progress. */
static int begin_call(struct call *call, pthread_t *ret)
{
	sigset_t all, before;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(ret, NULL, run_call, call);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return r;
}

int mafs_progress_call(const char *control_path,
		       const struct mafs_request *request,
		       mafs_progress_fn *progress, void *context, json_t **ret,
		       struct mafs_fault *fault)
{
	struct call call = { control_path, request, ret, fault, 0 };
	struct timespec until;
	char line[512] = "";
	pthread_t thread;

	if (!mafs_progress_wanted() || begin_call(&call, &thread) != 0) {
		run_call(&call);
		return call.result;
	}
	until = step_from_now();
	while (pthread_timedjoin_np(thread, NULL, &until) == ETIMEDOUT) {
		progress(context, control_path, line, sizeof(line));
		mafs_progress_show(line);
		until = step_from_now();
	}
	mafs_progress_show("");
	return call.result;
}

static void show_left(void *context, const char *control_path, char *ret,
		      size_t len)
{
	_cleanup_(mafs_json_decrefp) json_t *now = NULL;

	if (mafs_client_status(control_path, &now, NULL) == 0)
		mafs_progress_left(now, ret, len);
}

int mafs_progress_flush(const char *control_path, struct mafs_fault *fault)
{
	static const struct mafs_request request = {
		.method = "POST",
		.url = "/v1/admin/flush",
		.timeout_s = MAFS_CLIENT_FOREVER,
	};

	return mafs_progress_call(control_path, &request, show_left, NULL, NULL,
				  fault);
}
