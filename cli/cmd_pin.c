// SPDX-License-Identifier: Apache-2.0
/* mafs pin: bring files into memory and keep them there. */
#include "move.h"

static int run(int argc, char **argv)
{
	static const struct mafs_move move = {
		.command = &mafs_command_pin,
		.url = "/v1/admin/pin",
		.done = "pinned; pulled",
	};

	return mafs_move_run(&move, argc, argv);
}

const struct mafs_command mafs_command_pin = {
	.name = "pin",
	.summary = "bring files into memory and keep them there",
	.help = "usage: mafs pin [--json] PATH...\n"
		"\n"
		"Files so marked come to memory, now or when they are closed, "
		"and are never\n"
		"evicted; they are written back as others are. It stays so "
		"over a restart, and\n"
		"counts for what is made in a directory later. Refused if "
		"memory does not hold\n"
		"it all.\n"
		"\n"
		"  PATH    a file, or a directory with all below it, in a "
		"mount or in its source\n"
		"  --json  one object for one PATH, an array for several\n"
		"\n"
		"Example:\n"
		"  mafs pin /mnt/fast/index\n",
	.run = run,
};
