/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What people may ask of a running daemon: the functions behind the control
 * API and the mafs commands. Paths are relative to the mount's root, without
 * a leading slash; "" is the root itself.
 */
#pragma once

#include <fs/upcalls.h>
#include <mafs/extent.h>
#include <mafs/fault.h>
#include <mafs/platform.h>
#include <mafs/uuid.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

struct mafsd;
struct mafsd_file_info;

/* "lookup", ... */
const char *mafsd_upcall_to_text(enum mafsd_upcall upcall);

/* By which way programs reach the bytes of a file (docs/architecture.md). */
enum mafsd_way {
	MAFSD_WAY_M,
	MAFSD_WAY_X,
	MAFSD_WAY_D,
	MAFSD_WAY_C,
	MAFSD_WAY_K,
	MAFSD_N_WAYS,
};

/* "M", ... */
const char *mafsd_way_to_text(enum mafsd_way way);

/**
 * struct mafsd_way_usage - how much a way is used
 * @n_opens: so far
 * @n_open: now
 * @read_bytes, @written_bytes: through the daemon; of M and D the kernel passes
 *	them by, and nobody knows
 */
struct mafsd_way_usage {
	atomic_uint_fast64_t n_opens, n_open;
	atomic_uint_fast64_t read_bytes, written_bytes;
};

struct mafsd_status {
	struct mafs_uuid uuid;
	const char *source; /* borrowed from the daemon */
	const char *mountpoint; /* borrowed from the daemon */
	const char *memory_kind;
	const char *memory_path; /* of a file or device-DAX; else NULL */
	const char *policy; /* of eviction */
	uint64_t memory_size_bytes;
	uint64_t memory_used_bytes;
	uint64_t n_hot; /* files with bytes in memory */
	uint64_t hot_bytes;
	uint64_t n_dirty;
	uint64_t dirty_bytes;
	uint64_t dirty_oldest_ms; /* age of the oldest dirty byte, 0: none */
	uint64_t disk_size_bytes; /* of N's whole file system */
	uint64_t disk_available_bytes; /* to users, less what is reserved */
	uint64_t reserved_bytes; /* of N's free space */
	uint64_t n_inodes; /* known to the kernel */
	uint64_t n_open;
	uint64_t log_bytes;
	uint64_t n_spilled; /* files that went on at N */
	uint64_t n_evicted;
	uint64_t n_promoted;
	uint64_t pinned_bytes; /* clean and never evicted */
	uint64_t n_written_back;
	uint64_t promoted_bytes;
	uint64_t written_back_bytes;
	uint64_t n_recovered; /* dirty files found again at start */
	uint64_t n_conflicts;
	uint64_t n_lost_found;
	uint64_t n_given_back; /* names, after a power cut */
	uint64_t n_pending_seen; /* files looked at for the list */
	bool pending_scanning;
	bool memory_is_short; /* of the machine; clean files go */
	uint64_t uptime_ms;
	bool passthrough; /* the kernel serves files itself */
	bool io_uring;
	bool handles; /* N has file handles */
	bool fs_id_weak;
	bool read_only;
	bool stopping; /* unmounted, writing back */
	uint64_t upcalls[MAFSD_N_UPCALLS];
	struct mafsd_way_usage ways[MAFSD_N_WAYS];
	uint64_t n_hits,
		n_misses; /* opens for reading: of memory, of the disk */
};

void mafsd_status(struct mafsd *d, struct mafsd_status *ret);

/**
 * struct mafsd_dirty - a file whose bytes on N are older than in memory
 * @error: positive errno of the last attempt; 0: none has failed
 */
struct mafsd_dirty {
	char *path; /* owned */
	int error;
	unsigned int n_attempts; /* that failed */
	uint64_t dirty_bytes;
	uint64_t age_ms; /* since it became dirty */
	uint64_t failing_ms; /* since the first failure */
	uint64_t next_try_ms; /* from now; 0: at once, or under way */
};

/**
 * mafsd_dirty_list() - the files that are dirty, those due first first
 * @only_failed: those whose write-back has failed
 * @n_max: at most so many
 * @ret: to be given to mafsd_dirty_list_free()
 *
 * Return: 0, -ENOMEM.
 */
int mafsd_dirty_list(struct mafsd *d, bool only_failed, size_t n_max,
		     struct mafsd_dirty **ret, size_t *ret_n);
void mafsd_dirty_list_free(struct mafsd_dirty *list, size_t n);

#define MAFSD_N_HOTTEST 64

typedef int mafsd_hottest_fn(void *context, const char *path, double n_opens,
			     const struct mafsd_file_info *info);

/**
 * mafsd_hottest() - the files that were opened most
 * @n_max: so many at most
 * @visit: gets each with its path, the most opened first, and how often: an
 *	open counts half after a minute, and so on
 *
 * Return: 0, or what @visit gave.
 */
int mafsd_hottest(struct mafsd *d, size_t n_max, mafsd_hottest_fn *visit,
		  void *context);

/**
 * mafsd_pending_list() - files that a power cut took the bytes of
 * @ret: the first @n_max paths, each to be freed; below the root, with octal
 *	escapes as in /proc/self/mountinfo
 *
 * Return: how many there are.
 */
size_t mafsd_pending_list(struct mafsd *d, char **ret, size_t n_max);

/**
 * mafsd_sync() - write back everything that is dirty now, durably
 *
 * Blocks. Return: 0, or the first error (the rest was tried).
 */
int mafsd_sync(struct mafsd *d, struct mafs_fault *fault);

/* ---- what is asked about a path ----
 *
 * @who: for whom; what he may not reach is refused with -EACCES. NULL: for the
 * volume's owner or root, who may do all.
 */

/* What is done to files, with the access to each that it takes. */
enum mafsd_action {
	MAFSD_PUSH, /* write back, evict; write */
	MAFSD_PULL, /* promote; read */
	MAFSD_EVICT, /* drop the clean copy in memory; write */
	MAFSD_FLUSH, /* write back durably; write */
};

/**
 * struct mafsd_progress - how far an action is
 *
 * Written by one thread, read by any. The totals are of what has to be done
 * and are counted first; what is there already is in neither.
 * @stop: set by the caller: leave off as soon as it is set; may be NULL
 */
struct mafsd_progress {
	const atomic_bool *stop;
	atomic_bool counted;
	atomic_uint_fast64_t n_total, bytes_total;
	atomic_uint_fast64_t n_moved, bytes_moved;
	atomic_uint_fast64_t n_kept; /* could not */
	/* What is being moved just now: its bytes, and how many had been moved
	 * by the whole daemon before. */
	atomic_uint_fast64_t at_bytes, at_before;
	atomic_uint_fast64_t *_Atomic at_counter;
};

/* What was moved, with what was of the file in hand. */
uint64_t mafsd_progress_bytes(const struct mafsd_progress *progress);

/**
 * mafsd_act() - do something to a file, or to all files below a directory
 * @path: "" for all
 * @progress: zeroed but for @stop; how it went afterwards. Files that could not (open,
 *	mapped, no room, not the caller's) are counted as kept, and the fault
 *	names the first and why
 * @count: fill in the totals before, which takes a walk of its own
 *
 * Blocks. Return: 0 also when files were kept; -errno when the path could
 * not be resolved or nothing at all could be done.
 */
int mafsd_act(struct mafsd *d, const struct mafs_who *who,
	      enum mafsd_action action, const char *path, bool count,
	      struct mafsd_progress *progress, struct mafs_fault *fault);

/* ---- policies of files and directories ---- */

/**
 * enum mafsd_policy - how the bytes of a file are treated
 *
 * What a directory has counts for all below it that has none of its own. It
 * stands on N's own inode, in an xattr, and is seen in the mount as xattr
 * user.mafs.policy.
 */
enum mafsd_policy {
	MAFSD_POLICY_INHERIT, /* none of its own; above the root: tiered */
	MAFSD_POLICY_TIERED, /* to memory when used, evicted when not */
	MAFSD_POLICY_HOT, /* to memory at every use, written lazily */
	MAFSD_POLICY_COLD, /* stays at N */
	MAFSD_POLICY_PINNED, /* to memory, and never evicted */
};

/* "tiered", ...; "inherit". */
const char *mafsd_policy_to_text(enum mafsd_policy policy);
/* Return: 0; -EINVAL: it is none of tiered, hot, cold, pinned. */
int mafsd_policy_from_text(const char *text, size_t len,
			   enum mafsd_policy *ret);

/**
 * struct mafsd_policy_info - what holds for a file or directory
 * @own: set on itself
 * @effective: what counts; never INHERIT
 * @from: path of what it is set on; "" also when it is the default
 */
struct mafsd_policy_info {
	enum mafsd_policy own;
	enum mafsd_policy effective;
	char from[4096];
};

/* Takes read access. Return: 0, -ENOENT, -errno. */
int mafsd_policy_get(struct mafsd *d, const struct mafs_who *who,
		     const char *path, struct mafsd_policy_info *ret,
		     struct mafs_fault *fault);

/**
 * mafsd_policy_set() - from now on; and what can be done at once, is
 * @policy: INHERIT: take away its own
 * @count, @progress: as of mafsd_act(); of files promoted (pinned) or evicted
 *	(cold)
 *
 * Takes to be the file's owner. Blocks. Return: 0; -EINVAL: neither a file nor
 * a directory; -ENOSPC: to be pinned, and memory does not hold it, nothing was
 * changed; -EROFS; -errno.
 */
int mafsd_policy_set(struct mafsd *d, const struct mafs_who *who,
		     const char *path, enum mafsd_policy policy, bool count,
		     struct mafsd_progress *progress, struct mafs_fault *fault);

/**
 * mafsd_unpin() - nothing at or below a path is pinned any more
 * @ret_n_unpinned: files and directories that had it set
 *
 * Takes to be the owner of each. Blocks. Return: 0; -EBUSY: a directory above
 * is pinned, the fault names it; -errno.
 */
int mafsd_unpin(struct mafsd *d, const struct mafs_who *who, const char *path,
		uint64_t *ret_n_unpinned, struct mafs_fault *fault);

/* ---- settings; their table is in mafs/settings.h ---- */

struct mafs_settings;

/* As they are now; ->given: those that are not the default. */
void mafsd_settings_get(struct mafsd *d, struct mafs_settings *ret);

/**
 * mafsd_set() - change one, now and for later mounts
 * @value: as people write it; NULL: the default again
 *
 * A mount option given at a later mount is stronger. Blocks for volume.yaml.
 * Return: 0: counts from now on; 1: from the next mount on; -ENOENT: there is
 * no such setting; -EINVAL, -EROFS, -errno with nothing changed.
 */
int mafsd_set(struct mafsd *d, const char *name, const char *value,
	      struct mafs_fault *fault);

/* ---- where bytes are ---- */

/**
 * struct mafsd_file_info - a file of any type
 * @map: owned: mafs_map_done()
 *
 * What is not a regular file has no bytes: its tier is "none".
 */
struct mafsd_file_info {
	char tier[16]; /* of which it is read: "memory", "disk", "none" */
	char state[16]; /* "clean", "dirty", "writing", "stale", "cold" */
	bool in_memory, on_disk; /* where all of its newest bytes are */
	char path_in_use[2]; /* M X D C K, or "-" when closed */
	enum mafsd_policy policy; /* the effective one */
	uint64_t id; /* in the log; 0 when cold */
	uint64_t memory_bytes; /* allocated in memory */
	uint64_t dirty_bytes;
	uint64_t n_open;
	struct stat st;
	struct mafs_map map;
};

/* Takes read access to a regular file. */
int mafsd_file_info(struct mafsd *d, const struct mafs_who *who,
		    const char *path, struct mafsd_file_info *ret,
		    struct mafs_fault *fault);

/* Gets each name with what it is; @info's map is the callee's to look at only.
 * Return: 0, or what ends the listing. */
typedef int mafsd_list_fn(void *context, const char *name,
			  const struct mafsd_file_info *info);

/**
 * mafsd_list() - the names in a directory, in no order
 * @offset: 0, or where an earlier call has ended
 * @n_max: so many names at most
 * @ret_next: where to go on; 0: that was all
 *
 * Takes read and search access to the directory. Without extents.
 * Return: 0, -ENOTDIR, -errno, or what @visit gave.
 */
int mafsd_list(struct mafsd *d, const struct mafs_who *who, const char *path,
	       int64_t offset, size_t n_max, mafsd_list_fn *visit,
	       void *context, int64_t *ret_next, struct mafs_fault *fault);
