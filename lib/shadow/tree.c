// SPDX-License-Identifier: Apache-2.0
/*
 * The shadow's directories; see tree.h. Paths may be longer than PATH_MAX and
 * deeper than a process may hold descriptors: no more than two are open.
 */
#include "tree.h"
#include "path.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <mafs/cleanup.h>
#include <mafs/longpath.h>
#include <mafs/platform.h>
#include <string.h>
#include <sys/stat.h>

#define TEMPORARY "tmp"

/* Opens a directory component by component and makes what is missing. */
static int make_directories(int root_fd, char *path)
{
	_cleanup_close_ int fd = -1;
	int parent, next;
	char *end;

	for (path += strspn(path, "/"); *path; path = end) {
		end = path + strcspn(path, "/");
		if (*end)
			*end++ = '\0';
		parent = fd >= 0 ? fd : root_fd;
		if (mkdirat(parent, path, 0700) < 0 && errno != EEXIST)
			return -errno;
		next = mafs_open_beneath(parent, path,
					 O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
		if (next < 0)
			return next;
		mafs_closep(&fd);
		fd = next;
	}
	return fd >= 0 ?
		       take_fd(fd) :
		       mafs_open_longpath(root_fd, "", O_RDONLY | O_DIRECTORY);
}

int mafs_tree_open_parent(int root_fd, const char *path, bool make,
			  int *ret_parent_fd, const char **ret_name)
{
	const char *slash = strrchr(path, '/');
	_cleanup_free_ char *dir = NULL;
	int fd;

	dir = strndup(path, (size_t)(slash - path));
	if (!dir)
		return -ENOMEM;
	fd = mafs_open_longpath(root_fd, dir, O_RDONLY | O_DIRECTORY);
	if (fd == -ENOENT && make)
		fd = make_directories(root_fd, dir);
	if (fd < 0)
		return fd;
	*ret_parent_fd = fd;
	*ret_name = slash + 1;
	return 0;
}

int mafs_tree_replace(int dot_fd, int parent_fd, const char *name,
		      const void *bytes, size_t len)
{
	_cleanup_close_ int fd = -1;
	int r;

	/* Left behind by a killed writer; never a link that is followed. */
	if (unlinkat(dot_fd, TEMPORARY, 0) < 0 && errno != ENOENT)
		return -errno;
	fd = openat(dot_fd, TEMPORARY,
		    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	r = mafs_pwrite_full(fd, bytes, len, 0);
	if (r == 0 && renameat(dot_fd, TEMPORARY, parent_fd, name) < 0)
		r = -errno;
	if (r < 0)
		unlinkat(dot_fd, TEMPORARY, 0);
	return r;
}

/* Removes the directory @path while it is empty, then the one above it. */
static void remove_empty(int root_fd, char *path)
{
	while (*path) {
		_cleanup_close_ int parent_fd = -1;
		const char *name;

		if (mafs_tree_open_parent(root_fd, path, false, &parent_fd,
					  &name) < 0 ||
		    unlinkat(parent_fd, name, AT_REMOVEDIR) < 0)
			return;
		*strrchr(path, '/') = '\0';
	}
}

int mafs_tree_remove(int root_fd, const char *path)
{
	_cleanup_close_ int parent_fd = -1;
	_cleanup_free_ char *dir = strdup(path);
	const char *name;
	int r;

	if (!dir)
		return -ENOMEM;
	r = mafs_tree_open_parent(root_fd, path, false, &parent_fd, &name);
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return r;
	if (unlinkat(parent_fd, name, 0) < 0 && errno != ENOENT)
		return -errno;
	*strrchr(dir, '/') = '\0';
	remove_empty(root_fd, dir);
	return 0;
}

/* Directories found and not looked at yet, or looked at: in that order. */
struct walk {
	int root_fd;
	mafs_tree_visit_fn *visit;
	void *context;
	char **dirs; /* owned, "" is the root */
	size_t n_dirs, capacity;
};

static void walk_done(struct walk *walk)
{
	for (size_t i = 0; i < walk->n_dirs; i++)
		free(walk->dirs[i]);
	free(walk->dirs);
}

static int walk_add(struct walk *walk, char *dir)
{
	size_t capacity = walk->capacity ? walk->capacity * 2 : 64;
	char **grown;

	if (walk->n_dirs == walk->capacity) {
		grown = reallocarray(walk->dirs, capacity, sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		walk->dirs = grown;
		walk->capacity = capacity;
	}
	walk->dirs[walk->n_dirs++] = dir;
	return 0;
}

static int walk_entry(struct walk *walk, const char *dir, int dir_fd,
		      const char *name)
{
	_cleanup_close_ int fd = -1;
	_cleanup_free_ char *path = NULL;
	struct stat st;
	int r;

	if (asprintf(&path, "%s/%s", dir, name) < 0) {
		path = NULL;
		return -ENOMEM;
	}
	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (S_ISDIR(st.st_mode)) {
		r = walk_add(walk, path);
		if (r == 0)
			path = NULL;
		return r;
	}
	if (!S_ISREG(st.st_mode))
		return 0;
	fd = mafs_open_beneath(dir_fd, name, O_RDONLY | O_NONBLOCK | O_CLOEXEC,
			       0);
	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	return walk->visit(walk->context, path, fd);
}

static int walk_dir(struct walk *walk, const char *dir)
{
	_cleanup_closedir_ DIR *stream = NULL;
	_cleanup_close_ int fd = -1;
	struct dirent *entry;
	int r;

	fd = mafs_open_longpath(walk->root_fd, dir, O_RDONLY | O_DIRECTORY);
	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	stream = fdopendir(fd);
	if (!stream)
		return -errno;
	fd = -1; /* the stream's */

	while ((errno = 0, entry = readdir(stream))) {
		if (!mafs_name_is_valid(entry->d_name) ||
		    (!*dir && strcmp(entry->d_name, MAFS_SHADOW_DOT) == 0))
			continue;
		r = walk_entry(walk, dir, dirfd(stream), entry->d_name);
		if (r < 0)
			return r;
	}
	return -errno;
}

int mafs_tree_walk(int root_fd, mafs_tree_visit_fn *visit, void *context)
{
	_cleanup_(walk_done) struct walk walk = {
		.root_fd = root_fd,
		.visit = visit,
		.context = context,
	};
	char *root = strdup("");
	int r;

	if (!root)
		return -ENOMEM;
	r = walk_add(&walk, root);
	if (r < 0) {
		free(root);
		return r;
	}
	for (size_t i = 0; i < walk.n_dirs; i++) {
		r = walk_dir(&walk, walk.dirs[i]);
		if (r < 0)
			return r;
	}
	/* Deeper ones come later in the list. */
	for (size_t i = walk.n_dirs; i-- > 1;)
		remove_empty(root_fd, walk.dirs[i]);
	return 0;
}

int mafs_tree_is_empty(int dir_fd, const char *except)
{
	_cleanup_closedir_ DIR *stream = NULL;
	_cleanup_close_ int fd = -1;
	struct dirent *entry;

	fd = mafs_open_longpath(dir_fd, "", O_RDONLY | O_DIRECTORY);
	if (fd < 0)
		return fd;
	stream = fdopendir(fd);
	if (!stream)
		return -errno;
	fd = -1; /* the stream's */

	while ((errno = 0, entry = readdir(stream)))
		if (strcmp(entry->d_name, ".") != 0 &&
		    strcmp(entry->d_name, "..") != 0 &&
		    (!except || strcmp(entry->d_name, except) != 0))
			return 0;
	return errno ? -errno : 1;
}
