// SPDX-License-Identifier: Apache-2.0
/*
 * What each path of the control API does: reads the arguments, calls
 * core/admin.h, makes the answer. Called by server.c from any thread.
 */
#include "request.h"

#include <errno.h>
#include <mafs/cleanup.h>
#include <string.h>

#define MAFSD_PATH_MAX 4096
/* Paths in the answer to status; all are in the list on N. */
#define MAFSD_PENDING_MAX 100

/*
 * The path of ?path=, else of the body; copied to @ret without slashes at its
 * ends.
 */
static int request_path(const struct mafsd_request *request, char *ret,
			struct mafs_fault *fault)
{
	const char *path = request->path;
	json_t *body = NULL;
	json_error_t error;
	size_t len;
	int r = 0;

	if (!path) {
		body = json_loadb(request->body, request->body_len, 0, &error);
		path = json_string_value(json_object_get(body, "path"));
	}
	if (!path) {
		r = mafs_fault_set(fault, -EINVAL,
				   "give the path as {\"path\": \"...\"} or "
				   "?path=...");
		goto out;
	}
	while (*path == '/')
		path++;
	len = strlen(path);
	while (len > 0 && path[len - 1] == '/')
		len--;
	if (len >= MAFSD_PATH_MAX) {
		r = mafs_fault_set(fault, -EINVAL, "the path is too long");
		goto out;
	}
	memcpy(ret, path, len);
	ret[len] = '\0';
out:
	json_decref(body);
	return r;
}

static int or_no_memory(json_t *made, json_t **ret)
{
	if (!made)
		return -ENOMEM;
	*ret = made;
	return 0;
}

static json_t *pending_to_json(struct mafsd *d,
			       const struct mafsd_status *status)
{
	char *paths[MAFSD_PENDING_MAX] = { 0 };
	size_t n = mafsd_pending_list(d, paths, MAFSD_PENDING_MAX);
	json_t *json;

	json = mafsd_pending_to_json(
		status, paths, n < MAFSD_PENDING_MAX ? n : MAFSD_PENDING_MAX,
		n);
	for (size_t i = 0; i < MAFSD_PENDING_MAX; i++)
		free(paths[i]);
	return json;
}

static int serve_status(struct mafsd *d, const struct mafsd_request *request,
			json_t **ret, struct mafs_fault *fault)
{
	_cleanup_free_ struct mafsd_trouble *troubles = NULL;
	struct mafsd_status status = { 0 };
	size_t n_troubles = 0;
	json_t *json;
	int r;

	mafsd_status(d, &status);
	r = mafsd_troubles(d, &troubles, &n_troubles);
	if (r < 0)
		return r;
	json = mafsd_status_to_json(&status, troubles, n_troubles);
	if (json && json_object_set_new(json, "pending",
					pending_to_json(d, &status)) < 0)
		json_decref(take_ptr(json));
	return or_no_memory(json, ret);
}

static int serve_sync(struct mafsd *d, const struct mafsd_request *request,
		      json_t **ret, struct mafs_fault *fault)
{
	int r = mafsd_sync(d, fault);

	return r < 0 ? r : or_no_memory(json_object(), ret);
}

static int serve_file(struct mafsd *d, const struct mafsd_request *request,
		      json_t **ret, struct mafs_fault *fault)
{
	struct mafsd_file_info info = { 0 };
	char path[MAFSD_PATH_MAX];
	int r;

	r = request_path(request, path, fault);
	if (r < 0)
		return r;
	r = mafsd_file_info(d, path, &info, fault);
	if (r < 0)
		return r;
	r = or_no_memory(mafsd_file_info_to_json(path, &info), ret);
	mafs_map_done(&info.map);
	return r;
}

typedef int move_fn(struct mafsd *d, const char *path, uint64_t *ret_n_moved,
		    uint64_t *ret_n_kept, struct mafs_fault *fault);

static int serve_move(struct mafsd *d, move_fn *move,
		      const struct mafsd_request *request, json_t **ret,
		      struct mafs_fault *fault)
{
	uint64_t n_moved = 0, n_kept = 0;
	char path[MAFSD_PATH_MAX];
	json_t *why;
	int r;

	r = request_path(request, path, fault);
	if (r < 0)
		return r;
	r = move(d, path, &n_moved, &n_kept, fault);
	if (r < 0)
		return r;
	why = n_kept > 0 ? mafsd_bytes_to_json(fault->what) : json_null();
	return or_no_memory(json_pack("{s:I, s:I, s:o}", "n_moved",
				      (json_int_t)n_moved, "n_kept",
				      (json_int_t)n_kept, "kept_why", why),
			    ret);
}

static int serve_push(struct mafsd *d, const struct mafsd_request *request,
		      json_t **ret, struct mafs_fault *fault)
{
	return serve_move(d, mafsd_push, request, ret, fault);
}

static int serve_pull(struct mafsd *d, const struct mafsd_request *request,
		      json_t **ret, struct mafs_fault *fault)
{
	return serve_move(d, mafsd_pull, request, ret, fault);
}

static const struct mafsd_route routes[] = {
	{ "GET", "/v1/status", serve_status },
	{ "POST", "/v1/sync", serve_sync },
	{ "POST", "/v1/push", serve_push },
	{ "POST", "/v1/pull", serve_pull },
	{ "GET", "/v1/file", serve_file },
};

int mafsd_route_find(const char *method, const char *url,
		     const struct mafsd_route **ret)
{
	int r = -ENOENT;

	for (size_t i = 0; i < MAFS_ARRAY_SIZE(routes); i++) {
		if (strcmp(url, routes[i].url) != 0)
			continue;
		if (strcmp(method, routes[i].method) == 0) {
			*ret = &routes[i];
			return 0;
		}
		r = -EOPNOTSUPP;
	}
	return r;
}
