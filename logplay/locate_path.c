// SPDX-License-Identifier: Apache-2.0
/*
 * The path of an open directory, from N's root. The kernel's own answer in
 * /proc is taken when it leads back to the same directory; what it cannot say
 * (longer than a page) is found by climbing: a directory opened by handle is
 * always connected, so ".." leads to N or to a root that is not N.
 */
#include "locate.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <mafs/cleanup.h>
#include <mafs/longpath.h>
#include <string.h>

static bool same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* @text: PATH_MAX bytes. */
static int read_proc(int fd, char *text)
{
	char link[32];
	ssize_t len;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	len = readlink(link, text, PATH_MAX);
	if (len < 0)
		return -errno;
	if (len >= PATH_MAX)
		return -ENAMETOOLONG;
	text[len] = '\0';
	return 0;
}

int mafs_locator_proc_path(struct mafs_locator *locator, int fd, char **ret)
{
	char root[PATH_MAX], text[PATH_MAX];
	const char *below;
	size_t root_len;
	int r;

	r = read_proc(locator->fd, root);
	if (r == 0)
		r = read_proc(fd, text);
	if (r < 0)
		return r;
	root_len = strlen(root);
	if (root_len == 1)
		root_len = 0;
	below = text + root_len;
	if (strncmp(text, root, root_len) != 0 ||
	    (*below != '/' && *below != '\0'))
		return -EXDEV;
	if (strcmp(below, "/") == 0)
		below = "";
	*ret = strdup(below);
	return *ret ? 0 : -ENOMEM;
}

/* Puts the name of the directory @st, as its parent has it, before the path.
 * Return: 0, -ENOENT, -errno. */
static int prepend_name(int parent_fd, const struct stat *st, char **path)
{
	_cleanup_closedir_ DIR *stream = NULL;
	_cleanup_close_ int fd = -1;
	char *longer = NULL;
	struct dirent *entry;
	struct stat found;

	fd = openat(parent_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	stream = fdopendir(fd);
	if (!stream)
		return -errno;
	fd = -1; /* the stream's */

	while ((errno = 0, entry = readdir(stream))) {
		if (entry->d_ino != st->st_ino ||
		    strcmp(entry->d_name, ".") == 0 ||
		    strcmp(entry->d_name, "..") == 0 ||
		    fstatat(parent_fd, entry->d_name, &found,
			    AT_SYMLINK_NOFOLLOW) < 0 ||
		    !same_file(&found, st))
			continue;
		if (asprintf(&longer, "/%s%s", entry->d_name, *path) < 0)
			return -ENOMEM;
		free(*path);
		*path = longer;
		return 0;
	}
	return errno ? -errno : -ENOENT;
}

static int climb(struct mafs_locator *locator, int dir_fd, char **ret)
{
	_cleanup_free_ char *path = strdup("");
	_cleanup_close_ int fd = -1;
	struct stat st, above;
	int parent, r;

	if (!path)
		return -ENOMEM;
	if (fstat(dir_fd, &st) < 0)
		return -errno;
	while (!same_file(&st, &locator->st)) {
		parent = openat(fd >= 0 ? fd : dir_fd, "..",
				O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (parent < 0)
			return -errno;
		mafs_closep(&fd);
		fd = parent;
		if (fstat(fd, &above) < 0)
			return -errno;
		/* A root, or the way out of N's file system. */
		if (same_file(&above, &st) || above.st_dev != st.st_dev)
			return -EXDEV;
		r = prepend_name(fd, &st, &path);
		if (r < 0)
			return r;
		st = above;
	}
	*ret = take_ptr(path);
	return 0;
}

static bool leads_to(struct mafs_locator *locator, const char *path, int dir_fd)
{
	_cleanup_close_ int fd = -1;
	struct stat want, found;

	fd = mafs_open_longpath(locator->fd, path, O_PATH | O_DIRECTORY);
	return fd >= 0 && fstat(fd, &found) == 0 && fstat(dir_fd, &want) == 0 &&
	       same_file(&found, &want);
}

int mafs_locator_dir_path(struct mafs_locator *locator, int dir_fd, char **ret)
{
	_cleanup_free_ char *path = NULL;
	int r;

	r = mafs_locator_proc_path(locator, dir_fd, &path);
	if (r == -ENOMEM)
		return r;
	if (r == 0 && leads_to(locator, path, dir_fd)) {
		*ret = take_ptr(path);
		return 0;
	}
	return climb(locator, dir_fd, ret);
}
