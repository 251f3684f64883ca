// SPDX-License-Identifier: Apache-2.0
/* mafs pull: bring files into memory before they are needed. */
#include "move.h"

static int run(int argc, char **argv)
{
	static const struct mafs_move move = {
		.command = &mafs_command_pull,
		.url = "/v1/admin/pull",
		.done = "pulled",
	};

	return mafs_move_run(&move, argc, argv);
}

const struct mafs_command mafs_command_pull = {
	.name = "pull",
	.summary = "bring files into memory before they are needed",
	.help = "usage: mafs pull [--json] PATH...\n"
		"\n"
		"Copies each file into memory. What cannot go there (open, "
		"mapped, no room)\n"
		"stays on the disk; it says so and exits with 1.\n"
		"\n"
		"  PATH    a file, or a directory with all below it, in a mount "
		"or in its source\n"
		"  --json  one object for one PATH, an array for several\n"
		"\n"
		"Example:\n"
		"  mafs pull /mnt/fast/models\n",
	.run = run,
};
