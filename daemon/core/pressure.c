/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory pressure: nobody is to be killed for our cache. A thread looks twice
 * a second at the pressure stall information, without it at MemAvailable.
 * Above the mark clean files go, a part of memory at a time;
 * when that frees nothing, what is dirty is written back, so that there is
 * something to evict; and new files begin at N. The same thread keeps some of memory free,
 * so that new bytes seldom wait for an eviction: from the high watermark clean
 * files go until the low one. And it sees to the files that programs write
 * past us.
 */
#include "intern.h"

#define LOOK_EVERY_MS 500
#define TEND_EVERY_MS 50 /* while files grow past us */
#define PERCENT_MAX 10.0
#define AVAILABLE_SHARE 16 /* of RAM */
#define STEP_SHARE 16 /* of memory */

static bool is_short(struct mafsd *d)
{
	struct mafs_bounds bounds;
	double percent;

	if (mafs_pressure_read(d->options.pressure_path, &percent) == 0)
		return percent > PERCENT_MAX;
	return mafs_bounds_read(&bounds) == 0 && bounds.available_bytes &&
	       bounds.available_bytes < bounds.ram_bytes / AVAILABLE_SHARE;
}

static void shrink(struct mafsd *d)
{
	if (mafsd_space_make_room(d, d->memory_size_bytes / STEP_SHARE) < 0)
		mafsd_write_back_kick(d);
}

static void keep_below_watermark(struct mafsd *d)
{
	struct mafs_memory_usage usage;
	uint64_t percent = d->memory_size_bytes / 100;

	if (d->memory->ops->usage(d->memory, &usage) == 0 &&
	    usage.used_bytes > mafsd_setting(d, watermark_high) * percent)
		mafsd_space_make_room(
			d, usage.used_bytes -
				   mafsd_setting(d, watermark_low) * percent);
}

/* Return: false: stop. */
static bool wait_a_while(struct mafsd_pressure *pressure, int ms)
{
	int64_t until_ms = mafsd_now_ms() + ms;
	mafs_guard(&pressure->lock);

	if (!pressure->stop)
		mafsd_wait_until(&pressure->wake, &pressure->lock, until_ms);
	return !pressure->stop;
}

static void *watch(void *argument)
{
	struct mafsd *d = argument;
	int left_ms = LOOK_EVERY_MS, ms = LOOK_EVERY_MS;

	mafsd_thread_enter();
	while (wait_a_while(&d->pressure, ms)) {
		ms = mafsd_raw_tend(d) ? TEND_EVERY_MS : LOOK_EVERY_MS;
		left_ms -= ms;
		if (left_ms > 0)
			continue;
		left_ms = LOOK_EVERY_MS;
		atomic_store(&d->pressure.is_short, is_short(d));
		if (atomic_load(&d->pressure.is_short))
			shrink(d);
		keep_below_watermark(d);
	}
	return NULL;
}

int mafsd_pressure_start(struct mafsd *d)
{
	int r;

	if (!d->options.pressure_path)
		d->options.pressure_path = "/proc/pressure/memory";
	r = pthread_create(&d->pressure.thread, NULL, watch, d);
	d->pressure.running = r == 0;
	return -r;
}

void mafsd_pressure_stop(struct mafsd *d)
{
	struct mafsd_pressure *pressure = &d->pressure;

	if (!pressure->running)
		return;
	pthread_mutex_lock(&pressure->lock);
	pressure->stop = true;
	pthread_cond_signal(&pressure->wake);
	pthread_mutex_unlock(&pressure->lock);
	pthread_join(pressure->thread, NULL);
	pressure->running = false;
}
