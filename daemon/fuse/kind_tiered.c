// SPDX-License-Identifier: Apache-2.0
/*
 * A tiered volume's daemon. At the end everything is written back; what cannot
 * be stays in memory, and the session open, for the next daemon.
 */
#include "kind.h"
#include "notify.h"

#include <control/control.h>
#include <core/intern.h>
#include <string.h>

#define N_TROUBLES_TOLD 10

struct tiered {
	struct mafsd *d;
	struct mafsd_control *control;
};

static int open_tiered(const struct mafsd_command_line *line, void **ret,
		       struct mafs_fault *fault)
{
	_cleanup_free_ struct tiered *self = calloc(1, sizeof(*self));
	struct mafsd_options options = {
		.source = line->source,
		.mountpoint = line->mountpoint,
		.memory = line->memory,
		.settings = line->settings,
		.read_only = line->read_only,
		.pressure_path = line->pressure_path,
	};
	int r;

	if (!self)
		return mafs_fault_set(fault, -ENOMEM, "out of memory");
	r = mafsd_start(&options, &self->d, fault);
	if (r == 0)
		*ret = take_ptr(self);
	return r;
}

static struct mafsd_fs *fs_of(void *volume)
{
	return &((struct tiered *)volume)->d->fs;
}

/* ---- the end ---- */

static void tell_troubles(struct mafsd *d)
{
	struct mafsd_dirty *troubles = NULL;
	size_t n = 0;

	if (mafsd_dirty_list(d, true, SIZE_MAX, &troubles, &n) < 0)
		return;
	for (size_t i = 0; i < n && i < N_TROUBLES_TOLD; i++)
		mafs_error("%s: not written back: %s", troubles[i].path,
			   strerror(troubles[i].error));
	if (n > N_TROUBLES_TOLD)
		mafs_error("and %zu more files", n - N_TROUBLES_TOLD);
	mafsd_dirty_list_free(troubles, n);
}

/* Everything down. What cannot go stays in memory. */
static int stop_core(struct mafsd *d)
{
	struct mafs_fault fault = MAFS_FAULT_INIT;
	int r;

	r = mafsd_stop(d, &fault);
	if (r == 0)
		return 0;
	mafs_error("%s", *fault.what ? fault.what : strerror(-r));
	tell_troubles(d);
	mafs_error("what is not written back is kept in memory; mount %s "
		   "again, or: mafs umount %s",
		   d->options.source, d->options.source);
	return r;
}

/* Its errors come again when the core stops. */
static void write_back(struct mafsd *d, bool terminal)
{
	struct mafsd_left left;

	mafsd_left_begin(&left, d, terminal);
	(void)mafsd_sync(d, NULL);
	mafsd_left_end(&left);
}

/* ---- life ---- */

static char *control_path(struct mafsd *d)
{
	char *path;

	return asprintf(&path, "%s/control.sock", d->volume->runtime_dir) < 0 ?
		       NULL :
		       path;
}

static int run_tiered(void *volume, struct mafs_fault *fault)
{
	struct tiered *self = volume;
	_cleanup_free_ char *path = control_path(self->d);
	int r;

	if (!path)
		return mafs_fault_set(fault, -ENOMEM, "out of memory");
	/* The session must name this process, not the one we forked from;
	 * and what a mount may find must be there before it. */
	self->d->volume->session.pid = getpid();
	r = mafsd_run(self->d, fault);
	return r < 0 ? r :
		       mafsd_control_start(
			       &(struct mafsd_served){ .d = self->d }, path,
			       &self->control, fault);
}

static int stop_tiered(void *volume)
{
	struct tiered *self = volume;
	int r;

	/* The long part, while people can still ask how it goes; the memory
	 * that the rest takes down is theirs to look at no more. */
	write_back(self->d, false);
	mafsd_control_stop(self->control);
	r = stop_core(self->d);
	/* What is not down still holds files of the kernel's: not any more. */
	mafsd_disconnect(self->d);
	return r;
}

static int run_offline(void *volume)
{
	struct mafsd *d = ((struct tiered *)volume)->d;
	_cleanup_free_ char *path = control_path(d);
	struct mafs_fault fault = MAFS_FAULT_INIT;
	int r, r_stop;

	mafsd_thread_enter();
	/* Of the killed daemon: nobody listens. We hold the volume's lock. */
	if (path)
		(void)unlink(path);
	r = mafsd_run(d, &fault);
	if (r < 0) {
		mafs_error("%s", fault.what);
		return r;
	}
	r = mafsd_recover_all(d);
	if (r < 0)
		mafs_error("not all could be found again: %s", strerror(-r));
	write_back(d, true);
	r_stop = stop_core(d);
	return r < 0 ? r : r_stop;
}

static void free_tiered(void *volume)
{
	struct tiered *self = volume;

	if (self)
		mafsd_free(self->d);
	free(self);
}

const struct mafsd_kind mafsd_kind_tiered = {
	.open = open_tiered,
	.fs = fs_of,
	.run = run_tiered,
	.stop = stop_tiered,
	.offline = run_offline,
	.free = free_tiered,
};
