// SPDX-License-Identifier: Apache-2.0
/*
 * mafs logplay: plays the log of a volume into a shadow, once or until it is
 * told to stop. Works beside a daemon, after its death, and when there is
 * nothing in memory.
 *
 * Names change in N without a word in the log, so that following means to look
 * again: at once when the log grew, else after a time in proportion to what
 * the last look took.
 */
#include "logplay.h"

#include "cli.h"
#include "source.h"
#include "where.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <mafs/cleanup.h>
#include <mafs/diag.h>
#include <mafs/live.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define POLL_MS 100
#define IDLE_MS 500 /* at least between looks when the log is silent */
#define IDLE_SHARE 10 /* a look takes at most one in so many parts */
#define BUSY_SHARE 2 /* the same while the log grows */

struct logplay {
	struct mafs_volume_ref volume;
	struct mafs_live *live;
	struct mafs_shadow *shadow;
};

static void logplay_done(struct logplay *play)
{
	mafs_shadow_close(play->shadow);
	mafs_live_close(play->live);
	mafs_volume_ref_done(&play->volume);
}

/* @dir, made absolute and free of links, or its parent when it is missing. */
static int resolve(const char *dir, char *ret)
{
	_cleanup_free_ char *parent = NULL;
	char *slash;

	if (realpath(dir, ret))
		return 0;
	if (errno != ENOENT)
		return -errno;
	parent = strdup(dir);
	if (!parent)
		return -ENOMEM;
	slash = parent + strlen(parent);
	while (slash > parent && slash[-1] == '/')
		*--slash = '\0';
	slash = strrchr(parent, '/');
	if (slash == parent)
		slash++;
	if (slash)
		*slash = '\0';
	return realpath(slash ? parent : ".", ret) ? 0 : -errno;
}

int mafs_logplay_check_apart(const char *source, const char *mountpoint,
			     const char *dir, struct mafs_fault *fault)
{
	char path[PATH_MAX];
	int r;

	r = resolve(dir, path);
	if (r < 0)
		return mafs_fault_set(fault, r, "%s: %s", dir, strerror(-r));
	if ((source && mafs_where_is_below(path, source)) ||
	    (mountpoint && mafs_where_is_below(path, mountpoint)))
		return mafs_fault_set(fault, -EINVAL,
				      "%s lies in the volume itself; name a "
				      "directory outside of it",
				      dir);
	return 0;
}

static int logplay_open(const char *source, const char *dir,
			struct logplay *play, struct mafs_fault *fault)
{
	int r;

	r = mafs_volume_find(source, &play->volume, fault);
	if (r < 0)
		return r;
	if (play->volume.n_fd < 0)
		return mafs_fault_set(fault, -ENOENT,
				      "the directory of %s cannot be reached",
				      source);
	r = mafs_logplay_check_apart(play->volume.source,
				     play->volume.mountpoint, dir, fault);
	if (r == 0)
		r = mafs_shadow_open(dir, &play->volume.uuid, &play->shadow,
				     fault);
	if (r == 0)
		r = mafs_live_open(play->volume.memory_path, &play->live);
	return r;
}

static int refresh(struct logplay *play, struct mafs_fault *fault)
{
	return mafs_live_to_shadow(play->live, play->volume.n_fd,
				   &play->volume.fs_id, play->shadow, fault);
}

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

bool mafs_logplay_told_to_stop(const sigset_t *stop)
{
	const struct timespec wait = { .tv_nsec = POLL_MS * 1000000L };

	return sigtimedwait(stop, NULL, &wait) > 0;
}

static int follow(struct logplay *play, const sigset_t *stop,
		  struct mafs_fault *fault)
{
	int64_t begin, end = 0, cost = 0, due;
	bool changed = true;
	int r;

	do {
		r = mafs_live_update(play->live, fault);
		if (r < 0)
			return r;
		changed = changed || r > 0;
		due = end + (changed ? BUSY_SHARE * cost :
				       IDLE_MS + IDLE_SHARE * cost);
		begin = now_ms();
		if (begin < due)
			continue;
		r = refresh(play, fault);
		if (r < 0)
			return r;
		changed = false;
		end = now_ms();
		cost = end - begin;
	} while (!mafs_logplay_told_to_stop(stop));
	return 0;
}

static int play_tiered(const struct mafs_logplay_request *request,
		       struct mafs_fault *fault)
{
	_cleanup_(logplay_done) struct logplay play = { .volume = {
								.n_fd = -1 } };
	int r = logplay_open(request->source, request->shadow, &play, fault);

	if (r < 0)
		return r;
	if (request->stop)
		return follow(&play, request->stop, fault);
	r = mafs_live_update(play.live, fault);
	return r < 0 ? r : refresh(&play, fault);
}

static int play(struct mafs_logplay_request *request, struct mafs_fault *fault)
{
	_cleanup_free_ char *spec = NULL;
	int r = mafs_source_memory(request->source, &spec, fault);

	if (r < 0)
		return r;
	if (r == 0 && request->n_devices)
		return mafs_fault_set(fault, -EINVAL,
				      "--device is for memory volumes");
	if (r == 0)
		return play_tiered(request, fault);
	request->source = spec;
	return mafs_logplay_memory(request, fault);
}

/* Return: 0, or an exit code. */
static int take_options(int argc, char **argv,
			struct mafs_logplay_request *request,
			const char **devices, bool *ret_follows)
{
	static const struct option options[] = {
		{ "shadow", required_argument, NULL, 's' },
		{ "follow", no_argument, NULL, 'f' },
		{ "device", required_argument, NULL, 'd' },
		{ 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 's')
			request->shadow = optarg;
		else if (c == 'f')
			*ret_follows = true;
		else if (c == 'd')
			devices[request->n_devices++] = optarg;
		else
			return mafs_command_usage(&mafs_command_logplay,
						  "%s is no option, or wants a "
						  "value",
						  argv[optind - 1]);
	}
	request->devices = devices;
	if (!request->shadow)
		return mafs_command_usage(&mafs_command_logplay,
					  "say where with --shadow DIR");
	if (argc - optind != 1)
		return mafs_command_usage(&mafs_command_logplay,
					  "name one SOURCE");
	request->source = argv[optind];
	return 0;
}

static int run(int argc, char **argv)
{
	_cleanup_free_ const char **devices =
		calloc((size_t)argc, sizeof(*devices));
	struct mafs_fault fault = MAFS_FAULT_INIT;
	struct mafs_logplay_request request = { 0 };
	bool follows = false;
	sigset_t stop;
	int r;

	r = devices ? take_options(argc, argv, &request, devices, &follows) :
		      MAFS_EXIT_FAILURE;
	if (r)
		return r;
	/* Before the first file is written: a signal ends a pass, not a file. */
	sigemptyset(&stop);
	sigaddset(&stop, SIGINT);
	sigaddset(&stop, SIGTERM);
	if (follows) {
		sigprocmask(SIG_BLOCK, &stop, NULL);
		request.stop = &stop;
	}
	r = play(&request, &fault);
	if (r < 0) {
		mafs_error("logplay: %s",
			   fault.what[0] ? fault.what : strerror(-r));
		return MAFS_EXIT_FAILURE;
	}
	return MAFS_EXIT_OK;
}

const struct mafs_command mafs_command_logplay = {
	.name = "logplay",
	.summary = "play the log into a directory of descriptors",
	.help = "usage: mafs logplay --shadow DIR [--follow] [--device SPEC]... "
		"SOURCE\n"
		"\n"
		"Writes into DIR, for each file of SOURCE that has bytes in "
		"memory, one small YAML\n"
		"file at the same path: its extents, owner, mode, size, time "
		"and state. Of a memory\n"
		"volume it is all files and directories. DIR must be empty, "
		"missing, or an earlier\n"
		"shadow of the same volume, which is brought up to date. SOURCE "
		"is the directory or\n"
		"the memory device, the mount point or the volume's UUID.\n"
		"\n"
		"  --shadow DIR   the directory to fill\n"
		"  --follow       keep it up to date until SIGINT or SIGTERM\n"
		"  --device SPEC  where a device of a memory volume is now\n"
		"\n"
		"Examples:\n"
		"  mafs logplay --shadow /tmp/shadow /data\n"
		"  mafs logplay --shadow /tmp/shadow --follow /dev/dax0.0\n",
	.run = run,
};
