// SPDX-License-Identifier: Apache-2.0
/*
 * What people ask about files: where the bytes of one are, and of all in a
 * directory. Called by the control API, from any thread, with no locks held.
 */
#include "names.h"

#include <string.h>

static const char *state_to_text(const struct mafsd_file *file)
{
	if (file->stale && !mafsd_is_dirty(file))
		return "stale";
	switch (file->state) {
	case MAFSD_CLEAN:
		return "clean";
	case MAFSD_DIRTY:
		return "dirty";
	case MAFSD_WRITING:
		return "writing";
	default:
		return "cold";
	}
}

static char path_letter(const struct mafsd *d, const struct mafsd_file *file)
{
	if (file->n_open == 0)
		return '-';
	switch (file->path) {
	case MAFSD_M:
		return file->n_writers && !file->raw ? 'X' : 'M';
	case MAFSD_D:
		return 'D';
	case MAFSD_C:
		if (d->pass_m || d->pass_n)
			return 'C';
		return file->n_writers && !d->fs.page_cache_only ? 'C' : 'K';
	default:
		return '-';
	}
}

/* Context: inode->lock held, so the file stays. */
static uint64_t memory_bytes(struct mafsd *d, struct mafsd_file *file)
{
	struct mafs_memory_file *mem;
	struct stat st;
	int r;

	if (mafsd_mem_get(d, file, &mem) < 0)
		return 0;
	r = mem->memory->ops->stat(mem, &st);
	mafsd_mem_put(d, file);
	return r < 0 ? 0 : (uint64_t)st.st_blocks * 512;
}

/* Its extents are left out without @whole. Context: inode->lock held. */
static int describe_bytes(struct mafsd *d, struct mafsd_file *file, bool whole,
			  struct mafsd_file_info *ret)
{
	bool in_memory = mafsd_in_memory(file);
	bool dirty = mafsd_is_dirty(file);
	bool serves = in_memory && (dirty || !file->stale);

	strcpy(ret->tier, serves ? "memory" : "disk");
	strcpy(ret->state, state_to_text(file));
	ret->in_memory = serves;
	ret->on_disk = !dirty;
	ret->path_in_use[0] = path_letter(d, file);
	ret->n_open = file->n_open;
	if (!in_memory)
		return 0;
	ret->id = file->id;
	ret->memory_bytes = memory_bytes(d, file);
	ret->dirty_bytes = mafs_ranges_total(&file->dirty);
	if (!whole)
		return 0;
	return d->memory->ops->extents(d->memory, &file->map, &ret->map);
}

static int describe(struct mafsd *d, struct mafsd_inode *inode, bool whole,
		    struct mafsd_file_info *ret)
{
	bool is_file = S_ISREG(inode->type);
	struct mafsd_file_info info = {
		.path_in_use = "-",
		.policy = mafsd_policy_of(d, inode),
		.on_disk = is_file,
	};
	int r;
	mafs_guard(&inode->lock);

	strcpy(info.tier, is_file ? "disk" : "none");
	strcpy(info.state, is_file ? "cold" : "none");
	r = mafsd_stat_locked(d, inode, &info.st, NULL);
	if (r == 0 && is_file && inode->file)
		r = describe_bytes(d, inode->file, whole, &info);
	if (r == 0)
		*ret = info;
	return r;
}

int mafsd_file_info(struct mafsd *d, const struct mafs_who *who,
		    const char *path, struct mafsd_file_info *ret,
		    struct mafs_fault *fault)
{
	struct mafsd_inode *inode;
	int r;

	mafsd_thread_enter();
	r = mafsd_resolve_as(d, who, path, R_OK, &inode, fault);
	if (r < 0)
		return r;
	r = describe(d, inode, true, ret);
	mafsd_inode_unref(d, inode);
	if (r < 0)
		return mafs_fault_set(fault, r, "%.300s: %s", path,
				      strerror(-r));
	return 0;
}

/* ---- directories ---- */

static int list_name(struct mafsd *d, struct mafsd_inode *dir, const char *name,
		     mafsd_list_fn *visit, void *context)
{
	struct mafsd_file_info info;
	struct mafsd_inode *inode;
	struct stat st;
	int r;

	if (!strcmp(name, ".") || !strcmp(name, ".."))
		return 0;
	if (mafsd_child(d, dir, name, true, &inode, &st) < 0)
		return 0; /* gone meanwhile */
	r = describe(d, inode, false, &info);
	if (r == 0)
		r = visit(context, name, &info);
	else if (r != -ENOMEM)
		r = 0; /* the same */
	mafsd_inode_unref(d, inode);
	return r;
}

static int list_dir(struct mafsd *d, struct mafsd_inode *inode, int64_t offset,
		    size_t n_max, mafsd_list_fn *visit, void *context,
		    int64_t *ret_next)
{
	struct mafsd_dir *dir;
	off_t next = offset;
	const char *name;
	struct stat st;
	int r;

	r = mafsd_opendir(d, inode->nodeid, &dir);
	if (r < 0)
		return r;
	while ((r = mafsd_readdir(dir, next, &name, &st, &next)) > 0) {
		r = list_name(d, inode, name, visit, context);
		if (r < 0 || --n_max == 0)
			break;
	}
	if (r >= 0)
		*ret_next = n_max ? 0 : next;
	mafsd_closedir(dir);
	return r;
}

int mafsd_list(struct mafsd *d, const struct mafs_who *who, const char *path,
	       int64_t offset, size_t n_max, mafsd_list_fn *visit,
	       void *context, int64_t *ret_next, struct mafs_fault *fault)
{
	struct mafsd_inode *inode;
	int r;

	mafsd_thread_enter();
	r = mafsd_resolve_as(d, who, path, R_OK | X_OK, &inode, fault);
	if (r < 0)
		return r;
	r = list_dir(d, inode, offset, n_max, visit, context, ret_next);
	mafsd_inode_unref(d, inode);
	if (r < 0)
		return mafs_fault_set(fault, r, "%.300s: %s",
				      *path ? path : "/", strerror(-r));
	return 0;
}

/* ---- the most used ---- */

int mafsd_hottest(struct mafsd *d, size_t n_max, mafsd_hottest_fn *visit,
		  void *context)
{
	struct mafsd_often most[MAFSD_N_HOTTEST];
	struct mafsd_file_info info;
	struct mafsd_inode *inode;
	char path[4096];
	size_t n;
	int r = 0;

	mafsd_thread_enter();
	n = mafsd_usage_most(d, most, n_max);
	for (size_t i = 0; i < n && r == 0; i++) {
		inode = mafsd_inode_ref_id(d, most[i].nodeid);
		if (!inode)
			continue; /* forgotten */
		mafsd_path_to_text(d, inode, path, sizeof(path));
		if (describe(d, inode, false, &info) == 0)
			r = visit(context, path, most[i].n - most[i].error,
				  &info);
		mafsd_inode_unref(d, inode);
	}
	return r;
}
