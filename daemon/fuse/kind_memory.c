// SPDX-License-Identifier: Apache-2.0
/* A memory volume's daemon. */
#include "kind.h"

#include <mafs/cleanup.h>
#include <memvol/life.h>
#include <string.h>

static int open_memory(const struct mafsd_command_line *line, void **ret,
		       struct mafs_fault *fault)
{
	const struct mafsm_options options = {
		.source = line->source,
		.mountpoint = line->mountpoint,
		.devices = (const char *const *)line->devices,
		.n_devices = line->n_devices,
		.read_only = line->read_only,
		.role = line->role,
		.takeover = line->takeover,
	};
	struct mafsm *m;
	int r;

	r = mafsm_start(&options, &m, fault);
	if (r == 0)
		*ret = m;
	return r;
}

static struct mafsd_fs *fs_of(void *volume)
{
	return mafsm_fs(volume);
}

static int run_memory(void *volume, struct mafs_fault *fault)
{
	return mafsm_run(volume, fault);
}

static int stop_memory(void *volume)
{
	return mafsm_stop(volume);
}

static void free_memory(void *volume)
{
	mafsm_free(volume);
}

const struct mafsd_kind mafsd_kind_memory = {
	.open = open_memory,
	.fs = fs_of,
	.run = run_memory,
	.stop = stop_memory,
	.free = free_memory,
};
