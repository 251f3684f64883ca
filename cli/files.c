// SPDX-License-Identifier: Apache-2.0
/*
 * What the daemon says about files. Called by the commands that show where
 * bytes are.
 */
#include "files.h"

#include <errno.h>
#include <inttypes.h>
#include <mafs/cleanup.h>
#include <stdio.h>

int mafs_files_meta(const struct mafs_where *where, json_t **ret,
		    struct mafs_fault *fault)
{
	const struct mafs_request request = {
		.method = "GET",
		.url = "/v1/meta/{path}",
		.path = where->relative,
		.timeout_s = MAFS_CLIENT_QUICK_S,
	};

	return mafs_client_call(where->volume.control_path, &request, ret,
				fault);
}

int mafs_files_find(const char *path, struct mafs_where *ret_where,
		    json_t **ret, struct mafs_fault *fault)
{
	struct mafs_where where = { .volume = { .n_fd = -1 } };
	int r;

	r = mafs_where_find(path, &where, fault);
	if (r < 0)
		return r;
	r = mafs_files_meta(&where, ret, fault);
	if (r < 0)
		mafs_where_done(&where);
	else
		*ret_where = where;
	return r;
}

/* ---- directories ---- */

/* One answer's worth. Return: 1: there is more, from *offset on; 0; -errno. */
static int list_some(const char *control_path, const char *relative,
		     json_int_t *offset, json_t *all, struct mafs_fault *fault)
{
	_cleanup_(mafs_json_decrefp) json_t *answer = NULL;
	const json_t *next;
	char query[64];
	const struct mafs_request request = {
		.method = "GET",
		.url = "/v1/ls/{path}",
		.path = relative,
		.query = query,
		.timeout_s = MAFS_CLIENT_FOREVER,
	};
	int r;

	(void)snprintf(query, sizeof(query), "offset=%" PRId64,
		       (int64_t)*offset);
	r = mafs_client_call(control_path, &request, &answer, fault);
	if (r < 0)
		return r;
	if (json_array_extend(all, json_object_get(answer, "entries")) < 0)
		return -ENOMEM;
	next = json_object_get(answer, "next");
	*offset = json_integer_value(next);
	return json_is_integer(next);
}

static int by_name(const void *a, const void *b)
{
	const json_t *const *one = a, *const *other = b;

	return strcmp(mafs_client_text(*one, "name"),
		      mafs_client_text(*other, "name"));
}

/* A new array of the same entries. */
static json_t *sorted(const json_t *entries)
{
	size_t n = json_array_size(entries);
	_cleanup_free_ json_t **each = calloc(n + 1, sizeof(json_t *));
	json_t *array = each ? json_array() : NULL;

	for (size_t i = 0; array && i < n; i++)
		each[i] = json_array_get(entries, i);
	if (array)
		qsort(each, n, sizeof(json_t *), by_name);
	for (size_t i = 0; array && i < n; i++)
		if (json_array_append(array, each[i]) < 0) {
			json_decref(array);
			return NULL;
		}
	return array;
}

int mafs_files_list(const char *control_path, const char *relative,
		    json_t **ret, struct mafs_fault *fault)
{
	_cleanup_(mafs_json_decrefp) json_t *all = json_array();
	json_int_t offset = 0;
	json_t *array;
	int r;

	do {
		r = list_some(control_path, relative, &offset, all, fault);
	} while (r > 0);
	if (r < 0)
		return r;
	array = sorted(all);
	if (!array)
		return -ENOMEM;
	*ret = array;
	return 0;
}

/* ---- names ---- */

char *mafs_files_name(const json_t *entry)
{
	const char *hex = mafs_client_text(entry, "name_hex");
	size_t n = strlen(hex) / 2;
	unsigned int byte;
	char *name;

	if (n == 0)
		return strdup(mafs_client_text(entry, "name"));
	name = calloc(1, n + 1);
	for (size_t i = 0; name && i < n; i++)
		if (sscanf(hex + 2 * i, "%2x", &byte) == 1)
			name[i] = (char)byte;
	return name;
}

char *mafs_files_join(const char *directory, const char *name)
{
	char *path;

	if (asprintf(&path, "%s%s%s", directory, *directory ? "/" : "", name) <
	    0)
		return NULL;
	return path;
}

/* ---- totals ---- */

void mafs_totals_add(struct mafs_totals *totals, const json_t *entry)
{
	uint64_t bytes = mafs_client_count(entry, "size_bytes");

	totals->n_directories += mafs_files_is(entry, "type", "directory");
	if (!mafs_files_is(entry, "type", "file"))
		return;
	if (mafs_files_is(entry, "tier", "memory")) {
		totals->n_memory++;
		totals->memory_bytes += bytes;
	} else {
		totals->n_disk++;
		totals->disk_bytes += bytes;
	}
	if (mafs_files_is(entry, "state", "dirty") ||
	    mafs_files_is(entry, "state", "writing")) {
		totals->n_dirty++;
		totals->dirty_bytes += mafs_client_count(entry, "dirty_bytes");
	}
}

json_t *mafs_totals_to_json(const struct mafs_totals *totals)
{
	return json_pack("{s:{s:I, s:I}, s:{s:I, s:I}, s:{s:I, s:I}, s:I}",
			 "memory", "n_files", (json_int_t)totals->n_memory,
			 "bytes", (json_int_t)totals->memory_bytes, "disk",
			 "n_files", (json_int_t)totals->n_disk, "bytes",
			 (json_int_t)totals->disk_bytes, "dirty", "n_files",
			 (json_int_t)totals->n_dirty, "bytes",
			 (json_int_t)totals->dirty_bytes, "n_directories",
			 (json_int_t)totals->n_directories);
}
