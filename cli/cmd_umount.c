// SPDX-License-Identifier: Apache-2.0
/*
 * mafs umount: when it returns 0, the directory holds every byte. In order:
 * write back while everything still works, refuse if that fails, take the
 * mount away, wait for the daemon's end. What a dead daemon left is brought
 * down by mafs-fused --offline.
 */
#include "cli.h"
#include "client.h"
#include "finish.h"
#include "force.h"
#include "holders.h"
#include "progress.h"
#include "salvage.h"
#include "unmount.h"
#include "volumes.h"
#include "where.h"

#include <errno.h>
#include <getopt.h>
#include <mafs/cleanup.h>
#include <mafs/diag.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <sys/pidfd.h>

/* What was asked for. */
struct umount {
	bool all;
	bool discard;
	bool force;
	const char *salvage; /* directory; NULL: no */
};

/* Names each file that holds the unmount up. */
static void tell_refusal(const struct mafs_volume_ref *volume,
			 const struct mafs_fault *fault)
{
	_cleanup_(mafs_json_decrefp) json_t *status = NULL;
	json_t *trouble;
	size_t i;

	if (mafs_client_status(volume->control_path, &status, NULL) == 0) {
		json_array_foreach(json_object_get(status, "troubles"), i,
				   trouble)
			mafs_error("%s: %s", mafs_client_text(trouble, "path"),
				   mafs_client_text(trouble, "error"));
	}
	mafs_error("%s stays mounted, as not all can be written back: %s; mend "
		   "that (nothing is lost), then mafs umount again",
		   volume->mountpoint, fault->what);
}

/* Is it ours that is seen at the mount point, and nowhere else as well? */
static int check_mounts(const struct mafs_volume_ref *volume,
			struct mafs_fault *fault)
{
	struct mafs_mounts mounts = { 0 };
	const struct mafs_mount *top;
	int r;

	r = mafs_mounts_read(NULL, &mounts);
	if (r < 0)
		return mafs_fault_set(fault, r, "/proc/self/mountinfo: %s",
				      strerror(-r));
	top = mafs_mounts_at(&mounts, volume->mountpoint);
	if (!top || strcmp(top->type, MAFS_FUSE_TYPE) != 0)
		r = mafs_fault_set(fault, -EBUSY,
				   "%s: something else (%s) is mounted over "
				   "it; unmount that first",
				   volume->mountpoint, top ? top->type : "?");
	for (size_t i = 0; r == 0 && i < mounts.n_mounts; i++) {
		if (&mounts.mounts[i] != top &&
		    mounts.mounts[i].dev == top->dev)
			r = mafs_fault_set(fault, -EBUSY,
					   "%s is mounted at %s as well; "
					   "unmount that first",
					   volume->mountpoint,
					   mounts.mounts[i].path);
	}
	mafs_mounts_done(&mounts);
	return r;
}

static void tell_busy(const char *mountpoint)
{
	char who[512];

	mafs_holders(mountpoint, who, sizeof(who));
	if (*who)
		mafs_error("%s is in use by %s; end them or leave it, then "
			   "mafs umount again",
			   mountpoint, who);
	else
		mafs_error("%s is in use; as root, fuser -vm %s (or lsof) "
			   "says by whom",
			   mountpoint, mountpoint);
}

static int bring_down_left(const struct mafs_volume_ref *volume)
{
	struct mafs_fault fault = MAFS_FAULT_INIT;

	mafs_notice("%s: its daemon died; writing back what it left",
		    volume->source ? volume->source : volume->memory_path);
	if (mafs_finish_offline(volume, &fault) < 0) {
		mafs_error("%s", fault.what);
		return MAFS_EXIT_FAILURE;
	}
	return MAFS_EXIT_OK;
}

/* Bytes that do not go down, as the person has decided. */
static int give_up_left(const struct mafs_volume_ref *volume,
			const struct umount *umount)
{
	struct mafs_fault fault = MAFS_FAULT_INIT;

	if (mafs_give_up(volume, umount->salvage, &fault) < 0) {
		mafs_error("%s; memory is kept", fault.what);
		return MAFS_EXIT_FAILURE;
	}
	if (!umount->salvage)
		mafs_warning("%s: what was not written back is discarded",
			     volume->source ? volume->source :
					      volume->memory_path);
	return MAFS_EXIT_OK;
}

/* What a daemon that has ended left in memory. */
static int settle_left(const struct mafs_volume_ref *volume,
		       const struct umount *umount)
{
	if (bring_down_left(volume) == MAFS_EXIT_OK)
		return MAFS_EXIT_OK;
	if (!umount->discard && !umount->salvage)
		return MAFS_EXIT_FAILURE;
	return give_up_left(volume, umount);
}

static int umount_dead(const struct mafs_volume_ref *volume,
		       const struct umount *umount)
{
	struct mafs_fault fault = MAFS_FAULT_INIT;

	if (volume->mounted &&
	    mafs_detach_dead(volume->mountpoint, &fault) < 0) {
		mafs_error("%s", fault.what);
		return MAFS_EXIT_FAILURE;
	}
	if (mafs_finish_is_left(volume))
		return settle_left(volume, umount);
	if (volume->mounted)
		return MAFS_EXIT_OK;
	mafs_error("%s is not mounted", volume->source);
	return MAFS_EXIT_FAILURE;
}

static bool has_ended(int pidfd)
{
	struct pollfd ended = { .fd = pidfd, .events = POLLIN };

	return poll(&ended, 1, 0) > 0;
}

/* Writes back, then takes the mount away. */
static int leave_mount(const struct mafs_volume_ref *volume,
		       const struct umount *umount, int pidfd)
{
	struct mafs_fault fault = MAFS_FAULT_INIT;
	int r;

	if (check_mounts(volume, &fault) < 0) {
		mafs_error("%s", fault.what);
		return MAFS_EXIT_FAILURE;
	}
	r = mafs_progress_flush(volume->control_path, &fault);
	if (r < 0 && has_ended(pidfd))
		return umount_dead(volume, umount);
	if (r < 0 && !umount->salvage && !umount->discard) {
		tell_refusal(volume, &fault);
		return MAFS_EXIT_FAILURE;
	}
	r = mafs_unmount(volume->mountpoint, false, &fault);
	if (r == -EBUSY)
		tell_busy(volume->mountpoint);
	else if (r < 0)
		mafs_error("%s", fault.what);
	return r < 0 ? MAFS_EXIT_FAILURE : MAFS_EXIT_OK;
}

static int umount_volume(const struct mafs_volume_ref *volume,
			 const struct umount *umount)
{
	_cleanup_close_ int pidfd = -1;

	if (volume->pid)
		pidfd = pidfd_open(volume->pid, 0);
	if (volume->pid && pidfd < 0 && errno != ESRCH) {
		mafs_error("cannot watch process %d: %s", (int)volume->pid,
			   strerror(errno));
		return MAFS_EXIT_FAILURE;
	}
	if (pidfd < 0 || has_ended(pidfd))
		return umount_dead(volume, umount);
	if (volume->mounted &&
	    leave_mount(volume, umount, pidfd) != MAFS_EXIT_OK)
		return MAFS_EXIT_FAILURE;
	mafs_finish_wait(volume, pidfd);
	if (mafs_finish_is_left(volume))
		return settle_left(volume, umount);
	return MAFS_EXIT_OK;
}

static int force_volume(const struct mafs_volume_ref *volume)
{
	struct mafs_fault fault = MAFS_FAULT_INIT;

	if (mafs_force_end(volume, &fault) < 0) {
		mafs_error("%s", fault.what);
		return MAFS_EXIT_FAILURE;
	}
	if (mafs_finish_is_left(volume))
		mafs_notice("%s: its memory is kept; mafs mount goes on with "
			    "it, mafs umount or mafs sync --offline writes it "
			    "back",
			    volume->source);
	return MAFS_EXIT_OK;
}

static int umount_volumes(const struct mafs_volumes *volumes,
			  const struct umount *umount)
{
	int code = MAFS_EXIT_OK;

	for (size_t i = 0; i < volumes->n_refs; i++) {
		const struct mafs_volume_ref *volume = &volumes->refs[i];

		/* An empty runtime directory is no volume to end. */
		if (umount->all && !volume->pid && !volume->mounted &&
		    !mafs_finish_is_left(volume))
			continue;
		code |= umount->force ? force_volume(volume) :
					umount_volume(volume, umount);
	}
	return code;
}

static int run(int argc, char **argv)
{
	static const struct option options[] = {
		{ "all", no_argument, NULL, 'a' },
		{ "discard", no_argument, NULL, 'd' },
		{ "force", no_argument, NULL, 'f' },
		{ "salvage", required_argument, NULL, 's' },
		{ 0 },
	};
	_cleanup_(mafs_volumes_done) struct mafs_volumes volumes = { 0 };
	struct mafs_fault fault = MAFS_FAULT_INIT;
	struct umount umount = { 0 };
	int c;

	while ((c = getopt_long(argc, argv, "af", options, NULL)) != -1) {
		if (c == 'a')
			umount.all = true;
		else if (c == 'd')
			umount.discard = true;
		else if (c == 'f')
			umount.force = true;
		else if (c == 's')
			umount.salvage = optarg;
		else
			return mafs_command_usage(&mafs_command_umount,
						  "unknown option %s",
						  argv[optind - 1]);
	}
	if (umount.all && (umount.discard || umount.salvage))
		return mafs_command_usage(&mafs_command_umount,
					  "--discard and --salvage want one "
					  "volume");
	if (umount.force && (umount.discard || umount.salvage))
		return mafs_command_usage(&mafs_command_umount,
					  "--force keeps the memory: first "
					  "that, then --discard or --salvage");
	if (umount.all ? optind < argc : optind == argc)
		return mafs_command_usage(&mafs_command_umount,
					  "name what to unmount, or --all");
	if (mafs_volumes_find(argv + optind, (size_t)(argc - optind), &volumes,
			      &fault) < 0) {
		mafs_error("%s", fault.what);
		return MAFS_EXIT_FAILURE;
	}
	return umount_volumes(&volumes, &umount);
}

const struct mafs_command mafs_command_umount = {
	.name = "umount",
	.summary = "write everything back and unmount",
	.help = "usage: mafs umount [--force] VOLUME...\n"
		"       mafs umount [--force] --all\n"
		"       mafs umount --salvage DIR | --discard VOLUME\n"
		"\n"
		"Writes everything back, unmounts, and waits for the daemon's "
		"end: when it exits\n"
		"with 0, the directory holds every byte. If something cannot "
		"be written back it\n"
		"names the files and leaves the volume mounted. What a killed "
		"daemon left in\n"
		"memory is written back as well.\n"
		"\n"
		"  VOLUME     a mount point, its directory or its UUID\n"
		"  -a, --all  every volume here; none is fine\n"
		"  --salvage DIR\n"
		"             what cannot be written back is copied to DIR, and "
		"memory given up\n"
		"  --discard  what cannot be written back is lost\n"
		"  -f, --force\n"
		"             for a daemon that hangs: kill it and take the "
		"mount away. What is\n"
		"             not written back stays in memory, for mafs mount\n"
		"\n"
		"Example:\n"
		"  mafs umount /mnt/fast\n",
	.run = run,
};
