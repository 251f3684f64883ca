// SPDX-License-Identifier: Apache-2.0
/* mafs top: what a volume does, as it does it. */
#include "cli.h"
#include "top.h"
#include "volumes.h"
#include "where.h"

#include <getopt.h>
#include <locale.h>
#include <mafs/cleanup.h>
#include <mafs/diag.h>
#include <ncurses.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define SECONDS_MIN 0.1
#define SECONDS_MAX 3600.0
#define PLAIN_COLUMNS 200 /* nobody's screen ends there */

/**
 * struct top - what is asked for
 * @seconds: between two looks
 */
struct top {
	double seconds;
	bool once, as_json;
	const struct mafs_volume_ref *volume;
	char title[8300];
};

/* ---- once ---- */

static void wait_s(double seconds)
{
	struct timespec wait = { .tv_sec = (time_t)seconds };

	wait.tv_nsec = (long)((seconds - (double)wait.tv_sec) * 1e9);
	nanosleep(&wait, NULL);
}

static void print_text(const struct top *top,
		       const struct mafs_top_sample *before,
		       const struct mafs_top_sample *now)
{
	struct mafs_top_text text = { .columns = PLAIN_COLUMNS };

	mafs_top_write(&text, top->title, before, now);
	for (size_t i = 0; i < text.n; i++)
		puts(text.lines[i].text);
	mafs_top_text_done(&text);
}

static void print_json(const struct mafs_top_sample *before,
		       const struct mafs_top_sample *now)
{
	_cleanup_(mafs_json_decrefp)
		json_t *all = mafs_top_to_json(before, now);

	json_dumpf(all, stdout, JSON_INDENT(2));
	puts("");
}

static int show_once(const struct top *top)
{
	struct mafs_top_sample before = { 0 }, now = { 0 };
	struct mafs_fault fault = MAFS_FAULT_INIT;
	int r;

	r = mafs_top_ask(top->volume->control_path, &before, &fault);
	if (r == 0) {
		wait_s(top->seconds);
		r = mafs_top_ask(top->volume->control_path, &now, &fault);
	}
	if (r < 0)
		mafs_error("%s: %s", top->title, fault.what);
	else if (top->as_json)
		print_json(&before, &now);
	else
		print_text(top, &before, &now);
	mafs_top_sample_done(&before);
	mafs_top_sample_done(&now);
	return r < 0 ? MAFS_EXIT_FAILURE : MAFS_EXIT_OK;
}

/* ---- on a screen ---- */

static void draw(const struct top *top, const struct mafs_top_sample *before,
		 const struct mafs_top_sample *now, const char *last_line)
{
	struct mafs_top_text text = {
		.columns = (size_t)COLS,
		.n_max = LINES > 1 ? (size_t)LINES - 1 : 1,
	};

	erase();
	if (now->status)
		mafs_top_write(&text, top->title, before, now);
	for (size_t i = 0; i < text.n; i++) {
		attrset(i == 0 || text.lines[i].is_title ? A_BOLD : A_NORMAL);
		mvaddstr((int)i, 0, text.lines[i].text);
	}
	attrset(A_REVERSE);
	mvaddnstr(LINES - 1, 0, last_line, COLS);
	attrset(A_NORMAL);
	refresh();
	mafs_top_text_done(&text);
}

/* Return: is it to end? */
static bool wait_key(double seconds)
{
	int key;

	timeout((int)(seconds * 1000));
	key = getch();
	return key == 'q' || key == 'Q' || key == 27;
}

/* A daemon that is gone is asked again: mafs mount may bring it back. */
static void watch(const struct top *top)
{
	static const char help[] = " q ends, any other key looks again ";
	char trouble[256];
	struct mafs_top_sample before = { 0 }, now = { 0 }, next;
	struct mafs_fault fault;
	bool ended = false;
	int r;

	while (!ended) {
		fault = (struct mafs_fault)MAFS_FAULT_INIT;
		r = mafs_top_ask(top->volume->control_path, &next, &fault);
		if (r == 0) {
			mafs_top_sample_done(&before);
			before = now;
			now = next;
		}
		(void)snprintf(trouble, sizeof(trouble),
			       " %.180s; asking again, q ends ", fault.what);
		draw(top, before.status ? &before : &now, &now,
		     r < 0 ? trouble : help);
		/* The first rates soon. */
		ended = wait_key(before.status || r < 0 ? top->seconds :
							  SECONDS_MIN);
	}
	mafs_top_sample_done(&before);
	mafs_top_sample_done(&now);
}

static int show_screen(const struct top *top)
{
	SCREEN *screen = newterm(NULL, stdout, stdin);

	if (!screen) {
		mafs_error("top: this terminal is not known (TERM); mafs top "
			   "--once needs none");
		return MAFS_EXIT_FAILURE;
	}
	cbreak();
	noecho();
	curs_set(0);
	watch(top);
	endwin();
	delscreen(screen);
	return MAFS_EXIT_OK;
}

/* ---- which volume ---- */

static int check_volumes(const struct mafs_volumes *volumes, struct top *top)
{
	if (volumes->n_refs == 0) {
		mafs_error("no volume is mounted; mafs mount --help says how");
		return MAFS_EXIT_FAILURE;
	}
	if (volumes->n_refs > 1)
		return mafs_command_usage(&mafs_command_top,
					  "several volumes are mounted: name "
					  "one");
	top->volume = &volumes->refs[0];
	mafs_where_title(top->volume, top->title, sizeof(top->title));
	if (top->volume->pid)
		return MAFS_EXIT_OK;
	mafs_error("%s: its daemon is gone; mafs mount brings it back",
		   top->title);
	return MAFS_EXIT_FAILURE;
}

static int read_options(int argc, char **argv, struct top *ret)
{
	static const struct option options[] = {
		{ "delay", required_argument, NULL, 'd' },
		{ "json", no_argument, NULL, 'j' },
		{ "once", no_argument, NULL, 'o' },
		{ 0 },
	};
	char *end;
	int c;

	while ((c = getopt_long(argc, argv, "d:", options, NULL)) != -1) {
		if (c == 'o')
			ret->once = true;
		else if (c == 'j')
			ret->as_json = ret->once = true;
		else if (c != 'd')
			return mafs_command_usage(&mafs_command_top,
						  "unknown option %s",
						  argv[optind - 1]);
		if (c != 'd')
			continue;
		ret->seconds = strtod(optarg, &end);
		if (*end || !(ret->seconds >= SECONDS_MIN) ||
		    ret->seconds > SECONDS_MAX)
			return mafs_command_usage(&mafs_command_top,
						  "%s: give seconds, from 0.1 "
						  "to 3600",
						  optarg);
	}
	if (argc - optind > 1)
		return mafs_command_usage(&mafs_command_top,
					  "one volume at a time");
	return MAFS_EXIT_OK;
}

static int run(int argc, char **argv)
{
	_cleanup_(mafs_volumes_done) struct mafs_volumes volumes = { 0 };
	struct mafs_fault fault = MAFS_FAULT_INIT;
	struct top top = { .seconds = 1 };
	int code;

	code = read_options(argc, argv, &top);
	if (code != MAFS_EXIT_OK)
		return code;
	if (mafs_volumes_find(argv + optind, (size_t)(argc - optind), &volumes,
			      &fault) < 0) {
		mafs_error("%s", fault.what);
		return MAFS_EXIT_FAILURE;
	}
	code = check_volumes(&volumes, &top);
	if (code != MAFS_EXIT_OK)
		return code;
	setlocale(LC_CTYPE, "");
	if (top.once)
		return show_once(&top);
	if (!isatty(STDOUT_FILENO) || !isatty(STDIN_FILENO))
		return mafs_command_usage(&mafs_command_top,
					  "there is no terminal; give --once");
	return show_screen(&top);
}

const struct mafs_command mafs_command_top = {
	.name = "top",
	.summary = "watch what a volume does",
	.help = "usage: mafs top [--once] [--json] [-d SECONDS] [VOLUME]\n"
		"\n"
		"Shows the memory, what is dirty, how much of what is opened "
		"was in memory, which\n"
		"way files are read and written, which are opened most, and "
		"what waits to be\n"
		"written back. What the kernel passes by the daemon (paths M "
		"and D) it cannot see:\n"
		"there only the opens are counted.\n"
		"\n"
		"  VOLUME         a mount point, its directory or its UUID; "
		"without it the only one\n"
		"  -d, --delay S  seconds between two looks, 1 by default\n"
		"  --once         print one such interval as plain text, and "
		"end\n"
		"  --json         the same as one object\n"
		"\n"
		"Examples:\n"
		"  mafs top\n"
		"  mafs top --once -d 10 /mnt/fast\n",
	.run = run,
};
