// SPDX-License-Identifier: Apache-2.0
/* A directory for one test, and for root a mount namespace of its own: what a
 * test mounts goes with its process, also when that crashes. */
#pragma once

#define T_SKIP 77
#define T_PLACE_LEN 64

/* Makes /tmp/mafs-<name>-<pid>-<n>. */
void t_place_make(const char *name, char ret[T_PLACE_LEN]);
/* Takes down what is mounted below and removes it with all that is in it. */
void t_place_remove(const char *place);

/* For the main() of a test that needs root: a mount namespace, with a /run/mafs
 * of its own. Return: 0, or T_SKIP having said what is missing. */
int t_become_private(void);

/* Path of a new file below @place in one static buffer; overwritten by the
 * next call. */
const char *t_path(const char *place, const char *name);
/* Makes a file with that content; fails the test when it cannot. */
void t_write_file(const char *place, const char *name, const char *content);
/* A mount as mafs makes them, with nobody behind it. Return: descriptor of
 * /dev/fuse: while it is open the mount hangs, closed it is dead. */
int t_mount_silent(const char *source, const char *mountpoint);
