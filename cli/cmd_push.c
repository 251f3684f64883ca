// SPDX-License-Identifier: Apache-2.0
/* mafs push: write back and free the memory. */
#include "client.h"
#include "move.h"

#include <inttypes.h>
#include <stdio.h>

static void progress(const json_t *before, const json_t *now, char *ret,
		     size_t len)
{
	uint64_t n = mafs_client_count(now, "n_evicted") -
		     mafs_client_count(before, "n_evicted");
	char left[128];

	mafs_progress_left(now, left, sizeof(left));
	(void)snprintf(ret, len, "%" PRIu64 " pushed; to write back: %s", n,
		       left);
}

static int run(int argc, char **argv)
{
	static const struct mafs_move move = {
		.command = &mafs_command_push,
		.url = "/v1/push",
		.done = "pushed",
		.progress = progress,
	};

	return mafs_move_run(&move, argc, argv);
}

const struct mafs_command mafs_command_push = {
	.name = "push",
	.summary = "write files back and free the memory they take",
	.help = "usage: mafs push PATH...\n"
		"\n"
		"Writes each file back and then drops its copy in memory. What "
		"is open or mapped\n"
		"is written back and kept; it says so and exits with 1.\n"
		"\n"
		"  PATH  a file, or a directory with all below it, in a mount "
		"or in its source\n"
		"\n"
		"Example:\n"
		"  mafs push /mnt/fast/old-project\n",
	.run = run,
};
