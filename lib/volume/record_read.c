/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads a record with libyaml, event by event. Anything but one flat mapping
 * of scalars is refused: whoever may write the file may not make us build
 * trees. A value that is no UTF-8 text stands as KEY_hex.
 */
#include "record.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <mafs/buffer.h>
#include <mafs/cleanup.h>
#include <string.h>
#include <yaml.h>

#define FILE_MAX_LEN 65536
#define HEX_SUFFIX "_hex"

void record_done(struct record *record)
{
	for (size_t i = 0; i < record->n_fields; i++) {
		free(record->fields[i].key);
		free(record->fields[i].value);
	}
	record->n_fields = 0;
}

static struct record_field *find(const struct record *record, const char *key)
{
	for (size_t i = 0; i < record->n_fields; i++)
		if (!strcmp(record->fields[i].key, key))
			return (struct record_field *)&record->fields[i];
	return NULL;
}

const char *record_get(const struct record *record, const char *key)
{
	const struct record_field *field = find(record, key);

	return field ? field->value : NULL;
}

int record_get_u64(const struct record *record, const char *key, uint64_t *ret)
{
	const char *text = record_get(record, key);
	char *end;
	uint64_t value;

	if (!text || *text < '0' || *text > '9')
		return -EUCLEAN;
	errno = 0;
	value = strtoull(text, &end, 10);
	if (errno || *end)
		return -EUCLEAN;
	*ret = value;
	return 0;
}

int record_set(struct record *record, const char *key, const char *value)
{
	struct record_field *field = find(record, key);
	_cleanup_free_ char *key_copy = NULL, *value_copy = strdup(value);

	if (!value_copy)
		return -ENOMEM;
	if (field) {
		free(field->value);
		field->value = take_ptr(value_copy);
		return 0;
	}
	if (record->n_fields == RECORD_FIELDS_MAX)
		return -E2BIG;
	key_copy = strdup(key);
	if (!key_copy)
		return -ENOMEM;
	record->fields[record->n_fields++] = (struct record_field){
		.key = take_ptr(key_copy),
		.value = take_ptr(value_copy),
	};
	return 0;
}

void record_remove(struct record *record, const char *key)
{
	struct record_field *field = find(record, key);
	size_t behind;

	if (!field)
		return;
	free(field->key);
	free(field->value);
	record->n_fields--;
	behind = record->n_fields - (size_t)(field - record->fields);
	memmove(field, field + 1, behind * sizeof(*field));
}

int record_set_u64(struct record *record, const char *key, uint64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, value);
	return record_set(record, key, text);
}

/* ---- reading ---- */

static int unhex(char *text)
{
	size_t len = strlen(text) / 2;
	unsigned int byte;

	if (text[strspn(text, "0123456789abcdef")] || text[2 * len])
		return -EUCLEAN;
	for (size_t i = 0; i < len; i++) {
		if (sscanf(text + 2 * i, "%2x", &byte) != 1 || !byte)
			return -EUCLEAN;
		text[i] = (char)byte;
	}
	text[len] = '\0';
	return 0;
}

static bool ends_in_hex(const char *key, size_t len)
{
	size_t suffix_len = strlen(HEX_SUFFIX);

	return len > suffix_len && !strcmp(key + len - suffix_len, HEX_SUFFIX);
}

/* One that the writer would write as it is. */
static bool is_key(const char *key, size_t len)
{
	return len > 0 && len <= RECORD_KEY_MAX && *key >= 'a' && *key <= 'z' &&
	       strspn(key, "abcdefghijklmnopqrstuvwxyz0123456789_") == len &&
	       !ends_in_hex(key, len);
}

/* Return: 0; @key is changed. */
static int add_field(struct record *record, char *key, char *value)
{
	size_t len = strlen(key);
	int r = 0;

	if (ends_in_hex(key, len)) {
		len -= strlen(HEX_SUFFIX);
		key[len] = '\0';
		r = unhex(value);
	}
	if (r == 0 && !is_key(key, len))
		r = -EUCLEAN;
	return r < 0 ? r : record_set(record, key, value);
}

/* Next scalar into *ret; NULL in *ret at the mapping's end. */
static int next_scalar(yaml_parser_t *parser, char **ret)
{
	_cleanup_(yaml_event_delete) yaml_event_t event = { 0 };
	const char *text;

	if (!yaml_parser_parse(parser, &event))
		return -EUCLEAN;
	if (event.type == YAML_MAPPING_END_EVENT) {
		*ret = NULL;
		return 0;
	}
	if (event.type != YAML_SCALAR_EVENT)
		return -EUCLEAN;
	text = (const char *)event.data.scalar.value;
	if (strlen(text) != event.data.scalar.length)
		return -EUCLEAN;
	*ret = strdup(text);
	return *ret ? 0 : -ENOMEM;
}

static int expect(yaml_parser_t *parser, yaml_event_type_t type)
{
	_cleanup_(yaml_event_delete) yaml_event_t event = { 0 };

	if (!yaml_parser_parse(parser, &event) || event.type != type)
		return -EUCLEAN;
	return 0;
}

static int parse_fields(yaml_parser_t *parser, struct record *record)
{
	int r;

	for (;;) {
		_cleanup_free_ char *key = NULL, *value = NULL;

		r = next_scalar(parser, &key);
		if (r < 0 || !key)
			return r;
		r = next_scalar(parser, &value);
		if (r == 0 && !value)
			r = -EUCLEAN;
		if (r == 0)
			r = add_field(record, key, value);
		if (r < 0)
			return r;
	}
}

static int parse(const uint8_t *bytes, size_t len, struct record *record)
{
	_cleanup_(yaml_parser_delete) yaml_parser_t parser;
	int r;

	if (!yaml_parser_initialize(&parser))
		return -ENOMEM;
	yaml_parser_set_input_string(&parser, bytes, len);
	r = expect(&parser, YAML_STREAM_START_EVENT);
	if (r == 0)
		r = expect(&parser, YAML_DOCUMENT_START_EVENT);
	if (r == 0)
		r = expect(&parser, YAML_MAPPING_START_EVENT);
	if (r == 0)
		r = parse_fields(&parser, record);
	if (r == 0)
		r = expect(&parser, YAML_DOCUMENT_END_EVENT);
	if (r == 0)
		r = expect(&parser, YAML_STREAM_END_EVENT);
	return r;
}

int record_load(int dirfd, const char *name, const char *path,
		struct record *ret, struct mafs_fault *fault)
{
	_cleanup_(record_done) struct record record = { 0 };
	_cleanup_free_ uint8_t *bytes = malloc(FILE_MAX_LEN);
	_cleanup_close_ int fd = -1;
	ssize_t len;
	int r;

	if (!bytes)
		return -ENOMEM;
	fd = openat(dirfd, name,
		    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return mafs_fault_set(fault, -errno, "%s/%s: %m", path, name);
	len = mafs_pread_full(fd, bytes, FILE_MAX_LEN, 0);
	if (len < 0)
		return mafs_fault_set(fault, (int)len, "%s/%s: %s", path, name,
				      strerror((int)-len));
	r = len == FILE_MAX_LEN ? -EUCLEAN : parse(bytes, (size_t)len, &record);
	if (r < 0)
		return mafs_fault_set(fault, r,
				      "%s/%s cannot be read as "
				      "\"key: value\" lines",
				      path, name);
	*ret = record;
	record.n_fields = 0;
	return 0;
}
