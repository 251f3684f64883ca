/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What files are used for, as far as the daemon sees it: each open, and the
 * bytes of those that are not passed through. Which files are opened most is
 * kept in a fixed number of places: one that has none takes that of the least
 * opened, with its count as the error of its own, so that who really is among
 * the most is found whatever else is opened (space-saving). Counts fade.
 */
#include "intern.h"

#include <string.h>

#define FADE_EVERY_MS 10000
#define FADE 0.89 /* to a half in a minute */

const char *mafsd_way_to_text(enum mafsd_way way)
{
	static const char *const names[] = { "M", "X", "D", "C", "K" };

	return names[way];
}

static enum mafsd_way way_of(const struct mafsd_open *open)
{
	if (!open->passthrough)
		return open->direct_io ? MAFSD_WAY_C : MAFSD_WAY_K;
	if (open->direct_io)
		return MAFSD_WAY_X;
	return open->file->path == MAFSD_M ? MAFSD_WAY_M : MAFSD_WAY_D;
}

/* ---- which are opened most ---- */

/* Context: usage->lock held. */
static void fade(struct mafsd_usage *usage)
{
	int64_t now_ms = mafsd_now_ms();

	if (usage->faded_ms == 0)
		usage->faded_ms = now_ms;
	for (; now_ms - usage->faded_ms >= FADE_EVERY_MS;
	     usage->faded_ms += FADE_EVERY_MS)
		for (size_t i = 0; i < MAFSD_N_HOTTEST; i++) {
			usage->most[i].n *= FADE;
			usage->most[i].error *= FADE;
		}
}

static void note_open(struct mafsd_usage *usage, uint64_t nodeid)
{
	size_t least = 0;
	mafs_guard(&usage->lock);

	fade(usage);
	for (size_t i = 0; i < MAFSD_N_HOTTEST; i++) {
		if (usage->most[i].nodeid == nodeid) {
			usage->most[i].n++;
			return;
		}
		if (usage->most[i].n < usage->most[least].n)
			least = i;
	}
	usage->most[least].nodeid = nodeid;
	usage->most[least].error = usage->most[least].n;
	usage->most[least].n++;
}

static int by_count(const void *a, const void *b)
{
	const struct mafsd_often *one = a, *other = b;
	double n_one = one->n - one->error, n_other = other->n - other->error;

	return (n_one < n_other) - (n_one > n_other);
}

size_t mafsd_usage_most(struct mafsd *d, struct mafsd_often *ret, size_t n_max)
{
	struct mafsd_often most[MAFSD_N_HOTTEST];
	size_t n = 0;

	pthread_mutex_lock(&d->usage.lock);
	fade(&d->usage);
	memcpy(most, d->usage.most, sizeof(most));
	pthread_mutex_unlock(&d->usage.lock);
	qsort(most, MAFSD_N_HOTTEST, sizeof(most[0]), by_count);
	while (n < MAFSD_N_HOTTEST && n < n_max &&
	       most[n].n - most[n].error >= 0.5) {
		ret[n] = most[n];
		n++;
	}
	return n;
}

/* ---- what happens ---- */

void mafsd_usage_opened(struct mafsd *d, const struct mafsd_open *open,
			bool to_read)
{
	struct mafsd_file *file = open->file;
	struct mafsd_way_usage *way = &d->usage.ways[way_of(open)];
	bool in_memory = mafsd_in_memory(file) && !file->on_n &&
			 file->path != MAFSD_D;

	atomic_fetch_add(&way->n_opens, 1);
	atomic_fetch_add(&way->n_open, 1);
	if (to_read)
		atomic_fetch_add(
			in_memory ? &d->usage.n_hits : &d->usage.n_misses, 1);
	note_open(&d->usage, file->inode->nodeid);
}

void mafsd_usage_closed(struct mafsd *d, const struct mafsd_open *open)
{
	atomic_fetch_sub(&d->usage.ways[way_of(open)].n_open, 1);
}

void mafsd_usage_read(struct mafsd *d, const struct mafsd_open *open,
		      uint64_t bytes)
{
	atomic_fetch_add(&d->usage.ways[way_of(open)].read_bytes, bytes);
}

void mafsd_usage_written(struct mafsd *d, const struct mafsd_open *open,
			 uint64_t bytes)
{
	atomic_fetch_add(&d->usage.ways[way_of(open)].written_bytes, bytes);
}
