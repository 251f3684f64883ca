// SPDX-License-Identifier: Apache-2.0
/*
 * Finds hot files in N; see locate.h. Handles come from a log and open any file
 * of N's file system, and a path may name another file by now: no answer
 * counts before mafs_locator_try() has resolved it beneath N and compared.
 */
#include "locate.h"

#include <errno.h>
#include <fcntl.h>
#include <mafs/cleanup.h>
#include <mafs/longpath.h>
#include <mafs/platform.h>
#include <mafs/volume.h>
#include <string.h>

void mafs_place_done(struct mafs_place *place)
{
	free(place->path);
	place->path = NULL;
}

static bool is_hidden(const char *path)
{
	static const char hidden[] = "/" MAFS_VOLUME_DIR;
	size_t len = sizeof(hidden) - 1;

	return strncmp(path, hidden, len) == 0 &&
	       (path[len] == '/' || path[len] == '\0');
}

bool mafs_locator_is_absent(int r)
{
	return r == -ENOENT || r == -ENOTDIR || r == -ELOOP || r == -EXDEV;
}

int mafs_locator_try(struct mafs_locator *locator, struct mafs_place *place,
		     char *path)
{
	_cleanup_free_ char *owned = path;
	_cleanup_close_ int fd = -1;
	struct mafs_identity identity;
	struct stat st;
	int r;

	if (!path)
		return -ENOMEM;
	if (is_hidden(path))
		return 0;
	fd = mafs_open_longpath(locator->fd, path, O_PATH | O_NOFOLLOW);
	r = fd < 0 ? fd : mafs_identity_of(fd, locator->fs_id, &identity, &st);
	if (r < 0 && !mafs_locator_is_absent(r))
		place->error = r;
	if (r < 0 || !S_ISREG(st.st_mode) ||
	    !mafs_identity_equal(&identity, place->identity))
		return 0;
	place->path = take_ptr(owned);
	place->st = st;
	place->gone = false;
	place->error = 0;
	return 1;
}

/* The path of a hint's directory; remembered, for the next file in it.
 * Return: 0, -EPERM (no handles for us), -errno. */
static int find_parent(struct mafs_locator *locator,
		       const struct mafs_handle *parent)
{
	_cleanup_close_ int fd = -1;
	int r;

	if (locator->parent.length &&
	    mafs_handle_equal(&locator->parent, parent))
		return 0;
	locator->parent.length = 0;
	free(locator->parent_path);
	locator->parent_path = NULL;

	fd = mafs_handle_open(locator->fd, parent, O_PATH | O_DIRECTORY);
	if (fd == -EPERM || fd == -ENOMEM)
		return fd;
	if (fd >= 0) {
		r = mafs_locator_dir_path(locator, fd, &locator->parent_path);
		if (r == -ENOMEM)
			return r;
	}
	locator->parent = *parent;
	return 0;
}

static int try_hint(struct mafs_locator *locator, struct mafs_place *place)
{
	const struct mafs_hint *hint = place->hint;
	char *path = NULL;
	int r;

	if (!hint->parent.length || !hint->name[0] || strchr(hint->name, '/') ||
	    strcmp(hint->name, ".") == 0 || strcmp(hint->name, "..") == 0)
		return 0;
	r = find_parent(locator, &hint->parent);
	if (r < 0)
		return r;
	if (!locator->parent_path)
		return 0;
	if (asprintf(&path, "%s/%s", locator->parent_path, hint->name) < 0)
		return -ENOMEM;
	return mafs_locator_try(locator, place, path);
}

static int try_handle(struct mafs_locator *locator, struct mafs_place *place)
{
	_cleanup_close_ int fd = -1;
	char *path = NULL;
	struct stat st;
	int r;

	if (!place->identity->handle.length)
		return 0;
	fd = mafs_handle_open(locator->fd, &place->identity->handle, O_PATH);
	if (fd == -ESTALE) {
		place->gone = true;
		return 0;
	}
	if (fd < 0)
		return fd == -EPERM || fd == -ENOMEM ? fd : 0;
	/* Open somewhere, but without a name. */
	if (fstat(fd, &st) == 0 && st.st_nlink == 0) {
		place->gone = true;
		return 0;
	}
	r = mafs_locator_proc_path(locator, fd, &path);
	if (r < 0)
		return r == -ENOMEM ? r : 0;
	return mafs_locator_try(locator, place, path);
}

/* Return: 1 (found), 0, -EPERM (no handles for us), -ENOMEM. */
static int try_handles(struct mafs_locator *locator, struct mafs_place *place)
{
	int r = try_hint(locator, place);

	return r ? r : try_handle(locator, place);
}

static void locator_done(struct mafs_locator *locator)
{
	mafs_closep(&locator->fd);
	free(locator->parent_path);
}

int mafs_locate(int n_fd, const struct mafs_uuid *fs_id,
		struct mafs_place *places, size_t n_places, bool walk)
{
	_cleanup_(locator_done) struct mafs_locator locator = {
		.fd = openat(n_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC),
		.fs_id = fs_id,
	};
	bool have_handles = true;
	size_t n_left = 0;
	int r;

	if (locator.fd < 0 || fstat(locator.fd, &locator.st) < 0)
		return -errno;

	for (size_t i = 0; i < n_places; i++) {
		struct mafs_place *place = &places[i];
		char *last = take_ptr(place->path);

		place->gone = false;
		place->error = 0;
		if (!mafs_uuid_equal(&place->identity->fs_id, fs_id)) {
			free(last);
			continue;
		}
		r = last ? mafs_locator_try(&locator, place, last) : 0;
		if (r == 0 && have_handles)
			r = try_handles(&locator, place);
		if (r == -EPERM)
			have_handles = false;
		else if (r < 0)
			return r;
		n_left += !place->path && !place->gone;
	}
	if (!n_left || !walk)
		return 0;
	return mafs_locator_walk(&locator, places, n_places);
}
