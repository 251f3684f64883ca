// SPDX-License-Identifier: Apache-2.0
/*
 * umount(8) asks statfs for a mount's type and hears "fuse": it would not find
 * umount.fuse.mafs. A helper that is named in /run/mount/utab it finds. That
 * file is mount(8)'s, so mount(8) and umount(8) change it, without mounting.
 * That it fails costs umount(8)'s waiting only, so nobody is told.
 *
 * Source: umount(8), "External helpers", uhelper.
 */
#include "utab.h"

#include "spawn.h"

#include <mafs/cleanup.h>
#include <stdbool.h>

static bool is_wanted(void)
{
	return geteuid() == 0 && access("/sbin/umount.mafs", X_OK) == 0;
}

void mafs_utab_add(const char *source, const char *mountpoint)
{
	const char *argv[] = { "mount",
			       "--fake",
			       "--internal-only",
			       "--no-canonicalize",
			       "-t",
			       "fuse.mafs",
			       "-o",
			       "uhelper=mafs",
			       "--",
			       source,
			       mountpoint,
			       NULL };
	char said[256];

	if (is_wanted())
		(void)mafs_spawn(argv, said, sizeof(said));
}

void mafs_utab_remove(const char *mountpoint)
{
	const char *argv[] = { "umount",
			       "--fake",
			       "--internal-only",
			       "--no-canonicalize",
			       "--",
			       mountpoint,
			       NULL };
	char said[256];

	if (is_wanted())
		(void)mafs_spawn(argv, said, sizeof(said));
}
