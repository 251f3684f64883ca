// SPDX-License-Identifier: Apache-2.0
/*
 * Log and table. Entries are handed to the log first, which may refuse them,
 * then the table is changed; m->lock is held over both, so a checkpoint, which
 * reads the table under it, misses nothing that is not in the tail it copies.
 * The reply waits for the flush. A log that fails is broken for good, and the
 * volume can only be read from then on: what replay finds decides.
 */
#include "memvol.h"

#include <time.h>

struct timespec mafsm_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return now;
}

static void give_up(struct mafsm *m, const char *why)
{
	if (!atomic_exchange(&m->broken, true))
		mafs_error("%s: %s; it can only be read from now on",
			   m->options.source, why);
}

bool mafsm_is_fenced(struct mafsm *m)
{
	if (mafs_device_is_ours(mafs_pool_device(m->pool, 0)))
		return false;
	give_up(m, "another master took over");
	return true;
}

int mafsm_commit(struct mafsm *m, struct mafs_entry *entries, size_t n,
		 uint64_t *ret_ticket)
{
	struct timespec now = mafsm_now();
	struct mafs_fault fault = MAFS_FAULT_INIT;
	int r;

	if (!m->log)
		return -EROFS;
	if (atomic_load(&m->broken))
		return -EIO;
	if (mafsm_is_fenced(m))
		return -EIO;
	for (size_t i = 0; i < n; i++)
		entries[i].time_ns = (uint64_t)now.tv_sec * 1000000000U +
				     (uint64_t)now.tv_nsec;
	r = mafs_log_submit(m->log, entries, n, ret_ticket);
	if (r < 0)
		return r;
	for (size_t i = 0; r == 0 && i < n; i++)
		r = mafs_names_apply(m->names, &entries[i], &fault);
	if (r < 0) {
		/* The log says what the table could not be told. */
		give_up(m, fault.what[0] ? fault.what : "out of memory");
		return -EIO;
	}
	return 0;
}

int mafsm_wait(struct mafsm *m, uint64_t ticket)
{
	int r = mafs_log_wait(m->log, ticket);

	if (r < 0)
		give_up(m, "the log cannot be written");
	else if (mafs_log_is_overdue(m->log))
		mafsm_checkpoint(m, mafs_log_is_overdue);
	return r;
}

int mafsm_room_for_names(struct mafsm *m)
{
	if (!m->log)
		return -EROFS;
	if (mafs_pool_has_log_room(m->pool))
		return 0;
	/* What was given back and is not free yet may be enough. */
	mafs_pool_settle(m->pool);
	return mafs_pool_has_log_room(m->pool) ? 0 : -ENOSPC;
}
