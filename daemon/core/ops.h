/* SPDX-License-Identifier: Apache-2.0 */
/* The file operations of a tiered volume; see fs.h. */
#pragma once

#include "core.h"

/* What daemon/fuse calls them by. */
extern const struct mafsd_fs_ops mafsd_tiered_ops;

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

/* That one alone is set, or (without @value) removed; by the owner or root.
 * Blocks: for the pool only. */
int mafsd_policy_setxattr(struct mafsd *d, const struct mafsd_caller *caller,
			  uint64_t nodeid, const void *value, size_t len,
			  int flags);

/* ---- files ---- */

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
