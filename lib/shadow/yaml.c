// SPDX-License-Identifier: Apache-2.0
/*
 * Strict YAML mappings; see yaml.h. libyaml's parser keeps its own stack and
 * reads ahead by tokens only, so that input is refused at the first event that
 * does not belong, however deep it would nest.
 */
#include "yaml.h"

#include "scalar.h"

#include <errno.h>
#include <mafs/cleanup.h>
#include <stdarg.h>
#include <string.h>

#define N_KEYS_MAX 64

int mafs_yaml_open(struct mafs_yaml *yaml, const void *text, size_t len,
		   struct mafs_fault *fault)
{
	*yaml = (struct mafs_yaml){ .fault = fault };
	if (!yaml_parser_initialize(&yaml->parser))
		return -ENOMEM;
	yaml_parser_set_encoding(&yaml->parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&yaml->parser, text, len);
	return 0;
}

void mafs_yaml_close(struct mafs_yaml *yaml)
{
	yaml_event_delete(&yaml->event);
	yaml_parser_delete(&yaml->parser);
}

int mafs_yaml_fail(struct mafs_yaml *yaml, int err, const char *fmt, ...)
{
	_cleanup_free_ char *what = NULL;
	va_list args;
	int n;

	if (!yaml->fault)
		return err;
	va_start(args, fmt);
	n = vasprintf(&what, fmt, args);
	va_end(args);
	if (n < 0) {
		what = NULL;
		return err;
	}
	return mafs_fault_set(yaml->fault, err, "line %zu, column %zu: %s",
			      yaml->event.start_mark.line + 1,
			      yaml->event.start_mark.column + 1, what);
}

int mafs_yaml_next(struct mafs_yaml *yaml)
{
	yaml_parser_t *parser = &yaml->parser;

	yaml_event_delete(&yaml->event);
	if (yaml_parser_parse(parser, &yaml->event)) {
		if (yaml->event.type == YAML_ALIAS_EVENT)
			return mafs_yaml_fail(yaml, -EINVAL,
					      "aliases are not allowed");
		return 0;
	}
	if (parser->error == YAML_MEMORY_ERROR)
		return -ENOMEM;
	yaml->event.start_mark = parser->problem_mark;
	return mafs_yaml_fail(yaml, -EINVAL, "not YAML: %s",
			      parser->problem ? parser->problem : "unknown");
}

int mafs_yaml_present_mapping(struct mafs_yaml *yaml)
{
	if (yaml->event.type != YAML_MAPPING_START_EVENT)
		return mafs_yaml_fail(yaml, -EINVAL,
				      "a mapping is expected here");
	if (yaml->event.data.mapping_start.anchor ||
	    yaml->event.data.mapping_start.tag)
		return mafs_yaml_fail(yaml, -EINVAL,
				      "anchors and tags are not allowed");
	return 0;
}

int mafs_yaml_expect(struct mafs_yaml *yaml, yaml_event_type_t type)
{
	int r = mafs_yaml_next(yaml);

	if (r < 0)
		return r;
	if (yaml->event.type != type)
		return mafs_yaml_fail(yaml, -EINVAL,
				      "not the structure expected here");
	if (type == YAML_MAPPING_START_EVENT)
		return mafs_yaml_present_mapping(yaml);
	if (type == YAML_SEQUENCE_START_EVENT &&
	    (yaml->event.data.sequence_start.anchor ||
	     yaml->event.data.sequence_start.tag))
		return mafs_yaml_fail(yaml, -EINVAL,
				      "anchors and tags are not allowed");
	return 0;
}

int mafs_yaml_present_text(struct mafs_yaml *yaml, const char **ret)
{
	const char *text;

	if (yaml->event.type != YAML_SCALAR_EVENT)
		return mafs_yaml_fail(yaml, -EINVAL, "a text is expected here");
	if (yaml->event.data.scalar.anchor || yaml->event.data.scalar.tag)
		return mafs_yaml_fail(yaml, -EINVAL,
				      "anchors and tags are not allowed");
	text = (const char *)yaml->event.data.scalar.value;
	if (strlen(text) != yaml->event.data.scalar.length)
		return mafs_yaml_fail(yaml, -EINVAL, "a NUL in a text");
	*ret = text;
	return 0;
}

int mafs_yaml_text(struct mafs_yaml *yaml, const char **ret)
{
	int r = mafs_yaml_next(yaml);

	return r < 0 ? r : mafs_yaml_present_text(yaml, ret);
}

int mafs_yaml_u64(struct mafs_yaml *yaml, uint64_t max, uint64_t *ret)
{
	const char *text = NULL;
	uint64_t value = 0;
	int r;

	r = mafs_yaml_text(yaml, &text);
	if (r < 0)
		return r;
	if (yaml->event.data.scalar.style != YAML_PLAIN_SCALAR_STYLE ||
	    !*text || (*text == '0' && text[1]))
		return mafs_yaml_fail(yaml, -EINVAL, "not a decimal number");

	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return mafs_yaml_fail(yaml, -EINVAL,
					      "not a decimal number");
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(*text - '0'),
					   &value))
			return mafs_yaml_fail(yaml, -ERANGE,
					      "number too large");
	}
	if (value > max)
		return mafs_yaml_fail(yaml, -ERANGE, "number too large");
	*ret = value;
	return 0;
}

int mafs_yaml_uuid(struct mafs_yaml *yaml, struct mafs_uuid *ret)
{
	const char *text = NULL;
	int r;

	r = mafs_yaml_text(yaml, &text);
	if (r < 0)
		return r;
	if (mafs_uuid_parse(text, ret) < 0)
		return mafs_yaml_fail(yaml, -EINVAL, "not a UUID");
	return 0;
}

int mafs_yaml_bytes(struct mafs_yaml *yaml, char **ret, size_t *ret_len)
{
	const char *text = NULL, *tag;
	int r;

	r = mafs_yaml_next(yaml);
	if (r < 0)
		return r;
	if (yaml->event.type == YAML_SCALAR_EVENT &&
	    yaml->event.data.scalar.tag) {
		tag = (const char *)yaml->event.data.scalar.tag;
		if (strcmp(tag, "tag:yaml.org,2002:binary") != 0 ||
		    yaml->event.data.scalar.anchor)
			return mafs_yaml_fail(
				yaml, -EINVAL,
				"only the tag !!binary is allowed");
		r = mafs_base64_bytes(
			(const char *)yaml->event.data.scalar.value, ret,
			ret_len);
		return r == -EINVAL ? mafs_yaml_fail(yaml, r, "not base64") : r;
	}
	r = mafs_yaml_present_text(yaml, &text);
	if (r < 0)
		return r;
	*ret = strdup(text);
	if (!*ret)
		return -ENOMEM;
	*ret_len = strlen(text);
	return 0;
}

int mafs_yaml_name(struct mafs_yaml *yaml, char **ret)
{
	_cleanup_free_ char *name = NULL;
	size_t len = 0;
	int r = mafs_yaml_bytes(yaml, &name, &len);

	if (r < 0)
		return r;
	if (strlen(name) != len)
		return mafs_yaml_fail(yaml, -EINVAL, "a NUL in a name");
	*ret = take_ptr(name);
	return 0;
}

int mafs_yaml_u32(struct mafs_yaml *yaml, uint32_t *ret)
{
	uint64_t value = 0;
	int r = mafs_yaml_u64(yaml, UINT32_MAX, &value);

	if (r == 0)
		*ret = (uint32_t)value;
	return r;
}

int mafs_yaml_permissions(struct mafs_yaml *yaml, uint32_t *ret)
{
	const char *text = NULL;
	int r = mafs_yaml_text(yaml, &text);

	if (r < 0)
		return r;
	if (strlen(text) != 4 || text[strspn(text, "01234567")])
		return mafs_yaml_fail(yaml, -EINVAL, "not four octal digits");
	*ret = (uint32_t)strtoul(text, NULL, 8);
	return 0;
}

int mafs_yaml_time(struct mafs_yaml *yaml, struct timespec *ret)
{
	const char *text = NULL;
	int r = mafs_yaml_text(yaml, &text);

	if (r < 0)
		return r;
	if (mafs_time_from_text(text, ret) < 0)
		return mafs_yaml_fail(yaml, -EINVAL,
				      "not a time as "
				      "2026-11-20T10:00:00.123456789Z");
	return 0;
}

/* Which key the present event is, marked as seen. Return: its index. */
static int find_key(struct mafs_yaml *yaml, const struct mafs_yaml_key *keys,
		    size_t n_keys, uint64_t *seen)
{
	const char *name = NULL;
	int r;

	r = mafs_yaml_present_text(yaml, &name);
	if (r < 0)
		return r;
	for (size_t i = 0; i < n_keys; i++) {
		if (strcmp(keys[i].name, name) != 0)
			continue;
		if (*seen & (UINT64_C(1) << i))
			return mafs_yaml_fail(yaml, -EINVAL, "%s is repeated",
					      name);
		*seen |= UINT64_C(1) << i;
		return (int)i;
	}
	return mafs_yaml_fail(yaml, -EINVAL, "unknown key %.40s", name);
}

int mafs_yaml_mapping(struct mafs_yaml *yaml, const struct mafs_yaml_key *keys,
		      size_t n_keys, void *target)
{
	uint64_t seen = 0;
	int i, r;

	if (n_keys > N_KEYS_MAX)
		return -EINVAL;

	for (;;) {
		r = mafs_yaml_next(yaml);
		if (r < 0)
			return r;
		if (yaml->event.type == YAML_MAPPING_END_EVENT)
			break;
		i = find_key(yaml, keys, n_keys, &seen);
		if (i < 0)
			return i;
		r = keys[i].read(yaml, target);
		if (r < 0)
			return r;
	}

	for (size_t k = 0; k < n_keys; k++)
		if (!keys[k].optional && !(seen & (UINT64_C(1) << k)))
			return mafs_yaml_fail(yaml, -EINVAL, "no %s",
					      keys[k].name);
	return 0;
}

int mafs_yaml_mappings(struct mafs_yaml *yaml,
		       int (*read)(struct mafs_yaml *yaml, void *target),
		       void *target)
{
	int r = mafs_yaml_expect(yaml, YAML_SEQUENCE_START_EVENT);

	while (r == 0) {
		r = mafs_yaml_next(yaml);
		if (r < 0 || yaml->event.type == YAML_SEQUENCE_END_EVENT)
			break;
		r = mafs_yaml_present_mapping(yaml);
		if (r == 0)
			r = read(yaml, target);
	}
	return r;
}

int mafs_yaml_document(struct mafs_yaml *yaml, const char *name,
		       const struct mafs_yaml_key *keys, size_t n_keys,
		       void *target)
{
	static const yaml_event_type_t head[] = {
		YAML_STREAM_START_EVENT,
		YAML_DOCUMENT_START_EVENT,
		YAML_MAPPING_START_EVENT,
	};
	static const yaml_event_type_t tail[] = {
		YAML_MAPPING_END_EVENT,
		YAML_DOCUMENT_END_EVENT,
		YAML_STREAM_END_EVENT,
	};
	const char *found = NULL;
	int r;

	for (size_t i = 0; i < MAFS_ARRAY_SIZE(head); i++) {
		r = mafs_yaml_expect(yaml, head[i]);
		if (r < 0)
			return r;
	}
	r = mafs_yaml_text(yaml, &found);
	if (r < 0)
		return r;
	if (strcmp(found, name) != 0)
		return mafs_yaml_fail(yaml, -EINVAL, "%s: is expected here",
				      name);
	r = mafs_yaml_expect(yaml, YAML_MAPPING_START_EVENT);
	if (r < 0)
		return r;
	r = mafs_yaml_mapping(yaml, keys, n_keys, target);
	if (r < 0)
		return r;
	for (size_t i = 0; i < MAFS_ARRAY_SIZE(tail); i++) {
		r = mafs_yaml_expect(yaml, tail[i]);
		if (r < 0)
			return r;
	}
	return 0;
}
