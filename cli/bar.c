// SPDX-License-Identifier: Apache-2.0
/*
 * A bar of progress. The rate is smoothed over some seconds, so that the time
 * left does not jump. Called by move.c.
 */
#include "bar.h"

#include "ages.h"

#include <inttypes.h>
#include <mafs/size.h>
#include <stdio.h>
#include <string.h>

#define SMOOTH_MS 3000.0
#define BAR_MIN 8
#define BAR_MAX 40

void mafs_bar_step(struct mafs_bar *bar, int64_t now_ms, uint64_t n,
		   uint64_t n_total, uint64_t bytes, uint64_t bytes_total)
{
	double ms, weight;

	if (bytes < bar->bytes) /* a file had to be begun anew */
		bytes = bar->bytes;
	if (bytes_total < bytes) /* a file has grown meanwhile */
		bytes_total = bytes;
	if (bar->last_ms == 0) {
		bar->begin_ms = now_ms;
	} else if (now_ms > bar->last_ms) {
		ms = (double)(now_ms - bar->last_ms);
		/* At first the last step is all there is. */
		weight = ms / SMOOTH_MS;
		if (now_ms - bar->begin_ms < (int64_t)SMOOTH_MS)
			weight = ms / (double)(now_ms - bar->begin_ms);
		if (weight > 1)
			weight = 1;
		bar->rate +=
			weight *
			((double)(bytes - bar->bytes) * 1000 / ms - bar->rate);
	}
	bar->last_ms = now_ms;
	bar->bytes = bytes;
	bar->bytes_total = bytes_total;
	bar->n = n;
	bar->n_total = n_total;
}

static double part_done(const struct mafs_bar *bar)
{
	if (bar->bytes_total)
		return (double)bar->bytes / (double)bar->bytes_total;
	return bar->n_total ? (double)bar->n / (double)bar->n_total : 0;
}

/* "45% 1.2G of 2.6G, 640M/s, 2s left" */
static void numbers(const struct mafs_bar *bar, char *ret, size_t len)
{
	char done[MAFS_SIZE_TEXT_LEN], total[MAFS_SIZE_TEXT_LEN];
	char rate[MAFS_SIZE_TEXT_LEN], left[MAFS_AGE_TEXT_LEN];
	size_t n;

	mafs_size_to_text(bar->bytes, done);
	mafs_size_to_text(bar->bytes_total, total);
	n = (size_t)snprintf(ret, len, "%3.0f%% %s of %s", 100 * part_done(bar),
			     done, total);
	if (bar->rate < 1 || n >= len)
		return;
	mafs_size_to_text((uint64_t)bar->rate, rate);
	mafs_age_to_text((uint64_t)((double)(bar->bytes_total - bar->bytes) *
				    1000 / bar->rate),
			 left);
	(void)snprintf(ret + n, len - n, ", %s/s, %s left", rate, left);
}

static void draw(double part, size_t width, char *ret)
{
	size_t filled = (size_t)(part * (double)width);

	memset(ret, ' ', width);
	memset(ret, '=', filled < width ? filled : width);
	if (filled < width)
		ret[filled] = '>';
	ret[width] = '\0';
}

void mafs_bar_to_text(const struct mafs_bar *bar, size_t columns, char *ret,
		      size_t len)
{
	char what[128], drawn[BAR_MAX + 1];
	size_t taken, width;

	numbers(bar, what, sizeof(what));
	taken = strlen(bar->title) + strlen(what) + strlen(" [] ") + 1;
	width = columns > taken ? columns - taken : 0;
	if (width > BAR_MAX)
		width = BAR_MAX;
	if (width < BAR_MIN) {
		(void)snprintf(ret, len, "%.*s", columns ? (int)columns - 1 : 0,
			       what);
		return;
	}
	draw(part_done(bar), width, drawn);
	(void)snprintf(ret, len, "%s [%s] %s", bar->title, drawn, what);
}
