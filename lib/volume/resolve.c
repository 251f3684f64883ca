/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Paths, resolved without ever entering a mafs mount: a dead daemon's mount
 * gives ENOTCONN for everything, a hanging one does not answer at all. So the
 * path is walked by us, one component at a time, and each is looked up in the
 * list of mounts before the kernel is asked about it.
 */
#include "volume.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>

#define N_LINKS_MAX 40

bool is_mafs_mount(const struct mafs_mount *mount)
{
	return !strcmp(mount->type, FUSE_TYPE);
}

/**
 * struct walk - a path half resolved
 * @done: resolved, "" for the root, no slash at its end
 * @rest: still to go; a component may be a link
 */
struct walk {
	char done[PATH_MAX];
	char rest[PATH_MAX];
	unsigned int n_links;
};

static int begin_walk(struct walk *walk, const char *what)
{
	char here[PATH_MAX] = "";
	int n;

	walk->done[0] = '\0';
	walk->n_links = 0;
	if (!*what)
		return -ENOENT;
	if (*what != '/' && !getcwd(here, sizeof(here)))
		return -errno;
	n = snprintf(walk->rest, sizeof(walk->rest), "%s/%s", here, what);
	return n >= PATH_MAX ? -ENAMETOOLONG : 0;
}

/* Cuts the next component off; false at the end. */
static bool next_component(struct walk *walk, char ret[static NAME_MAX + 1])
{
	size_t skip = strspn(walk->rest, "/");
	size_t len = strcspn(walk->rest + skip, "/");

	if (!len || len > NAME_MAX)
		return false;
	memcpy(ret, walk->rest + skip, len);
	ret[len] = '\0';
	memmove(walk->rest, walk->rest + skip + len,
		strlen(walk->rest + skip + len) + 1);
	return true;
}

/* The target takes the link's place in front of what is still to go. */
static int follow(struct walk *walk, const char *target)
{
	char joined[2 * PATH_MAX];

	if (++walk->n_links > N_LINKS_MAX)
		return -ELOOP;
	snprintf(joined, sizeof(joined), "%s/%s", target, walk->rest);
	if (strlen(joined) >= PATH_MAX)
		return -ENAMETOOLONG;
	strcpy(walk->rest, joined);
	if (*target == '/')
		walk->done[0] = '\0';
	return 0;
}

/* Return: 1 when @walk->done became a mafs mount, 0 to go on. */
static int step(struct walk *walk, const char *component,
		const struct mafs_mounts *mounts,
		const struct mafs_mount **ret_mount)
{
	size_t len = strlen(walk->done);
	char target[PATH_MAX];
	ssize_t n;

	if (len + 1 + strlen(component) >= PATH_MAX)
		return -ENAMETOOLONG;
	snprintf(walk->done + len, PATH_MAX - len, "/%s", component);
	*ret_mount = mafs_mounts_at(mounts, walk->done);
	if (*ret_mount && is_mafs_mount(*ret_mount))
		return 1;
	*ret_mount = NULL;

	n = readlink(walk->done, target, sizeof(target) - 1);
	if (n < 0)
		return errno == EINVAL ? 0 : -errno;
	target[n] = '\0';
	walk->done[len] = '\0';
	return follow(walk, target);
}

static void go_up(struct walk *walk)
{
	char *slash = strrchr(walk->done, '/');

	if (slash)
		*slash = '\0';
}

int resolve(const char *what, const struct mafs_mounts *mounts,
	    char ret[static PATH_MAX], const struct mafs_mount **ret_mount)
{
	_cleanup_free_ struct walk *walk = malloc(sizeof(*walk));
	const struct mafs_mount *mount = NULL;
	char component[NAME_MAX + 1];
	int r;

	if (!walk)
		return -ENOMEM;
	r = begin_walk(walk, what);
	while (r == 0 && next_component(walk, component)) {
		if (!strcmp(component, ".."))
			go_up(walk);
		else if (strcmp(component, "."))
			r = step(walk, component, mounts, &mount);
	}
	if (r == 0 && walk->rest[strspn(walk->rest, "/")])
		r = -ENAMETOOLONG;
	if (r < 0)
		return r;
	strcpy(ret, *walk->done ? walk->done : "/");
	*ret_mount = mount;
	return 0;
}

/* ---- going round a mount ---- */

/* Length of the shortest part of @path that is a mafs mount; 0: none. */
static size_t covered_len(const char *path, const struct mafs_mounts *mounts)
{
	char part[PATH_MAX];
	size_t len = 0;

	while (path[len]) {
		const struct mafs_mount *mount;

		len += 1 + strcspn(path + len + 1, "/");
		memcpy(part, path, len);
		part[len] = '\0';
		mount = mafs_mounts_at(mounts, part);
		if (mount && is_mafs_mount(mount))
			return len;
	}
	return 0;
}

/*
 * A clone of the parent's mount, not recursive, shows what the mount covers.
 * Whatever else is mounted on the way is not to be seen in it either: the
 * caller makes sure that it found what it looked for.
 */
static int open_beneath_cover(const char *path, size_t covered)
{
	_cleanup_close_ int parent_fd = -1;
	char parent[PATH_MAX];
	size_t len = covered;
	int fd;

	while (path[len - 1] != '/')
		len--;
	memcpy(parent, path, len);
	parent[len] = '\0';
	parent_fd = mafs_clone_tree(parent);
	if (parent_fd < 0)
		return -ENXIO;
	fd = mafs_open_beneath(parent_fd, path + len, O_RDONLY | O_DIRECTORY,
			       0);
	return fd < 0 ? -ENXIO : fd;
}

int open_covered(const char *path, const struct mafs_mounts *mounts)
{
	size_t covered = covered_len(path, mounts);

	if (covered)
		return open_beneath_cover(path, covered);
	return namespace_open(path);
}
