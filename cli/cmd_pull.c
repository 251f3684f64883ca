// SPDX-License-Identifier: Apache-2.0
/* mafs pull: bring files into memory before they are needed. */
#include "client.h"
#include "move.h"

#include <inttypes.h>
#include <mafs/size.h>
#include <stdio.h>

static void progress(const json_t *before, const json_t *now, char *ret,
		     size_t len)
{
	uint64_t n = mafs_client_count(now, "n_promoted") -
		     mafs_client_count(before, "n_promoted");
	char size[MAFS_SIZE_TEXT_LEN];

	mafs_size_to_text(mafs_client_count(now, "hot_bytes"), size);
	(void)snprintf(ret, len, "%" PRIu64 " pulled; in memory: %s", n, size);
}

static int run(int argc, char **argv)
{
	static const struct mafs_move move = {
		.command = &mafs_command_pull,
		.url = "/v1/pull",
		.done = "pulled",
		.progress = progress,
	};

	return mafs_move_run(&move, argc, argv);
}

const struct mafs_command mafs_command_pull = {
	.name = "pull",
	.summary = "bring files into memory before they are needed",
	.help = "usage: mafs pull PATH...\n"
		"\n"
		"Copies each file into memory. What cannot go there (open, "
		"mapped, no room)\n"
		"stays on the disk; it says so and exits with 1.\n"
		"\n"
		"  PATH  a file, or a directory with all below it, in a mount "
		"or in its source\n"
		"\n"
		"Example:\n"
		"  mafs pull /mnt/fast/models\n",
	.run = run,
};
