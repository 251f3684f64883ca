// SPDX-License-Identifier: Apache-2.0
/*
 * What the API has, one line each, and no more: docs/openapi.yaml describes
 * just these (tests/check/check_api.py). Called by server.c.
 */
#include "request.h"

#include <errno.h>
#include <mafs/cleanup.h>
#include <string.h>

#define PATH "/{path}"

static const struct mafsd_route routes[] = {
	{ "GET", "/v1/status", true, mafsd_serve_status, mafsd_memory_status },
	{ "GET", "/v1/meta/{path}", false, mafsd_serve_meta,
	  mafsd_memory_meta },
	{ "GET", "/v1/ls/{path}", false, mafsd_serve_ls, mafsd_memory_ls },
	{ "GET", "/v1/files/{path}", false, mafsd_serve_content, NULL },
	{ "GET", "/v1/admin/dirty", true, mafsd_serve_dirty, NULL },
	{ "GET", "/v1/admin/hottest", true, mafsd_serve_hottest, NULL },
	{ "GET", "/v1/admin/jobs", false, mafsd_serve_jobs, NULL },
	{ "GET", "/v1/admin/settings", true, mafsd_serve_settings, NULL },
	{ "POST", "/v1/admin/evict", false, mafsd_serve_evict, NULL },
	{ "POST", "/v1/admin/flush", false, mafsd_serve_flush,
	  mafsd_memory_flush },
	{ "POST", "/v1/admin/pin", false, mafsd_serve_pin, NULL },
	{ "POST", "/v1/admin/pull", false, mafsd_serve_pull, NULL },
	{ "POST", "/v1/admin/push", false, mafsd_serve_push, NULL },
	{ "POST", "/v1/admin/set", false, mafsd_serve_set, NULL },
	{ "POST", "/v1/admin/stop", false, mafsd_serve_stop, NULL },
	{ "POST", "/v1/admin/unpin", false, mafsd_serve_unpin, NULL },
};

/* Return: does @url belong to the route? With the path that it holds. */
static bool matches(const struct mafsd_route *route, const char *url,
		    const char **ret_path)
{
	size_t len = strlen(route->url);

	*ret_path = NULL;
	if (len < strlen(PATH) || strcmp(route->url + len - strlen(PATH), PATH))
		return !strcmp(url, route->url);
	len -= strlen(PATH);
	if (strncmp(url, route->url, len) != 0 ||
	    (url[len] != '/' && url[len] != '\0'))
		return false;
	*ret_path = url + len;
	return true;
}

int mafsd_route_find(const char *method, const char *url,
		     const struct mafsd_route **ret, const char **ret_path)
{
	const char *path;
	int r = -ENOENT;

	for (size_t i = 0; i < MAFS_ARRAY_SIZE(routes); i++) {
		if (!matches(&routes[i], url, &path))
			continue;
		if (strcmp(method, routes[i].method) == 0) {
			*ret = &routes[i];
			*ret_path = path;
			return 0;
		}
		r = -EOPNOTSUPP;
	}
	return r;
}
