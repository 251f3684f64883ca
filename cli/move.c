// SPDX-License-Identifier: Apache-2.0
/*
 * What push and pull have in common: finds the volume of each path, asks its
 * daemon, says what moved and what was kept. Called by cmd_push and cmd_pull.
 */
#include "move.h"

#include "client.h"
#include "where.h"

#include <getopt.h>
#include <inttypes.h>
#include <mafs/cleanup.h>
#include <mafs/diag.h>
#include <stdio.h>

static int move_path(const struct mafs_move *move, const char *path)
{
	_cleanup_(mafs_where_done) struct mafs_where where = {
		.volume = { .n_fd = -1 }
	};
	_cleanup_(mafs_json_decrefp) json_t *answer = NULL;
	struct mafs_fault fault = MAFS_FAULT_INIT;
	uint64_t n_moved, n_kept;

	if (mafs_where_find(path, &where, &fault) < 0) {
		mafs_error("%s", fault.what);
		return MAFS_EXIT_FAILURE;
	}
	if (mafs_progress_call(where.volume.control_path, move->url,
			       where.relative, move->progress, &answer,
			       &fault) < 0) {
		mafs_error("%s: %s", path, fault.what);
		return MAFS_EXIT_FAILURE;
	}
	n_moved = mafs_client_count(answer, "n_moved");
	n_kept = mafs_client_count(answer, "n_kept");
	printf("%s: %s %" PRIu64 " file%s", path, move->done, n_moved,
	       n_moved == 1 ? "" : "s");
	if (n_kept == 0) {
		puts("");
		return MAFS_EXIT_OK;
	}
	printf(", kept %" PRIu64 ": %s\n", n_kept,
	       mafs_client_text(answer, "kept_why"));
	return MAFS_EXIT_FAILURE;
}

int mafs_move_run(const struct mafs_move *move, int argc, char **argv)
{
	static const struct option options[] = { { 0 } };
	int code = MAFS_EXIT_OK;

	if (getopt_long(argc, argv, "", options, NULL) != -1)
		return mafs_command_usage(move->command, "unknown option %s",
					  argv[optind - 1]);
	if (optind == argc)
		return mafs_command_usage(move->command,
					  "name a file or directory");
	for (int i = optind; i < argc; i++)
		code |= move_path(move, argv[i]);
	return code;
}
