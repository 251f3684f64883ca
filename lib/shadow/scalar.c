// SPDX-License-Identifier: Apache-2.0
/*
 * Times and names as text. A name is any bytes but NUL: harmless ones are
 * written as they are, printable UTF-8 in single quotes, everything else as
 * base64 with the tag !!binary, so that each name comes back byte for byte.
 */
#include "scalar.h"

#include <errno.h>
#include <inttypes.h>
#include <mafs/cleanup.h>
#include <mafs/descriptor.h>
#include <stdlib.h>
#include <string.h>

#define NSEC_PER_SEC 1000000000L

static const char base64_digits[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static void put_digits(char *to, int n, long number)
{
	while (n--) {
		to[n] = (char)('0' + number % 10);
		number /= 10;
	}
}

void mafs_time_to_text(const struct timespec *time,
		       char ret[static MAFS_TIME_TEXT_LEN])
{
	struct tm tm;

	if (!gmtime_r(&time->tv_sec, &tm) || tm.tm_year < -1900 ||
	    tm.tm_year > 9999 - 1900) {
		snprintf(ret, MAFS_TIME_TEXT_LEN, "@%" PRId64 ".%09u",
			 (int64_t)time->tv_sec, (unsigned int)time->tv_nsec);
		return;
	}
	strcpy(ret, "0000-00-00T00:00:00.000000000Z");
	put_digits(ret, 4, tm.tm_year + 1900);
	put_digits(ret + 5, 2, tm.tm_mon + 1);
	put_digits(ret + 8, 2, tm.tm_mday);
	put_digits(ret + 11, 2, tm.tm_hour);
	put_digits(ret + 14, 2, tm.tm_min);
	put_digits(ret + 17, 2, tm.tm_sec);
	put_digits(ret + 20, 9, time->tv_nsec);
}

/* Loose reading; the caller compares with what would have been written. */
static bool time_scan(const char *text, struct timespec *ret)
{
	struct tm tm = { 0 };
	int64_t sec;

	if (sscanf(text, "@%" SCNd64 ".%9ld", &sec, &ret->tv_nsec) == 2) {
		ret->tv_sec = sec;
		return true;
	}
	if (sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d.%9ldZ", &tm.tm_year,
		   &tm.tm_mon, &tm.tm_mday, &tm.tm_hour, &tm.tm_min, &tm.tm_sec,
		   &ret->tv_nsec) != 7)
		return false;
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	ret->tv_sec = timegm(&tm);
	return true;
}

int mafs_time_from_text(const char *text, struct timespec *ret)
{
	char canonical[MAFS_TIME_TEXT_LEN];
	struct timespec time = { 0 };

	if (strlen(text) >= MAFS_TIME_TEXT_LEN || !time_scan(text, &time) ||
	    time.tv_nsec < 0 || time.tv_nsec >= NSEC_PER_SEC)
		return -EINVAL;
	mafs_time_to_text(&time, canonical);
	if (strcmp(canonical, text) != 0)
		return -EINVAL;
	*ret = time;
	return 0;
}

/* Bytes of the UTF-8 sequence at @s, 0 when it is none or not printable in
 * YAML's sense (controls, line breaks, byte order marks, surrogates). */
static size_t printable_len(const unsigned char *s)
{
	uint32_t c, min;
	size_t len;

	if (*s >= 0x20 && *s <= 0x7e)
		return 1;
	if (*s >= 0xc2 && *s <= 0xdf) {
		len = 2, c = *s & 0x1f, min = 0xa0;
	} else if (*s >= 0xe0 && *s <= 0xef) {
		len = 3, c = *s & 0x0f, min = 0x800;
	} else if (*s >= 0xf0 && *s <= 0xf4) {
		len = 4, c = *s & 0x07, min = 0x10000;
	} else {
		return 0;
	}
	for (size_t i = 1; i < len; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (s[i] & 0x3f);
	}
	if (c < min || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff) ||
	    c == 0x2028 || c == 0x2029 || c == 0xfeff || (c & 0xfffe) == 0xfffe)
		return 0;
	return len;
}

bool mafs_name_is_printable(const char *name)
{
	const unsigned char *s = (const unsigned char *)name;
	size_t len;

	for (; *s; s += len) {
		len = printable_len(s);
		if (!len)
			return false;
	}
	return true;
}

static bool is_plain(const char *name)
{
	static const char harmless[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
		"0123456789/._-+=@~";

	return name[strspn(name, harmless)] == '\0';
}

static int append_quoted(struct mafs_buffer *buffer, const char *name)
{
	const char *quote;
	int r = mafs_buffer_append(buffer, "'", 1);

	while (r == 0 && (quote = strchr(name, '\''))) {
		r = mafs_buffer_append(buffer, name, (size_t)(quote - name));
		if (r == 0)
			r = mafs_buffer_append(buffer, "''", 2);
		name = quote + 1;
	}
	if (r == 0)
		r = mafs_buffer_append(buffer, name, strlen(name));
	return r < 0 ? r : mafs_buffer_append(buffer, "'", 1);
}

static int append_base64(struct mafs_buffer *buffer, const void *bytes,
			 size_t len)
{
	const unsigned char *s = bytes;
	int r = mafs_buffer_append(buffer, "!!binary ", 9);

	for (; r == 0 && len; s += 3, len -= len < 3 ? len : 3) {
		uint32_t group = (uint32_t)s[0] << 16 |
				 (len > 1 ? (uint32_t)s[1] << 8 : 0) |
				 (len > 2 ? s[2] : 0U);
		char digits[4] = {
			base64_digits[group >> 18],
			base64_digits[group >> 12 & 63],
			len > 1 ? base64_digits[group >> 6 & 63] : '=',
			len > 2 ? base64_digits[group & 63] : '=',
		};

		r = mafs_buffer_append(buffer, digits, sizeof(digits));
	}
	return r;
}

int mafs_name_append(struct mafs_buffer *buffer, const char *name, bool plain)
{
	if (plain && *name && is_plain(name))
		return mafs_buffer_append(buffer, name, strlen(name));
	if (mafs_name_is_printable(name))
		return append_quoted(buffer, name);
	return append_base64(buffer, name, strlen(name));
}

int mafs_value_append(struct mafs_buffer *buffer, const void *value, size_t len)
{
	_cleanup_free_ char *text = NULL;

	if (len && memchr(value, '\0', len))
		return append_base64(buffer, value, len);
	text = calloc(1, len + 1);
	if (!text)
		return -ENOMEM;
	if (len)
		memcpy(text, value, len);
	return mafs_name_append(buffer, text, false);
}

int mafs_base64_bytes(const char *text, char **ret, size_t *ret_len)
{
	_cleanup_free_ char *bytes = malloc(strlen(text) / 4 * 3 + 4);
	size_t len = 0, n_digits = 0, n_pads = 0;
	uint32_t group = 0;
	const char *digit;

	if (!bytes)
		return -ENOMEM;
	for (; *text; text++) {
		if (strchr(" \t\r\n", *text))
			continue;
		digit = strchr(base64_digits, *text);
		if (*text == '=')
			n_pads++;
		else if (!digit || n_pads)
			return -EINVAL;
		group = group << 6 |
			(*text == '=' ? 0U : (uint32_t)(digit - base64_digits));
		if (++n_digits % 4)
			continue;
		for (size_t i = 0; i < 3 - (n_pads < 3 ? n_pads : 3); i++)
			bytes[len++] = (char)(group >> (16 - 8 * i) & 0xff);
		group = 0;
	}
	if (n_digits % 4 || n_pads > 2)
		return -EINVAL;
	bytes[len] = '\0';
	*ret = take_ptr(bytes);
	*ret_len = len;
	return 0;
}
