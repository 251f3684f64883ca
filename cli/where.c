// SPDX-License-Identifier: Apache-2.0
/*
 * From a path that a person gives to a volume and a path in it. Mounts are
 * looked up in the kernel's list, bind mounts of a mafs mount included.
 * Called by the commands that take files.
 */
#include "where.h"

#include <errno.h>
#include <limits.h>
#include <mafs/cleanup.h>
#include <mafs/diag.h>
#include <stdio.h>
#include <string.h>

int mafs_where_absolute(const char *path, char *ret, size_t len)
{
	char all[2 * PATH_MAX], *rest = all, *part;
	size_t n = 0, n_part;

	if (path[0] == '/')
		n = strlen(path);
	else if (getcwd(all, PATH_MAX))
		n = strlen(all) + 1 + strlen(path);
	else
		return -errno;
	if (n >= sizeof(all) || n >= len)
		return -ENAMETOOLONG;
	if (path[0] == '/') {
		strcpy(all, path);
	} else {
		strcat(all, "/");
		strcat(all, path);
	}

	n = 0;
	while ((part = strsep(&rest, "/"))) {
		if (!*part || !strcmp(part, "."))
			continue;
		if (!strcmp(part, "..")) {
			while (n > 0 && ret[--n] != '/')
				;
			continue;
		}
		n_part = strlen(part);
		ret[n++] = '/';
		memcpy(ret + n, part, n_part);
		n += n_part;
	}
	if (n == 0)
		ret[n++] = '/';
	ret[n] = '\0';
	return 0;
}

bool mafs_where_is_below(const char *path, const char *directory)
{
	size_t len = strlen(directory);

	if (!strcmp(directory, "/"))
		return true;
	return !strncmp(path, directory, len) &&
	       (path[len] == '/' || path[len] == '\0');
}

/* What @path has below @directory, without a slash in front. */
static const char *rest_below(const char *path, const char *directory)
{
	path += strcmp(directory, "/") ? strlen(directory) : 0;
	return path + strspn(path, "/");
}

const struct mafs_mount *mafs_where_mount(const struct mafs_mounts *mounts,
					  const char *path)
{
	const struct mafs_mount *found = NULL;

	for (size_t i = 0; i < mounts->n_mounts; i++) {
		const struct mafs_mount *mount = &mounts->mounts[i];

		if (mafs_where_is_below(path, mount->path) &&
		    (!found || strlen(mount->path) >= strlen(found->path)))
			found = mount;
	}
	return found;
}

/* The mount of the same file system that shows it whole. */
static const struct mafs_mount *whole_of(const struct mafs_mounts *mounts,
					 const struct mafs_mount *part)
{
	for (size_t i = 0; i < mounts->n_mounts; i++) {
		const struct mafs_mount *mount = &mounts->mounts[i];

		if (mount->dev == part->dev && !strcmp(mount->root, "/") &&
		    mafs_mounts_at(mounts, mount->path) == mount)
			return mount;
	}
	return NULL;
}

static int join(const char *a, const char *b, char *ret, size_t len)
{
	a += strspn(a, "/");
	b += strspn(b, "/");
	if ((size_t)snprintf(ret, len, "%s%s%s", a, *a && *b ? "/" : "", b) >=
	    len)
		return -ENAMETOOLONG;
	return 0;
}

static int find_by_mount(const struct mafs_mounts *mounts, const char *path,
			 struct mafs_where *ret, struct mafs_fault *fault)
{
	const struct mafs_mount *mount = mafs_where_mount(mounts, path), *whole;
	int r;

	if (!mount || strcmp(mount->type, MAFS_FUSE_TYPE) != 0)
		return -ENOENT;
	whole = whole_of(mounts, mount);
	r = join(mount->root, rest_below(path, mount->path), ret->relative,
		 sizeof(ret->relative));
	if (r < 0)
		return r;
	return mafs_volume_find(whole ? whole->path : mount->path, &ret->volume,
				fault);
}

/* A path below the source of a volume that is mounted elsewhere. */
static int find_by_source(const char *path, struct mafs_where *ret,
			  struct mafs_fault *fault)
{
	struct mafs_volume_ref *volumes = NULL;
	size_t n_volumes = 0;
	int r;

	r = mafs_volume_list(&volumes, &n_volumes, fault);
	if (r < 0)
		return r;
	r = -ENOENT;
	for (size_t i = 0; i < n_volumes; i++) {
		if (r < 0 && volumes[i].pid && volumes[i].source &&
		    mafs_where_is_below(path, volumes[i].source)) {
			r = join("", rest_below(path, volumes[i].source),
				 ret->relative, sizeof(ret->relative));
			ret->volume = volumes[i];
			volumes[i] = (struct mafs_volume_ref){ .n_fd = -1 };
		}
		mafs_volume_ref_done(&volumes[i]);
	}
	free(volumes);
	return r;
}

/* It may die while the very call waits for it; ECANCELED: over io_uring. */
bool mafs_where_is_dead(int error)
{
	return error == ENOTCONN || error == ECONNABORTED || error == ECANCELED;
}

int mafs_where_find(const char *path, struct mafs_where *ret,
		    struct mafs_fault *fault)
{
	struct mafs_where found = { .volume = { .n_fd = -1 } };
	_cleanup_free_ char *real = realpath(path, NULL);
	struct mafs_mounts mounts = { 0 };
	int r;

	if (!real && mafs_where_is_dead(errno))
		return mafs_fault_set(fault, -ENOTCONN,
				      "%s: the daemon of that mount is gone; "
				      "mafs mount brings it back",
				      path);
	if (!real)
		return mafs_fault_set(fault, -errno, "%s: %s", path,
				      strerror(errno));
	r = mafs_mounts_read(NULL, &mounts);
	if (r < 0)
		return mafs_fault_set(fault, r, "/proc/self/mountinfo: %s",
				      strerror(-r));
	r = find_by_mount(&mounts, real, &found, fault);
	mafs_mounts_done(&mounts);
	if (r == -ENOENT)
		r = find_by_source(real, &found, fault);
	if (r == -ENOENT)
		mafs_fault_set(fault, r,
			       "%s is in no mafs mount; mafs status lists them",
			       path);
	else if (r == 0 && !found.volume.pid)
		r = mafs_fault_set(fault, -ENOTCONN,
				   "%s: the daemon of that mount is gone; mafs "
				   "mount brings it back",
				   path);
	if (r < 0) {
		mafs_where_done(&found);
		return r;
	}
	*ret = found;
	return 0;
}

void mafs_where_error(const char *path, const struct mafs_fault *fault)
{
	size_t len = strlen(path);

	if (!strncmp(fault->what, path, len) &&
	    (fault->what[len] == ':' || fault->what[len] == ' '))
		mafs_error("%s", fault->what);
	else
		mafs_error("%s: %s", path, fault->what);
}

void mafs_where_done(struct mafs_where *where)
{
	mafs_volume_ref_done(&where->volume);
}

const char *mafs_where_title(const struct mafs_volume_ref *volume, char *ret,
			     size_t len)
{
	const char *source = volume->source ? volume->source : "?";

	if (volume->mountpoint && strcmp(volume->mountpoint, source) != 0)
		(void)snprintf(ret, len, "%s on %s", source,
			       volume->mountpoint);
	else
		(void)snprintf(ret, len, "%s", source);
	return ret;
}
