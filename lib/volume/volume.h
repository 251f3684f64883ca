/* SPDX-License-Identifier: Apache-2.0 */
/* Private to lib/volume: what its files share. */
#pragma once

#include "record.h"

#include <limits.h>
#include <mafs/cleanup.h>
#include <mafs/mounts.h>
#include <mafs/platform.h>
#include <mafs/volume.h>

#define VOLUME_FILE "volume.yaml"
#define SESSION_FILE "session"
#define LOCK_FILE "lock"
#define MOUNT_FILE "mount.json"
#define PID_FILE "pid"
#define CONTROL_FILE "control.sock"
#define MEMORY_NAME "memory"
#define FUSE_TYPE "fuse.mafs"

/* ---- volume.c, adopt.c ---- */

/**
 * struct runtime - a runtime directory in use
 * @fd: the directory
 * @lock_fd: the lock of the daemon that uses it
 */
struct runtime {
	int fd;
	int lock_fd;
};

/**
 * struct opened - what stands around the volume that a caller sees
 * @dot_path: of N/.mafs, for faults
 */
struct opened {
	struct mafs_volume volume;
	struct runtime runtime;
	char *dot_path; /* owned */
	bool read_only;
};

static inline struct opened *opened_of(struct mafs_volume *volume)
{
	return mafs_container_of(volume, struct opened, volume);
}

/* N by its path: a clone of its mount where that is allowed. */
int namespace_open(const char *source);
/* Sets volume.uuid and volume.previous; stores a uuid that is new.
 * volume.session says who N is. */
int opened_decide_uuid(struct opened *opened, struct mafs_fault *fault);
/* The name of a directory that could not be given one. */
void derive_uuid(const struct mafs_session *root, struct mafs_uuid *ret);

/* ---- session.c ---- */

/* @path: of the directory, for the fault. Return: 0, -ENOENT, -EUCLEAN. */
int session_load(int dot_fd, const char *path, struct mafs_session *ret,
		 struct mafs_fault *fault);
int session_store(int dot_fd, const char *path,
		  const struct mafs_session *session, struct mafs_fault *fault);
/* Was it of the same directory, not of one that this is a copy of? */
bool session_same_root(const struct mafs_session *a,
		       const struct mafs_session *b);
/* Fields root_handle, root_ino, fs_id: the directory that is meant. */
int root_to_record(const struct mafs_session *session, struct record *record);
int root_from_record(const struct record *record, struct mafs_session *session);
/* Who N is now: root, root_ino, fs_id. */
int session_root_of(int n_fd, struct mafs_session *session, bool *ret_weak);

/* ---- runtime.c ---- */

void runtime_done(struct runtime *runtime);
/* RUN/<uuid>, made 0700 when it is missing, and locked.
 * Return: 0, -EBUSY (a daemon has it), -errno. */
int runtime_open(const char *path, struct runtime *ret,
		 struct mafs_fault *fault);
/* Writes pid and mount.json. */
int runtime_publish(const struct runtime *runtime,
		    const struct mafs_volume *volume, struct mafs_fault *fault);
/* Removes both. */
void runtime_withdraw(const struct runtime *runtime);
/* Removes the directory when nothing is left in it that is worth keeping. */
void runtime_remove(const struct runtime *runtime, const char *path);
/* Is a daemon using the directory? */
bool runtime_is_used(int run_fd);
/* RUN/<uuid> */
int runtime_path(const struct mafs_uuid *uuid, char ret[static PATH_MAX],
		 struct mafs_fault *fault);
/* Where the memory of a volume is. @runtime_dir: its own. */
int memory_path_of(const struct mafs_uuid *uuid, const char *runtime_dir,
		   char ret[static PATH_MAX]);

/* ---- resolve.c ---- */

/**
 * resolve() - make a path absolute and free of symbolic links
 * @ret_mount: the mafs mount in which the path ended; NULL: in none
 *
 * Stops at the first mafs mount, before it is entered: a dead daemon's mount
 * gives an error, a hanging one hangs. What lies below it is not in *ret.
 */
int resolve(const char *what, const struct mafs_mounts *mounts,
	    char ret[static PATH_MAX], const struct mafs_mount **ret_mount);
/* Opens a directory by its resolved path, going round a mafs mount that covers
 * it. Return: descriptor, or -ENXIO when there is no way round. */
int open_covered(const char *path, const struct mafs_mounts *mounts);
bool is_mafs_mount(const struct mafs_mount *mount);

/* ---- ref.c ---- */

/**
 * ref_from_runtime() - everything that a runtime directory tells
 * @runtime_dir: RUN/<uuid>
 * @ret: n_fd is -1
 *
 * Return: 0, -ENOENT (no open or left-behind session there), -errno.
 */
int ref_from_runtime(const char *runtime_dir, const struct mafs_mounts *mounts,
		     struct mafs_volume_ref *ret);
/* Of a volume that has no session, from its name and place alone. */
int ref_from_source(const struct mafs_uuid *uuid, const char *source,
		    const char *runtime_dir, struct mafs_volume_ref *ret);
/* Calls @visit with every RUN/<uuid>, until one returns other than 0. */
int runtime_each(int (*visit)(void *context, const char *runtime_dir),
		 void *context, struct mafs_fault *fault);
