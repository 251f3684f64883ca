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

#include <time.h>

#define LOOK_EVERY_NS 500000000L
#define TEND_EVERY_NS 50000000L /* while files grow past us */
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
static bool wait_a_while(struct mafsd_pressure *pressure, long ns)
{
	struct timespec until;
	mafs_guard(&pressure->lock);

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += ns;
	if (until.tv_nsec >= 1000000000L) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000L;
	}
	if (!pressure->stop)
		pthread_cond_timedwait(&pressure->wake, &pressure->lock,
				       &until);
	return !pressure->stop;
}

static void *watch(void *argument)
{
	struct mafsd *d = argument;
	long left_ns = LOOK_EVERY_NS, ns = LOOK_EVERY_NS;

	mafsd_thread_enter();
	while (wait_a_while(&d->pressure, ns)) {
		ns = mafsd_raw_tend(d) ? TEND_EVERY_NS : LOOK_EVERY_NS;
		left_ns -= ns;
		if (left_ns > 0)
			continue;
		left_ns = LOOK_EVERY_NS;
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
