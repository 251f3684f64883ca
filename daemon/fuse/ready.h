/* SPDX-License-Identifier: Apache-2.0 */
/* Into the background, and telling whoever started us: ready.c. */
#pragma once

#include <mafs/fault.h>
#include <stdbool.h>

/**
 * struct mafsd_ready - where it is told that the mount answers, or what is
 * wrong
 * @fd: -1: on standard error
 */
struct mafsd_ready {
	int fd;
	bool background;
};

/* Leaves the foreground: the process that was started ends, or without a
 * descriptor of its own stays until the mount answers. No threads yet.
 * Return: 0 in the daemon, -errno. */
int mafsd_ready_fork(struct mafsd_ready *ready, struct mafs_fault *fault);
/* Nothing is left to be said on the terminal. */
void mafsd_ready_detach(const struct mafsd_ready *ready);
/* "ready", and the descriptor is closed. */
void mafsd_ready_tell(struct mafsd_ready *ready);
void mafsd_ready_fail(struct mafsd_ready *ready,
		      const struct mafs_fault *fault);
