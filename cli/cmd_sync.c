// SPDX-License-Identifier: Apache-2.0
/* mafs sync: everything that is dirty now is on the disk when it returns. */
#include "cli.h"
#include "client.h"
#include "finish.h"
#include "names.h"
#include "progress.h"
#include "unmount.h"
#include "volumes.h"
#include "where.h"

#include <getopt.h>
#include <mafs/cleanup.h>
#include <mafs/diag.h>
#include <stdio.h>
#include <string.h>

/**
 * struct sync_request - what was asked for
 * @offline: what daemons that are dead have left
 * @all: also when there is nothing
 * @volumes: for --json; NULL without
 */
struct sync_request {
	bool offline;
	bool all;
	json_t *volumes;
};

/* Return: what was done, NULL: it failed. */
static const char *sync_served(const struct mafs_volume_ref *volume,
			       struct mafs_fault *fault)
{
	int r;

	if (!volume->pid) {
		mafs_fault_set(fault, -ENOTCONN,
			       "its daemon is gone; mafs mount it again, or "
			       "mafs umount or mafs sync --offline it");
		return NULL;
	}
	r = mafs_progress_flush(volume->control_path, fault);
	return r < 0 ? NULL : "synced";
}

static const char *sync_left(const struct mafs_volume_ref *volume, bool all,
			     struct mafs_fault *fault)
{
	if (volume->pid && all)
		return "served";
	if (volume->pid) {
		mafs_fault_set(fault, -EBUSY,
			       "process %d serves it; mafs sync without "
			       "--offline asks that",
			       (int)volume->pid);
		return NULL;
	}
	/* It may cover the directory, and nothing brings it back. */
	if (volume->mounted && mafs_detach_dead(volume->mountpoint, fault) < 0)
		return NULL;
	if (!mafs_finish_is_left(volume))
		return "nothing left";
	return mafs_finish_offline(volume, fault) < 0 ? NULL : "written back";
}

static void add_json(const struct sync_request *request,
		     const struct mafs_volume_ref *volume, const char *done,
		     const struct mafs_fault *fault)
{
	char uuid[MAFS_UUID_TEXT_LEN];
	json_t *object = json_object();

	mafs_uuid_to_text(&volume->uuid, uuid);
	json_object_set_new(object, "uuid", json_string(uuid));
	if (volume->source)
		mafs_name_to_json(object, "source", volume->source);
	json_object_set_new(object, "result",
			    json_string(done ? done : "failed"));
	if (!done)
		json_object_set_new(object, "error", json_string(fault->what));
	json_array_append_new(request->volumes, object);
}

static int sync_volume(const struct sync_request *request,
		       const struct mafs_volume_ref *volume)
{
	struct mafs_fault fault = MAFS_FAULT_INIT;
	const char *done;
	char title[8300];

	done = request->offline ? sync_left(volume, request->all, &fault) :
				  sync_served(volume, &fault);
	if (request->volumes)
		add_json(request, volume, done, &fault);
	if (!done)
		mafs_error("%s: %s; mafs status says more",
			   mafs_where_title(volume, title, sizeof(title)),
			   fault.what);
	return done ? MAFS_EXIT_OK : MAFS_EXIT_FAILURE;
}

static int sync_volumes(const struct sync_request *request, char **names,
			size_t n_names)
{
	_cleanup_(mafs_volumes_done) struct mafs_volumes volumes = { 0 };
	struct mafs_fault fault = MAFS_FAULT_INIT;
	int code = MAFS_EXIT_OK;

	if (mafs_volumes_find(names, n_names, &volumes, &fault) < 0) {
		mafs_error("%s", fault.what);
		return MAFS_EXIT_FAILURE;
	}
	for (size_t i = 0; i < volumes.n_refs; i++)
		code |= sync_volume(request, &volumes.refs[i]);
	return code;
}

static int run(int argc, char **argv)
{
	static const struct option options[] = {
		{ "offline", no_argument, NULL, 'o' },
		{ "all", no_argument, NULL, 'a' },
		{ "json", no_argument, NULL, 'j' },
		{ 0 },
	};
	_cleanup_(mafs_json_decrefp) json_t *volumes = NULL;
	struct sync_request request = { 0 };
	int c, code;

	while ((c = getopt_long(argc, argv, "a", options, NULL)) != -1) {
		if (c == 'o')
			request.offline = true;
		else if (c == 'a')
			request.all = true;
		else if (c == 'j')
			request.volumes = volumes = json_array();
		else
			return mafs_command_usage(&mafs_command_sync,
						  "unknown option %s",
						  argv[optind - 1]);
	}
	if (request.all ? optind < argc : request.offline && optind == argc)
		return mafs_command_usage(&mafs_command_sync,
					  "name what to sync, or --all");
	code = sync_volumes(&request, argv + optind, (size_t)(argc - optind));
	if (volumes) {
		_cleanup_(mafs_json_decrefp)
			json_t *all = json_pack("{sO}", "volumes", volumes);

		json_dumpf(all, stdout, JSON_INDENT(2));
		putchar('\n');
	}
	return code;
}

const struct mafs_command mafs_command_sync = {
	.name = "sync",
	.summary = "write back now what only memory holds, and wait for it",
	.help = "usage: mafs sync [--json] [--all | VOLUME...]\n"
		"       mafs sync --offline [--json] --all | VOLUME...\n"
		"\n"
		"Writes back what is dirty and returns when it is durable on "
		"the disk. sync(1)\n"
		"does not reach the daemon; this does.\n"
		"\n"
		"  VOLUME     a mount point, its directory or its UUID; without "
		"it, all\n"
		"  -a, --all  every volume here\n"
		"  --offline  write back what a daemon left that is dead, and "
		"end its session;\n"
		"             nothing is mounted. With --all, what is served "
		"is passed over\n"
		"  --json     say of each volume what was done\n"
		"\n"
		"Example:\n"
		"  mafs sync /mnt/fast\n",
	.run = run,
};
