/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where in the namespace directory hot files are now (logplay/locate.c). Names
 * are N's alone: the log knows a file by its identity.
 */
#pragma once

#include <mafs/identity.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

/**
 * struct mafs_place - one question and its answer
 * @identity, @hint: asked; borrowed
 * @path: owned. In: where it was found last time, or NULL. Out: one of its
 *	names now, from N's root, "/a/b" and of any length; NULL: not found
 * @st: out, of the file; only with a path
 * @gone: out: the file system says that it has no name left
 * @error: out: not found, and -errno: not all of N could be looked at
 */
struct mafs_place {
	const struct mafs_identity *identity;
	const struct mafs_hint *hint;
	char *path;
	struct stat st;
	bool gone;
	int error;
};

/* Frees the path. */
void mafs_place_done(struct mafs_place *place);

/**
 * mafs_locate() - find files beneath N
 * @n_fd: N
 * @fs_id: of N; an identity of another file system is not looked for
 * @walk: may walk all of N for what is not found otherwise, once for all
 *
 * Each answer is verified: resolved beneath N without symbolic links and
 * without leaving its file system, and equal to the identity. Tried in turn:
 * the path given; the hint, by the parent's handle; the file's own handle;
 * the walk. Opening by handle needs CAP_DAC_READ_SEARCH. What lies in
 * N/.mafs does not count. N is not changed. A file whose directory is renamed
 * during a walk may be missed.
 *
 * Return: 0, also when files were not found; -ENOMEM; -errno of N itself.
 */
int mafs_locate(int n_fd, const struct mafs_uuid *fs_id,
		struct mafs_place *places, size_t n_places, bool walk);
