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
#include <mafs/uuid.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct mafsd;

/* "lookup", ... */
const char *mafsd_upcall_to_text(enum mafsd_upcall upcall);

struct mafsd_status {
	struct mafs_uuid uuid;
	const char *source; /* borrowed from the daemon */
	const char *mountpoint; /* borrowed from the daemon */
	const char *memory_kind;
	const char *policy; /* of eviction */
	uint64_t memory_size_bytes;
	uint64_t memory_used_bytes;
	uint64_t n_hot; /* files with bytes in memory */
	uint64_t hot_bytes;
	uint64_t n_dirty;
	uint64_t dirty_bytes;
	uint64_t dirty_oldest_ms; /* age of the oldest dirty byte, 0: none */
	uint64_t reserved_bytes; /* of N's free space */
	uint64_t n_inodes; /* known to the kernel */
	uint64_t n_open;
	uint64_t log_bytes;
	uint64_t n_spilled; /* files that went on at N */
	uint64_t n_evicted;
	uint64_t n_promoted;
	uint64_t pinned_bytes; /* clean and never evicted */
	uint64_t n_written_back;
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
};

void mafsd_status(struct mafsd *d, struct mafsd_status *ret);

/**
 * struct mafsd_trouble - a file whose bytes could not go down
 */
struct mafsd_trouble {
	char path[4096];
	int error; /* positive errno */
	unsigned int n_attempts;
	uint64_t dirty_bytes;
	uint64_t age_ms; /* since the first failure */
	uint64_t next_try_ms;
};

/* *ret: array owned by the caller (free()). Return: 0, -ENOMEM. */
int mafsd_troubles(struct mafsd *d, struct mafsd_trouble **ret, size_t *ret_n);

/**
 * mafsd_pending_list() - files that a power cut took the bytes of
 * @ret: the first @n_max paths, each to be freed; below the root, with octal
 *	escapes as in /proc/self/mountinfo
 *
 * Return: how many there are.
 */
size_t mafsd_pending_list(struct mafsd *d, char **ret, size_t n_max);

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

/* Return: 0, -ENOENT, -errno. */
int mafsd_policy_get(struct mafsd *d, const char *path,
		     struct mafsd_policy_info *ret, struct mafs_fault *fault);

/**
 * mafsd_policy_set() - from now on; and what can be done at once, is
 * @policy: INHERIT: take away its own
 * @ret_n_moved: files promoted (pinned) or evicted (cold)
 * @ret_n_kept: files that could not move yet; the fault names the first
 *
 * Blocks. Return: 0; -EINVAL: neither a file nor a directory; -ENOSPC: to be
 * pinned, and memory does not hold it, nothing was changed; -EROFS; -errno.
 */
int mafsd_policy_set(struct mafsd *d, const char *path,
		     enum mafsd_policy policy, uint64_t *ret_n_moved,
		     uint64_t *ret_n_kept, struct mafs_fault *fault);

/* mafsd_policy_set() of PINNED. */
int mafsd_pin(struct mafsd *d, const char *path, uint64_t *ret_n_moved,
	      uint64_t *ret_n_kept, struct mafs_fault *fault);

/**
 * mafsd_unpin() - nothing at or below a path is pinned any more
 * @ret_n_unpinned: files and directories that had it set
 *
 * Blocks. Return: 0; -EBUSY: a directory above is pinned, the fault names it;
 * -errno.
 */
int mafsd_unpin(struct mafsd *d, const char *path, uint64_t *ret_n_unpinned,
		struct mafs_fault *fault);

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

/* ---- to do now ---- */

/**
 * mafsd_sync() - write back everything that is dirty now, durably
 *
 * Blocks. Return: 0, or the first error (the rest was tried).
 */
int mafsd_sync(struct mafsd *d, struct mafs_fault *fault);

/**
 * mafsd_push() - write back and evict a file, or all files below a directory
 * mafsd_pull() - promote a file, or all files below a directory
 * @ret_n_moved: files that moved
 * @ret_n_kept: files that could not (open, mapped, no room); the fault names
 *	the first and why
 *
 * Blocks. Return: 0 also when files were kept; -errno when the path could
 * not be resolved or nothing at all could be done.
 */
int mafsd_push(struct mafsd *d, const char *path, uint64_t *ret_n_moved,
	       uint64_t *ret_n_kept, struct mafs_fault *fault);
int mafsd_pull(struct mafsd *d, const char *path, uint64_t *ret_n_moved,
	       uint64_t *ret_n_kept, struct mafs_fault *fault);

struct mafsd_file_info {
	char tier[16]; /* "memory" or "disk" */
	char state[16]; /* "clean", "dirty", "writing", "stale", "cold" */
	char path_in_use[2]; /* M D C X K, or "-" when closed */
	enum mafsd_policy policy; /* the effective one */
	uint64_t id; /* in the log; 0 when cold */
	uint64_t ino;
	uint64_t size_bytes;
	uint64_t memory_bytes; /* allocated in memory */
	uint64_t dirty_bytes;
	uint64_t n_open;
	struct mafs_map map; /* owned by the caller: mafs_map_done() */
};

int mafsd_file_info(struct mafsd *d, const char *path,
		    struct mafsd_file_info *ret, struct mafs_fault *fault);
