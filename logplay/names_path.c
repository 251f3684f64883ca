// SPDX-License-Identifier: Apache-2.0
/*
 * Paths of a memory volume's names, and how its names are called in a shadow.
 * A path is put together from its end, in a buffer that is filled backwards.
 */
#include "names_shadow.h"

#include <errno.h>
#include <string.h>

#define DOT MAFS_SHADOW_DOT
#define DOT_LEN (sizeof(DOT) - 1)

/* ".mafs", ".mafs.mafs", ... */
static bool is_reserved(const char *name)
{
	size_t len = strlen(name);

	if (!len || len % DOT_LEN)
		return false;
	for (; *name; name += DOT_LEN)
		if (strncmp(name, DOT, DOT_LEN) != 0)
			return false;
	return true;
}

int mafs_names_shadow_name(const char *name, char ret[static MAFS_NAME_MAX + 1])
{
	size_t len = strlen(name);

	if (!is_reserved(name)) {
		strcpy(ret, name);
		return 0;
	}
	if (len + DOT_LEN > MAFS_NAME_MAX)
		return -ENAMETOOLONG;
	memcpy(ret, name, len);
	strcpy(ret + len, DOT);
	return 0;
}

bool mafs_names_shadow_name_of(const char *shown,
			       char ret[static MAFS_NAME_MAX + 1])
{
	if (!strcmp(shown, DOT))
		return false;
	strcpy(ret, shown + (is_reserved(shown) ? DOT_LEN : 0));
	return true;
}

/* Room for @len bytes more in front of the @used ones at the buffer's end. */
static int make_room(struct mafs_buffer *buffer, size_t used, size_t len)
{
	size_t before = buffer->capacity;
	int r;

	if (used + len <= before)
		return 0;
	buffer->len = before;
	r = mafs_buffer_reserve(buffer, used + len);
	if (r < 0)
		return r;
	memmove(buffer->bytes + buffer->capacity - used,
		buffer->bytes + before - used, used);
	return 0;
}

static int prepend(struct mafs_buffer *buffer, size_t *used, const char *text,
		   size_t len)
{
	int r = make_room(buffer, *used, len);

	if (r < 0)
		return r;
	*used += len;
	memcpy(buffer->bytes + buffer->capacity - *used, text, len);
	return 0;
}

static int prepend_name(struct mafs_buffer *buffer, size_t *used,
			const char *name, bool shown)
{
	char called[MAFS_NAME_MAX + 1];
	int r = 0;

	if (shown)
		r = mafs_names_shadow_name(name, called);
	else
		strcpy(called, name);
	if (r == 0)
		r = prepend(buffer, used, called, strlen(called));
	return r < 0 ? r : prepend(buffer, used, "/", 1);
}

/* The path is at the buffer's end: to its front. */
static void settle(struct mafs_buffer *buffer, size_t used)
{
	memmove(buffer->bytes, buffer->bytes + buffer->capacity - used, used);
	buffer->len = used - 1; /* its NUL stays behind it */
}

static int path_of(struct mafs_names *names, const struct mafs_node *dir,
		   const char *name, bool shown, struct mafs_buffer *ret)
{
	size_t n_left = mafs_names_count(names), used = 0;
	int r = prepend(ret, &used, "", 1);

	if (r == 0 && name)
		r = prepend_name(ret, &used, name, shown);
	while (r == 0 && dir->id != MAFS_OMF_ROOT_ID) {
		/* A log that is wrong may have circles, or hang in the air. */
		if (!dir->names || !n_left--)
			return -ESTALE;
		r = prepend_name(ret, &used, dir->names->name, shown);
		dir = dir->names->parent;
	}
	if (r == 0)
		settle(ret, used);
	return r;
}

int names_path_of_dir(struct mafs_names *names, const struct mafs_node *dir,
		      bool shown, struct mafs_buffer *ret)
{
	return path_of(names, dir, NULL, shown, ret);
}

int names_path_of_name(struct mafs_names *names, const struct mafs_name *name,
		       bool shown, struct mafs_buffer *ret)
{
	return path_of(names, name->parent, name->name, shown, ret);
}
