/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The only calls that know the operating system's peculiarities
 * (lib/platform). Facts behind them are measured on Linux 6.18.
 */
#pragma once

#include <mafs/fault.h>
#include <mafs/identity.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

/* ---- file handles and identities ---- */

/**
 * mafs_handle_of() - the file handle of @name below @dirfd
 * @name: "" for @dirfd itself (which may be O_PATH)
 *
 * Symbolic links are not followed. Return: 0; -EOPNOTSUPP: the file system
 * has no handles; -errno.
 */
int mafs_handle_of(int dirfd, const char *name, struct mafs_handle *ret);

/**
 * mafs_handle_open() - open a file by its handle
 * @mount_fd: any descriptor on the same mount (not O_PATH on old kernels)
 * @flags: of open(2)
 *
 * Needs CAP_DAC_READ_SEARCH and root's fsuid. The caller proves that the file
 * lies beneath its namespace directory. Return: descriptor, -ESTALE, -EPERM,
 * -errno.
 */
int mafs_handle_open(int mount_fd, const struct mafs_handle *handle, int flags);

/**
 * mafs_identity_of() - identity and attributes of an open file
 * @fd: may be O_PATH
 * @fs_id: of mafs_fs_id(), copied into the result
 * @ret_st: may be NULL
 *
 * A file system without handles gives a handle of length 0.
 */
int mafs_identity_of(int fd, const struct mafs_uuid *fs_id,
		     struct mafs_identity *ret, struct stat *ret_st);

/**
 * mafs_fs_id() - what names the file system behind @fd
 * @ret_weak: set when only f_fsid could be had (it may change with the mount)
 *
 * FS_IOC_GETFSUUID, else the UUID of the block device (blkid by /dev/disk or
 * ioctl), else statfs's f_fsid.
 */
int mafs_fs_id(int fd, struct mafs_uuid *ret, bool *ret_weak);

/**
 * mafs_fs_keeps_order() - is it known to log changes of names in their order?
 * @fd: of a file or directory, not O_PATH
 *
 * Also that a file's new blocks are in the log once they are written (XFS,
 * ext4 with a journal). Of ext4 only root hears it, from Linux 5.15 on.
 */
bool mafs_fs_keeps_order(int fd);

void mafs_fingerprint_of(const struct stat *st, struct mafs_fingerprint *ret);

/* ---- resolving beneath a directory ---- */

/**
 * mafs_open_beneath() - openat2 that never leaves @dirfd
 *
 * RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV |
 * RESOLVE_NO_MAGICLINKS.
 */
int mafs_open_beneath(int dirfd, const char *path, int flags, mode_t mode);

/**
 * mafs_clone_tree() - a private clone of the mount at a directory
 *
 * open_tree(OPEN_TREE_CLONE), not recursive: what is mounted below is not
 * seen. Return: descriptor; -EPERM without CAP_SYS_ADMIN.
 */
int mafs_clone_tree(const char *path);

/* ---- is a file in use? ---- */

enum mafs_use {
	MAFS_USE_NONE, /* nobody but @fd has it open or mapped */
	MAFS_USE_SOME, /* somebody has, or it cannot be told */
};

/**
 * mafs_lease_take() - take F_WRLCK on @fd: success proves it is in nobody's use
 *
 * The daemon must have no other descriptor than O_PATH ones on that inode and
 * must ignore SIGIO. On overlayfs always "in use": the lease is blind there.
 *
 * Return: MAFS_USE_NONE with the lease held, or MAFS_USE_SOME.
 */
enum mafs_use mafs_lease_take(int fd);
/* Is the lease of mafs_lease_take() still whole? false: somebody waits. */
bool mafs_lease_holds(int fd);
void mafs_lease_drop(int fd);
/* F_RDLCK instead: is it in use for writing? @fd must be read-only. */
enum mafs_use mafs_lease_probe_writers(int fd);

/* ---- locks, boot, host ---- */

/* OFD write lock of the whole file. Return: 0, -EAGAIN (held), -errno. */
int mafs_lock_take(int fd);
/* Read lock: others may have one as well. @fd may be read-only. */
int mafs_lock_take_shared(int fd);
/* Write lock of one byte, which the file need not have. */
int mafs_lock_take_byte(int fd, uint64_t offset);
/* Does another descriptor hold a lock on the file? @fd may be read-only. */
bool mafs_lock_is_held(int fd);

/* /proc/sys/kernel/random/boot_id */
int mafs_boot_id(struct mafs_uuid *ret);
/* /etc/machine-id; where there is none, the boot id. */
int mafs_machine_id(struct mafs_uuid *ret);

/* ---- bounds of the machine ---- */

struct mafs_bounds {
	uint64_t ram_bytes;
	uint64_t available_bytes; /* MemAvailable */
	uint64_t cgroup_bytes; /* tightest limit above us; UINT64_MAX: none */
};

/* Looks at every memory limit above this process (cgroup v1 and v2). */
int mafs_bounds_read(struct mafs_bounds *ret);

/**
 * mafs_pressure_read() - how short memory is
 * @path: /proc/pressure/memory, or memory.pressure of a control group
 * @ret_percent: of the last ten seconds, in which some task waited for memory
 *
 * Return: 0, -ENOENT (the kernel does not tell), -EOPNOTSUPP, -EIO.
 */
int mafs_pressure_read(const char *path, double *ret_percent);

/* ---- acting as a caller (per thread) ---- */

/**
 * mafs_thread_init() - once in each thread that acts for callers
 *
 * unshare(CLONE_FS), so that umask is the thread's own.
 */
int mafs_thread_init(void);

/**
 * mafs_act_as() - take the file-system ids of a caller in this thread
 *
 * CAP_DAC_OVERRIDE and the like, which setfsuid() drops, are raised again:
 * the mount's kernel has decided access already. What remains is ownership of
 * what is created and whose disk reserve is used. Remembered by thread, so
 * that asking twice costs nothing. Without root it does nothing.
 */
void mafs_act_as(uid_t fsuid, gid_t fsgid);
/* Back to the daemon's own ids. */
void mafs_act_as_self(void);

/**
 * struct mafs_who - a user as the kernel sees one
 * @groups: supplementary ones; borrowed
 */
struct mafs_who {
	uid_t uid;
	gid_t gid;
	const gid_t *groups;
	size_t n_groups;
};

/**
 * mafs_open_as() - O_PATH descriptor of what a user can reach
 * @dirfd: @path is relative to it and does not leave it, as for
 *	mafs_open_beneath(); AT_FDCWD: @path is absolute, links are followed
 * @path: "" for @dirfd itself, which may be any file
 * @access: R_OK, W_OK, X_OK that the user has to have on the last
 *
 * The kernel decides, with none of our capabilities: modes, owners and ACLs of
 * the file and of the directories on the way to it. Return: descriptor;
 * -EPERM: only root can ask for others; -EACCES, -ENOENT, -errno.
 */
int mafs_open_as(const struct mafs_who *who, int dirfd, const char *path,
		 int access);

/**
 * mafs_capabilities_limit() - keep only what the daemon needs
 *
 * CAP_SYS_RESOURCE goes, so that N keeps its reserve and quotas.
 */
int mafs_capabilities_limit(void);
bool mafs_have_capability(int capability);
