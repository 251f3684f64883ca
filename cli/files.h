/* SPDX-License-Identifier: Apache-2.0 */
/* What the daemon says about files: one, a directory's, or a whole tree's. */
#pragma once

#include "client.h"
#include "where.h"

#include <stdbool.h>
#include <string.h>

/* The file's JSON of /v1/meta. Return: 0 or -errno, the fault says it. */
int mafs_files_meta(const struct mafs_where *where, json_t **ret,
		    struct mafs_fault *fault);

/* mafs_where_find() and mafs_files_meta() in one. */
int mafs_files_find(const char *path, struct mafs_where *ret_where,
		    json_t **ret, struct mafs_fault *fault);

/**
 * mafs_files_list() - the entries of a directory, sorted by name
 * @relative: from the mount's root
 * @ret: array of the entries of /v1/ls
 *
 * Return: 0 or -errno, the fault says it.
 */
int mafs_files_list(const char *control_path, const char *relative,
		    json_t **ret, struct mafs_fault *fault);

/* An entry's name, all bytes of it. Return: owned, NULL: no memory. */
char *mafs_files_name(const json_t *entry);
/* "a/b"; "b" where @directory is "". Return: owned, NULL: no memory. */
char *mafs_files_join(const char *directory, const char *name);

static inline bool mafs_files_is(const json_t *entry, const char *key,
				 const char *value)
{
	return !strcmp(mafs_client_text(entry, key), value);
}

/**
 * struct mafs_totals - files by tier
 *
 * A dirty file is in memory; @dirty_bytes are those not down yet. Sizes are
 * as the files say, not what they take.
 */
struct mafs_totals {
	uint64_t n_memory, memory_bytes;
	uint64_t n_disk, disk_bytes;
	uint64_t n_dirty, dirty_bytes;
	uint64_t n_directories;
};

/* Counts one entry in; directories and others by number alone. */
void mafs_totals_add(struct mafs_totals *totals, const json_t *entry);
json_t *mafs_totals_to_json(const struct mafs_totals *totals);
