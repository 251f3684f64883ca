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
#include "cli.h"
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

/* A shadow inside the volume would be one of its files, and shadow itself. */
static int check_apart(const struct mafs_volume_ref *volume, const char *dir,
		       struct mafs_fault *fault)
{
	char path[PATH_MAX];
	int r;

	r = resolve(dir, path);
	if (r < 0)
		return mafs_fault_set(fault, r, "%s: %s", dir, strerror(-r));
	if ((volume->source && mafs_where_is_below(path, volume->source)) ||
	    (volume->mountpoint &&
	     mafs_where_is_below(path, volume->mountpoint)))
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
	r = check_apart(&play->volume, dir, fault);
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

/* Return: true when a signal said so. */
static bool told_to_stop(const sigset_t *stop)
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
	} while (!told_to_stop(stop));
	return 0;
}

static int play_once(struct logplay *play, struct mafs_fault *fault)
{
	int r = mafs_live_update(play->live, fault);

	return r < 0 ? r : refresh(play, fault);
}

static int run(int argc, char **argv)
{
	static const struct option options[] = {
		{ "shadow", required_argument, NULL, 's' },
		{ "follow", no_argument, NULL, 'f' },
		{ 0 },
	};
	_cleanup_(logplay_done) struct logplay play = { .volume = {
								.n_fd = -1 } };
	struct mafs_fault fault = MAFS_FAULT_INIT;
	const char *dir = NULL;
	bool follows = false;
	sigset_t stop;
	int c, r;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 's')
			dir = optarg;
		else if (c == 'f')
			follows = true;
		else
			return mafs_command_usage(&mafs_command_logplay,
						  "%s is no option, or wants a "
						  "value",
						  argv[optind - 1]);
	}
	if (!dir)
		return mafs_command_usage(&mafs_command_logplay,
					  "say where with --shadow DIR");
	if (argc - optind != 1)
		return mafs_command_usage(&mafs_command_logplay,
					  "name one SOURCE");

	/* Before the first file is written: a signal ends a pass, not a file. */
	sigemptyset(&stop);
	sigaddset(&stop, SIGINT);
	sigaddset(&stop, SIGTERM);
	if (follows)
		sigprocmask(SIG_BLOCK, &stop, NULL);

	r = logplay_open(argv[optind], dir, &play, &fault);
	if (r == 0)
		r = follows ? follow(&play, &stop, &fault) :
			      play_once(&play, &fault);
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
	.help = "usage: mafs logplay --shadow DIR [--follow] SOURCE\n"
		"\n"
		"Writes into DIR, for each file of SOURCE that has bytes in "
		"memory, one small YAML\n"
		"file at the same path: its extents, owner, mode, size, time "
		"and state. DIR must be\n"
		"empty, missing, or an earlier shadow of the same volume, which "
		"is brought up to\n"
		"date. SOURCE is the directory, the mount point or the volume's "
		"UUID.\n"
		"\n"
		"  --shadow DIR  the directory to fill\n"
		"  --follow      keep it up to date until SIGINT or SIGTERM\n"
		"\n"
		"Example:\n"
		"  mafs logplay --shadow /tmp/shadow /data\n",
	.run = run,
};
