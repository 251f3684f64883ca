// SPDX-License-Identifier: Apache-2.0
/* Calls about the volume as a whole. Called through routes.c, any thread. */
#include "request.h"

#include <errno.h>
#include <mafs/cleanup.h>

/* Paths in the answer to status; all are in the list on N. */
#define PENDING_MAX 100
#define DIRTY_MAX 10000

static json_t *pending_to_json(struct mafsd *d,
			       const struct mafsd_status *status)
{
	char *paths[PENDING_MAX] = { 0 };
	size_t n = mafsd_pending_list(d, paths, PENDING_MAX);
	json_t *json;

	json = mafsd_pending_to_json(status, paths,
				     n < PENDING_MAX ? n : PENDING_MAX, n);
	for (size_t i = 0; i < PENDING_MAX; i++)
		free(paths[i]);
	return json;
}

int mafsd_serve_status(struct mafsd *d, const struct mafsd_request *request,
		       json_t **ret, struct mafs_fault *fault)
{
	struct mafsd_dirty *troubles = NULL;
	struct mafsd_status status = { 0 };
	size_t n_troubles = 0;
	json_t *json;
	int r;

	mafsd_status(d, &status);
	r = mafsd_dirty_list(d, true, DIRTY_MAX, &troubles, &n_troubles);
	if (r < 0)
		return r;
	json = mafsd_status_to_json(&status, troubles, n_troubles);
	mafsd_dirty_list_free(troubles, n_troubles);
	if (json && json_object_set_new(json, "pending",
					pending_to_json(d, &status)) < 0)
		json_decref(take_ptr(json));
	return mafsd_or_no_memory(json, ret);
}

int mafsd_serve_dirty(struct mafsd *d, const struct mafsd_request *request,
		      json_t **ret, struct mafs_fault *fault)
{
	struct mafsd_status status = { 0 };
	struct mafsd_dirty *list = NULL;
	int64_t n_max;
	size_t n = 0;
	json_t *json;
	int r;

	r = mafsd_request_int(request, "max", DIRTY_MAX, &n_max, fault);
	if (r < 0)
		return r;
	mafsd_status(d, &status);
	r = mafsd_dirty_list(d, false, (size_t)n_max, &list, &n);
	if (r < 0)
		return r;
	json = json_pack("{s:I, s:I, s:I, s:o}", "n_dirty",
			 (json_int_t)status.n_dirty, "dirty_bytes",
			 (json_int_t)status.dirty_bytes, "dirty_oldest_ms",
			 (json_int_t)status.dirty_oldest_ms, "files",
			 mafsd_dirty_to_json(list, n));
	mafsd_dirty_list_free(list, n);
	return mafsd_or_no_memory(json, ret);
}
