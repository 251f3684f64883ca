/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small file of named texts: volume.yaml, session, mount.json. Written as
 * YAML (one field a line) or JSON, read as YAML, of which JSON is a part.
 */
#pragma once

#include <mafs/fault.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RECORD_FIELDS_MAX 64
#define RECORD_KEY_MAX 48 /* of a to z, 0 to 9 and _ */

struct record {
	struct record_field {
		char *key, *value; /* owned */
	} fields[RECORD_FIELDS_MAX];
	size_t n_fields;
};

void record_done(struct record *record);
/* NULL when there is none. */
const char *record_get(const struct record *record, const char *key);
/* Adds or replaces. Return: 0, -ENOMEM, -E2BIG. */
int record_set(struct record *record, const char *key, const char *value);
/* Fine when there is none. */
void record_remove(struct record *record, const char *key);
int record_set_u64(struct record *record, const char *key, uint64_t value);
/* Return: 0, -EUCLEAN when it is missing or no number. */
int record_get_u64(const struct record *record, const char *key, uint64_t *ret);

/**
 * record_load() - read a file
 * @path: what the fault calls it
 *
 * Return: 0, -ENOENT, -EUCLEAN (not a flat mapping of texts), -errno.
 */
int record_load(int dirfd, const char *name, const char *path,
		struct record *ret, struct mafs_fault *fault);

/**
 * record_store() - replace a file: whole old or whole new, durable on return
 *
 * Temporary file, fsync, rename, fsync of the directory.
 */
int record_store(int dirfd, const char *name, const char *path,
		 const struct record *record, bool as_json,
		 struct mafs_fault *fault);
