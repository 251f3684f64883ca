// SPDX-License-Identifier: Apache-2.0
/* Called by unit.c. */
#include "unit_name.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define UNIT_NAME_MAX 255

static bool is_plain(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
	       (c >= 'A' && c <= 'Z') || c == ':' || c == '_' || c == '.';
}

static int put(char *ret, size_t len, size_t *at, const char *text)
{
	size_t n = strlen(text);

	if (*at + n >= len)
		return -ENAMETOOLONG;
	memcpy(ret + *at, text, n + 1);
	*at += n;
	return 0;
}

static int put_escaped(char *ret, size_t len, size_t *at, const char *path)
{
	size_t begin = *at;
	char piece[8];
	int r = 0;

	path += strspn(path, "/");
	for (; *path && r == 0; path++) {
		if (*path == '/') {
			path += strspn(path, "/") - 1;
			if (!path[1])
				break;
			strcpy(piece, "-");
		} else if (is_plain(*path) && !(*path == '.' && *at == begin)) {
			(void)snprintf(piece, sizeof(piece), "%c", *path);
		} else {
			(void)snprintf(piece, sizeof(piece), "\\x%02x",
				       (unsigned char)*path);
		}
		r = put(ret, len, at, piece);
	}
	/* The root itself. */
	return r == 0 && *at == begin ? put(ret, len, at, "-") : r;
}

int mafs_unit_name(const char *prefix, const char *path, const char *suffix,
		   char *ret, size_t len)
{
	size_t at = 0;
	int r;

	r = put(ret, len, &at, prefix);
	if (r == 0)
		r = put_escaped(ret, len, &at, path);
	if (r == 0)
		r = put(ret, len, &at, suffix);
	return r == 0 && at > UNIT_NAME_MAX ? -ENAMETOOLONG : r;
}

int mafs_unit_quote(const char *value, char *ret, size_t len)
{
	size_t at = 0;
	char piece[3];
	int r;

	r = put(ret, len, &at, "\"");
	for (; *value && r == 0; value++) {
		(void)snprintf(piece, sizeof(piece), "%s%c",
			       *value == '%'                   ? "%" :
			       *value == '"' || *value == '\\' ? "\\" :
								 "",
			       *value);
		r = put(ret, len, &at, piece);
	}
	return r == 0 ? put(ret, len, &at, "\"") : r;
}
