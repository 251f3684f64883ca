// SPDX-License-Identifier: Apache-2.0
/* A memory volume's daemon. */
#include "kind.h"

#include <control/control.h>
#include <mafs/cleanup.h>
#include <mafs/diag.h>
#include <memvol/life.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct memory {
	struct mafsm *m;
	struct mafsd_control *control;
};

static int open_memory(const struct mafsd_command_line *line, void **ret,
		       struct mafs_fault *fault)
{
	_cleanup_free_ struct memory *self = calloc(1, sizeof(*self));
	const struct mafsm_options options = {
		.source = line->source,
		.shadow = line->shadow,
		.mountpoint = line->mountpoint,
		.devices = (const char *const *)line->devices,
		.n_devices = line->n_devices,
		.role = line->read_only ? MAFS_ROLE_CLIENT : line->role,
		.takeover = line->takeover,
	};
	int r;

	if (!self)
		return mafs_fault_set(fault, -ENOMEM, "out of memory");
	r = mafsm_start(&options, &self->m, fault);
	if (r == 0)
		*ret = take_ptr(self);
	return r;
}

static struct mafsd_fs *fs_of(void *volume)
{
	return mafsm_fs(((struct memory *)volume)->m);
}

static int run_memory(void *volume, struct mafs_fault *fault)
{
	_cleanup_free_ char *path = NULL;
	struct memory *self = volume;
	int r;

	if (asprintf(&path, "%s/control.sock", mafsm_runtime_dir(self->m)) < 0)
		return mafs_fault_set(fault, -ENOMEM, "out of memory");
	r = mafsm_run(self->m, fault);
	return r < 0 ? r :
		       mafsd_control_start(
			       &(struct mafsd_served){ .m = self->m }, path,
			       &self->control, fault);
}

static int stop_memory(void *volume)
{
	struct memory *self = volume;
	int r;

	mafsd_control_stop(self->control);
	r = mafsm_stop(self->m);
	if (r < 0)
		mafs_error("not all is stored: %s", strerror(-r));
	return r;
}

static void free_memory(void *volume)
{
	struct memory *self = volume;

	if (self)
		mafsm_free(self->m);
	free(self);
}

const struct mafsd_kind mafsd_kind_memory = {
	.open = open_memory,
	.fs = fs_of,
	.run = run_memory,
	.stop = stop_memory,
	.free = free_memory,
};
