/* SPDX-License-Identifier: Apache-2.0 */
/* Calls of the control API (daemon/control/control.h), by libcurl. */
#pragma once

#include <jansson.h>
#include <mafs/fault.h>
#include <stdint.h>

/* Answers at once from a daemon that is well. */
#define MAFS_CLIENT_QUICK_S 10
#define MAFS_CLIENT_FOREVER 0

/**
 * mafs_client_call() - one request
 * @control_path: the socket
 * @method: "GET" or "POST"
 * @url: "/v1/status"
 * @path: becomes ?path=; any bytes; NULL for none
 * @timeout_s: MAFS_CLIENT_*
 * @ret: the answer, the caller's to json_decref(); may be NULL
 *
 * Context: any thread.
 * Return: 0; -ECONNREFUSED: no daemon listens; -ETIMEDOUT: it does not
 * answer; -EPROTO: it answers something else; else the daemon's own -errno
 * with its text in @fault.
 */
int mafs_client_call(const char *control_path, const char *method,
		     const char *url, const char *path, long timeout_s,
		     json_t **ret, struct mafs_fault *fault);

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
