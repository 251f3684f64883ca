// SPDX-License-Identifier: Apache-2.0
/*
 * Calls that ask about the files of a memory volume: the same answers as of a
 * tiered one, all in memory. Called through routes.c, any thread.
 */
#include "request.h"

#include <mafs/cleanup.h>
#include <memvol/admin.h>
#include <string.h>

/* Modes and ACLs of others are the kernel's to weigh, in the mount. */
static int refuse_strangers(const struct mafsd_request *request,
			    struct mafs_fault *fault)
{
	if (!request->who)
		return 0;
	return mafs_fault_set(fault, -EACCES,
			      "only root and the volume's owner may ask about "
			      "the files of a memory volume");
}

/* @ret: borrows the map. */
static void to_info(const struct mafsm_file *file, struct mafsd_file_info *ret)
{
	bool has_bytes = S_ISREG(file->st.st_mode);

	*ret = (struct mafsd_file_info){
		.path_in_use = "-",
		.policy = MAFSD_POLICY_PINNED,
		.in_memory = has_bytes,
		.id = file->st.st_ino,
		.memory_bytes = (uint64_t)file->st.st_blocks * 512,
		.n_open = file->n_open,
		.st = file->st,
		.map = file->map,
	};
	strcpy(ret->tier, has_bytes ? "memory" : "none");
	strcpy(ret->state, has_bytes ? "clean" : "none");
	if (file->n_open)
		strcpy(ret->path_in_use, "C");
}

int mafsd_memory_meta(struct mafsm *m, const struct mafsd_request *request,
		      json_t **ret, struct mafs_fault *fault)
{
	struct mafsm_file file = { 0 };
	struct mafsd_file_info info;
	char path[MAFSD_PATH_MAX];
	int r;

	r = refuse_strangers(request, fault);
	if (r == 0)
		r = mafsd_request_path(request, path, fault);
	if (r < 0)
		return r;
	r = mafsm_look(m, path, &file);
	if (r < 0)
		return mafs_fault_set(fault, r, "%.300s: %s",
				      *path ? path : "/", strerror(-r));
	to_info(&file, &info);
	r = mafsd_or_no_memory(mafsd_file_info_to_json(path, &info), ret);
	mafs_map_done(&file.map);
	return r;
}

static int add(void *context, const char *name, const struct mafsm_file *file)
{
	struct mafsd_file_info info;

	to_info(file, &info);
	return mafsd_ls_add(context, name, &info);
}

int mafsd_memory_ls(struct mafsm *m, const struct mafsd_request *request,
		    json_t **ret, struct mafs_fault *fault)
{
	struct mafsd_ls ls;
	uint64_t next = 0;
	int r;

	r = refuse_strangers(request, fault);
	if (r == 0)
		r = mafsd_ls_begin(request, &ls, fault);
	if (r < 0)
		return r;
	r = mafsm_list(m, ls.path, (uint64_t)ls.offset, ls.n_max, add,
		       ls.entries, &next);
	ls.next = (int64_t)next;
	if (r < 0)
		mafs_fault_set(fault, r, "%.300s: %s", *ls.path ? ls.path : "/",
			       strerror(-r));
	return mafsd_ls_end(&ls, r, ret);
}
