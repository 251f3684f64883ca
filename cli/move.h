/* SPDX-License-Identifier: Apache-2.0 */
/* push, pull, evict: files between memory and disk. */
#pragma once

#include "cli.h"

/**
 * struct mafs_move - what makes the one differ from the others
 * @done: "pushed 3 files"
 */
struct mafs_move {
	const struct mafs_command *command;
	const char *url;
	const char *done;
};

/* Moves each path of the command line. Return: an exit code. */
int mafs_move_run(const struct mafs_move *move, int argc, char **argv);
