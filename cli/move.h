/* SPDX-License-Identifier: Apache-2.0 */
/* push and pull: files between memory and disk. */
#pragma once

#include "cli.h"
#include "progress.h"

/**
 * struct mafs_move - what makes the one differ from the other
 * @done: "pushed 3 files"
 */
struct mafs_move {
	const struct mafs_command *command;
	const char *url;
	const char *done;
	mafs_progress_fn *progress;
};

/* Moves each path of the command line. Return: an exit code. */
int mafs_move_run(const struct mafs_move *move, int argc, char **argv);
