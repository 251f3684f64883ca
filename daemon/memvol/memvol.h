/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A memory volume that is served: names in a table that the log rebuilds, bytes
 * in extents of the pool. Shared by the files of daemon/memvol.
 *
 * Locks, in this order: inode->sync_lock, m->swap (clients), inode->io, then
 * m->lock; the log's and the pool's own come below. m->lock is held over "hand
 * entries to the log, change the table", never over a wait for the log, so that
 * those who come meanwhile share its next batch.
 *
 * Node ids are the log's inode ids, which are never given twice.
 */
#pragma once

#include "life.h"

#include <fcntl.h>
#include <mafs/cleanup.h>
#include <mafs/diag.h>
#include <mafs/log.h>
#include <mafs/memory_volume.h>
#include <mafs/names.h>
#include <mafs/pool.h>
#include <mafs/volume.h>
#include <pthread.h>

/**
 * struct mafsm_inode - what the kernel knows of a node; node->owner
 *
 * Under m->lock but for what @io guards.
 */
struct mafsm_inode {
	struct mafs_node *node;
	mode_t type; /* S_IFMT of it; never changes */
	uint64_t nlookup;
	unsigned int n_open, n_writers;

	/* stored.c */
	atomic_uint_fast64_t stored; /* what is not flushed yet */
	atomic_uint_fast64_t stored_ns; /* mtime that the log does not know */
	pthread_mutex_t sync_lock; /* one at a time, before all others */

	pthread_rwlock_t io; /* exclusively: what follows, and the size, change */
	bool loaded;
	struct mafs_layout layout; /* of node->map */
	bool ahead; /* extents behind @ahead_start were taken in advance */
	uint64_t ahead_start;
};

/* All but @lock and what says otherwise is set before the threads start. */
struct mafsm {
	struct mafsd_fs fs; /* first */
	struct mafsm_options options;
	struct mafs_memory_volume *volume;
	struct mafs_memory_session *session;
	struct mafs_pool *pool; /* of the volume */
	struct mafs_names *names; /* of the volume; lock */
	struct mafs_log *log; /* NULL: read-only */
	/* Once it answers; set behind @kernel_context. */
	_Atomic(const struct mafsd_kernel_ops *) kernel;
	void *kernel_context;

	pthread_rwlock_t lock;
	uint64_t next_id; /* lock */
	atomic_bool broken; /* the log is, or another master took over */
	atomic_uint_fast64_t n_open;

	/* a client; see follow.c */
	pthread_mutex_t follow_lock;
	pthread_rwlock_t swap;
	int follow_error; /* follow_lock: told last */
	struct mafsm_note *first_note, **last_note; /* tend_lock */
	atomic_uint_fast64_t followed_epoch;

	pthread_mutex_t checkpoint_lock; /* one at a time; others wait for it */
	pthread_t huge_thread;
	bool huge_running;
	pthread_t tender;
	bool tender_running;
	uint64_t last_seq; /* the tender's */
	unsigned int n_idle_ticks; /* the tender's */
	pthread_mutex_t tend_lock;
	pthread_cond_t tend_wake; /* tend_lock */
	bool stopping; /* tend_lock */
};

static inline struct mafsm *mafsm_of(struct mafsd_fs *fs)
{
	return (struct mafsm *)fs;
}

static inline void mafsm_rwlock_unlockp(pthread_rwlock_t **lock)
{
	pthread_rwlock_unlock(*lock);
}

#define mafsm_locked(lockp, how)                                \
	_cleanup_(mafsm_rwlock_unlockp) __attribute__((unused)) \
	pthread_rwlock_t *                                      \
	MAFS_CONCAT(locked_, __LINE__) =                        \
		(pthread_rwlock_##how##lock(lockp), (lockp))
/* To the end of the scope. */
#define mafsm_read(lockp) mafsm_locked(lockp, rd)
#define mafsm_change(lockp) mafsm_locked(lockp, wr)

/* ---- commit.c: log and table ---- */

/**
 * mafsm_commit() - hand entries to the log and change the table
 * @ret_ticket: for mafsm_wait(), once m->lock is given up
 *
 * Context: m->lock held exclusively. Return: 0; -EROFS, -ENOMEM, -EIO; nothing
 * changed then.
 */
int mafsm_commit(struct mafsm *m, struct mafs_entry *entries, size_t n,
		 uint64_t *ret_ticket);
/* Is somebody else the master now? Then not a byte more of ours is stored. */
bool mafsm_is_fenced(struct mafsm *m);
/* Until it is flushed, and until the log is not overdue for a checkpoint;
 * -EIO: the log is broken for good. Neither m->lock nor those below are held. */
int mafsm_wait(struct mafsm *m, uint64_t ticket);
/* May names and attributes be added to? -ENOSPC when what is left is for
 * the log. */
int mafsm_room_for_names(struct mafsm *m);
struct timespec mafsm_now(void);

/* ---- inode.c ---- */

/* Borrowed while the kernel knows it. Context: m->lock held. Return: NULL. */
struct mafs_node *mafsm_node(struct mafsm *m, uint64_t nodeid);
/* Counts a lookup and fills in what the kernel is told. Context: m->lock held
 * exclusively. Return: 0, -ENOMEM. */
int mafsm_entry(struct mafsm *m, struct mafs_node *node,
		struct mafsd_entry *ret);
void mafsm_forget(struct mafsd_fs *fs, uint64_t nodeid, uint64_t n);
/* Gives the bytes of a node that goes back. Context: m->lock held. */
void mafsm_node_gone(struct mafsm *m, struct mafs_node *node);
/* The inode that an open or a request names; NULL: not known. */
struct mafsm_inode *mafsm_inode(struct mafsm *m, uint64_t nodeid);
/* The layout is there. Context: inode->io held exclusively. */
int mafsm_load(struct mafsm *m, struct mafsm_inode *inode);

/* ---- acl.c: what a file system does about POSIX ACLs ---- */

#define MAFSM_ACL_ACCESS "system.posix_acl_access"
#define MAFSM_ACL_DEFAULT "system.posix_acl_default"

/**
 * mafsm_acl_inherit() - what a new object gets from a default ACL
 * @acl: of the directory, as its xattr; a copy that is changed into the
 *	object's access ACL
 * @mode: what was asked for; becomes what it gets
 *
 * Return: 1: the object has an access ACL; 0: the mode says it all; -EINVAL.
 */
int mafsm_acl_inherit(void *acl, size_t len, mode_t *mode);
/* chmod of an object with an access ACL. Return: 0, -EINVAL. */
int mafsm_acl_chmod(void *acl, size_t len, mode_t mode);
/* The mode that an access ACL makes. Return: 1: it is kept; 0: the mode says it
 * all; -EINVAL. */
int mafsm_acl_mode(const void *acl, size_t len, mode_t *mode);

/* ---- data.c ---- */

/* Takes extents for the holes of [start, end). What is new and lies before the
 * end of the file is zeroed. Context: inode->io held exclusively. */
int mafsm_fill(struct mafsm *m, struct mafsm_inode *inode, uint64_t start,
	       uint64_t end, struct mafs_layout *ret_added);
/* The log was not told: @added is free again. Context: as mafsm_fill(). */
void mafsm_take_back(struct mafsm *m, struct mafsm_inode *inode,
		     const struct mafs_layout *added);
/* Zeroes and flushes; holes stay. Context: as mafsm_fill(). */
int mafsm_zero(struct mafsm *m, struct mafsm_inode *inode, uint64_t start,
	       uint64_t end);

/* Tells the log of inode->layout and the size. @quiet: times stay. Context:
 * inode->io held exclusively. Return: 0, -errno: nothing changed but the
 * layout. */
int mafsm_log_layout(struct mafsm *m, struct mafsm_inode *inode, uint64_t size,
		     bool quiet);
/* Gives back the whole units of [start, end), and tells the log, of @size too.
 * Context: inode->io held exclusively. */
int mafsm_cut(struct mafsm *m, struct mafsm_inode *inode, uint64_t start,
	      uint64_t end, uint64_t size, bool quiet);
int mafsm_log_size(struct mafsm *m, struct mafsm_inode *inode, uint64_t size);
/* Changes the size. Context: inode->io held exclusively. */
int mafsm_resize(struct mafsm *m, struct mafsm_inode *inode, uint64_t size);
/* What was taken in advance and not used goes. Context: as mafsm_cut(). */
void mafsm_trim(struct mafsm *m, struct mafsm_inode *inode);

/* ---- stored.c: stores within a file, which the log is told of later ---- */

/* Stored was [start, end), just now. No lock wanted. */
void mafsm_note_store(struct mafsm_inode *inode, uint64_t start, uint64_t end);
/* The log has a newer mtime. Context: m->lock held exclusively. */
void mafsm_forget_time(struct mafs_node *node);
/* Is there something for mafsm_sync_inode() to do? */
bool mafsm_has_stored(const struct mafsm_inode *inode);
/* All that was stored is persistent, and logged times are the shown ones. No
 * lock held. */
int mafsm_sync_inode(struct mafsm *m, struct mafsm_inode *inode);
/* What stat(2) says. Context: m->lock held. */
void mafsm_stat(const struct mafs_node *node, struct stat *ret);

/* ---- attr.c ---- */

/* The kernel is to ask again: it does not know that they changed. */
void mafsm_attr_changed(struct mafsm *m, uint64_t id);
/* What a write by @caller takes away: setuid, setgid, capabilities. No lock
 * held. */
int mafsm_strip(struct mafsm *m, const struct mafsd_caller *caller,
		struct mafs_node *node);

/* With inode->io held shared and the layout there. Return: 0, -errno. */
int mafsm_read_begin(struct mafsm *m, struct mafsm_inode *inode);
/* Context: inode->io held. Return: bytes, 0 at the end, -EIO. */
ssize_t mafsm_read_locked(struct mafsm *m, struct mafsm_inode *inode,
			  void *bytes, size_t len, uint64_t offset);

/* ---- follow.c: a client ---- */

int mafsm_follow_start(struct mafsm *m);
/* All that the log says by now. No lock held. */
int mafsm_follow(struct mafsm *m);
ssize_t mafsm_client_read(struct mafsm *m, struct mafsm_inode *inode,
			  void *bytes, size_t len, uint64_t offset);

/* ---- note.c: what a client's kernel is to forget ---- */

/* Of one entry that was applied; of a node as a table has it. The names and
 * nodes stay meanwhile. */
void mafsm_note_entry(struct mafsm *m, const struct mafs_entry *entry);
int mafsm_note_node(void *m, struct mafs_node *node);
/* No lock held. */
void mafsm_send_notes(struct mafsm *m);

/* ---- admin.c ---- */

/* No lock held. */
void mafsm_usage(struct mafsm *m, struct mafs_pool_usage *ret);

/* ---- huge.c ---- */

/* mafsm_tend_stop() ends it. */
int mafsm_huge_start(struct mafsm *m);

/* ---- tend.c ---- */

/* A checkpoint, unless @is_due says that somebody else made it meanwhile.
 * Context: as mafsm_wait(). */
void mafsm_checkpoint(struct mafsm *m, bool (*is_due)(struct mafs_log *log));

int mafsm_tend_start(struct mafsm *m);
void mafsm_tend_stop(struct mafsm *m);
/* @ms long, or until there is something to do. No lock held. Return: is it the
 * end? */
bool mafsm_pause(struct mafsm *m, unsigned int ms);

/* ---- the operations, by file; see fs.h ---- */

/* lookup.c */
int mafsm_lookup(struct mafsd_fs *fs, uint64_t parent, const char *name,
		 struct mafsd_entry *ret);
int mafsm_readlink(struct mafsd_fs *fs, uint64_t nodeid, char *ret, size_t len);
int mafsm_opendir(struct mafsd_fs *fs, uint64_t nodeid, struct mafsd_dir **ret);
void mafsm_closedir(struct mafsd_fs *fs, struct mafsd_dir *dir);
int mafsm_readdir(struct mafsd_fs *fs, struct mafsd_dir *dir, off_t offset,
		  const char **ret_name, struct stat *ret_st, off_t *ret_next);
int mafsm_fsyncdir(struct mafsd_fs *fs, struct mafsd_dir *dir, bool data_only);
/* make.c */
int mafsm_mknod(struct mafsd_fs *fs, const struct mafsd_caller *caller,
		uint64_t parent, const char *name, mode_t mode, dev_t rdev,
		struct mafsd_entry *ret);
int mafsm_mkdir(struct mafsd_fs *fs, const struct mafsd_caller *caller,
		uint64_t parent, const char *name, mode_t mode,
		struct mafsd_entry *ret);
int mafsm_symlink(struct mafsd_fs *fs, const struct mafsd_caller *caller,
		  const char *target, uint64_t parent, const char *name,
		  struct mafsd_entry *ret);
int mafsm_link(struct mafsd_fs *fs, uint64_t nodeid, uint64_t parent,
	       const char *name, struct mafsd_entry *ret);
/* @name: NULL: without one */
int mafsm_make(struct mafsm *m, const struct mafsd_caller *caller,
	       uint64_t parent, const char *name, mode_t mode, dev_t rdev,
	       const char *target, struct mafsd_entry *ret);
/* remove.c */
int mafsm_unlink(struct mafsd_fs *fs, uint64_t parent, const char *name);
int mafsm_rmdir(struct mafsd_fs *fs, uint64_t parent, const char *name);
int mafsm_rename(struct mafsd_fs *fs, uint64_t parent, const char *name,
		 uint64_t new_parent, const char *new_name, unsigned int flags,
		 bool may_block);
/* attr.c */
int mafsm_getattr(struct mafsd_fs *fs, uint64_t nodeid, struct stat *ret,
		  bool *ret_volatile);
int mafsm_setattr(struct mafsd_fs *fs, const struct mafsd_caller *caller,
		  uint64_t nodeid, const struct stat *attr, int set,
		  bool may_block, struct stat *ret, bool *ret_volatile);
int mafsm_statfs(struct mafsd_fs *fs, struct statvfs *ret);
/* xattr.c */
ssize_t mafsm_getxattr(struct mafsd_fs *fs, uint64_t nodeid, const char *name,
		       void *value, size_t len);
ssize_t mafsm_listxattr(struct mafsd_fs *fs, const struct mafsd_caller *caller,
			uint64_t nodeid, char *list, size_t len);
int mafsm_setxattr(struct mafsd_fs *fs, const struct mafsd_caller *caller,
		   const gid_t *groups, size_t n_groups, uint64_t nodeid,
		   const char *name, const void *value, size_t len, int flags);
int mafsm_removexattr(struct mafsd_fs *fs, uint64_t nodeid, const char *name);
int mafsm_set_policy(struct mafsd_fs *fs, const struct mafsd_caller *caller,
		     uint64_t nodeid, const void *value, size_t len, int flags);
/* open.c */
int mafsm_open(struct mafsd_fs *fs, const struct mafsd_caller *caller,
	       uint64_t nodeid, int flags, bool may_block,
	       struct mafsd_open **ret);
int mafsm_create(struct mafsd_fs *fs, const struct mafsd_caller *caller,
		 uint64_t parent, const char *name, mode_t mode, int flags,
		 struct mafsd_entry *ret_entry, struct mafsd_open **ret);
int mafsm_tmpfile(struct mafsd_fs *fs, const struct mafsd_caller *caller,
		  uint64_t parent, mode_t mode, int flags,
		  struct mafsd_entry *ret_entry, struct mafsd_open **ret);
void mafsm_release(struct mafsd_fs *fs, struct mafsd_open *open);
int mafsm_flush(struct mafsd_fs *fs, struct mafsd_open *open);
int mafsm_fsync(struct mafsd_fs *fs, struct mafsd_open *open, bool data_only);
/* data.c */
ssize_t mafsm_read_bytes(struct mafsd_fs *fs, struct mafsd_open *open,
			 void *bytes, size_t len, uint64_t offset);
ssize_t mafsm_write_bytes(struct mafsd_fs *fs,
			  const struct mafsd_caller *caller,
			  struct mafsd_open *open, const void *bytes,
			  size_t len, uint64_t offset, int flags,
			  bool from_cache, bool may_block);
/* allocate.c */
ssize_t mafsm_copy_file_range(struct mafsd_fs *fs,
			      const struct mafsd_caller *caller,
			      struct mafsd_open *in, uint64_t offset_in,
			      struct mafsd_open *out, uint64_t offset_out,
			      size_t len);
int mafsm_fallocate(struct mafsd_fs *fs, const struct mafsd_caller *caller,
		    struct mafsd_open *open, int mode, uint64_t offset,
		    uint64_t len, bool may_block);
off_t mafsm_lseek(struct mafsd_fs *fs, struct mafsd_open *open, off_t offset,
		  int whence);

/**
 * struct mafsm_open - one open of a regular file
 */
struct mafsm_open {
	struct mafsd_open open; /* first */
	struct mafsm_inode *inode;
};

static inline struct mafsm_inode *mafsm_opened(struct mafsd_open *open)
{
	return ((struct mafsm_open *)open)->inode;
}
