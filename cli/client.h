/* SPDX-License-Identifier: Apache-2.0 */
/* Calls of the control API (docs/api.md), by libcurl. */
#pragma once

#include <jansson.h>
#include <mafs/fault.h>
#include <stdint.h>

/* Answers at once from a daemon that is well. */
#define MAFS_CLIENT_QUICK_S 10
#define MAFS_CLIENT_FOREVER 0

/**
 * struct mafs_request - one request
 * @method: "GET" or "POST"
 * @url: "/v1/admin/push", or with a path in it "/v1/meta/{path}"
 * @path: stands for {path}, else becomes ?path=; any bytes; NULL for none
 * @query: more of the query, encoded ("offset=7"); NULL for none
 * @timeout_s: MAFS_CLIENT_*
 */
struct mafs_request {
	const char *method;
	const char *url;
	const char *path;
	const char *query;
	long timeout_s;
};

/**
 * mafs_client_call() - one request
 * @control_path: the socket
 * @ret: the answer, the caller's to json_decref(); may be NULL
 *
 * Context: any thread.
 * Return: 0; -ECONNREFUSED: no daemon listens; -EACCES: its socket is not
 * this user's; -ETIMEDOUT: it does not answer; -EPROTO: it answers something
 * else; else the daemon's own -errno with its text in @fault.
 */
int mafs_client_call(const char *control_path,
		     const struct mafs_request *request, json_t **ret,
		     struct mafs_fault *fault);

/* What /v1/status says now. */
int mafs_client_status(const char *control_path, json_t **ret,
		       struct mafs_fault *fault);

/* A member that is a count; 0 where it is missing. */
uint64_t mafs_client_count(const json_t *object, const char *key);
/* A member that is a text; "" where it is missing. */
const char *mafs_client_text(const json_t *object, const char *key);

static inline void mafs_json_decrefp(json_t **object)
{
	json_decref(*object);
}
