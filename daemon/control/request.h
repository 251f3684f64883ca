/* SPDX-License-Identifier: Apache-2.0 */
/* Between server.c (HTTP) and what each path does. */
#pragma once

#include <core/admin.h>
#include <errno.h>
#include <jansson.h>

/* A body is one path and a few words; more is refused. */
#define MAFSD_BODY_MAX (64 * 1024)
#define MAFSD_PATH_MAX 4096

struct MHD_Connection;
struct mafsd_jobs;
struct mafsm;

/**
 * struct mafsd_request - one call, read completely
 * @who: NULL: root or the daemon's own user, who may all
 * @path: what stands for {path} in the URL; NULL: nothing does
 * @body: an object, or NULL
 */
struct mafsd_request {
	const struct mafs_who *who;
	const char *path;
	const json_t *body;
	struct MHD_Connection *connection;
	struct mafsd_jobs *jobs;
};

/**
 * struct mafsd_route - what a method on a path does
 * @url: as in docs/openapi.yaml; "/{path}" at its end stands for any path
 * @owner: only for who may all
 * @serve: fills *ret with an object that the caller owns, or returns -errno
 *	with the fault set. Any thread, no locks held.
 */
struct mafsd_route {
	const char *method;
	const char *url;
	bool owner;
	int (*serve)(struct mafsd *d, const struct mafsd_request *request,
		     json_t **ret, struct mafs_fault *fault);
	/* The same of a memory volume; NULL: it has no such thing. */
	int (*serve_memory)(struct mafsm *m,
			    const struct mafsd_request *request, json_t **ret,
			    struct mafs_fault *fault);
};

/* ---- routes.c ---- */

/* @ret_path: within @url, NULL when the route has none.
 * Return: 0; -ENOENT: no such path; -EOPNOTSUPP: not with this method. */
int mafsd_route_find(const char *method, const char *url,
		     const struct mafsd_route **ret, const char **ret_path);

/* ---- server.c: arguments ---- */

/* Of the query, else of the body; borrowed, NULL: not given. */
const char *mafsd_request_text(const struct mafsd_request *request,
			       const char *key);
/* A number of the same; @otherwise when it is not given. Return: 0, -EINVAL
 * with the fault set. */
int mafsd_request_int(const struct mafsd_request *request, const char *key,
		      int64_t otherwise, int64_t *ret,
		      struct mafs_fault *fault);
/* The path of the call without slashes at its ends. Return: 0, -EINVAL with
 * the fault set. */
int mafsd_request_path(const struct mafsd_request *request,
		       char ret[static MAFSD_PATH_MAX],
		       struct mafs_fault *fault);

/* ---- what is served ---- */

typedef int mafsd_serve_fn(struct mafsd *d, const struct mafsd_request *request,
			   json_t **ret, struct mafs_fault *fault);

mafsd_serve_fn mafsd_serve_status, mafsd_serve_dirty; /* serve_volume.c */
mafsd_serve_fn mafsd_serve_meta, mafsd_serve_ls, mafsd_serve_content;
mafsd_serve_fn mafsd_serve_hottest; /* serve_files.c */
mafsd_serve_fn mafsd_serve_push, mafsd_serve_pull, mafsd_serve_evict;
mafsd_serve_fn mafsd_serve_flush, mafsd_serve_pin, mafsd_serve_unpin;
mafsd_serve_fn mafsd_serve_jobs, mafsd_serve_stop; /* serve_moves.c */
mafsd_serve_fn mafsd_serve_settings, mafsd_serve_set; /* serve_settings.c */

/**
 * struct mafsd_ls - a listing in the making
 * @next: where the next one goes on; 0: that is all
 */
struct mafsd_ls {
	char path[MAFSD_PATH_MAX];
	int64_t offset, next;
	size_t n_max;
	json_t *entries; /* owned until the end */
};

/* Reads the arguments. Return: 0, then it is ended; -errno, the fault set. */
int mafsd_ls_begin(const struct mafsd_request *request, struct mafsd_ls *ret,
		   struct mafs_fault *fault);
/* A mafsd_list_fn; @context: the entries. */
int mafsd_ls_add(void *context, const char *name,
		 const struct mafsd_file_info *info);
/* @r: of the listing. Return: @r, or 0 and the answer, or -ENOMEM. */
int mafsd_ls_end(struct mafsd_ls *ls, int r, json_t **ret);

/* serve_memory.c, serve_memory_files.c */
int mafsd_memory_status(struct mafsm *m, const struct mafsd_request *request,
			json_t **ret, struct mafs_fault *fault);
int mafsd_memory_meta(struct mafsm *m, const struct mafsd_request *request,
		      json_t **ret, struct mafs_fault *fault);
int mafsd_memory_ls(struct mafsm *m, const struct mafsd_request *request,
		    json_t **ret, struct mafs_fault *fault);
int mafsd_memory_flush(struct mafsm *m, const struct mafsd_request *request,
		       json_t **ret, struct mafs_fault *fault);

/* The policy of a path, and what follows from it. serve_moves.c */
int mafsd_serve_policy(struct mafsd *d, enum mafsd_policy policy,
		       const char *action, const struct mafsd_request *request,
		       json_t **ret, struct mafs_fault *fault);

static inline int mafsd_or_no_memory(json_t *made, json_t **ret)
{
	if (!made)
		return -ENOMEM;
	*ret = made;
	return 0;
}

/* ---- jobs: moves that are under way ---- */

struct mafsd_jobs *mafsd_jobs_new(void);
void mafsd_jobs_free(struct mafsd_jobs *jobs);

/* ---- as JSON; new references, NULL when memory is short ---- */

json_t *mafsd_pending_to_json(const struct mafsd_status *status,
			      char *const *paths, size_t n_paths, size_t n);
json_t *mafsd_dirty_to_json(const struct mafsd_dirty *list, size_t n);
json_t *mafsd_status_to_json(const struct mafsd_status *status,
			     const struct mafsd_dirty *troubles,
			     size_t n_troubles);
json_t *mafsd_file_info_to_json(const char *path,
				const struct mafsd_file_info *info);
/* The same without extents. */
json_t *mafsd_hot_file_to_json(const char *path,
			       const struct mafsd_file_info *info);
json_t *mafsd_entry_to_json(const char *name,
			    const struct mafsd_file_info *info);
