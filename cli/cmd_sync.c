// SPDX-License-Identifier: Apache-2.0
/* mafs sync: everything that is dirty now is on the disk when it returns. */
#include "cli.h"
#include "client.h"
#include "progress.h"
#include "volumes.h"
#include "where.h"

#include <getopt.h>
#include <mafs/cleanup.h>
#include <mafs/diag.h>

static void progress(const json_t *before, const json_t *now, char *ret,
		     size_t len)
{
	mafs_progress_left(now, ret, len);
}

static int sync_volume(const struct mafs_volume_ref *volume)
{
	struct mafs_fault fault = MAFS_FAULT_INIT;
	char title[8300];
	int r;

	mafs_where_title(volume, title, sizeof(title));
	if (!volume->pid) {
		mafs_error("%s: its daemon is gone; mafs mount it again, or "
			   "mafs umount it",
			   title);
		return MAFS_EXIT_FAILURE;
	}
	r = mafs_progress_call(volume->control_path, "/v1/sync", NULL, progress,
			       NULL, &fault);
	if (r < 0) {
		mafs_error("%s: %s; mafs status says more", title, fault.what);
		return MAFS_EXIT_FAILURE;
	}
	return MAFS_EXIT_OK;
}

static int run(int argc, char **argv)
{
	static const struct option options[] = { { 0 } };
	_cleanup_(mafs_volumes_done) struct mafs_volumes volumes = { 0 };
	struct mafs_fault fault = MAFS_FAULT_INIT;
	int code = MAFS_EXIT_OK;

	if (getopt_long(argc, argv, "", options, NULL) != -1)
		return mafs_command_usage(&mafs_command_sync,
					  "unknown option %s",
					  argv[optind - 1]);
	if (mafs_volumes_find(argv + optind, (size_t)(argc - optind), &volumes,
			      &fault) < 0) {
		mafs_error("%s", fault.what);
		return MAFS_EXIT_FAILURE;
	}
	for (size_t i = 0; i < volumes.n_refs; i++)
		code |= sync_volume(&volumes.refs[i]);
	return code;
}

const struct mafs_command mafs_command_sync = {
	.name = "sync",
	.summary = "write back now what only memory holds, and wait for it",
	.help = "usage: mafs sync [VOLUME...]\n"
		"\n"
		"Writes back what is dirty and returns when it is durable on "
		"the disk. sync(1)\n"
		"does not reach the daemon; this does.\n"
		"\n"
		"  VOLUME  a mount point, its directory or its UUID; without "
		"it, all\n"
		"\n"
		"Example:\n"
		"  mafs sync /mnt/fast\n",
	.run = run,
};
