// SPDX-License-Identifier: Apache-2.0
/*
 * The descriptor of a memory volume's inode as YAML, in one fixed form: the
 * same inode always gives the same bytes. A million of them are written at a
 * time, so numbers and times are put together digit by digit.
 */
#include "path.h"
#include "scalar.h"

#include <errno.h>
#include <mafs/node_descriptor.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

/* More than any line takes that has neither a name nor a value in it. */
#define LINES_BYTES_MAX 1024
#define EXTENT_BYTES_MAX 160

/* Text behind which there is room. */
struct pen {
	char *at;
};

void mafs_node_descriptor_done(struct mafs_node_descriptor *descriptor)
{
	for (size_t i = 0; i < descriptor->n_xattrs; i++) {
		free(descriptor->xattrs[i].name);
		free(descriptor->xattrs[i].value);
	}
	free(descriptor->xattrs);
	free(descriptor->path);
	free(descriptor->target);
	mafs_map_done(&descriptor->map);
	*descriptor = (struct mafs_node_descriptor){};
}

const char *mafs_node_type_to_text(uint32_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
		return "regular";
	case S_IFDIR:
		return "directory";
	case S_IFLNK:
		return "symlink";
	case S_IFIFO:
		return "fifo";
	case S_IFSOCK:
		return "socket";
	case S_IFCHR:
		return "char";
	case S_IFBLK:
		return "block";
	default:
		return NULL;
	}
}

static void put_text(struct pen *pen, const char *text)
{
	pen->at = stpcpy(pen->at, text);
}

static void put_number(struct pen *pen, uint64_t number)
{
	char digits[20], *digit = digits + sizeof(digits);

	do {
		*--digit = (char)('0' + number % 10);
		number /= 10;
	} while (number);
	pen->at = mempcpy(pen->at, digit,
			  (size_t)(digits + sizeof(digits) - digit));
}

static void put_line(struct pen *pen, const char *key, uint64_t number)
{
	put_text(pen, key);
	put_number(pen, number);
	put_text(pen, "\n");
}

static void put_time(struct pen *pen, const char *key,
		     const struct timespec *time)
{
	char text[MAFS_TIME_TEXT_LEN];

	mafs_time_to_text(time, text);
	put_text(pen, key);
	put_text(pen, text);
	put_text(pen, "'\n");
}

static void put_permissions(struct pen *pen, uint32_t mode)
{
	put_text(pen, "  permissions: '");
	for (int shift = 9; shift >= 0; shift -= 3)
		*pen->at++ = (char)('0' + (mode >> shift & 7));
	put_text(pen, "'\n");
}

static void put_device(struct pen *pen, uint64_t rdev)
{
	put_text(pen, "  device: '");
	put_number(pen, major(rdev));
	put_text(pen, ":");
	put_number(pen, minor(rdev));
	put_text(pen, "'\n");
}

/* Room for @len bytes; the pen stands at the buffer's end. */
static int pen_open(struct mafs_buffer *buffer, size_t len, struct pen *ret)
{
	int r = mafs_buffer_reserve(buffer, len);

	if (r == 0)
		ret->at = (char *)buffer->bytes + buffer->len;
	return r;
}

static void pen_close(struct mafs_buffer *buffer, const struct pen *pen)
{
	buffer->len = (size_t)(pen->at - (char *)buffer->bytes);
}

static int append_head(struct mafs_buffer *buffer,
		       const struct mafs_node_descriptor *descriptor)
{
	struct pen pen = {};
	int r = pen_open(buffer, LINES_BYTES_MAX, &pen);

	if (r < 0)
		return r;
	put_text(&pen, "file:\n");
	put_line(&pen, "  version: ", MAFS_NODE_DESCRIPTOR_VERSION);
	put_line(&pen, "  id: ", descriptor->id);
	pen_close(buffer, &pen);
	return 0;
}

static int append_name(struct mafs_buffer *buffer, const char *key,
		       const char *name)
{
	int r = mafs_buffer_append(buffer, key, strlen(key));

	if (r == 0)
		r = mafs_name_append(buffer, name, true);
	return r < 0 ? r : mafs_buffer_append(buffer, "\n", 1);
}

static int append_attributes(struct mafs_buffer *buffer,
			     const struct mafs_node_descriptor *descriptor)
{
	uint32_t mode = descriptor->mode;
	struct pen pen = {};
	int r = pen_open(buffer, LINES_BYTES_MAX, &pen);

	if (r < 0)
		return r;
	if (descriptor->n_links != 1)
		put_line(&pen, "  links: ", descriptor->n_links);
	put_text(&pen, "  type: ");
	put_text(&pen, mafs_node_type_to_text(mode));
	put_text(&pen, "\n");
	put_line(&pen, "  owner: ", descriptor->owner);
	put_line(&pen, "  group: ", descriptor->group);
	put_permissions(&pen, mode);
	if (S_ISREG(mode))
		put_line(&pen, "  size: ", descriptor->size_bytes);
	if (S_ISCHR(mode) || S_ISBLK(mode))
		put_device(&pen, descriptor->rdev);
	put_time(&pen, "  atime: '", &descriptor->atime);
	put_time(&pen, "  mtime: '", &descriptor->mtime);
	put_time(&pen, "  ctime: '", &descriptor->ctime);
	put_time(&pen, "  btime: '", &descriptor->btime);
	pen_close(buffer, &pen);
	return 0;
}

static int append_xattrs(struct mafs_buffer *buffer,
			 const struct mafs_node_descriptor *descriptor)
{
	static const char title[] = "  xattrs:\n";
	int r = 0;

	if (descriptor->n_xattrs)
		r = mafs_buffer_append(buffer, title, strlen(title));
	for (size_t i = 0; r == 0 && i < descriptor->n_xattrs; i++) {
		const struct mafs_descriptor_xattr *xattr =
			&descriptor->xattrs[i];
		static const char value[] = "      value: ";

		r = append_name(buffer, "    - name: ", xattr->name);
		if (r == 0)
			r = mafs_buffer_append(buffer, value, strlen(value));
		if (r == 0)
			r = mafs_value_append(buffer, xattr->value,
					      xattr->value_len);
		if (r == 0)
			r = mafs_buffer_append(buffer, "\n", 1);
	}
	return r;
}

static void put_extent(struct pen *pen, const struct mafs_extent *extent)
{
	char uuid[MAFS_UUID_TEXT_LEN];

	if (mafs_uuid_is_null(&extent->device_uuid)) {
		put_line(pen, "    - hole: ", extent->length_bytes);
		return;
	}
	mafs_uuid_to_text(&extent->device_uuid, uuid);
	put_text(pen, "    - device_uuid: '");
	put_text(pen, uuid);
	put_text(pen, "'\n");
	put_line(pen, "      offset: ", extent->offset_bytes);
	put_line(pen, "      length: ", extent->length_bytes);
}

static int append_extents(struct mafs_buffer *buffer,
			  const struct mafs_map *map)
{
	struct pen pen = {};
	int r = pen_open(buffer, LINES_BYTES_MAX, &pen);

	if (r < 0)
		return r;
	put_text(&pen, map->n_extents ? "  extents:\n" : "  extents: []\n");
	pen_close(buffer, &pen);
	for (size_t i = 0; i < map->n_extents; i++) {
		r = pen_open(buffer, EXTENT_BYTES_MAX, &pen);
		if (r < 0)
			return r;
		put_extent(&pen, &map->extents[i]);
		pen_close(buffer, &pen);
	}
	return 0;
}

static int append_all(struct mafs_buffer *buffer,
		      const struct mafs_node_descriptor *descriptor)
{
	int r = append_head(buffer, descriptor);

	if (r == 0 && descriptor->path)
		r = append_name(buffer, "  path: ", descriptor->path);
	if (r == 0)
		r = append_attributes(buffer, descriptor);
	if (r == 0 && descriptor->target)
		r = append_name(buffer, "  target: ", descriptor->target);
	if (r == 0)
		r = append_xattrs(buffer, descriptor);
	if (r == 0 && S_ISREG(descriptor->mode))
		r = append_extents(buffer, &descriptor->map);
	return r;
}

int mafs_node_descriptor_to_text(const struct mafs_node_descriptor *descriptor,
				 struct mafs_buffer *buffer)
{
	size_t len = buffer->len;
	int r;

	if (!mafs_node_type_to_text(descriptor->mode) ||
	    (descriptor->path && !mafs_path_is_valid(descriptor->path)) ||
	    S_ISLNK(descriptor->mode) != !!descriptor->target)
		return -EINVAL;
	r = append_all(buffer, descriptor);
	if (r < 0)
		buffer->len = len;
	return r;
}
