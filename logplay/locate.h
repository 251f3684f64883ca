/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of mafs_locate() share. Private to logplay. */
#pragma once

#include <mafs/locate.h>

/**
 * struct mafs_locator - N while places are being looked for
 * @fd: readable, on N's mount
 */
struct mafs_locator {
	int fd;
	struct stat st;
	const struct mafs_uuid *fs_id;
	struct mafs_handle parent; /* of the last hint; length 0: none */
	char *parent_path; /* owned; NULL: not beneath N */
};

/* Is -errno of an open an answer: there is no such file beneath N? */
bool mafs_locator_is_absent(int r);
/* Is the file at @path, "/a/b", the one asked for? Takes the path over when it
 * is, frees it when not. Return: 1, 0, -ENOMEM. */
int mafs_locator_try(struct mafs_locator *locator, struct mafs_place *place,
		     char *path);

/* The path from N's root of a directory's descriptor, "" for N itself.
 * Return: 0; -EXDEV: not beneath N; -errno. */
int mafs_locator_dir_path(struct mafs_locator *locator, int dir_fd, char **ret);
/* What /proc says of any descriptor, below N's; not verified, and wrong for a
 * file that nobody has met. Return: 0, -EXDEV, -errno. */
int mafs_locator_proc_path(struct mafs_locator *locator, int fd, char **ret);

/* Walks N for the places that have no path and are not gone. */
int mafs_locator_walk(struct mafs_locator *locator, struct mafs_place *places,
		      size_t n_places);
