/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads /proc/self/mountinfo: one text in memory, cut up in place.
 *
 *	36 35 98:0 /root /path rw,noatime shared:1 - ext4 /dev/sda rw
 *	id parent dev root path options (any tags) - type source fs-options
 *
 * Source: proc_pid_mountinfo(5). Blanks, tabs, newlines and backslashes in
 * texts are written as \040 and so on.
 */
#include <mafs/mounts.h>

#include <errno.h>
#include <fcntl.h>
#include <mafs/buffer.h>
#include <mafs/cleanup.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>

#define READ_STEP 16384

static int read_text(const char *path, char **ret)
{
	_cleanup_(mafs_buffer_done) struct mafs_buffer buffer = { 0 };
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;
	int r;

	if (fd < 0)
		return -errno;
	do {
		r = mafs_buffer_reserve(&buffer, READ_STEP);
		if (r < 0)
			return r;
		n = read(fd, buffer.bytes + buffer.len, READ_STEP);
		if (n < 0)
			return -errno;
		buffer.len += (size_t)n;
	} while (n > 0);
	r = mafs_buffer_append_zeros(&buffer, 1);
	if (r < 0)
		return r;
	*ret = (char *)take_ptr(buffer.bytes);
	return 0;
}

static bool is_octal(const char *s)
{
	for (int i = 0; i < 3; i++)
		if (s[i] < '0' || s[i] > '7')
			return false;
	return true;
}

static void unescape(char *text)
{
	char *to = text;

	for (const char *from = text; *from; to++) {
		if (*from == '\\' && is_octal(from + 1)) {
			*to = (char)((from[1] - '0') << 6 |
				     (from[2] - '0') << 3 | (from[3] - '0'));
			from += 4;
		} else {
			*to = *from++;
		}
	}
	*to = '\0';
}

static char *next_field(char **line)
{
	char *field = strsep(line, " ");

	if (field)
		unescape(field);
	return field;
}

static bool parse_line(char *line, struct mafs_mount *ret)
{
	char *id = next_field(&line), *parent = next_field(&line);
	char *dev = next_field(&line), *field;
	unsigned int major_no, minor_no;
	struct mafs_mount mount;

	mount.root = next_field(&line);
	mount.path = next_field(&line);
	do
		field = next_field(&line);
	while (field && strcmp(field, "-"));
	mount.type = next_field(&line);
	mount.source = next_field(&line);
	mount.options = next_field(&line);
	if (!mount.options || sscanf(id, "%u", &mount.id) != 1 ||
	    sscanf(parent, "%u", &mount.parent_id) != 1 ||
	    sscanf(dev, "%u:%u", &major_no, &minor_no) != 2)
		return false;
	mount.dev = makedev(major_no, minor_no);
	*ret = mount;
	return true;
}

static size_t count_lines(const char *text)
{
	size_t n = 1;

	while ((text = strchr(text, '\n'))) {
		n++;
		text++;
	}
	return n;
}

int mafs_mounts_read(const char *file, struct mafs_mounts *ret)
{
	_cleanup_free_ char *text = NULL;
	struct mafs_mount *mounts;
	char *rest, *line;
	size_t n = 0;
	int r;

	r = read_text(file ? file : "/proc/self/mountinfo", &text);
	if (r < 0)
		return r;
	mounts = calloc(count_lines(text), sizeof(*mounts));
	if (!mounts)
		return -ENOMEM;

	rest = text;
	while ((line = strsep(&rest, "\n")))
		if (parse_line(line, &mounts[n]))
			n++;
	*ret = (struct mafs_mounts){
		.mounts = mounts,
		.n_mounts = n,
		.text = take_ptr(text),
	};
	return 0;
}

void mafs_mounts_done(struct mafs_mounts *mounts)
{
	free(mounts->mounts);
	free(mounts->text);
	*mounts = (struct mafs_mounts){ 0 };
}

const struct mafs_mount *mafs_mounts_at(const struct mafs_mounts *mounts,
					const char *path)
{
	for (size_t i = mounts->n_mounts; i > 0; i--)
		if (!strcmp(mounts->mounts[i - 1].path, path))
			return &mounts->mounts[i - 1];
	return NULL;
}

bool mafs_mount_has_option(const struct mafs_mount *mount, const char *option)
{
	size_t len = strlen(option);

	for (const char *at = mount->options; at && *at;) {
		size_t n = strcspn(at, ",");

		if (n == len && !memcmp(at, option, n))
			return true;
		at += n + (at[n] == ',');
	}
	return false;
}
