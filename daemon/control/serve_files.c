// SPDX-License-Identifier: Apache-2.0
/* Calls that ask about files. Called through routes.c, from any thread. */
#include "request.h"

#include "json.h"

#include <errno.h>
#include <mafs/cleanup.h>

/* An answer of many more would be long in the making. */
#define LIST_MAX 10000

int mafsd_serve_meta(struct mafsd *d, const struct mafsd_request *request,
		     json_t **ret, struct mafs_fault *fault)
{
	struct mafsd_file_info info = { 0 };
	char path[MAFSD_PATH_MAX];
	int r;

	r = mafsd_request_path(request, path, fault);
	if (r < 0)
		return r;
	r = mafsd_file_info(d, request->who, path, &info, fault);
	if (r < 0)
		return r;
	r = mafsd_or_no_memory(mafsd_file_info_to_json(path, &info), ret);
	mafs_map_done(&info.map);
	return r;
}

int mafsd_ls_begin(const struct mafsd_request *request, struct mafsd_ls *ret,
		   struct mafs_fault *fault)
{
	int64_t n_max = LIST_MAX;
	int r;

	*ret = (struct mafsd_ls){ 0 };
	r = mafsd_request_path(request, ret->path, fault);
	if (r == 0)
		r = mafsd_request_int(request, "offset", 0, &ret->offset,
				      fault);
	if (r == 0)
		r = mafsd_request_int(request, "max", LIST_MAX, &n_max, fault);
	if (r < 0)
		return r;
	ret->n_max = n_max < 1 || n_max > LIST_MAX ? LIST_MAX : (size_t)n_max;
	return mafsd_or_no_memory(json_array(), &ret->entries);
}

int mafsd_ls_add(void *context, const char *name,
		 const struct mafsd_file_info *info)
{
	json_t *entries = context;

	return json_array_append_new(entries, mafsd_entry_to_json(name, info)) <
			       0 ?
		       -ENOMEM :
		       0;
}

int mafsd_ls_end(struct mafsd_ls *ls, int r, json_t **ret)
{
	json_t *answer;

	if (r < 0) {
		json_decref(ls->entries);
		return r;
	}
	answer = json_pack("{s:o, s:o}", "entries", ls->entries, "next",
			   ls->next ? json_integer(ls->next) : json_null());
	if (answer && mafsd_json_name(answer, "path", ls->path) < 0)
		json_decref(take_ptr(answer));
	return mafsd_or_no_memory(answer, ret);
}

int mafsd_serve_ls(struct mafsd *d, const struct mafsd_request *request,
		   json_t **ret, struct mafs_fault *fault)
{
	struct mafsd_ls ls;
	int r = mafsd_ls_begin(request, &ls, fault);

	if (r < 0)
		return r;
	r = mafsd_list(d, request->who, ls.path, ls.offset, ls.n_max,
		       mafsd_ls_add, ls.entries, &ls.next, fault);
	return mafsd_ls_end(&ls, r, ret);
}

static int list_hottest(void *context, const char *path, double n_opens,
			const struct mafsd_file_info *info)
{
	json_t *files = context, *file = mafsd_hot_file_to_json(path, info);

	if (!file || json_object_set_new(file, "n_opens_lately",
					 json_real(n_opens)) < 0) {
		json_decref(file);
		return -ENOMEM;
	}
	return json_array_append_new(files, file) < 0 ? -ENOMEM : 0;
}

int mafsd_serve_hottest(struct mafsd *d, const struct mafsd_request *request,
			json_t **ret, struct mafs_fault *fault)
{
	json_t *files = json_array();
	int64_t n_max;
	int r;

	r = mafsd_request_int(request, "max", MAFSD_N_HOTTEST, &n_max, fault);
	if (r == 0)
		r = mafsd_hottest(d, (size_t)n_max, list_hottest, files);
	if (r < 0) {
		json_decref(files);
		return r;
	}
	return mafsd_or_no_memory(json_pack("{s:o}", "files", files), ret);
}

/* The name is kept for what other hosts will ask. */
int mafsd_serve_content(struct mafsd *d, const struct mafsd_request *request,
			json_t **ret, struct mafs_fault *fault)
{
	return mafs_fault_set(fault, -ENOSYS,
			      "the content of files is not served here yet: "
			      "read them in the mount");
}
