// SPDX-License-Identifier: Apache-2.0
/*
 * The devices of a volume, and which of their bytes are free.
 *
 * Order in which a run changes hands: the log entry that drops it is flushed
 * (the caller's), it is given and waits; the free epoch is raised and flushed;
 * only then may it be taken. So a crash finds it in the old file's map or
 * free, and a reader on another host who copied from it meanwhile finds the
 * epoch raised, and copies again.
 *
 * Memory for the waiting list is wanted when something is given, which cannot
 * fail: what has no place in it stays in use until the next mount.
 */
#include "pool.h"

#include <errno.h>
#include <mafs/checked.h>
#include <string.h>

#define QUARANTINE_FIRST 64U

int mafs_pool_new(struct mafs_pool **ret)
{
	struct mafs_pool *pool = calloc(1, sizeof(*pool));

	if (!pool)
		return -ENOMEM;
	pthread_mutex_init(&pool->lock, NULL);
	*ret = pool;
	return 0;
}

void mafs_pool_free(struct mafs_pool *pool)
{
	if (!pool)
		return;
	for (uint32_t i = 0; i < mafs_pool_n_devices(pool); i++)
		mafs_device_close(pool->devices[i]);
	pthread_mutex_destroy(&pool->lock);
	free(pool->quarantine);
	free(pool);
}

int mafs_pool_add(struct mafs_pool *pool, struct mafs_device *device)
{
	mafs_guard(&pool->lock);
	uint32_t n = pool->n_devices;

	if (n == POOL_DEVICES_MAX)
		return -ENOSPC;
	if (mafs_pool_find(pool, &device->uuid) >= 0)
		return -EEXIST;
	if (!device->unit_bytes ||
	    (n && device->unit_bytes != mafs_pool_unit(pool)))
		return -EINVAL;
	pool->devices[n] = device;
	pool->n_devices = n + 1;
	return 0;
}

struct mafs_device *mafs_pool_device(struct mafs_pool *pool, uint32_t index)
{
	return index < pool->n_devices ? pool->devices[index] : NULL;
}

uint32_t mafs_pool_n_devices(const struct mafs_pool *pool)
{
	return pool->n_devices;
}

uint32_t mafs_pool_unit(const struct mafs_pool *pool)
{
	return pool->devices[0]->unit_bytes;
}

int mafs_pool_find(const struct mafs_pool *pool, const struct mafs_uuid *uuid)
{
	for (uint32_t i = 0; i < pool->n_devices; i++)
		if (mafs_uuid_equal(&pool->devices[i]->uuid, uuid))
			return (int)i;
	return -ENODEV;
}

void mafs_pool_usage(struct mafs_pool *pool, struct mafs_pool_usage *ret)
{
	struct mafs_pool_usage usage = {};

	for (uint32_t i = 0; i < pool->n_devices; i++) {
		struct mafs_device *device = pool->devices[i];

		usage.size_bytes += mapped_of(device)->data_bytes;
		usage.free_bytes += mapped_room(mapped_of(device));
		usage.log_bytes += mafs_device_log_bytes(device);
	}
	mafs_guard(&pool->lock);
	usage.quarantined_bytes = pool->quarantined_bytes;
	*ret = usage;
}

bool mafs_pool_has_log_room(struct mafs_pool *pool)
{
	return mapped_room(mapped_of(pool->devices[0])) > 0;
}

/* ---- space ---- */

static void give_run(struct mafs_pool *pool, const struct mafs_run *run)
{
	mapped_give(mapped_of(pool->devices[run->device]), run->offset,
		    run->length);
}

int mafs_pool_claim(struct mafs_pool *pool, const struct mafs_layout *layout,
		    struct mafs_fault *fault)
{
	for (uint32_t i = 0; i < layout->n_runs; i++) {
		const struct mafs_run *run = &layout->runs[i];
		struct mafs_device *device = pool->devices[run->device];
		struct mafs_fault why = MAFS_FAULT_INIT;
		char uuid[MAFS_UUID_TEXT_LEN];
		int err;

		pthread_mutex_lock(&device->lock);
		err = device->alloc ?
			      mafs_alloc_claim(device->alloc, run->offset,
					       run->length, &why) :
			      0;
		pthread_mutex_unlock(&device->lock);
		if (!err)
			continue;
		while (i--)
			give_run(pool, &layout->runs[i]);
		mafs_uuid_to_text(&device->uuid, uuid);
		return mafs_fault_at(fault, err, why.media_offset,
				     "device %s: %.300s", uuid, why.what);
	}
	return 0;
}

/* Where a run goes: on the device of the one before it, or else on the one
 * that has the most room. */
static uint32_t choose_device(struct mafs_pool *pool,
			      const struct mafs_run *before)
{
	uint64_t most = 0;
	uint32_t best = 0;

	if (before && mapped_room(mapped_of(pool->devices[before->device])))
		return before->device;
	for (uint32_t i = 0; i < pool->n_devices; i++) {
		uint64_t room = mapped_room(mapped_of(pool->devices[i]));

		if (room > most) {
			most = room;
			best = i;
		}
	}
	return best;
}

/* Runs for [start, end) of the file behind the run @before, or NULL. */
static int take_gap(struct mafs_pool *pool, const struct mafs_run *before,
		    uint64_t start, uint64_t end, struct mafs_layout *added)
{
	struct mafs_run run;

	for (; start < end; start = run_end(&run), before = &run) {
		uint64_t goal = 0;
		uint32_t device;
		int err;

		err = layout_reserve(added, 1);
		if (err)
			return err;
		device = choose_device(pool, before);
		if (before && before->device == device &&
		    run_end(before) == start)
			goal = before->offset + before->length;
		run.file_offset = start;
		run.device = device;
		err = mapped_take(mapped_of(pool->devices[device]), end - start,
				  goal, &run.offset, &run.length);
		if (err)
			return err;
		(void)layout_append(added, &run);
	}
	return 0;
}

static int take_gaps(struct mafs_pool *pool, const struct mafs_layout *layout,
		     uint64_t start, uint64_t end, struct mafs_layout *added)
{
	uint32_t i = layout_first(layout, start);
	int err = 0;

	while (!err && start < end) {
		const struct mafs_run *next =
			i < layout->n_runs ? &layout->runs[i] : NULL;
		uint64_t stop = next && next->file_offset < end ?
					next->file_offset :
					end;

		if (start < stop)
			err = take_gap(pool, i ? &layout->runs[i - 1] : NULL,
				       start, stop, added);
		start = next ? run_end(next) : end;
		i++;
	}
	return err;
}

uint64_t mafs_pool_reach(struct mafs_pool *pool,
			 const struct mafs_layout *layout, uint64_t start,
			 uint64_t end)
{
	uint64_t at = start - start % mafs_pool_unit(pool), room = 0;

	for (uint32_t i = 0; i < pool->n_devices; i++)
		room += mapped_room(mapped_of(pool->devices[i]));
	for (uint32_t i = layout_first(layout, at); at < end; i++) {
		const struct mafs_run *next =
			i < layout->n_runs ? &layout->runs[i] : NULL;
		uint64_t stop = next && next->file_offset < end ?
					next->file_offset :
					end;

		if (at < stop && stop - at > room)
			return at + room > start ? at + room : start;
		if (at < stop)
			room -= stop - at;
		at = next ? run_end(next) : end;
	}
	return end;
}

int mafs_pool_fill(struct mafs_pool *pool, struct mafs_layout *layout,
		   uint64_t start, uint64_t end, struct mafs_layout *ret_added)
{
	uint64_t unit = mafs_pool_unit(pool);
	struct mafs_layout added = {};
	int err;

	start -= start % unit;
	if (!mafs_align_up(end, unit, &end))
		return -ENOSPC;
	/* Spares the others a moment in which all is taken. */
	if (mafs_pool_reach(pool, layout, start, end) < end)
		return -ENOSPC;
	err = take_gaps(pool, layout, start, end, &added);
	if (!err)
		err = mafs_layout_merge(layout, &added);
	if (err) {
		mafs_pool_give(pool, &added, true);
		mafs_layout_done(&added);
		return err;
	}
	*ret_added = added;
	return 0;
}

/* Under the lock. */
static int quarantine_reserve(struct mafs_pool *pool, size_t n)
{
	size_t capacity = pool->quarantine_capacity;
	struct mafs_run *runs;

	if (pool->n_quarantine + n <= capacity)
		return 0;
	if (!capacity)
		capacity = QUARANTINE_FIRST;
	while (capacity < pool->n_quarantine + n)
		capacity *= 2;
	runs = reallocarray(pool->quarantine, capacity, sizeof(*runs));
	if (!runs)
		return -ENOMEM;
	pool->quarantine = runs;
	pool->quarantine_capacity = capacity;
	return 0;
}

void mafs_pool_give(struct mafs_pool *pool, const struct mafs_layout *runs,
		    bool fresh)
{
	if (!runs->n_runs)
		return;
	if (fresh) {
		for (uint32_t i = 0; i < runs->n_runs; i++)
			give_run(pool, &runs->runs[i]);
		return;
	}
	mafs_guard(&pool->lock);
	if (quarantine_reserve(pool, runs->n_runs))
		return;
	memcpy(pool->quarantine + pool->n_quarantine, runs->runs,
	       runs->n_runs * sizeof(*runs->runs));
	pool->n_quarantine += runs->n_runs;
	pool->quarantined_bytes += mafs_layout_bytes(runs);
}

int mafs_pool_settle(struct mafs_pool *pool)
{
	struct mafs_layout given = {};
	uint64_t bytes;
	int err;

	{
		mafs_guard(&pool->lock);
		given.runs = take_ptr(pool->quarantine);
		given.n_runs = (uint32_t)pool->n_quarantine;
		pool->n_quarantine = pool->quarantine_capacity = 0;
	}
	bytes = mafs_layout_bytes(&given);
	err = bytes ? mafs_device_free_epoch_raise(pool->devices[0]) : 0;
	{
		mafs_guard(&pool->lock);
		pool->quarantined_bytes -= bytes;
	}
	mafs_pool_give(pool, &given, !err);
	mafs_layout_done(&given);
	return err;
}
