// SPDX-License-Identifier: Apache-2.0
/*
 * Opening paths that are longer than one system call takes. A tree is that
 * deep after a parent was renamed, and its files still work.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <mafs/cleanup.h>
#include <mafs/longpath.h>
#include <mafs/platform.h>
#include <stdbool.h>
#include <string.h>

/* Bytes of @path up to a slash, or to its end, that fit into one call; 0 when
 * a single component does not. */
static size_t piece_len(const char *path)
{
	size_t len = strnlen(path, PATH_MAX);

	if (len < PATH_MAX)
		return len;
	for (len = PATH_MAX - 1; len > 0; len--)
		if (path[len] == '/')
			return len;
	return 0;
}

static bool has_dotdot(const char *path)
{
	const char *p = path;

	while ((p = strstr(p, ".."))) {
		if ((p == path || p[-1] == '/') && (!p[2] || p[2] == '/'))
			return true;
		p += 2;
	}
	return false;
}

int mafs_open_longpath(int dirfd, const char *path, int flags)
{
	_cleanup_close_ int fd = -1;
	char piece[PATH_MAX];
	size_t len;
	int next;

	/* Each piece is beneath its own start only. */
	if (has_dotdot(path))
		return -EXDEV;
	for (;;) {
		path += strspn(path, "/");
		len = piece_len(path);
		if (path[len] == '\0')
			break;
		if (len == 0)
			return -ENAMETOOLONG;
		memcpy(piece, path, len);
		piece[len] = '\0';
		next = mafs_open_beneath(fd >= 0 ? fd : dirfd, piece,
					 O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
		if (next < 0)
			return next;
		mafs_closep(&fd);
		fd = next;
		path += len;
	}
	return mafs_open_beneath(fd >= 0 ? fd : dirfd, *path ? path : ".",
				 flags | O_CLOEXEC, 0);
}
