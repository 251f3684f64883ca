// SPDX-License-Identifier: Apache-2.0
/*
 * mafs top: two answers of the daemon as lines. What the kernel passes by the
 * daemon has no bytes in here, and the lines say so.
 */
#include "ages.h"
#include "names.h"
#include "top.h"

#include <inttypes.h>
#include <mafs/cleanup.h>
#include <mafs/size.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <wchar.h>

#define BAR_WIDTH 24
/* Of what is left of the screen, for what is opened; else for the queue. */
#define HOTTEST_PART 2 / 3
#define TITLES 3 /* two, and an empty line */

/* ---- lines ---- */

/* Bytes of @line that @columns hold, whole characters. */
static size_t fitting(const char *line, size_t columns)
{
	mbstate_t state = { 0 };
	size_t at = 0, used = 0, n;
	wchar_t wide;
	int width;

	while (line[at]) {
		n = mbrtowc(&wide, line + at, strlen(line + at), &state);
		if (n == (size_t)-1 || n == (size_t)-2) {
			memset(&state, 0, sizeof(state));
			n = 1;
			width = 1;
		} else {
			width = wcwidth(wide);
		}
		used += width > 0 ? (size_t)width : 0;
		if (used > columns)
			break;
		at += n;
	}
	return at;
}

static bool is_full(const struct mafs_top_text *text)
{
	return text->n_max && text->n >= text->n_max;
}

static struct mafs_top_line *next_line(struct mafs_top_text *text)
{
	size_t capacity = text->capacity ? 2 * text->capacity : 32;
	struct mafs_top_line *lines;

	if (is_full(text))
		return NULL;
	if (text->n == text->capacity) {
		lines = reallocarray(text->lines, capacity, sizeof(*lines));
		if (!lines)
			return NULL;
		text->lines = lines;
		text->capacity = capacity;
	}
	return &text->lines[text->n];
}

__attribute__((format(printf, 2, 3))) static void
add(struct mafs_top_text *text, const char *fmt, ...)
{
	struct mafs_top_line *line = next_line(text);
	va_list args;
	int r;

	if (!line)
		return;
	va_start(args, fmt);
	r = vasprintf(&line->text, fmt, args);
	va_end(args);
	if (r < 0)
		return;
	line->text[fitting(line->text, text->columns)] = '\0';
	line->is_title = false;
	text->n++;
}

static void add_title(struct mafs_top_text *text, const char *title)
{
	size_t n = text->n;

	add(text, "%s", title);
	if (text->n > n)
		text->lines[n].is_title = true;
}

void mafs_top_text_done(struct mafs_top_text *text)
{
	while (text->n)
		free(text->lines[--text->n].text);
	free(text->lines);
	text->lines = NULL;
	text->capacity = 0;
}

/* ---- the volume ---- */

/* Used, of it dirty: "[###==      ]". */
static void draw_bar(uint64_t used, uint64_t dirty, uint64_t size,
		     char ret[static BAR_WIDTH + 1])
{
	size_t n_used, n_dirty;

	memset(ret, ' ', BAR_WIDTH);
	ret[BAR_WIDTH] = '\0';
	if (size == 0)
		return;
	n_used = (size_t)(used * BAR_WIDTH / size);
	n_dirty = (size_t)(dirty * BAR_WIDTH / size);
	if (n_used > BAR_WIDTH)
		n_used = BAR_WIDTH;
	if (n_dirty > n_used)
		n_dirty = n_used;
	memset(ret, '=', n_used);
	memset(ret, '#', n_dirty);
}

static void add_memory(struct mafs_top_text *text, const json_t *status)
{
	const json_t *memory = json_object_get(status, "memory");
	uint64_t size = mafs_client_count(memory, "size_bytes");
	uint64_t used = mafs_client_count(memory, "used_bytes");
	uint64_t pinned = mafs_client_count(status, "pinned_bytes");
	uint64_t n = mafs_client_count(status, "n_hot");
	char size_text[MAFS_SIZE_TEXT_LEN], used_text[MAFS_SIZE_TEXT_LEN];
	char pinned_text[MAFS_SIZE_TEXT_LEN], bar[BAR_WIDTH + 1];

	draw_bar(used, mafs_client_count(status, "dirty_bytes"), size, bar);
	mafs_size_to_text(size, size_text);
	mafs_size_to_text(used, used_text);
	mafs_size_to_text(pinned, pinned_text);
	add(text, "memory  [%s] %s of %s, %" PRIu64 " file%s%s%s%s, %s", bar,
	    used_text, size_text, n, n == 1 ? "" : "s", pinned ? ", " : "",
	    pinned ? pinned_text : "", pinned ? " pinned" : "",
	    mafs_client_text(memory, "policy"));
}

static const char *rate_text(double rate, char ret[static MAFS_SIZE_TEXT_LEN])
{
	mafs_size_to_text((uint64_t)rate, ret);
	return ret;
}

static void add_dirty(struct mafs_top_text *text,
		      const struct mafs_top_sample *before,
		      const struct mafs_top_sample *now)
{
	static const char *const up[] = { "promoted_bytes", NULL };
	static const char *const down[] = { "written_back_bytes", NULL };
	uint64_t oldest = mafs_client_count(now->status, "dirty_oldest_ms");
	uint64_t n = mafs_client_count(now->status, "n_dirty");
	char dirty[MAFS_SIZE_TEXT_LEN], age[MAFS_AGE_TEXT_LEN];
	char up_text[MAFS_SIZE_TEXT_LEN], down_text[MAFS_SIZE_TEXT_LEN];

	mafs_size_to_text(mafs_client_count(now->status, "dirty_bytes"), dirty);
	add(text, "dirty   %s in %" PRIu64 " file%s%s%s", dirty, n,
	    n == 1 ? "" : "s", oldest ? ", the oldest for " : "",
	    oldest ? mafs_age_to_text(oldest, age) : "");
	add(text, "moving  up %s/s, down %s/s",
	    rate_text(mafs_top_rate(before, now, up), up_text),
	    rate_text(mafs_top_rate(before, now, down), down_text));
}

static void add_hits(struct mafs_top_text *text,
		     const struct mafs_top_sample *before,
		     const struct mafs_top_sample *now)
{
	static const char *const hits[] = { "n_hits", NULL };
	static const char *const misses[] = { "n_misses", NULL };
	double n_hits = mafs_top_rate(before, now, hits);
	double n_all = n_hits + mafs_top_rate(before, now, misses);
	double all_hits = (double)mafs_client_count(now->status, "n_hits");
	double all =
		all_hits + (double)mafs_client_count(now->status, "n_misses");

	if (all < 1) {
		add(text, "hits    nothing was opened for reading yet");
		return;
	}
	if (n_all > 0)
		add(text,
		    "hits    %.0f%% of %.0f opens/s for reading were in "
		    "memory; %.0f%% since the start",
		    100 * n_hits / n_all, n_all, 100 * all_hits / all);
	else
		add(text,
		    "hits    nothing opened now; %.0f%% of %.0f opens for "
		    "reading since the start",
		    100 * all_hits / all, all);
}

/* ---- the ways ---- */

static void add_way(struct mafs_top_text *text, const char *way,
		    const char *what, const struct mafs_top_sample *before,
		    const struct mafs_top_sample *now)
{
	const json_t *usage =
		json_object_get(json_object_get(now->status, "paths"), way);
	const char *const opens[] = { "paths", way, "n_opens", NULL };
	const char *const reads[] = { "paths", way, "read_bytes", NULL };
	const char *const writes[] = { "paths", way, "written_bytes", NULL };
	char read[MAFS_SIZE_TEXT_LEN] = "-", written[sizeof(read)] = "-";
	bool seen = json_object_get(usage, "read_bytes");

	if (seen) {
		rate_text(mafs_top_rate(before, now, reads), read);
		rate_text(mafs_top_rate(before, now, writes), written);
	}
	add(text, "  %-4s %9.0f %8" PRIu64 " %9s %9s  %s", way,
	    mafs_top_rate(before, now, opens),
	    mafs_client_count(usage, "n_open"), read, written, what);
}

static void add_ways(struct mafs_top_text *text,
		     const struct mafs_top_sample *before,
		     const struct mafs_top_sample *now)
{
	add_title(text, "  PATH   OPENS/S     OPEN    READ/S   WRITE/S");
	add_way(text, "M", "memory by the kernel: unseen", before, now);
	add_way(text, "X", "memory, with writers", before, now);
	add_way(text, "D", "disk by the kernel: unseen", before, now);
	add_way(text, "C", "through the daemon", before, now);
	add_way(text, "K", "through the page cache", before, now);
}

/* ---- files ---- */

static char *shown_path(const json_t *file)
{
	return mafs_name_shown(mafs_client_text(file, "path"));
}

static void add_hottest(struct mafs_top_text *text, const json_t *files,
			size_t n_max)
{
	const json_t *file;
	char size[MAFS_SIZE_TEXT_LEN];
	size_t i;

	add_title(text, "  OPENS     SIZE  TIER   STATE    FILES OPENED MOST, "
			"FADING WITHIN MINUTES");
	json_array_foreach((json_t *)files, i, file)
	{
		_cleanup_free_ char *path = shown_path(file);

		if (n_max && i >= n_max)
			break;
		mafs_size_to_text(mafs_client_count(file, "size_bytes"), size);
		add(text, "%7.0f %8s  %-6s %-8s %s",
		    json_number_value(json_object_get(file, "n_opens_lately")),
		    size, mafs_client_text(file, "tier"),
		    mafs_client_text(file, "state"), path ? path : "?");
	}
	if (json_array_size(files) == 0)
		add(text, "      -");
}

static void add_dirty_file(struct mafs_top_text *text, const json_t *file)
{
	uint64_t next_ms = mafs_client_count(file, "next_try_ms");
	const char *error = mafs_client_text(file, "error");
	_cleanup_free_ char *path = shown_path(file);
	char size[MAFS_SIZE_TEXT_LEN], age[MAFS_AGE_TEXT_LEN];
	char next[MAFS_AGE_TEXT_LEN], trouble[128] = "";

	mafs_size_to_text(mafs_client_count(file, "dirty_bytes"), size);
	if (*error)
		(void)snprintf(trouble, sizeof(trouble),
			       "  TRIED %" PRIu64 " TIMES: %s",
			       mafs_client_count(file, "n_attempts"), error);
	add(text, "%7s %8s  %-15s %s%s",
	    next_ms ? mafs_age_to_text(next_ms, next) : "now", size,
	    mafs_age_to_text(mafs_client_count(file, "age_ms"), age),
	    path ? path : "?", trouble);
}

static void add_queue(struct mafs_top_text *text,
		      const struct mafs_top_sample *now)
{
	const json_t *files = json_object_get(now->dirty, "files"), *file;
	uint64_t n = mafs_client_count(now->dirty, "n_dirty");
	size_t i;

	add_title(text, "    DUE    DIRTY  FOR             TO BE WRITTEN BACK");
	json_array_foreach((json_t *)files, i, file) add_dirty_file(text, file);
	if (n > json_array_size(files) && json_array_size(files) > 0)
		add(text, "        and %" PRIu64 " more",
		    n - json_array_size(files));
	if (n == 0)
		add(text, "      -");
}

/* What the queue leaves, but not less than its part. Return: 0: no bound. */
static size_t room_for_hottest(const struct mafs_top_text *text,
			       const struct mafs_top_sample *now)
{
	size_t n_queue = json_array_size(json_object_get(now->dirty, "files"));
	size_t left;

	if (text->n_max <= text->n + TITLES)
		return text->n_max;
	left = text->n_max - text->n - TITLES;
	if (n_queue < left - left * HOTTEST_PART)
		return left - n_queue;
	return left * HOTTEST_PART;
}

void mafs_top_write(struct mafs_top_text *text, const char *title,
		    const struct mafs_top_sample *before,
		    const struct mafs_top_sample *now)
{
	char age[MAFS_AGE_TEXT_LEN];

	add(text, "%s, up %s%s", title,
	    mafs_age_to_text(mafs_client_count(now->status, "uptime_ms"), age),
	    !strcmp(mafs_client_text(now->status, "state"), "stopping") ?
		    ", STOPPING" :
		    "");
	add_memory(text, now->status);
	add_dirty(text, before, now);
	add_hits(text, before, now);
	add(text, "%s", "");
	add_ways(text, before, now);
	add(text, "%s", "");
	add_hottest(text, json_object_get(now->hottest, "files"),
		    room_for_hottest(text, now));
	add(text, "%s", "");
	add_queue(text, now);
}
