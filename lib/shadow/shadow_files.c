// SPDX-License-Identifier: Apache-2.0
/*
 * Files and directories of a shadow, each beneath a directory that is open and
 * named by one component. No link is ever followed. Called by the writers of
 * memory volumes' shadows.
 */
#include "tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <mafs/cleanup.h>
#include <mafs/longpath.h>
#include <string.h>
#include <sys/stat.h>

#define COMPARE_BYTES 65536

int mafs_shadow_file_new(int parent_fd, const char *name, const void *bytes,
			 size_t len)
{
	_cleanup_close_ int fd = openat(
		parent_fd, name,
		O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = write(fd, bytes, len);
	if (n == (ssize_t)len)
		return 0;
	return n < 0 ? -errno :
		       mafs_pwrite_full(fd, (const char *)bytes + n,
					len - (size_t)n, (uint64_t)n);
}

/* Does the file hold exactly this? */
static bool is_same(int fd, const char *bytes, size_t len)
{
	char piece[COMPARE_BYTES];
	size_t done = 0;

	while (done <= len) {
		ssize_t n = pread(fd, piece, sizeof(piece), (off_t)done);

		if (n <= 0)
			return n == 0 && done == len;
		if ((size_t)n > len - done ||
		    memcmp(piece, bytes + done, (size_t)n) != 0)
			return false;
		done += (size_t)n;
	}
	return false;
}

int mafs_shadow_file_put(const struct mafs_shadow_dir *dir, int parent_fd,
			 const char *name, const void *bytes, size_t len)
{
	_cleanup_close_ int fd =
		openat(parent_fd, name,
		       O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;
	int r;

	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
	    is_same(fd, bytes, len))
		return 0;
	r = mafs_tree_replace(dir->dot_fd, parent_fd, name, bytes, len);
	if (r != -EISDIR && r != -ENOTEMPTY && r != -EEXIST)
		return r;
	r = mafs_shadow_remove(parent_fd, name);
	return r < 0 ? r :
		       mafs_tree_replace(dir->dot_fd, parent_fd, name, bytes,
					 len);
}

int mafs_shadow_directory_put(int parent_fd, const char *name)
{
	struct stat st;
	int r;

	if (mkdirat(parent_fd, name, 0700) == 0)
		return 0;
	if (errno != EEXIST)
		return -errno;
	if (fstatat(parent_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    S_ISDIR(st.st_mode))
		return 0;
	r = mafs_shadow_remove(parent_fd, name);
	if (r < 0)
		return r;
	return mkdirat(parent_fd, name, 0700) < 0 ? -errno : 0;
}

/* ---- removing ---- */

/* Directories, found from the top down. */
struct doomed {
	char **paths; /* owned */
	size_t n, capacity;
};

static void doomed_done(struct doomed *doomed)
{
	for (size_t i = 0; i < doomed->n; i++)
		free(doomed->paths[i]);
	free(doomed->paths);
}

/* Takes @path over, also when it fails. */
static int doom(struct doomed *doomed, char *path)
{
	size_t capacity = doomed->capacity ? 2 * doomed->capacity : 16;
	char **paths;

	if (path && doomed->n == doomed->capacity) {
		paths = reallocarray(doomed->paths, capacity, sizeof(*paths));
		if (!paths) {
			free(path);
			return -ENOMEM;
		}
		doomed->paths = paths;
		doomed->capacity = capacity;
	}
	if (!path)
		return -ENOMEM;
	doomed->paths[doomed->n++] = path;
	return 0;
}

/* Removes what is no directory, and notes what is. */
static int empty(int parent_fd, const char *path, struct doomed *doomed)
{
	_cleanup_closedir_ DIR *stream = NULL;
	_cleanup_close_ int fd =
		mafs_open_longpath(parent_fd, path, O_RDONLY | O_DIRECTORY);
	struct dirent *entry;
	int r = 0;

	if (fd < 0)
		return fd;
	stream = fdopendir(fd);
	if (!stream)
		return -errno;
	fd = -1; /* the stream's */
	while (r == 0 && (errno = 0, entry = readdir(stream))) {
		char *below;

		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		if (unlinkat(dirfd(stream), entry->d_name, 0) == 0)
			continue;
		if (errno != EISDIR && errno != EPERM)
			return errno == ENOENT ? 0 : -errno;
		r = asprintf(&below, "%s/%s", path, entry->d_name) < 0 ?
			    -ENOMEM :
			    doom(doomed, below);
	}
	return r < 0 ? r : -errno;
}

static int remove_directory(int parent_fd, const char *path)
{
	_cleanup_close_ int fd = -1;
	const char *name;
	int r;

	r = mafs_tree_open_parent(parent_fd, path, false, &fd, &name);
	if (r < 0)
		return r;
	return unlinkat(fd, name, AT_REMOVEDIR) < 0 ? -errno : 0;
}

int mafs_shadow_remove(int parent_fd, const char *name)
{
	_cleanup_(doomed_done) struct doomed doomed = {};
	char *top;
	int r;

	if (unlinkat(parent_fd, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM)
		return -errno;
	if (asprintf(&top, "/%s", name) < 0)
		return -ENOMEM;
	r = doom(&doomed, top);
	for (size_t i = 0; r == 0 && i < doomed.n; i++)
		r = empty(parent_fd, doomed.paths[i], &doomed);
	for (size_t i = doomed.n; r == 0 && i-- > 0;)
		r = remove_directory(parent_fd, doomed.paths[i]);
	return r;
}
