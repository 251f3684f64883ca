/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A tiered volume and who holds it (lib/volume): N/.mafs/volume.yaml,
 * N/.mafs/session, the runtime directory.
 *
 *	N/.mafs/volume.yaml	uuid, settings
 *	N/.mafs/session		who holds it, or held it last
 *	N/.mafs/lock		locked while mounted; never replaced
 *	RUN/<uuid>/		0700: lock, pid, mount.json; memory/ and
 *				control.sock are the daemon's
 *
 * RUN is /run/mafs for root, else $XDG_RUNTIME_DIR/mafs (else
 * /tmp/mafs-<uid>, 0700 and owned by the user).
 */
#pragma once

#include <mafs/fault.h>
#include <mafs/identity.h>
#include <mafs/uuid.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define MAFS_VOLUME_DIR ".mafs" /* below N, never seen in the mount */

/**
 * struct mafs_session - what N/.mafs/session says
 */
struct mafs_session {
	char host[256];
	struct mafs_uuid boot_id;
	pid_t pid;
	char runtime_dir[4096];
	char mountpoint[4096];
	struct mafs_uuid memory_uuid;
	struct mafs_handle root; /* N's root */
	uint64_t root_ino;
	struct mafs_uuid fs_id;
	uint64_t number; /* of this session, from 1 */
	bool open; /* false: ended clean */
};

/**
 * struct mafs_volume - an opened and locked volume
 */
struct mafs_volume {
	struct mafs_uuid uuid;
	char *source; /* absolute path of N as given */
	int n_fd; /* N: a clone of its mount as root, else a plain descriptor */
	int dot_fd; /* N/.mafs */
	int session_fd; /* N/.mafs/lock, holds the lock */
	struct mafs_session previous; /* as it was found; number 0: none */
	struct mafs_session session; /* ours */
	char *runtime_dir; /* RUN/<uuid> */
	char *memory_path; /* of the tmpfs */
	bool fs_id_weak;
};

/**
 * mafs_volume_open() - adopt a directory or come back to it, and lock it
 * @source: the directory
 * @mountpoint: recorded for others to see
 *
 * Makes N/.mafs (0700) with volume.yaml where there is none. When the session
 * names another root handle or file-system id than N has, the tree was
 * copied: it gets a new uuid and the memory of the old one is not touched. A
 * dead mount of ours over @source is the caller's to detach first.
 *
 * @read_only: nothing in N is made or changed. The lock is a shared one, and
 * dot_fd and session_fd are -1 when N was never adopted.
 *
 * volume->session is filled in, open, with the next number, but not stored;
 * its memory_uuid is the caller's to set, and its pid when it forks.
 * RUN/<uuid>/memory is made where memory will be a mount.
 *
 * Return: 0; -EBUSY: held, the fault names pid and host; -ENOENT, -ENOTDIR,
 * -EACCES, -EROFS with the fault saying which directory; -EUCLEAN:
 * volume.yaml or session unreadable.
 */
int mafs_volume_open(const char *source, const char *mountpoint, bool read_only,
		     struct mafs_volume **ret, struct mafs_fault *fault);
/* Stores volume->session, atomically and durably (not when read-only). While
 * it is open, RUN/<uuid>/pid and mount.json tell the same, else they go. */
int mafs_volume_session_store(struct mafs_volume *volume,
			      struct mafs_fault *fault);
/* The session's memory was given up: nobody is to look for it. N's session stays
 * open, so that the next one settles what is left as after a power cut. */
void mafs_volume_memory_given_up(struct mafs_volume *volume);
/**
 * mafs_volume_settings() - what volume.yaml says beside the uuid
 * @visit: other than 0 ends it, and is returned
 *
 * Return: 0, -EUCLEAN, -errno.
 */
int mafs_volume_settings(struct mafs_volume *volume,
			 int (*visit)(void *context, const char *name,
				      const char *value),
			 void *context, struct mafs_fault *fault);
/* Stores one, atomically and durably; NULL takes it away.
 * Return: 0, -EROFS, -EUCLEAN, -errno. */
int mafs_volume_setting_store(struct mafs_volume *volume, const char *name,
			      const char *value, struct mafs_fault *fault);
/* Releases the locks; stores nothing. Removes RUN/<uuid> when the session was
 * stored as ended, or its memory given up, and neither memory nor control.sock is left in it. */
void mafs_volume_close(struct mafs_volume *volume);

/**
 * struct mafs_volume_ref - a volume found by name, neither locked nor changed
 * @n_fd: N, also when a mount covers it; -1 when it could not be had
 */
struct mafs_volume_ref {
	struct mafs_uuid uuid;
	char *source; /* N's path; owned */
	char *mountpoint; /* NULL when neither mounted nor served; owned */
	char *runtime_dir; /* owned */
	char *memory_path; /* owned; may not exist */
	char *control_path; /* owned */
	pid_t pid; /* of the daemon, by its lock; 0: no daemon */
	bool mounted; /* the kernel has the mount (perhaps dead) */
	bool is_memory; /* a memory volume: a device, no directory */
	int n_fd;
	struct mafs_uuid fs_id;
};

/**
 * mafs_volume_find() - the volume that a person means
 * @what: a directory N, a mount point or anything below it, or a volume UUID
 *
 * Never blocks on a dead mount: mount points are looked up in
 * /proc/self/mountinfo before anything is stat'ed.
 *
 * Return: 0; -ENOENT: not a volume, the fault says what to do; -errno.
 */
int mafs_volume_find(const char *what, struct mafs_volume_ref *ret,
		     struct mafs_fault *fault);
void mafs_volume_ref_done(struct mafs_volume_ref *ref);

/* Every volume that has a session here, mounted or left behind by a dead
 * daemon; N itself is not touched, n_fd is -1. Of a memory volume nothing is
 * left behind but a dead mount.
 * *ret: array owned by the caller, each to be done with
 * mafs_volume_ref_done(). */
int mafs_volume_list(struct mafs_volume_ref **ret, size_t *ret_n,
		     struct mafs_fault *fault);

/* ---- memory volumes ---- */

struct mafs_memory_session;

/**
 * mafs_memory_session_open() - RUN/<uuid> of a memory volume to be mounted
 * @uuid: of the volume; a client's own where the master may be on this host
 * @source: spec of the primary device; borrowed until the close
 *
 * Return: 0; -EBUSY: it is mounted here; -errno.
 */
int mafs_memory_session_open(const struct mafs_uuid *uuid, const char *source,
			     const char *mountpoint,
			     struct mafs_memory_session **ret,
			     struct mafs_fault *fault);
/* For other programs to see; in the process that serves. */
int mafs_memory_session_publish(struct mafs_memory_session *session, pid_t pid,
				struct mafs_fault *fault);
/* RUN/<uuid>, borrowed. */
const char *mafs_memory_session_dir(const struct mafs_memory_session *session);
/* Removes it. NULL is fine. */
void mafs_memory_session_close(struct mafs_memory_session *session);

/* RUN, made when it is missing. @ret: PATH_MAX bytes. */
int mafs_runtime_root(char *ret, size_t len, struct mafs_fault *fault);
