/* SPDX-License-Identifier: Apache-2.0 */
/* Running other programs. */
#pragma once

#include <stddef.h>

/**
 * mafs_spawn() - run a program and wait for it
 * @argv: argv[0] is looked for in PATH
 * @ret_said: its standard error's first line; NULL: it writes to ours
 *
 * Return: 0: it exited with 0; > 0: its exit code, 128 + signal when it was
 * killed; -ENOENT: there is no such program; -errno.
 */
int mafs_spawn(const char *const argv[], char *ret_said, size_t len);

/* The same, with the first line of its standard output. */
int mafs_spawn_output(const char *const argv[], char *ret_said, size_t len);

/**
 * mafs_find_fused() - where mafs-fused is
 * @ret: PATH_MAX bytes
 *
 * Beside this program, in ../daemon/fuse of a build tree, or in PATH.
 * Return: 0, -ENOENT.
 */
int mafs_find_fused(char *ret, size_t len);

/* Is a program of this name in PATH? */
int mafs_find_in_path(const char *name, char *ret, size_t len);
