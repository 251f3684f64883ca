/* SPDX-License-Identifier: Apache-2.0 */
/* The FUSE session: made, mounted, served, ended. Called by main.c. */
#pragma once

#include "options.h"

struct mafsd_fs;
struct mafsd_fuse;

/* Before any thread: the signals that end the daemon are kept for
 * mafsd_session_serve(). */
void mafsd_signals_begin(void);

/**
 * mafsd_session_mount() - make a session for @fs and mount it
 * @line: borrowed for the call
 *
 * Return: 0; -errno, the fault saying what libfuse said.
 */
int mafsd_session_mount(struct mafsd_fs *fs,
			const struct mafsd_command_line *line,
			struct mafsd_fuse **ret, struct mafs_fault *fault);
/* Serves until it is unmounted or a signal comes. Blocks.
 * Return: 0, or -errno of the connection. */
int mafsd_session_serve(struct mafsd_fuse *fuse);
/* Answers what is pending, unmounts, and cuts the core off from the kernel. */
void mafsd_session_unmount(struct mafsd_fuse *fuse);
/* After the core has stopped. NULL is fine. */
void mafsd_session_free(struct mafsd_fuse *fuse);
/* Waits in a thread until the mount answers. */
int mafsd_session_wait_ready(struct mafsd_fuse *fuse, const char *mountpoint);
