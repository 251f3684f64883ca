/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes a record, whole and durably, as YAML or as JSON. Every value is a
 * double-quoted text, which reads the same in both.
 *
 * A path may hold any byte; a value that is not plain UTF-8 text is written as
 * hexadecimal digits under KEY_hex.
 */
#include "record.h"

#include <errno.h>
#include <fcntl.h>
#include <mafs/buffer.h>
#include <mafs/cleanup.h>
#include <stdio.h>
#include <string.h>

/* Bytes of the well-formed character at @s that both formats hold as it is;
 * 0 when it is none. Source: RFC 3629, table in section 4. */
static size_t text_char_len(const unsigned char *s)
{
	uint32_t code;
	size_t len;

	if (*s < 0x80)
		return *s >= 0x20 && *s != 0x7f;
	if (*s < 0xc2 || *s > 0xf4)
		return 0;
	len = *s < 0xe0 ? 2 : *s < 0xf0 ? 3 : 4;
	code = *s & (0xffU >> (len + 1));
	for (size_t i = 1; i < len; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (s[i] & 0x3f);
	}
	if (code < 0xa0 || (len == 3 && code < 0x800) ||
	    (len == 4 && code < 0x10000) || code > 0x10ffff ||
	    (code >= 0xd800 && code < 0xe000) || (code & 0xfffe) == 0xfffe ||
	    code == 0x2028 || code == 0x2029 || code == 0xfeff)
		return 0;
	return len;
}

static bool is_text(const char *s)
{
	const unsigned char *at = (const unsigned char *)s;
	size_t n;

	for (; *at; at += n) {
		n = text_char_len(at);
		if (!n)
			return false;
	}
	return true;
}

static int add(struct mafs_buffer *buffer, const char *text)
{
	return mafs_buffer_append(buffer, text, strlen(text));
}

static int add_quoted(struct mafs_buffer *buffer, const char *value)
{
	int r = add(buffer, "\"");

	for (; r == 0 && *value; value++) {
		if (*value == '"' || *value == '\\')
			r = add(buffer, "\\");
		if (r == 0)
			r = mafs_buffer_append(buffer, value, 1);
	}
	return r < 0 ? r : add(buffer, "\"");
}

static int add_hex(struct mafs_buffer *buffer, const char *value)
{
	char digits[3];
	int r = add(buffer, "\"");

	for (; r == 0 && *value; value++) {
		snprintf(digits, sizeof(digits), "%02x", (unsigned char)*value);
		r = add(buffer, digits);
	}
	return r < 0 ? r : add(buffer, "\"");
}

static int add_field(struct mafs_buffer *buffer,
		     const struct record_field *field, bool as_json)
{
	bool text = is_text(field->value);
	const char *quote = as_json ? "\"" : "";
	char key[64];
	int r;

	snprintf(key, sizeof(key), "%s%s%s%s: ", quote, field->key,
		 text ? "" : "_hex", quote);
	r = add(buffer, key);
	if (r < 0)
		return r;
	return text ? add_quoted(buffer, field->value) :
		      add_hex(buffer, field->value);
}

static int format(struct mafs_buffer *buffer, const struct record *record,
		  bool as_json)
{
	int r = as_json ? add(buffer, "{\n") : 0;

	for (size_t i = 0; r == 0 && i < record->n_fields; i++) {
		bool last = i + 1 == record->n_fields;

		r = add_field(buffer, &record->fields[i], as_json);
		if (r == 0)
			r = add(buffer, as_json && !last ? ",\n" : "\n");
	}
	if (r == 0 && as_json)
		r = add(buffer, "}\n");
	return r;
}

static int write_new(int dirfd, const char *name,
		     const struct mafs_buffer *buffer)
{
	_cleanup_close_ int fd = -1;
	int r;

	/* Left by a crash, or put there by another owner of the directory. */
	if (unlinkat(dirfd, name, 0) < 0 && errno != ENOENT)
		return -errno;
	fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	r = mafs_pwrite_full(fd, buffer->bytes, buffer->len, 0);
	if (r < 0)
		return r;
	return fsync(fd) < 0 ? -errno : 0;
}

int record_store(int dirfd, const char *name, const char *path,
		 const struct record *record, bool as_json,
		 struct mafs_fault *fault)
{
	_cleanup_(mafs_buffer_done) struct mafs_buffer buffer = { 0 };
	char new_name[64];
	int r;

	snprintf(new_name, sizeof(new_name), "%s.new", name);
	r = format(&buffer, record, as_json);
	if (r == 0)
		r = write_new(dirfd, new_name, &buffer);
	if (r == 0 && renameat(dirfd, new_name, dirfd, name) < 0)
		r = -errno;
	if (r == 0 && fsync(dirfd) < 0)
		r = -errno;
	if (r < 0)
		return mafs_fault_set(fault, r, "cannot write %s/%s: %s", path,
				      name, strerror(-r));
	return 0;
}
