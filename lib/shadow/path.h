/* SPDX-License-Identifier: Apache-2.0 */
/* Which names and paths a shadow may hold. Private to lib/shadow. */
#pragma once

#include <mafs/identity.h>
#include <stdbool.h>
#include <string.h>

/* One component of @len bytes: not empty, "." or "..", no slash, no NUL. */
static inline bool mafs_component_is_valid(const char *name, size_t len)
{
	return len > 0 && len <= MAFS_NAME_MAX && !memchr(name, '/', len) &&
	       !(len == 1 && name[0] == '.') &&
	       !(len == 2 && name[0] == '.' && name[1] == '.');
}

static inline bool mafs_name_is_valid(const char *name)
{
	return mafs_component_is_valid(name, strlen(name));
}

/* "/a/b": absolute, no empty, "." or ".." component; any length. */
static inline bool mafs_path_is_valid(const char *path)
{
	size_t len;

	if (*path != '/')
		return false;
	while (*path == '/') {
		path++;
		len = strcspn(path, "/");
		if (!mafs_component_is_valid(path, len))
			return false;
		path += len;
	}
	return true;
}
