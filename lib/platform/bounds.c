/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How much memory may be promised: what the machine has, what it has left,
 * and the tightest memory limit of all control groups above this process.
 *
 * tmpfs pages are charged to the group of the process that touches them
 * first: past a limit the kernel kills, whatever the tmpfs's own size says.
 * Both hierarchies are walked, since either may hold the memory controller.
 */
#include "bounds.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <mafs/cleanup.h>
#include <mafs/mounts.h>
#include <string.h>

/* v1 writes "no limit" as LONG_MAX rounded down to pages. */
#define NO_LIMIT_V1 (UINT64_C(1) << 62)

static FILE *open_at(const char *root, const char *path)
{
	char full[PATH_MAX];

	if (snprintf(full, sizeof(full), "%s%s", root, path) >=
	    (int)sizeof(full)) {
		errno = ENAMETOOLONG;
		return NULL;
	}
	return fopen(full, "re");
}

static int read_meminfo(const char *root, struct mafs_bounds *bounds)
{
	_cleanup_fclose_ FILE *file = open_at(root, "/proc/meminfo");
	uint64_t kib;
	char line[256];

	if (!file)
		return -errno;
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "MemTotal: %" SCNu64, &kib) == 1)
			bounds->ram_bytes = kib * 1024;
		else if (sscanf(line, "MemAvailable: %" SCNu64, &kib) == 1)
			bounds->available_bytes = kib * 1024;
	}
	return bounds->ram_bytes ? 0 : -EIO;
}

/* No such file (a root group has none) or "max": no limit. */
static uint64_t read_limit(const char *root, const char *directory,
			   const char *name)
{
	_cleanup_fclose_ FILE *file = NULL;
	char path[PATH_MAX];
	uint64_t limit;

	if (snprintf(path, sizeof(path), "%s/%s", directory, name) >=
	    (int)sizeof(path))
		return UINT64_MAX;
	file = open_at(root, path);
	if (!file || fscanf(file, "%" SCNu64, &limit) != 1 ||
	    limit >= NO_LIMIT_V1)
		return UINT64_MAX;
	return limit;
}

static void tighten(uint64_t *bound, uint64_t limit)
{
	if (limit < *bound)
		*bound = limit;
}

/* The path of a group below the mount's root, "" when it is not below. */
static const char *below_mount_root(const struct mafs_mount *mount,
				    const char *group)
{
	size_t len = strlen(mount->root);

	if (!strcmp(mount->root, "/"))
		return group;
	if (strncmp(group, mount->root, len) ||
	    (group[len] && group[len] != '/'))
		return "";
	return group + len;
}

/* From the group itself up to where its hierarchy is mounted. */
static void walk_up(const char *root, const struct mafs_mount *mount,
		    const char *group, bool is_v2, uint64_t *bound)
{
	const char *below = below_mount_root(mount, group);
	size_t top_len = strlen(mount->path);
	char directory[PATH_MAX];
	char *slash;

	/* ".." means: outside of our cgroup namespace, not to be seen. */
	if (strstr(below, "/.."))
		below = "";
	if (snprintf(directory, sizeof(directory), "%s%s", mount->path,
		     below) >= (int)sizeof(directory))
		return;
	for (;;) {
		if (is_v2) {
			tighten(bound,
				read_limit(root, directory, "memory.max"));
			/* Above it everything is throttled to a crawl. */
			tighten(bound,
				read_limit(root, directory, "memory.high"));
		} else {
			tighten(bound, read_limit(root, directory,
						  "memory.limit_in_bytes"));
		}
		slash = strrchr(directory, '/');
		if (!slash || (size_t)(slash - directory) < top_len)
			return;
		*slash = '\0';
	}
}

static bool holds_memory(const char *controllers)
{
	struct mafs_mount as_options = { .options = (char *)controllers };

	return mafs_mount_has_option(&as_options, "memory");
}

static void walk_hierarchies(const char *root, const struct mafs_mounts *mounts,
			     const char *group, bool is_v2, uint64_t *bound)
{
	const char *type = is_v2 ? "cgroup2" : "cgroup";

	for (size_t i = 0; i < mounts->n_mounts; i++) {
		const struct mafs_mount *mount = &mounts->mounts[i];

		if (strcmp(mount->type, type))
			continue;
		if (is_v2 || mafs_mount_has_option(mount, "memory"))
			walk_up(root, mount, group, is_v2, bound);
	}
}

/* Lines of /proc/self/cgroup: "4:memory:/a/b" (v1), "0::/a/b" (v2). */
static void read_groups(const char *root, const struct mafs_mounts *mounts,
			uint64_t *bound)
{
	_cleanup_fclose_ FILE *file = open_at(root, "/proc/self/cgroup");
	char line[PATH_MAX + 256];

	while (file && fgets(line, sizeof(line), file)) {
		char *rest = line, *number = strsep(&rest, ":");
		char *controllers = strsep(&rest, ":");
		bool is_v2;

		if (!rest)
			continue;
		rest[strcspn(rest, "\n")] = '\0';
		is_v2 = !strcmp(number, "0") && !*controllers;
		if (is_v2 || holds_memory(controllers))
			walk_hierarchies(root, mounts, rest, is_v2, bound);
	}
}

int mafs_bounds_read_at(const char *root, struct mafs_bounds *ret)
{
	_cleanup_(mafs_mounts_done) struct mafs_mounts mounts = { 0 };
	struct mafs_bounds bounds = { .cgroup_bytes = UINT64_MAX };
	char file[PATH_MAX];
	int r;

	r = read_meminfo(root, &bounds);
	if (r < 0)
		return r;
	if (snprintf(file, sizeof(file), "%s/proc/self/mountinfo", root) >=
	    (int)sizeof(file))
		return -ENAMETOOLONG;
	/* A machine without control groups is bounded by its RAM alone. */
	if (mafs_mounts_read(file, &mounts) == 0)
		read_groups(root, &mounts, &bounds.cgroup_bytes);
	*ret = bounds;
	return 0;
}

int mafs_bounds_read(struct mafs_bounds *ret)
{
	return mafs_bounds_read_at("", ret);
}
