// SPDX-License-Identifier: Apache-2.0
/*
 * What is done beside requests: the heartbeat, checkpoints of the log, and
 * space that was given back becoming free.
 */
#include "memvol.h"

#include <signal.h>
#include <string.h>
#include <time.h>

#define TICK_MS 200
#define IDLE_TICKS 5
#define TAIL_PART_MIN 64 /* or too little has changed to count */
#define PIECE 512 /* inodes that a checkpoint takes under one lock */

static int give_live(void *context, mafs_log_emit_fn *emit, void *emit_context)
{
	struct mafsm *m = context;
	uint64_t cursor = 0;
	int r;

	r = mafs_memory_volume_emit_devices(m->volume, emit, emit_context);
	if (r < 0)
		return r;
	do {
		mafsm_read(&m->lock);
		r = mafs_names_emit(m->names, &cursor, PIECE, emit,
				    emit_context);
	} while (r > 0);
	return r;
}

static int count_bytes(void *context, const struct mafs_entry *entry)
{
	_cleanup_(mafs_buffer_done) struct mafs_buffer record = { 0 };
	uint64_t *bytes = context;
	int r = mafs_entry_encode(entry, &record);

	*bytes += record.len;
	return r;
}

/* Would a log in more than its first segments become shorter by a quarter? */
static bool is_worth_a_checkpoint(struct mafsm *m)
{
	uint64_t length = mafs_log_length(m->log), live = 0;

	if (!mafs_device_log_bytes(mafs_pool_device(m->pool, 0)) ||
	    mafs_log_tail_length(m->log) < length / TAIL_PART_MIN)
		return false;
	return give_live(m, count_bytes, &live) == 0 &&
	       live < length - length / 4;
}

/* Nothing has been appended for a while. What the log says of that which is
 * gone is space. Asked once in each such time. */
static bool is_idle_and_long(struct mafsm *m)
{
	uint64_t seq = mafs_log_last_seq(m->log);

	m->n_idle_ticks = seq == m->last_seq ? m->n_idle_ticks + 1 : 0;
	m->last_seq = seq;
	return m->n_idle_ticks == IDLE_TICKS && is_worth_a_checkpoint(m);
}

void mafsm_checkpoint(struct mafsm *m, bool (*is_due)(struct mafs_log *log))
{
	struct mafs_fault fault = MAFS_FAULT_INIT;
	int r;
	mafs_guard(&m->checkpoint_lock);

	if (is_due && !is_due(m->log))
		return;
	r = mafs_log_checkpoint(m->log, give_live, m, &fault);
	if (r < 0)
		mafs_error("checkpoint of the log: %s: %s", fault.what,
			   strerror(-r));
}

static void tend_log(struct mafsm *m)
{
	if (is_idle_and_long(m))
		mafsm_checkpoint(m, NULL);
	else if (mafs_log_wants_checkpoint(m->log))
		mafsm_checkpoint(m, mafs_log_wants_checkpoint);
}

static void tend(struct mafsm *m)
{
	if (mafsm_is_fenced(m)) {
		/* Whoever else is the master has our files now. */
		kill(getpid(), SIGTERM);
		return;
	}
	if (atomic_load(&m->broken))
		return;
	mafs_device_heartbeat_beat(mafs_pool_device(m->pool, 0));
	mafs_pool_settle(m->pool);
	tend_log(m);
}

bool mafsm_pause(struct mafsm *m, unsigned int ms)
{
	struct timespec until;
	mafs_guard(&m->tend_lock);

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += ms * 1000000L;
	if (until.tv_nsec >= 1000000000L) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000L;
	}
	if (!m->stopping)
		pthread_cond_clockwait(&m->tend_wake, &m->tend_lock,
				       CLOCK_MONOTONIC, &until);
	return m->stopping;
}

static void *run_tender(void *argument)
{
	struct mafsm *m = argument;

	mafsd_thread_enter();
	do {
		tend(m);
	} while (!mafsm_pause(m, TICK_MS));
	return NULL;
}

int mafsm_tend_start(struct mafsm *m)
{
	int r;

	if (!m->log) /* what a shadow says is all there is */
		return m->volume->reader ? mafsm_follow_start(m) : 0;
	r = -pthread_create(&m->tender, NULL, run_tender, m);
	m->tender_running = r == 0;
	return r;
}

static void join(pthread_t thread, bool *running)
{
	if (*running)
		pthread_join(thread, NULL);
	*running = false;
}

void mafsm_tend_stop(struct mafsm *m)
{
	pthread_mutex_lock(&m->tend_lock);
	m->stopping = true;
	pthread_cond_broadcast(&m->tend_wake);
	pthread_mutex_unlock(&m->tend_lock);
	join(m->tender, &m->tender_running);
	join(m->huge_thread, &m->huge_running);
}
