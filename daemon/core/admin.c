// SPDX-License-Identifier: Apache-2.0
/*
 * What people ask of a running daemon: how it goes, what is in trouble, sync,
 * one file. Called by the control API, from any thread, with no locks held.
 * (push and pull are in admin_move.c.)
 */
#include "intern.h"

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

void mafsd_status(struct mafsd *d, struct mafsd_status *ret)
{
	struct mafs_memory_usage usage = { 0 };
	int64_t now_ms = mafsd_now_ms();

	if (d->memory)
		(void)d->memory->ops->usage(d->memory, &usage);
	*ret = (struct mafsd_status){
		.uuid = d->volume->uuid,
		.source = d->volume->source,
		.mountpoint = d->options.mountpoint,
		.memory_kind = d->memory ? d->memory->ops->kind : "none",
		.policy = d->policy_ops->name,
		.memory_size_bytes = d->memory_size_bytes,
		.memory_used_bytes = usage.used_bytes,
		.n_hot = d->n_hot,
		.hot_bytes = usage.used_bytes,
		.n_dirty = d->n_dirty,
		.dirty_bytes = d->dirty_bytes,
		.dirty_oldest_ms = oldest_age_ms(d, now_ms),
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
}

/* ---- troubles ---- */

/* All of the dirty queue, with a reference each. */
static int dirty_inodes(struct mafsd *d, struct mafsd_inode ***ret,
			size_t *ret_n)
{
	struct mafsd_inode **inodes;
	struct mafsd_file *file;
	size_t n = 0;

	mafs_guard(&d->queue_lock);
	inodes = calloc(d->dirty_queue.n + 1, sizeof(struct mafsd_inode *));
	if (!inodes)
		return -ENOMEM;
	for (file = d->dirty_queue.first; file; file = file->queue_next)
		inodes[n++] = mafsd_inode_ref(d, file->inode);
	*ret = inodes;
	*ret_n = n;
	return 0;
}

static bool is_in_trouble(struct mafsd_inode *inode)
{
	mafs_guard(&inode->lock);
	return inode->file && inode->file->wb_error;
}

static void describe_trouble(struct mafsd *d, struct mafsd_inode *inode,
			     struct mafsd_trouble *ret)
{
	int64_t now_ms = mafsd_now_ms();
	const struct mafsd_file *file;

	mafsd_path_to_text(d, inode, ret->path, sizeof(ret->path));
	mafs_guard(&inode->lock);
	file = inode->file;
	if (!file)
		return;
	ret->error = file->wb_error;
	ret->n_attempts = file->wb_attempts;
	ret->dirty_bytes = mafs_ranges_total(&file->dirty);
	ret->age_ms = (uint64_t)(now_ms - file->wb_first_failure_ms);
	if (mafsd_due_ms(file) > now_ms)
		ret->next_try_ms = (uint64_t)(mafsd_due_ms(file) - now_ms);
}

/* A file in trouble waits in the dirty queue for its next attempt. */
int mafsd_troubles(struct mafsd *d, struct mafsd_trouble **ret, size_t *ret_n)
{
	_cleanup_free_ struct mafsd_inode **inodes = NULL;
	_cleanup_free_ struct mafsd_trouble *troubles = NULL;
	struct mafsd_trouble *more;
	size_t n_inodes = 0, n = 0;
	int r;

	mafsd_thread_enter();
	r = dirty_inodes(d, &inodes, &n_inodes);
	for (size_t i = 0; r == 0 && i < n_inodes; i++) {
		if (!is_in_trouble(inodes[i]))
			continue;
		more = realloc(troubles, (n + 1) * sizeof(*troubles));
		if (!more) {
			r = -ENOMEM;
			break;
		}
		troubles = more;
		troubles[n] = (struct mafsd_trouble){ 0 };
		describe_trouble(d, inodes[i], &troubles[n]);
		n++;
	}
	for (size_t i = 0; inodes && i < n_inodes; i++)
		mafsd_inode_unref(d, inodes[i]);
	if (r < 0)
		return r;
	*ret = take_ptr(troubles);
	*ret_n = n;
	return 0;
}

/* ---- sync ---- */

int mafsd_sync(struct mafsd *d, struct mafs_fault *fault)
{
	int r;

	mafsd_thread_enter();
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

/* ---- one file ---- */

static const char *state_to_text(const struct mafsd_file *file)
{
	if (file->stale && !mafsd_is_dirty(file))
		return "stale";
	switch (file->state) {
	case MAFSD_CLEAN:
		return "clean";
	case MAFSD_DIRTY:
		return "dirty";
	case MAFSD_WRITING:
		return "writing";
	default:
		return "cold";
	}
}

static char path_letter(const struct mafsd *d, const struct mafsd_file *file)
{
	if (file->n_open == 0)
		return '-';
	switch (file->path) {
	case MAFSD_M:
		return file->n_writers ? 'X' : 'M';
	case MAFSD_D:
		return 'D';
	case MAFSD_C:
		return file->n_writers || d->pass_m || d->pass_n ? 'C' : 'K';
	default:
		return '-';
	}
}

/* Context: inode->lock held, so the file stays. */
static uint64_t memory_bytes(struct mafsd *d, struct mafsd_file *file)
{
	struct mafs_memory_file *mem;
	struct stat st;
	int r;

	if (mafsd_mem_get(d, file, &mem) < 0)
		return 0;
	r = mem->memory->ops->stat(mem, &st);
	mafsd_mem_put(d, file);
	return r < 0 ? 0 : (uint64_t)st.st_blocks * 512;
}

/* On a tmpfs the length of the one extent is the memory file's.
 * Context: inode->lock held. */
static int true_map(struct mafsd *d, struct mafsd_file *file,
		    struct mafs_map *ret)
{
	struct mafs_memory_file *mem;
	struct stat st;
	int r;

	r = mafs_map_copy(&file->map, ret);
	if (r < 0 || !d->memory->ops->kernel_serves || ret->n_extents != 1)
		return r;
	if (mafsd_mem_get(d, file, &mem) < 0)
		return 0;
	if (d->memory->ops->stat(mem, &st) == 0 && st.st_size > 0)
		ret->extents[0].length_bytes = (uint64_t)st.st_size;
	mafsd_mem_put(d, file);
	return 0;
}

/* Context: inode->lock held. */
static int describe_file(struct mafsd *d, struct mafsd_file *file,
			 struct mafsd_file_info *ret)
{
	bool in_memory = mafsd_in_memory(file);
	bool serves = in_memory && (mafsd_is_dirty(file) || !file->stale);

	strcpy(ret->tier, serves ? "memory" : "disk");
	strcpy(ret->state, state_to_text(file));
	ret->path_in_use[0] = path_letter(d, file);
	ret->n_open = file->n_open;
	if (!in_memory)
		return 0;
	ret->id = file->id;
	ret->memory_bytes = memory_bytes(d, file);
	ret->dirty_bytes = mafs_ranges_total(&file->dirty);
	return true_map(d, file, &ret->map);
}

static int describe_inode(struct mafsd *d, struct mafsd_inode *inode,
			  struct mafsd_file_info *ret)
{
	struct mafsd_file_info info = {
		.tier = "disk",
		.state = "cold",
		.path_in_use = "-",
		.policy = mafsd_policy_of(d, inode),
		.ino = inode->ino,
	};
	struct stat st;
	bool is_volatile;
	int r;

	mafs_guard(&inode->lock);
	r = mafsd_stat_locked(d, inode, &st, &is_volatile);
	if (r < 0)
		return r;
	info.size_bytes = (uint64_t)st.st_size;
	if (inode->file)
		r = describe_file(d, inode->file, &info);
	if (r == 0)
		*ret = info;
	return r;
}

int mafsd_resolve_for(struct mafsd *d, const char *path,
		      struct mafsd_inode **ret, struct mafs_fault *fault)
{
	int r = mafsd_resolve(d, path, ret);

	if (r < 0)
		return mafs_fault_set(fault, r, "%s: %s", path, strerror(-r));
	return 0;
}

int mafsd_file_info(struct mafsd *d, const char *path,
		    struct mafsd_file_info *ret, struct mafs_fault *fault)
{
	struct mafsd_inode *inode;
	int r;

	mafsd_thread_enter();
	r = mafsd_resolve_for(d, path, &inode, fault);
	if (r < 0)
		return r;
	r = S_ISREG(inode->type) ? describe_inode(d, inode, ret) : -EINVAL;
	mafsd_inode_unref(d, inode);
	if (r == -EINVAL)
		return mafs_fault_set(fault, r, "%s is not a regular file",
				      path);
	if (r < 0)
		return mafs_fault_set(fault, r, "%s: %s", path, strerror(-r));
	return 0;
}
