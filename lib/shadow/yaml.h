/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Strict reading of small YAML mappings on top of libyaml's events: no
 * anchors, aliases or tags, each key once, none unknown. Private to lib/shadow.
 */
#pragma once

#include <mafs/fault.h>
#include <mafs/uuid.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>
#include <yaml.h>

struct mafs_yaml {
	yaml_parser_t parser;
	yaml_event_t event; /* the present one; all zero before the first */
	struct mafs_fault *fault; /* may be NULL */
};

/**
 * struct mafs_yaml_key - one key of a mapping
 * @read: takes the value's events, begins with mafs_yaml_next()
 */
struct mafs_yaml_key {
	const char *name;
	int (*read)(struct mafs_yaml *yaml, void *target);
	bool optional;
};

/* The text is borrowed. Return: 0, -ENOMEM. */
int mafs_yaml_open(struct mafs_yaml *yaml, const void *text, size_t len,
		   struct mafs_fault *fault);
void mafs_yaml_close(struct mafs_yaml *yaml);

/* Sets the fault, with line and column of the present event in front.
 * Return: @err. */
int mafs_yaml_fail(struct mafs_yaml *yaml, int err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Return: 0 and @yaml->event, -EINVAL, -ENOMEM. */
int mafs_yaml_next(struct mafs_yaml *yaml);
int mafs_yaml_expect(struct mafs_yaml *yaml, yaml_event_type_t type);

/* The present event as a text, as a mapping's start.
 * Return: 0, -EINVAL. */
int mafs_yaml_present_text(struct mafs_yaml *yaml, const char **ret);
int mafs_yaml_present_mapping(struct mafs_yaml *yaml);

/* Values. A text lives until the next event and has no NUL inside.
 * Return: 0, -EINVAL, -ERANGE, -ENOMEM. */
int mafs_yaml_text(struct mafs_yaml *yaml, const char **ret);
int mafs_yaml_u64(struct mafs_yaml *yaml, uint64_t max, uint64_t *ret);
int mafs_yaml_u32(struct mafs_yaml *yaml, uint32_t *ret);
int mafs_yaml_uuid(struct mafs_yaml *yaml, struct mafs_uuid *ret);
/* Four octal digits in quotes. */
int mafs_yaml_permissions(struct mafs_yaml *yaml, uint32_t *ret);
int mafs_yaml_time(struct mafs_yaml *yaml, struct timespec *ret);
/* A text, or base64 under the tag !!binary; owned, with a NUL behind. */
int mafs_yaml_bytes(struct mafs_yaml *yaml, char **ret, size_t *ret_len);
/* Likewise without a NUL in it. */
int mafs_yaml_name(struct mafs_yaml *yaml, char **ret);

/* The rest of a mapping whose start is the present event. */
int mafs_yaml_mapping(struct mafs_yaml *yaml, const struct mafs_yaml_key *keys,
		      size_t n_keys, void *target);
/* A sequence of mappings, each read by @read from its start on. */
int mafs_yaml_mappings(struct mafs_yaml *yaml,
		       int (*read)(struct mafs_yaml *yaml, void *target),
		       void *target);
/* A whole stream: one document, `@name:` with a mapping, nothing else. */
int mafs_yaml_document(struct mafs_yaml *yaml, const char *name,
		       const struct mafs_yaml_key *keys, size_t n_keys,
		       void *target);
