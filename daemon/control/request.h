/* SPDX-License-Identifier: Apache-2.0 */
/* Between server.c (HTTP) and routes.c (what each path does). */
#pragma once

#include <core/admin.h>
#include <jansson.h>

/* A body is one path and a few words; more is refused. */
#define MAFSD_BODY_MAX (64 * 1024)

/**
 * struct mafsd_request - one call, read completely
 * @path: of ?path=, borrowed; NULL when it was not given
 * @body: what was sent, NUL-terminated after @body_len
 */
struct mafsd_request {
	const char *path;
	const char *body;
	size_t body_len;
};

/**
 * struct mafsd_route - what a method on a path does
 * @serve: fills *ret with an object that the caller owns, or returns -errno
 *	with the fault set. Any thread, no locks held.
 */
struct mafsd_route {
	const char *method;
	const char *url;
	int (*serve)(struct mafsd *d, const struct mafsd_request *request,
		     json_t **ret, struct mafs_fault *fault);
};

/* Return: 0; -ENOENT: no such path; -EOPNOTSUPP: not with this method. */
int mafsd_route_find(const char *method, const char *url,
		     const struct mafsd_route **ret);

/* In status.c; new references, NULL when memory is short. */

/* A string whose bytes may be no UTF-8; those become U+FFFD. */
json_t *mafsd_bytes_to_json(const char *bytes);
json_t *mafsd_pending_to_json(const struct mafsd_status *status,
			      char *const *paths, size_t n_paths, size_t n);
json_t *mafsd_status_to_json(const struct mafsd_status *status,
			     const struct mafsd_trouble *troubles,
			     size_t n_troubles);
json_t *mafsd_file_info_to_json(const char *path,
				const struct mafsd_file_info *info);
