/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file operations that daemon/fuse translates requests into. All return 0
 * (or a count) or -errno; nothing here knows FUSE.
 *
 * Context: any thread that has called mafsd_thread_enter(). The kernel keeps
 * an inode known while a request names it, and serialises changes of names
 * within one directory. Calls that take @may_block return
 * MAFSD_WOULD_BLOCK when they were told not to block and would: call again
 * from the worker pool.
 */
#pragma once

#include "core.h"

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

void mafsd_thread_enter(void);

/* ---- names ---- */

int mafsd_lookup(struct mafsd *d, uint64_t parent, const char *name,
		 struct mafsd_entry *ret);
void mafsd_forget(struct mafsd *d, uint64_t nodeid, uint64_t n);
int mafsd_readlink(struct mafsd *d, uint64_t nodeid, char *ret, size_t len);
int mafsd_mknod(struct mafsd *d, const struct mafsd_caller *caller,
		uint64_t parent, const char *name, mode_t mode, dev_t rdev,
		struct mafsd_entry *ret);
int mafsd_mkdir(struct mafsd *d, const struct mafsd_caller *caller,
		uint64_t parent, const char *name, mode_t mode,
		struct mafsd_entry *ret);
int mafsd_symlink(struct mafsd *d, const struct mafsd_caller *caller,
		  const char *target, uint64_t parent, const char *name,
		  struct mafsd_entry *ret);
int mafsd_link(struct mafsd *d, uint64_t nodeid, uint64_t parent,
	       const char *name, struct mafsd_entry *ret);
int mafsd_unlink(struct mafsd *d, uint64_t parent, const char *name);
int mafsd_rmdir(struct mafsd *d, uint64_t parent, const char *name);
int mafsd_rename(struct mafsd *d, uint64_t parent, const char *name,
		 uint64_t new_parent, const char *new_name, unsigned int flags);
/* The same; it blocks where bytes must be written back before. */
int mafsd_try_rename(struct mafsd *d, uint64_t parent, const char *name,
		     uint64_t new_parent, const char *new_name,
		     unsigned int flags, bool may_block);

/* ---- directories ---- */

struct mafsd_dir;

int mafsd_opendir(struct mafsd *d, uint64_t nodeid, struct mafsd_dir **ret);
void mafsd_closedir(struct mafsd_dir *dir);
/**
 * mafsd_readdir() - the entry at a position
 * @offset: 0 or what @ret_next said for an earlier entry
 * @ret_name: borrowed until the next call on @dir
 *
 * Return: 1, 0 at the end, -errno. Hidden names are left out.
 */
int mafsd_readdir(struct mafsd_dir *dir, off_t offset, const char **ret_name,
		  struct stat *ret_st, off_t *ret_next);
int mafsd_fsyncdir(struct mafsd *d, struct mafsd_dir *dir, bool data_only);

/* ---- attributes ---- */

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

int mafsd_getattr(struct mafsd *d, uint64_t nodeid, struct stat *ret,
		  bool *ret_volatile);
int mafsd_setattr(struct mafsd *d, const struct mafsd_caller *caller,
		  uint64_t nodeid, const struct stat *attr, int set,
		  bool may_block, struct stat *ret, bool *ret_volatile);
int mafsd_statfs(struct mafsd *d, struct statvfs *ret);
ssize_t mafsd_getxattr(struct mafsd *d, uint64_t nodeid, const char *name,
		       void *value, size_t len);
ssize_t mafsd_listxattr(struct mafsd *d, const struct mafsd_caller *caller,
			uint64_t nodeid, char *list, size_t len);
/* @groups: supplementary groups of the caller, for ACLs. */
int mafsd_setxattr(struct mafsd *d, const struct mafsd_caller *caller,
		   const gid_t *groups, size_t n_groups, uint64_t nodeid,
		   const char *name, const void *value, size_t len, int flags);
int mafsd_removexattr(struct mafsd *d, uint64_t nodeid, const char *name);

#define MAFSD_POLICY_XATTR "user.mafs.policy"

/* That one alone is set, or (without @value) removed; by the owner or root.
 * Blocks: for the pool only. */
int mafsd_policy_setxattr(struct mafsd *d, const struct mafsd_caller *caller,
			  uint64_t nodeid, const void *value, size_t len,
			  int flags);

/* ---- files ---- */

/**
 * struct mafsd_open - one open of a regular file
 */
struct mafsd_open {
	struct mafsd_file *file;
	int flags; /* of open(2) */
	bool passthrough; /* M, D or X */
	bool direct_io; /* C or X */
	bool keep_cache; /* K */
	int backing_id; /* with passthrough */
	uint64_t error_seq; /* write-back errors before it are not its own */
};

int mafsd_open(struct mafsd *d, const struct mafsd_caller *caller,
	       uint64_t nodeid, int flags, bool may_block,
	       struct mafsd_open **ret);
int mafsd_create(struct mafsd *d, const struct mafsd_caller *caller,
		 uint64_t parent, const char *name, mode_t mode, int flags,
		 struct mafsd_entry *ret_entry, struct mafsd_open **ret);
int mafsd_tmpfile(struct mafsd *d, const struct mafsd_caller *caller,
		  uint64_t parent, mode_t mode, int flags,
		  struct mafsd_entry *ret_entry, struct mafsd_open **ret);
void mafsd_release(struct mafsd *d, struct mafsd_open *open);

ssize_t mafsd_read(struct mafsd *d, struct mafsd_open *open, void *bytes,
		   size_t len, uint64_t offset);
/* @flags: of the write; O_SYNC and O_DSYNC count, O_APPEND too.
 * @from_cache: page write-back, the caller is nobody. */
ssize_t mafsd_write(struct mafsd *d, const struct mafsd_caller *caller,
		    struct mafsd_open *open, const void *bytes, size_t len,
		    uint64_t offset, int flags, bool from_cache,
		    bool may_block);
/* The error of a failed write-back, once for each open. */
int mafsd_flush(struct mafsd *d, struct mafsd_open *open);
/* Blocks: for the pool only. */
int mafsd_fsync(struct mafsd *d, struct mafsd_open *open, bool data_only);
int mafsd_fallocate(struct mafsd *d, const struct mafsd_caller *caller,
		    struct mafsd_open *open, int mode, uint64_t offset,
		    uint64_t len, bool may_block);
off_t mafsd_lseek(struct mafsd *d, struct mafsd_open *open, off_t offset,
		  int whence);
/* Blocks: for the pool only. */
ssize_t mafsd_copy_file_range(struct mafsd *d,
			      const struct mafsd_caller *caller,
			      struct mafsd_open *in, uint64_t offset_in,
			      struct mafsd_open *out, uint64_t offset_out,
			      size_t len);

/* ---- life ---- */

/**
 * mafsd_start() - open the volume, recover what an earlier daemon left
 *
 * Before the mount. Threads are started by mafsd_run(), after any fork.
 */
int mafsd_start(const struct mafsd_options *options, struct mafsd **ret,
		struct mafs_fault *fault);
/* The kernel is connected: what can pass through is tried out. */
void mafsd_connect(struct mafsd *d, const struct mafsd_kernel_ops *kernel,
		   void *context);
/* The kernel is gone, and with it what it kept open for us. */
void mafsd_disconnect(struct mafsd *d);
int mafsd_run(struct mafsd *d, struct mafs_fault *fault);
/**
 * mafsd_stop() - write everything back and end the session
 *
 * Return: 0: ended clean, memory given back; or the first error: the session
 * stays open and the memory stays where it is.
 */
int mafsd_stop(struct mafsd *d, struct mafs_fault *fault);
void mafsd_free(struct mafsd *d);

/* Runs @work(@argument) on the worker pool. Return: 0, -ENOMEM. */
int mafsd_pool_submit(struct mafsd *d, void (*work)(void *argument),
		      void *argument);
