/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files and directories beneath a shadow's root. No call ever leaves it or
 * follows a symbolic link. Private to lib/shadow.
 */
#pragma once

#include <mafs/shadow.h>
#include <stdbool.h>
#include <stddef.h>

/**
 * mafs_tree_open_parent() - the directory that a path's last name is in
 * @path: "/a/b", valid, of any length
 * @make: make directories that are missing
 * @ret_name: points into @path
 *
 * Return: 0, -ENOENT, -ENOTDIR or -ELOOP (something else is in the way).
 */
int mafs_tree_open_parent(int root_fd, const char *path, bool make,
			  int *ret_parent_fd, const char **ret_name);

/* A file of this content appears under its name at once or not at all.
 * @dot_fd: holds the temporary name. Return: 0, -EISDIR, -errno. */
int mafs_tree_replace(int dot_fd, int parent_fd, const char *name,
		      const void *bytes, size_t len);

/* Removes a file, then the directories above it that are empty.
 * Return: 0, also when it was gone already; -errno. */
int mafs_tree_remove(int root_fd, const char *path);

/**
 * mafs_tree_walk() - each regular file below the root but those of .mafs
 * @visit: @fd reads the file; a negative return ends the walk
 *
 * Directories that are empty are removed. Links and special files are passed
 * over.
 */
typedef int mafs_tree_visit_fn(void *context, const char *path, int fd);
int mafs_tree_walk(int root_fd, mafs_tree_visit_fn *visit, void *context);

/* Nothing in it but, perhaps, @except. Return: 1, 0, -errno. */
int mafs_tree_is_empty(int dir_fd, const char *except);

int mafs_shadow_stamp_write(int dot_fd, const struct mafs_shadow_stamp *stamp);
