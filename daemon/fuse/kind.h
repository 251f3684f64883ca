/* SPDX-License-Identifier: Apache-2.0 */
/* What the daemon serves: a tiered volume, or a memory volume. */
#pragma once

#include "options.h"

struct mafsd_fs;

/**
 * struct mafsd_kind - the life of one; main.c calls in this order
 */
struct mafsd_kind {
	/* Before the fork and the mount. */
	int (*open)(const struct mafsd_command_line *line, void **ret,
		    struct mafs_fault *fault);
	struct mafsd_fs *(*fs)(void *volume);
	/* Threads and the control socket; in the process that stays. */
	int (*run)(void *volume, struct mafs_fault *fault);
	/* After the session: all is brought down. Return: 0, or the first
	 * error, which has been told. */
	int (*stop)(void *volume);
	/* Instead of a mount, run() and stop(). NULL: it cannot. */
	int (*offline)(void *volume);
	/* Without a volume nothing happens. */
	void (*free)(void *volume);
};

extern const struct mafsd_kind mafsd_kind_tiered, mafsd_kind_memory;
