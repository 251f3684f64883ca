// SPDX-License-Identifier: Apache-2.0
/*
 * What people ask of a running daemon as a whole: how it goes, what is dirty,
 * sync. Called by the control API, from any thread, with no locks held.
 * (Files are asked about in admin_file.c and moved in admin_move.c.)
 */
#include "intern.h"

#include <limits.h>
#include <string.h>
#include <time.h>

/* The oldest dirty file is among the first that are due. */
#define N_OLDEST_LOOKED_AT 64

int64_t mafsd_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int mafsd_wait_until(pthread_cond_t *cond, pthread_mutex_t *lock,
		     int64_t until_ms)
{
	const struct timespec until = {
		.tv_sec = (time_t)(until_ms / 1000),
		.tv_nsec = (long)(until_ms % 1000) * 1000000L,
	};

	return pthread_cond_clockwait(cond, lock, CLOCK_MONOTONIC, &until);
}

const char *mafsd_upcall_to_text(enum mafsd_upcall upcall)
{
	static const char *const names[] = {
#define X(name) [MAFSD_UPCALL_##name] = #name,
		MAFSD_UPCALLS(X)
#undef X
	};

	return names[upcall];
}

/* ---- status ---- */

static uint64_t oldest_age_ms(struct mafsd *d, int64_t now_ms)
{
	const struct mafsd_file *file;
	int64_t oldest_ms = now_ms, since_ms;
	size_t n = 0;

	mafs_guard(&d->queue_lock);
	for (file = d->dirty_queue.first; file && n < N_OLDEST_LOOKED_AT;
	     file = file->queue_next, n++) {
		/* Of the inode's lock; a glance will do. */
		since_ms = __atomic_load_n(&file->dirty_since_ms,
					   __ATOMIC_RELAXED);
		if (since_ms > 0 && since_ms < oldest_ms)
			oldest_ms = since_ms;
	}
	return (uint64_t)(now_ms - oldest_ms);
}

static size_t count_inodes(struct mafsd *d)
{
	mafs_guard(&d->table.lock);
	return d->table.n_inodes;
}

static uint64_t reserved_bytes(struct mafsd *d)
{
	mafs_guard(&d->space.lock);
	return d->space.reserved_bytes;
}

static bool is_stopping(struct mafsd *d)
{
	mafs_guard(&d->wb_lock);
	return d->stopping;
}

static void copy_way(const struct mafsd_way_usage *way,
		     struct mafsd_way_usage *ret)
{
	ret->n_opens = way->n_opens;
	ret->n_open = way->n_open;
	ret->read_bytes = way->read_bytes;
	ret->written_bytes = way->written_bytes;
}

/* While recovery looks for files, with those that it has not met. */
static uint64_t count_dirty(struct mafsd *d)
{
	uint64_t n = d->n_dirty, n_newer;

	if (!atomic_load(&d->fs.names_come))
		return n;
	n_newer = mafsd_journal_n_newer(d);
	return n > n_newer ? n : n_newer;
}

void mafsd_status(struct mafsd *d, struct mafsd_status *ret)
{
	struct mafs_memory_usage usage = { 0 };
	struct statvfs disk = { 0 };
	int64_t now_ms = mafsd_now_ms();

	if (d->memory)
		(void)d->memory->ops->usage(d->memory, &usage);
	(void)mafsd_statfs(d, &disk);
	*ret = (struct mafsd_status){
		.uuid = d->volume->uuid,
		.source = d->volume->source,
		.mountpoint = d->options.mountpoint,
		.memory_kind = d->memory ? d->memory->kind : "none",
		.memory_path = d->memory ? d->memory->path : NULL,
		.policy = d->policy_ops->name,
		.memory_size_bytes = d->memory_size_bytes,
		.memory_used_bytes = usage.used_bytes,
		.n_hot = d->n_hot,
		.hot_bytes = usage.used_bytes,
		.n_dirty = count_dirty(d),
		.dirty_bytes = d->dirty_bytes,
		.dirty_oldest_ms = oldest_age_ms(d, now_ms),
		.disk_size_bytes = (uint64_t)disk.f_blocks * disk.f_frsize,
		.disk_available_bytes = (uint64_t)disk.f_bavail * disk.f_frsize,
		.reserved_bytes = reserved_bytes(d),
		.n_inodes = count_inodes(d),
		.n_open = d->n_open,
		.log_bytes = d->journal.log ? mafs_log_length(d->journal.log) :
					      0,
		.n_spilled = d->n_spilled,
		.n_evicted = d->n_evicted,
		.n_promoted = d->n_promoted,
		.pinned_bytes = mafsd_queue_pinned(d, NULL),
		.n_written_back = d->n_written_back,
		.promoted_bytes = d->promoted_bytes,
		.n_hits = d->usage.n_hits,
		.n_misses = d->usage.n_misses,
		.written_back_bytes = d->written_back_bytes,
		.n_recovered = d->n_recovered,
		.n_conflicts = d->n_conflicts,
		.n_lost_found = d->n_lost_found,
		.n_given_back = d->n_given_back,
		.n_pending_seen = d->pending.n_seen,
		.pending_scanning = d->pending.scanning,
		.memory_is_short = d->pressure.is_short,
		.uptime_ms = (uint64_t)(now_ms - d->started_ms),
		.passthrough = d->pass_m || d->pass_n,
		.io_uring = d->fs.io_uring,
		.handles = d->handles,
		.fs_id_weak = d->volume->fs_id_weak,
		.read_only = d->options.read_only,
		.stopping = is_stopping(d),
	};
	for (size_t i = 0; i < MAFSD_N_UPCALLS; i++)
		ret->upcalls[i] = d->fs.upcalls[i];
	for (size_t i = 0; i < MAFSD_N_WAYS; i++)
		copy_way(&d->usage.ways[i], &ret->ways[i]);
}

/* ---- what is dirty ---- */

/* The first of the dirty queue, with a reference each. */
static int dirty_inodes(struct mafsd *d, size_t n_max,
			struct mafsd_inode ***ret, size_t *ret_n)
{
	struct mafsd_inode **inodes;
	struct mafsd_file *file;
	size_t n = 0;

	mafs_guard(&d->queue_lock);
	if (n_max > d->dirty_queue.n)
		n_max = d->dirty_queue.n;
	inodes = calloc(n_max + 1, sizeof(struct mafsd_inode *));
	if (!inodes)
		return -ENOMEM;
	for (file = d->dirty_queue.first; file && n < n_max;
	     file = file->queue_next)
		inodes[n++] = mafsd_inode_ref(d, file->inode);
	*ret = inodes;
	*ret_n = n;
	return 0;
}

static uint64_t ms_until(int64_t then_ms, int64_t now_ms)
{
	return then_ms > now_ms ? (uint64_t)(then_ms - now_ms) : 0;
}

/* Return: is it what is asked for? */
static bool describe_dirty(struct mafsd_inode *inode, bool only_failed,
			   struct mafsd_dirty *ret)
{
	int64_t now_ms = mafsd_now_ms();
	const struct mafsd_file *file;
	mafs_guard(&inode->lock);

	file = inode->file;
	if (!file || !mafsd_is_dirty(file) || (only_failed && !file->wb_error))
		return false;
	*ret = (struct mafsd_dirty){
		.error = file->wb_error,
		.n_attempts = file->wb_attempts,
		.dirty_bytes = file->dirty_bytes,
		.age_ms = ms_until(now_ms, file->dirty_since_ms),
		.next_try_ms = ms_until(mafsd_due_ms(file), now_ms),
	};
	if (file->wb_error)
		ret->failing_ms = ms_until(now_ms, file->wb_first_failure_ms);
	return true;
}

static int list_inodes(struct mafsd *d, struct mafsd_inode **inodes, size_t n,
		       bool only_failed, size_t n_max, struct mafsd_dirty **ret,
		       size_t *ret_n)
{
	char path[PATH_MAX];
	struct mafsd_dirty *list, one;
	size_t n_list = 0;

	list = calloc((n < n_max ? n : n_max) + 1, sizeof(*list));
	if (!list)
		return -ENOMEM;
	for (size_t i = 0; i < n && n_list < n_max; i++) {
		if (!describe_dirty(inodes[i], only_failed, &one))
			continue;
		mafsd_path_to_text(d, inodes[i], path, sizeof(path));
		one.path = strdup(path);
		if (!one.path) {
			mafsd_dirty_list_free(list, n_list);
			return -ENOMEM;
		}
		list[n_list++] = one;
	}
	*ret = list;
	*ret_n = n_list;
	return 0;
}

/* One that failed waits in the queue for its next attempt, anywhere. */
int mafsd_dirty_list(struct mafsd *d, bool only_failed, size_t n_max,
		     struct mafsd_dirty **ret, size_t *ret_n)
{
	_cleanup_free_ struct mafsd_inode **inodes = NULL;
	size_t n = 0;
	int r;

	mafsd_thread_enter();
	r = dirty_inodes(d, only_failed ? SIZE_MAX : n_max, &inodes, &n);
	if (r < 0)
		return r;
	r = list_inodes(d, inodes, n, only_failed, n_max, ret, ret_n);
	for (size_t i = 0; i < n; i++)
		mafsd_inode_unref(d, inodes[i]);
	return r;
}

void mafsd_dirty_list_free(struct mafsd_dirty *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(list[i].path);
	free(list);
}

/* ---- sync ---- */

int mafsd_sync(struct mafsd *d, struct mafs_fault *fault)
{
	int r;

	mafsd_thread_enter();
	/* What an earlier daemon left and nobody has asked for yet, too. */
	r = mafsd_recover_all(d);
	if (r == 0)
		r = mafsd_write_back_all(d);
	if (r == 0) /* what programs wrote there themselves */
		r = d->tier->flush_all(d->n_fd);
	if (r < 0)
		return mafs_fault_set(fault, r,
				      "not everything could be written back: "
				      "%s; see mafs status",
				      strerror(-r));
	return 0;
}
