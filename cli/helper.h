/* SPDX-License-Identifier: Apache-2.0 */
/* mafs under the names by which mount(8), umount(8), mkfs(8) and fsck(8) call
 * it. */
#pragma once

#include "cli.h"

/* What mount(8) and umount(8) exit with. */
enum mafs_helper_exit {
	MAFS_HELPER_OK = 0,
	MAFS_HELPER_USAGE = 1,
	MAFS_HELPER_FAILURE = 32,
};

/* What .../mkfs.mafs and .../fsck.mafs are: called as they call them, a command
 * works by itself. NULL for any other name. */
const struct mafs_command *mafs_helper_command(const char *program);

/**
 * mafs_helper_find() - what a program's name makes of it
 * @program: argv[0]: .../mount.mafs, .../umount.mafs, .../umount.fuse.mafs
 *
 * The function gets main()'s arguments. Return: it, or NULL for any other
 * name. It returns what mount(8) and umount(8) exit with.
 */
int (*mafs_helper_find(const char *program))(int argc, char **argv);
