// SPDX-License-Identifier: Apache-2.0
/*
 * Looks through /proc for working directories, programs and open files below
 * a mount point. Links are read, never followed. Called by umount when the
 * mount is busy.
 */
#include "holders.h"

#include "where.h"

#include <ctype.h>
#include <limits.h>
#include <mafs/cleanup.h>
#include <stdio.h>
#include <string.h>

static bool link_is_below(const char *link, const char *mountpoint)
{
	char target[PATH_MAX];
	ssize_t n = readlink(link, target, sizeof(target) - 1);

	if (n <= 0)
		return false;
	target[n] = '\0';
	return mafs_where_is_below(target, mountpoint);
}

static bool holds_open(const char *pid, const char *mountpoint)
{
	_cleanup_closedir_ DIR *dir = NULL;
	struct dirent *entry;
	char path[600];

	(void)snprintf(path, sizeof(path), "/proc/%s/fd", pid);
	dir = opendir(path);
	while (dir && (entry = readdir(dir))) {
		(void)snprintf(path, sizeof(path), "/proc/%s/fd/%s", pid,
			       entry->d_name);
		if (link_is_below(path, mountpoint))
			return true;
	}
	return false;
}

static bool holds(const char *pid, const char *mountpoint)
{
	static const char *const links[] = { "cwd", "root", "exe" };
	char path[300];

	for (size_t i = 0; i < MAFS_ARRAY_SIZE(links); i++) {
		(void)snprintf(path, sizeof(path), "/proc/%s/%s", pid,
			       links[i]);
		if (link_is_below(path, mountpoint))
			return true;
	}
	return holds_open(pid, mountpoint);
}

static void program_name(const char *pid, char *ret, size_t len)
{
	_cleanup_fclose_ FILE *file = NULL;
	char path[300];

	(void)snprintf(path, sizeof(path), "/proc/%s/comm", pid);
	file = fopen(path, "re");
	if (!file || !fgets(ret, (int)len, file))
		(void)snprintf(ret, len, "?");
	ret[strcspn(ret, "\n")] = '\0';
}

void mafs_holders(const char *mountpoint, char *ret, size_t len)
{
	_cleanup_closedir_ DIR *proc = opendir("/proc");
	struct dirent *entry;
	char name[64];
	size_t at = 0;
	int n;

	ret[0] = '\0';
	while (proc && (entry = readdir(proc))) {
		if (!isdigit((unsigned char)entry->d_name[0]) ||
		    !holds(entry->d_name, mountpoint))
			continue;
		program_name(entry->d_name, name, sizeof(name));
		n = snprintf(ret + at, len - at, "%s%s (%s)", at ? ", " : "",
			     name, entry->d_name);
		if (n < 0 || (size_t)n >= len - at) {
			ret[at] = '\0';
			return;
		}
		at += (size_t)n;
	}
}
