// SPDX-License-Identifier: Apache-2.0
/*
 * What push, pull, evict and pin have in common: finds the volume of each path, asks
 * its daemon, draws a bar on a terminal, says what moved and what was kept.
 * Called by their commands.
 */
#include "move.h"

#include "bar.h"
#include "client.h"
#include "names.h"
#include "progress.h"
#include "where.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <mafs/cleanup.h>
#include <mafs/diag.h>
#include <mafs/size.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- the bar ---- */

/**
 * struct watch - a move that is looked at while it runs
 * @name: what it was given, so that it is found among others
 */
struct watch {
	char name[32];
	struct mafs_bar bar;
	bool told; /* to stop */
};

static volatile sig_atomic_t interrupted;

static void note_interrupt(int number)
{
	interrupted = 1;
}

/* The first Ctrl-C stops the move; the next one ends us. */
static void catch_interrupt(void)
{
	struct sigaction action = {
		.sa_handler = note_interrupt,
		.sa_flags = (int)SA_RESETHAND,
	};

	sigaction(SIGINT, &action, NULL);
}

static void tell_stop(struct watch *watch, const char *control_path)
{
	_cleanup_free_ char *query = NULL;
	struct mafs_request request = {
		.method = "POST",
		.url = "/v1/admin/stop",
		.timeout_s = MAFS_CLIENT_QUICK_S,
	};

	if (asprintf(&query, "job=%s", watch->name) < 0)
		return;
	request.query = query;
	watch->told = mafs_client_call(control_path, &request, NULL, NULL) == 0;
}

static json_t *find_job(const struct watch *watch, const json_t *answer)
{
	json_t *jobs = json_object_get(answer, "jobs"), *job;
	size_t i;

	json_array_foreach(jobs, i, job)
	{
		if (!strcmp(mafs_client_text(job, "job"), watch->name))
			return job;
	}
	return NULL;
}

static void show_job(struct watch *watch, const json_t *job, char *ret,
		     size_t len)
{
	uint64_t n_total = mafs_client_count(job, "n_total");
	char size[MAFS_SIZE_TEXT_LEN];

	if (!json_is_true(json_object_get(job, "counted"))) {
		mafs_size_to_text(mafs_client_count(job, "bytes_total"), size);
		(void)snprintf(ret, len, "%s: counting, %" PRIu64 " file%s, %s",
			       watch->bar.title, n_total,
			       n_total == 1 ? "" : "s", size);
		return;
	}
	mafs_bar_step(&watch->bar, now_ms(),
		      mafs_client_count(job, "n_moved") +
			      mafs_client_count(job, "n_kept"),
		      n_total, mafs_client_count(job, "bytes_moved"),
		      mafs_client_count(job, "bytes_total"));
	mafs_bar_to_text(&watch->bar, mafs_progress_columns(), ret, len);
}

static void progress(void *context, const char *control_path, char *ret,
		     size_t len)
{
	static const struct mafs_request request = {
		.method = "GET",
		.url = "/v1/admin/jobs",
		.timeout_s = MAFS_CLIENT_QUICK_S,
	};
	_cleanup_(mafs_json_decrefp) json_t *answer = NULL;
	struct watch *watch = context;
	const json_t *job;

	if (interrupted && !watch->told)
		tell_stop(watch, control_path);
	if (mafs_client_call(control_path, &request, &answer, NULL) < 0)
		return;
	job = find_job(watch, answer);
	if (job)
		show_job(watch, job, ret, len);
}

/* ---- one path ---- */

static int call(const struct mafs_move *move, const struct mafs_where *where,
		json_t **ret, struct mafs_fault *fault)
{
	struct watch watch = { .bar = { .title = move->command->name } };
	_cleanup_free_ char *query = NULL;
	struct mafs_request request = {
		.method = "POST",
		.url = move->url,
		.path = where->relative,
		.query = move->query,
		.timeout_s = MAFS_CLIENT_FOREVER,
	};

	if (mafs_progress_wanted()) {
		(void)snprintf(watch.name, sizeof(watch.name), "%d-%" PRId64,
			       (int)getpid(), now_ms());
		if (asprintf(&query, "%s%sjob=%s",
			     move->query ? move->query : "",
			     move->query ? "&" : "", watch.name) < 0)
			return -ENOMEM;
		request.query = query;
		mafs_bar_step(&watch.bar, now_ms(), 0, 0, 0, 0);
		catch_interrupt();
	}
	return mafs_progress_call(where->volume.control_path, &request,
				  progress, &watch, ret, fault);
}

/* Return: the answer, with "path" and "seconds"; NULL: the fault says it. */
static json_t *ask(const struct mafs_move *move, const char *path,
		   struct mafs_fault *fault)
{
	_cleanup_(mafs_where_done) struct mafs_where where = {
		.volume = { .n_fd = -1 }
	};
	int64_t begin_ms = now_ms();
	json_t *answer = NULL;

	if (mafs_where_find(path, &where, fault) < 0 ||
	    call(move, &where, &answer, fault) < 0)
		return NULL;
	mafs_name_to_json(answer, "path", path);
	json_object_set_new(answer, "seconds",
			    json_real((double)(now_ms() - begin_ms) / 1000));
	return answer;
}

/* ", 1.2G in 2.1s (600M/s)" */
static void print_rate(const json_t *answer)
{
	double seconds = json_number_value(json_object_get(answer, "seconds"));
	uint64_t bytes = mafs_client_count(answer, "bytes_moved");
	char size[MAFS_SIZE_TEXT_LEN], rate[MAFS_SIZE_TEXT_LEN];

	if (bytes == 0)
		return;
	mafs_size_to_text(bytes, size);
	printf(", %s", size);
	if (seconds < 0.1)
		return;
	mafs_size_to_text((uint64_t)((double)bytes / seconds), rate);
	printf(" in %.1fs (%s/s)", seconds, rate);
}

static bool is_stopped(const json_t *answer)
{
	return json_is_true(json_object_get(answer, "stopped"));
}

static void print_answer(const struct mafs_move *move, const char *path,
			 const json_t *answer)
{
	uint64_t n_moved = mafs_client_count(answer, "n_moved");
	uint64_t n_kept = mafs_client_count(answer, "n_kept");

	printf("%s: %s %" PRIu64 " file%s", path, move->done, n_moved,
	       n_moved == 1 ? "" : "s");
	print_rate(answer);
	if (n_kept)
		printf("; kept %" PRIu64 ": %s", n_kept,
		       mafs_client_text(answer, "kept_why"));
	puts(is_stopped(answer) ? "; stopped" : "");
}

/* ---- all paths ---- */

static json_t *failure(const char *path, const struct mafs_fault *fault)
{
	json_t *object = json_object();

	mafs_name_to_json(object, "path", path);
	json_object_set_new(object, "error", json_string(fault->what));
	return object;
}

int mafs_move_path(const struct mafs_move *move, const char *path,
		   json_t *results)
{
	struct mafs_fault fault = MAFS_FAULT_INIT;
	json_t *answer = ask(move, path, &fault);
	int code = MAFS_EXIT_OK;

	if (!answer) {
		mafs_where_error(path, &fault);
		answer = failure(path, &fault);
		code = MAFS_EXIT_FAILURE;
	} else {
		if (!results)
			print_answer(move, path, answer);
		if (mafs_client_count(answer, "n_kept") || is_stopped(answer))
			code = MAFS_EXIT_FAILURE;
	}
	if (results)
		json_array_append(results, answer);
	json_decref(answer);
	return code;
}

int mafs_move_run(const struct mafs_move *move, int argc, char **argv)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ 0 },
	};
	_cleanup_(mafs_json_decrefp) json_t *results = NULL;
	int code = MAFS_EXIT_OK, c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c != 'j')
			return mafs_command_usage(move->command,
						  "unknown option %s",
						  argv[optind - 1]);
		if (!results)
			results = json_array();
	}
	if (optind == argc)
		return mafs_command_usage(move->command,
					  "name a file or directory");
	for (int i = optind; i < argc && !interrupted; i++)
		code |= mafs_move_path(move, argv[i], results);
	if (results)
		mafs_json_print(results, argc - optind == 1);
	return code;
}
