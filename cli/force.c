// SPDX-License-Identifier: Apache-2.0
/*
 * In this order: whoever waits for the daemon in the kernel is let go, also
 * its own threads that wait for themselves; systemd is told not to start it
 * again; then it is killed. Called by umount --force.
 */
#include "force.h"

#include "unit.h"
#include "unmount.h"
#include "where.h"

#include <errno.h>
#include <fcntl.h>
#include <mafs/cleanup.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/sysmacros.h>

#define DEATH_TIMEOUT_MS 10000

/* Where fusectl is not mounted, the kill alone must do. */
static void abort_connection(const char *mountpoint)
{
	struct mafs_mounts mounts = { 0 };
	const struct mafs_mount *mount;
	_cleanup_close_ int fd = -1;
	char path[64] = "";

	if (mafs_mounts_read(NULL, &mounts) < 0)
		return;
	mount = mafs_mounts_at(&mounts, mountpoint);
	if (mount && !strcmp(mount->type, MAFS_FUSE_TYPE))
		(void)snprintf(path, sizeof(path),
			       "/sys/fs/fuse/connections/%u/abort",
			       minor(mount->dev));
	mafs_mounts_done(&mounts);
	if (!*path)
		return;
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd >= 0)
		(void)!write(fd, "1", 1);
}

static int kill_daemon(const struct mafs_volume_ref *volume,
		       struct mafs_fault *fault)
{
	_cleanup_close_ int pidfd = pidfd_open(volume->pid, 0);
	struct pollfd ended = { .fd = pidfd, .events = POLLIN };

	if (pidfd < 0 && errno == ESRCH)
		return 0;
	if (pidfd < 0 ||
	    (pidfd_send_signal(pidfd, SIGKILL, NULL, 0) < 0 && errno != ESRCH))
		return mafs_fault_set(fault, -errno,
				      "cannot kill process %d: %s",
				      (int)volume->pid, strerror(errno));
	if (poll(&ended, 1, DEATH_TIMEOUT_MS) > 0)
		return 0;
	return mafs_fault_set(fault, -EBUSY,
			      "process %d is killed, but waits in the kernel "
			      "for %s; it ends when that answers, and mafs "
			      "mount finds the memory",
			      (int)volume->pid, volume->source);
}

int mafs_force_end(const struct mafs_volume_ref *volume,
		   struct mafs_fault *fault)
{
	int r = 0, r_kill = 0;

	if (volume->pid && volume->mounted)
		abort_connection(volume->mountpoint);
	if (volume->pid) {
		mafs_unit_stop(volume->pid);
		r_kill = kill_daemon(volume, fault);
	}
	if (volume->mounted)
		r = mafs_unmount(volume->mountpoint, true,
				 r_kill < 0 ? NULL : fault);
	return r_kill < 0 ? r_kill : r;
}
