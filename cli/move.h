/* SPDX-License-Identifier: Apache-2.0 */
/* push, pull, evict, pin: files between memory and disk. */
#pragma once

#include "cli.h"

#include <jansson.h>

/**
 * struct mafs_move - what makes the one differ from the others
 * @query: of the URL, encoded; NULL for none
 * @done: "pushed": "pushed 3 files"
 */
struct mafs_move {
	const struct mafs_command *command;
	const char *url;
	const char *query;
	const char *done;
};

/**
 * mafs_move_path() - move one path, and say how it went
 * @results: the answer is added; NULL: it is printed for people
 *
 * Return: an exit code.
 */
int mafs_move_path(const struct mafs_move *move, const char *path,
		   json_t *results);

/* Moves each path of the command line. Return: an exit code. */
int mafs_move_run(const struct mafs_move *move, int argc, char **argv);
