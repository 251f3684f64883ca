// SPDX-License-Identifier: Apache-2.0
/* mafs push: write back and free the memory. */
#include "move.h"

static int run(int argc, char **argv)
{
	static const struct mafs_move move = {
		.command = &mafs_command_push,
		.url = "/v1/admin/push",
		.done = "pushed",
	};

	return mafs_move_run(&move, argc, argv);
}

const struct mafs_command mafs_command_push = {
	.name = "push",
	.summary = "write files back and free the memory they take",
	.help = "usage: mafs push [--json] PATH...\n"
		"\n"
		"Writes each file back and then drops its copy in memory. What "
		"is open or mapped\n"
		"is written back and kept; it says so and exits with 1.\n"
		"\n"
		"  PATH    a file, or a directory with all below it, in a mount "
		"or in its source\n"
		"  --json  one object for one PATH, an array for several\n"
		"\n"
		"Example:\n"
		"  mafs push /mnt/fast/old-project\n",
	.run = run,
};
