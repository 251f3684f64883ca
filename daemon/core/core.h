/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The daemon's state, shared by the files of daemon/core. No FUSE in here:
 * daemon/fuse translates requests into the calls of ops.h.
 *
 * Lock order (docs/locking.md): file->io, inode->lock, then one of the leaves
 * table.lock, names_lock, slots.lock, journal.lock, space.lock, queue.lock,
 * pool.lock. Never two inode locks at once.
 */
#pragma once

#include "admin.h"

#include <fs/fs.h>
#include <mafs/cleanup.h>
#include <mafs/diag.h>
#include <mafs/extent.h>
#include <mafs/hot.h>
#include <mafs/identity.h>
#include <mafs/log.h>
#include <mafs/memory.h>
#include <mafs/platform.h>
#include <mafs/policy.h>
#include <mafs/settings.h>
#include <mafs/tier.h>
#include <mafs/volume.h>

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/statvfs.h>

/* ---- bounded descriptors ---- */

/**
 * struct mafsd_slot - one descriptor or memory file that may be closed to
 * make room and is opened again on demand
 *
 * All fields under slots.lock.
 */
struct mafsd_slot {
	struct mafsd_slot *prev, *next; /* LRU; unlinked: both NULL */
	int fd; /* -1: not open */
	struct mafs_memory_file *mem; /* instead of fd */
	unsigned int n_pins;
};

struct mafsd_slots {
	pthread_mutex_t lock;
	struct mafsd_slot lru; /* list head; next = most recent */
	size_t n_open;
	size_t n_max;
};

/* ---- inodes ---- */

enum mafsd_path {
	MAFSD_CLOSED,
	MAFSD_M, /* passthrough to memory; later writers: X */
	MAFSD_D, /* passthrough to disk */
	MAFSD_C, /* copy; its readers K where nothing can pass through */
};

enum mafsd_state {
	MAFSD_COLD, /* no bytes in memory */
	MAFSD_CLEAN,
	MAFSD_DIRTY,
	MAFSD_WRITING, /* dirty, `writing` is in the log */
};

struct mafsd_inode;
struct mafsd_replaced;
struct mafsd_sums;

/**
 * struct mafsd_file - the data side of a regular file that is open or hot
 *
 * Under inode->lock but where it says otherwise. Reads and writes of bytes
 * hold @io shared; what changes size or place holds it exclusively.
 */
struct mafsd_file {
	struct mafsd_inode *inode;
	pthread_rwlock_t io;

	/* open */
	enum mafsd_path path;
	unsigned int n_pins; /* keeps the file without an open */
	unsigned int n_open;
	unsigned int n_writers;
	bool on_n; /* open as C, and its bytes are N's */
	bool move_cancel; /* an open came while it was promoted */
	bool promote; /* after the last close */
	int backing_id; /* 0: none */
	int pin_id; /* backing id that keeps an unlinked inode; 0: none */
	int pin_fd; /* the same by a descriptor; -1: none */
	uint64_t pin_seq; /* by that link in N/.mafs/unlinked; 0: none */
	bool unlinked; /* no name left */
	bool maybe_mapped; /* a passthrough writer closed; may be mapped on */
	int64_t last_write_open_ms;

	/* bytes in memory; id 0: none */
	enum mafsd_state state;
	uint64_t id;
	struct mafs_map map;
	struct mafsd_slot mem_slot; /* slots.lock */
	bool stale; /* clean, but N may have changed: unusable as it is */
	bool unverified; /* from an earlier daemon: look before first use */
	uint64_t dense_end; /* no holes in memory below it */
	bool writing_logged;
	bool drop_intent;
	bool refs_inode; /* being hot holds a reference */
	struct mafs_fingerprint fingerprint; /* of N, as we left it */
	bool n_torn; /* N is what a write-back made of it that has not ended */
	struct timespec shown_ctime; /* zero: N's is shown */
	bool pending; /* N's file says that it was never written */
	bool wb_new; /* what is on its way down is not on N in any version */
	struct mafsd_replaced *replaced; /* links that await our bytes */

	/* N's descriptor for copies (slots.lock) */
	struct mafsd_slot n_slot;

	/* dirty: an optimisation of the running daemon only */
	struct mafs_ranges dirty;
	uint64_t dirty_bytes; /* of the ranges */
	uint64_t dirty_above; /* of these, behind n_size */
	uint32_t dirty_grain; /* 0: exact */
	bool dirty_whole;
	bool mapped_writer; /* written or mapped past us: stores go unseen */
	struct mafsd_sums *sums; /* what N has; NULL: not kept */
	bool raw; /* open as M, and programs write past us */
	uint64_t raw_size, raw_end; /* when last looked at; allocated to */
	uint64_t n_valid; /* N's bytes beyond this are superseded */
	uint64_t gen; /* raised by each change of bytes */
	unsigned int n_stores; /* under way: not clean before they end */
	uint64_t n_size; /* N's, when last looked at */
	uint64_t credit_bytes; /* allocated on N; 0 with holes */
	uint64_t reserved_bytes; /* of N's free space */
	uint64_t wb_reserved; /* of these, for the running write-back */
	int64_t dirty_since_ms;
	int64_t due_ms; /* when write-back should begin */
	bool due_empty; /* soon, as it is empty */
	bool patient; /* queue_lock: not before, be it urgent */
	bool wb_busy; /* one write-back at a time */
	bool wb_drop; /* dropped when the write-back ends */
	pthread_cond_t wb_done; /* wb_busy went (inode->lock) */
	unsigned int wb_attempts;
	int wb_error; /* positive errno of the last attempt */
	int64_t wb_first_failure_ms;
	uint64_t wb_error_seq; /* raised by each error, for once per open */

	/* queue_lock: the policy's part; the list of dirty or taken files */
	struct mafs_policy_file policy;
	struct mafsd_file *queue_prev, *queue_next;
	struct mafsd_queue *queue;
	uint64_t pinned_bytes; /* of it, as counted in d->pinned_bytes */
	struct mafsd_file *raw_prev, *raw_next; /* in d->raw_files */
	uint64_t n_syncs; /* begun when it became dirty, or the last's it met */
};

/**
 * struct mafsd_inode - a file, directory, ... that the kernel or we know
 *
 * Identity is fixed at birth. Small: a tree of a million files is a million
 * of these.
 */
struct mafsd_inode {
	uint64_t nodeid; /* table index + 1, generation << 32 */
	struct mafsd_inode *hash_next; /* table.lock */
	uint64_t nlookup; /* table.lock */
	unsigned int refs; /* table.lock: children, hot file, work */
	bool hashed; /* table.lock */

	struct mafsd_inode *parent; /* names_lock; holds a reference */
	char *name; /* names_lock; owned */

	struct mafsd_slot path_slot; /* O_PATH; slots.lock */

	pthread_mutex_t lock;
	struct mafsd_file *file; /* lock */
	uint32_t n_changes; /* lock: of content */
	uint32_t k_seen; /* lock: of the page cache's content */
	uint32_t n_priv_changes; /* lock */
	uint32_t last_read_ms; /* lock: an open while cold; 0: none */
	bool no_priv; /* lock: no setuid, setgid, capability to strip */
	unsigned int n_own_links; /* atomic: in N/.mafs, not to be shown */
	uint8_t own_policy; /* atomic: enum mafsd_policy + 1; 0: not read */

	uint64_t hash;
	uint64_t ino;
	struct timespec btime;
	mode_t type; /* S_IFMT bits */
	int32_t handle_type;
	uint8_t handle_len;
	uint8_t handle[];
};

struct mafsd_table {
	pthread_mutex_t lock;
	struct mafsd_node {
		struct mafsd_inode *inode;
		uint32_t generation;
		uint32_t next_free;
	} * nodes;
	size_t n_nodes, capacity;
	uint32_t first_free; /* UINT32_MAX: none */
	struct mafsd_inode **buckets;
	size_t n_buckets;
	size_t n_inodes;
};

/* ---- log and hot table ---- */

struct mafsd_journal {
	pthread_mutex_t lock; /* of table, next_id */
	struct mafs_log *log;
	struct mafs_hot_table *table;
	uint64_t next_id;
	atomic_size_t n_unclaimed; /* of an earlier daemon, not met yet */
};

/* ---- queues of files, oldest first ---- */

struct mafsd_queue {
	struct mafsd_file *first, *last;
	size_t n;
};

struct mafsd_space {
	pthread_mutex_t lock;
	uint64_t reserved_bytes;
	uint64_t available_bytes; /* of N, at @read_ms */
	uint64_t margin_bytes;
	int64_t read_ms;
	struct statvfs cached; /* N's last answer */
	int error; /* instead of one: -errno */
	pthread_t thread; /* which asks N */
	pthread_cond_t asked, answered; /* lock */
	uint64_t n_answers; /* lock, and all below */
	bool running, stop, wanted, asking;
	bool late; /* an answer is not waited for before it comes */
};

/**
 * struct mafsd_pending - the look for files that were never written back
 */
struct mafsd_pending {
	pthread_t thread;
	bool running;
	atomic_bool scanning, stop;
	atomic_uint_fast64_t n_seen, n_listed; /* files */
};

struct mafsd_pressure {
	pthread_t thread;
	bool running;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool stop; /* lock */
	atomic_bool is_short; /* of memory, when last looked */
};

/**
 * struct mafsd_shared - N is also changed past the mount
 * @on: the setting
 * @watched: the kernel tells what changes; set before the first request
 */
struct mafsd_shared {
	bool on, watched;
	pthread_t thread;
	int watch_fd, stop_fd;
};

struct mafsd_promoter {
	struct mafsd *d;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	atomic_bool stop;
	bool running; /* lock */
	struct mafsd_inode *ring[1024]; /* lock; referenced */
	size_t first, n; /* lock */
};

/**
 * struct mafsd_often - a file that is opened often
 * @n: how often, fading; at most @error too much
 */
struct mafsd_often {
	uint64_t nodeid; /* 0: none */
	double n, error;
};

/**
 * struct mafsd_usage - what is seen of the use of files
 */
struct mafsd_usage {
	struct mafsd_way_usage ways[MAFSD_N_WAYS]; /* atomic */
	atomic_uint_fast64_t n_hits, n_misses; /* opened for reading */
	pthread_mutex_t lock;
	struct mafsd_often most[MAFSD_N_HOTTEST]; /* lock */
	int64_t faded_ms; /* lock */
};

struct mafsd_options {
	const char *source;
	const char *mountpoint;
	struct mafs_memory_spec memory;
	bool read_only;
	struct mafs_settings settings; /* what of them is given, counts */
	const char *pressure_path; /* PSI file; NULL: the machine's */
};

struct mafsd {
	struct mafsd_fs fs; /* first: what the kernel side sees */
	struct mafsd_options options;
	const struct mafsd_kernel_ops *kernel;
	void *kernel_context;

	struct mafs_volume *volume;
	int n_fd; /* N's root, real descriptor; borrowed by all */
	dev_t n_dev;
	bool cloned; /* n_fd is on a private clone: no foreign mounts */
	bool handles; /* N has handles, and we may open by them */
	bool root; /* may act as others */
	bool pass_m, pass_n; /* set when the kernel said so */
	bool n_overlay;
	int replaced_fd; /* N/.mafs/replaced; -1: read-only */
	atomic_uint_fast64_t replaced_seq; /* the last one given */
	struct mafsd_replaced *replaced_left; /* journal.lock */
	int unlinked_fd; /* N/.mafs/unlinked; -1: read-only */
	atomic_uint_fast64_t unlinked_seq; /* the last one given */
	atomic_size_t n_pin_fds; /* descriptors of files without a name */
	size_t pin_fds_max; /* beyond it: links */
	bool orders_names; /* N's one log has changes of names in their order */
	bool names_by_log; /* N's fsync of a file carries its name */
	size_t batch_max; /* files in one round of write-back */
	struct mafs_uuid fs_id;

	struct mafs_memory *memory;
	const struct mafs_tier_ops *tier;
	uint64_t memory_size_bytes;
	pthread_mutex_t settings_lock; /* one change at a time */
	struct mafs_settings settings; /* each value is atomic */
	/* Of them, in bytes. */
	atomic_uint_fast64_t dirty_max_bytes, writeback_at_bytes;

	struct mafsd_table table;
	struct mafsd_inode *root_inode;
	pthread_mutex_t names_lock;
	struct mafsd_slots slots;
	struct mafsd_journal journal;
	struct mafsd_space space;
	struct mafsd_pool *pool;

	pthread_mutex_t queue_lock;
	struct mafsd_queue dirty_queue; /* queue_lock */
	struct mafsd_queue taken_queue; /* queue_lock: dirty, in a round */
	struct mafsd_file *raw_files; /* queue_lock */
	struct mafsd_queue pinned_queue; /* queue_lock: clean, no victims */
	uint64_t pinned_bytes; /* queue_lock */
	const struct mafs_policy_ops *policy_ops; /* of eviction */
	struct mafs_policy *policy; /* queue_lock: has the other clean files */
	uint64_t n_syncs; /* queue_lock: begun so far */
	pthread_mutex_t sync_lock; /* one sync at a time */
	pthread_mutex_t wb_lock;
	pthread_cond_t wb_wake; /* wakes the write-back thread (wb_lock) */
	pthread_cond_t wb_round; /* a round of write-back ended (wb_lock) */
	bool wb_urgent; /* wb_lock */
	bool stopping; /* wb_lock */
	pthread_t wb_thread;
	bool wb_running;
	pthread_mutex_t wb_spare_lock;
	uint8_t *wb_spare; /* wb_spare_lock: a buffer for when memory is out */
	pthread_mutex_t recover_lock; /* one look for what was left at a time */
	pthread_t recover_thread;
	bool recover_running;
	bool lost_memory; /* the last session's went with the machine */
	struct mafsd_pending pending;
	struct mafsd_pressure pressure;
	struct mafsd_shared shared;
	struct mafsd_promoter promote_small, promote_large;
	struct mafsd_usage usage;

	atomic_uint_fast64_t dirty_bytes;
	atomic_uint_fast64_t n_hot, n_dirty, n_open;
	atomic_uint_fast64_t n_spilled, n_evicted, n_promoted;
	atomic_uint_fast64_t n_written_back, n_recovered;
	atomic_uint_fast64_t promoted_bytes, written_back_bytes;
	atomic_uint_fast64_t n_conflicts, n_lost_found, n_given_back;
	int64_t started_ms;
};

int64_t mafsd_now_ms(void);
/* pthread_cond_timedwait() until then, whatever the clock on the wall does. */
int mafsd_wait_until(pthread_cond_t *cond, pthread_mutex_t *lock,
		     int64_t until_ms);

/* One setting as it is now. */
#define mafsd_setting(d, name) \
	__atomic_load_n(&(d)->settings.name, __ATOMIC_RELAXED)
