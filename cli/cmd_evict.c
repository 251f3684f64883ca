// SPDX-License-Identifier: Apache-2.0
/* mafs evict: free the memory of what is on the disk as well. */
#include "move.h"

static int run(int argc, char **argv)
{
	static const struct mafs_move move = {
		.command = &mafs_command_evict,
		.url = "/v1/admin/evict",
		.done = "evicted",
	};

	return mafs_move_run(&move, argc, argv);
}

const struct mafs_command mafs_command_evict = {
	.name = "evict",
	.summary = "free the memory of files that are on the disk as well",
	.help = "usage: mafs evict [--json] PATH...\n"
		"\n"
		"Drops each file's copy in memory; nothing is written. What is "
		"dirty, open, mapped\n"
		"or pinned is kept; it says so and exits with 1. mafs push "
		"writes back before.\n"
		"\n"
		"  PATH    a file, or a directory with all below it, in a "
		"mount or in its source\n"
		"  --json  one object for one PATH, an array for several\n"
		"\n"
		"Example:\n"
		"  mafs evict /mnt/fast/datasets\n",
	.run = run,
};
