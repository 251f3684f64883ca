/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What daemon/fuse translates requests into: one table for every kind of
 * volume. Nothing here knows FUSE.
 *
 * All return 0 (or a count) or -errno. Context: any thread that has called
 * mafsd_thread_enter(). The kernel keeps an inode known while a request names
 * it, and serialises changes of names within one directory. Calls that take
 * @may_block return MAFSD_WOULD_BLOCK when they were told not to block and
 * would: call again from the worker pool.
 */
#pragma once

#include "upcalls.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/types.h>

/* ---- what the kernel side offers ---- */

/**
 * struct mafsd_kernel_ops - implemented by daemon/fuse, or by tests
 *
 * Context: any thread, also with an inode's lock held.
 */
struct mafsd_kernel_ops {
	/* Registers @fd (may be O_PATH) as a passthrough backing file under
	 * the present fsuid. Return: id > 0, -EPERM, -ELOOP, -errno. */
	int (*backing_open)(void *context, int fd);
	void (*backing_close)(void *context, int backing_id);
	/* The kernel forgets attributes and ACLs, no pages. */
	void (*inval_attr)(void *context, uint64_t nodeid);
	/* Pages as well. No lock held that a request waits for. */
	void (*inval_data)(void *context, uint64_t nodeid);
	/* The kernel forgets a name; likewise. */
	void (*inval_entry)(void *context, uint64_t parent, const char *name);
};

#define MAFSD_WOULD_BLOCK (-EINPROGRESS)
#define MAFSD_ROOT_ID 1

struct mafsd_caller {
	uid_t uid;
	gid_t gid;
	pid_t pid;
	mode_t umask;
};

/**
 * struct mafsd_entry - what a name leads to
 * @attr_volatile: the kernel must not cache the attributes
 */
struct mafsd_entry {
	uint64_t nodeid;
	uint64_t generation;
	struct stat st;
	bool attr_volatile;
};

struct mafsd_dir;

enum mafsd_set {
	MAFSD_SET_MODE = 1 << 0,
	MAFSD_SET_UID = 1 << 1,
	MAFSD_SET_GID = 1 << 2,
	MAFSD_SET_SIZE = 1 << 3,
	MAFSD_SET_ATIME = 1 << 4,
	MAFSD_SET_MTIME = 1 << 5,
	MAFSD_SET_ATIME_NOW = 1 << 6,
	MAFSD_SET_MTIME_NOW = 1 << 7,
	/* An empty set before a passthrough write of a stranger, or a change
	 * that strips: setuid, setgid and capabilities go. */
	MAFSD_SET_KILL_PRIV = 1 << 8,
};

struct mafsd_file;

/**
 * struct mafsd_open - one open of a regular file
 */
struct mafsd_open {
	struct mafsd_file *file; /* of a tiered volume */
	int flags; /* of open(2) */
	bool passthrough; /* M, D or X */
	bool direct_io; /* C or X */
	bool keep_cache; /* K */
	int backing_id; /* with passthrough */
	uint64_t error_seq; /* write-back errors before it are not its own */
};

struct mafsd_fs;

/* Of a file or directory; never listed. */
#define MAFSD_POLICY_XATTR "user.mafs.policy"

/**
 * struct mafsd_fs_ops - a volume that is served; no slot is NULL
 */
struct mafsd_fs_ops {
	/* The kernel answers; from now on it may be called. */
	void (*connect)(struct mafsd_fs *fs,
			const struct mafsd_kernel_ops *kernel, void *context);

	/* names; an entry that is returned counts as one lookup */
	int (*lookup)(struct mafsd_fs *fs, uint64_t parent, const char *name,
		      struct mafsd_entry *ret);
	void (*forget)(struct mafsd_fs *fs, uint64_t nodeid, uint64_t n);
	int (*readlink)(struct mafsd_fs *fs, uint64_t nodeid, char *ret,
			size_t len);
	int (*mknod)(struct mafsd_fs *fs, const struct mafsd_caller *caller,
		     uint64_t parent, const char *name, mode_t mode, dev_t rdev,
		     struct mafsd_entry *ret);
	int (*mkdir)(struct mafsd_fs *fs, const struct mafsd_caller *caller,
		     uint64_t parent, const char *name, mode_t mode,
		     struct mafsd_entry *ret);
	int (*symlink)(struct mafsd_fs *fs, const struct mafsd_caller *caller,
		       const char *target, uint64_t parent, const char *name,
		       struct mafsd_entry *ret);
	int (*link)(struct mafsd_fs *fs, uint64_t nodeid, uint64_t parent,
		    const char *name, struct mafsd_entry *ret);
	int (*unlink)(struct mafsd_fs *fs, uint64_t parent, const char *name);
	int (*rmdir)(struct mafsd_fs *fs, uint64_t parent, const char *name);
	int (*rename)(struct mafsd_fs *fs, uint64_t parent, const char *name,
		      uint64_t new_parent, const char *new_name,
		      unsigned int flags, bool may_block);

	/* directories */
	int (*opendir)(struct mafsd_fs *fs, uint64_t nodeid,
		       struct mafsd_dir **ret);
	void (*closedir)(struct mafsd_fs *fs, struct mafsd_dir *dir);
	/* @offset: 0 or what @ret_next said for an earlier entry. @ret_name:
	 * borrowed until the next call on @dir. Return: 1, 0 at the end. */
	int (*readdir)(struct mafsd_fs *fs, struct mafsd_dir *dir, off_t offset,
		       const char **ret_name, struct stat *ret_st,
		       off_t *ret_next);
	int (*fsyncdir)(struct mafsd_fs *fs, struct mafsd_dir *dir,
			bool data_only);

	/* attributes */
	int (*getattr)(struct mafsd_fs *fs, uint64_t nodeid, struct stat *ret,
		       bool *ret_volatile);
	int (*setattr)(struct mafsd_fs *fs, const struct mafsd_caller *caller,
		       uint64_t nodeid, const struct stat *attr, int set,
		       bool may_block, struct stat *ret, bool *ret_volatile);
	int (*statfs)(struct mafsd_fs *fs, struct statvfs *ret);
	ssize_t (*getxattr)(struct mafsd_fs *fs, uint64_t nodeid,
			    const char *name, void *value, size_t len);
	ssize_t (*listxattr)(struct mafsd_fs *fs,
			     const struct mafsd_caller *caller, uint64_t nodeid,
			     char *list, size_t len);
	/* @groups: supplementary groups of the caller, for ACLs. */
	int (*setxattr)(struct mafsd_fs *fs, const struct mafsd_caller *caller,
			const gid_t *groups, size_t n_groups, uint64_t nodeid,
			const char *name, const void *value, size_t len,
			int flags);
	int (*removexattr)(struct mafsd_fs *fs, uint64_t nodeid,
			   const char *name);
	/* MAFSD_POLICY_XATTR. @value: NULL: removed. Blocks: for the pool. */
	int (*set_policy)(struct mafsd_fs *fs,
			  const struct mafsd_caller *caller, uint64_t nodeid,
			  const void *value, size_t len, int flags);

	/* files */
	int (*open)(struct mafsd_fs *fs, const struct mafsd_caller *caller,
		    uint64_t nodeid, int flags, bool may_block,
		    struct mafsd_open **ret);
	int (*create)(struct mafsd_fs *fs, const struct mafsd_caller *caller,
		      uint64_t parent, const char *name, mode_t mode, int flags,
		      struct mafsd_entry *ret_entry, struct mafsd_open **ret);
	int (*tmpfile)(struct mafsd_fs *fs, const struct mafsd_caller *caller,
		       uint64_t parent, mode_t mode, int flags,
		       struct mafsd_entry *ret_entry, struct mafsd_open **ret);
	void (*release)(struct mafsd_fs *fs, struct mafsd_open *open);
	ssize_t (*read)(struct mafsd_fs *fs, struct mafsd_open *open,
			void *bytes, size_t len, uint64_t offset);
	/* @flags: of the write; O_SYNC and O_DSYNC count, O_APPEND too.
	 * @from_cache: page write-back, the caller is nobody. */
	ssize_t (*write)(struct mafsd_fs *fs, const struct mafsd_caller *caller,
			 struct mafsd_open *open, const void *bytes, size_t len,
			 uint64_t offset, int flags, bool from_cache,
			 bool may_block);
	int (*flush)(struct mafsd_fs *fs, struct mafsd_open *open);
	/* These two block: for the pool only. */
	int (*fsync)(struct mafsd_fs *fs, struct mafsd_open *open,
		     bool data_only);
	ssize_t (*copy_file_range)(struct mafsd_fs *fs,
				   const struct mafsd_caller *caller,
				   struct mafsd_open *in, uint64_t offset_in,
				   struct mafsd_open *out, uint64_t offset_out,
				   size_t len);
	int (*fallocate)(struct mafsd_fs *fs, const struct mafsd_caller *caller,
			 struct mafsd_open *open, int mode, uint64_t offset,
			 uint64_t len, bool may_block);
	off_t (*lseek)(struct mafsd_fs *fs, struct mafsd_open *open,
		       off_t offset, int whence);
};

/**
 * struct mafsd_fs - embedded first in the volume that implements it
 * @pool: work that may block; started before the session
 * @passthrough: ask the kernel for it
 * @read_only: the mount is to be
 * @cached_s: how long the kernel may keep names and attributes
 * @page_cache_only: set by the session: the kernel (before 6.6) neither maps
 *	what is open with direct_io nor keeps the page cache true beside it
 * @shared: contents change elsewhere, too: the kernel compares mtime and size
 * @names_come: recovery may make names yet: an absent one is not kept
 */
struct mafsd_fs {
	const struct mafsd_fs_ops *ops;
	struct mafsd_pool *pool;
	bool passthrough;
	bool read_only;
	bool shared;
	bool io_uring; /* set by the session */
	bool page_cache_only;
	atomic_bool names_come;
	double cached_s;
	atomic_uint_fast64_t upcalls[MAFSD_N_UPCALLS];
};

/* Names and attributes change through the mount alone. */
#define MAFSD_CACHED_S 86400.0
/* And past it. */
#define MAFSD_SHARED_CACHED_S 1.0

/* ---- threads and the worker pool (pool.c) ---- */

/* Once in each thread: it may act for callers. */
void mafsd_thread_enter(void);

int mafsd_pool_start(struct mafsd_pool **ret);
/* Does all that was submitted, also by that work itself. NULL is fine. Nobody
 * else submits any more. */
void mafsd_pool_stop(struct mafsd_pool *pool);
/* Runs @work(@argument) there. Return: 0, -ENOMEM. */
int mafsd_pool_submit(struct mafsd_pool *pool, void (*work)(void *argument),
		      void *argument);
