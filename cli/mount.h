/* SPDX-License-Identifier: Apache-2.0 */
/* What cmd_mount.c puts together: options, checks, start. */
#pragma once

#include <mafs/fault.h>
#include <stdbool.h>

/**
 * struct mafs_mount_request - a mount as it was asked for
 * @source, @mountpoint: absolute, without links once checked; owned
 * @memory: SPEC of --memory; owned, NULL for the default
 * @options: for the daemon, separated by commas; owned, NULL for none
 */
struct mafs_mount_request {
	char *source;
	char *mountpoint;
	char *memory;
	char *options;
	bool read_only;
	bool allow_other;
	bool foreground;
	bool no_systemd;
};

void mafs_mount_request_done(struct mafs_mount_request *request);

/**
 * mafs_mount_options() - take in one -o
 * @text: "ro,noatime,memory=8G"; the last of several contrary words counts
 *
 * Return: 0; -EINVAL: an unknown option or a bad value, the fault names it
 * and what is known; -ENOMEM.
 */
int mafs_mount_options(struct mafs_mount_request *request, const char *text,
		       struct mafs_fault *fault);

/* --memory: "tmpfs:8G", or "8G" for short. */
int mafs_mount_memory(struct mafs_mount_request *request, const char *spec,
		      struct mafs_fault *fault);

/**
 * mafs_mount_check() - all that can be known before a daemon is started
 * @request: its paths become real ones
 *
 * A dead mount of ours at the mount point is detached. Nothing else changes.
 * Return: 0 or -errno, the fault says what to do.
 */
int mafs_mount_check(struct mafs_mount_request *request,
		     struct mafs_fault *fault);

/* Is the source a memory volume's device? */
bool mafs_mount_of_device(const struct mafs_mount_request *request);

/* The parts of mafs_mount_check() that know nothing of the paths. */
int mafs_mount_check_fuse(const struct mafs_mount_request *request,
			  struct mafs_fault *fault);
int mafs_mount_check_memory(const struct mafs_mount_request *request,
			    struct mafs_fault *fault);

/**
 * mafs_mount_start() - start mafs-fused and wait until the mount answers
 *
 * In the foreground this process becomes the daemon and this does not return.
 * Return: 0 or -errno, the fault set by the daemon's own words.
 */
int mafs_mount_start(const struct mafs_mount_request *request,
		     struct mafs_fault *fault);
