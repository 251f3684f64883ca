// SPDX-License-Identifier: Apache-2.0
/* Names that are read: lookup, readlink, listings. */
#include "memvol.h"

#include <string.h>

static struct mafs_node *dir_of(struct mafsm *m, uint64_t nodeid)
{
	struct mafs_node *dir = mafsm_node(m, nodeid);

	return dir && dir->dir ? dir : NULL;
}

int mafsm_lookup(struct mafsd_fs *fs, uint64_t parent, const char *text,
		 struct mafsd_entry *ret)
{
	struct mafsm *m = mafsm_of(fs);
	struct mafs_name *name;
	struct mafs_node *dir;
	mafsm_change(&m->lock);

	dir = dir_of(m, parent);
	if (!dir)
		return -ESTALE;
	/* An exporter asks for these. */
	if (!strcmp(text, "."))
		return mafsm_entry(m, dir, ret);
	if (!strcmp(text, "..")) {
		dir = mafsm_node(m, dir->parent);
		return dir ? mafsm_entry(m, dir, ret) : -ESTALE;
	}
	if (strlen(text) > MAFS_NAME_MAX)
		return -ENAMETOOLONG;
	name = mafs_names_lookup(m->names, dir, text);
	return name ? mafsm_entry(m, name->node, ret) : -ENOENT;
}

int mafsm_readlink(struct mafsd_fs *fs, uint64_t nodeid, char *ret, size_t len)
{
	struct mafsm *m = mafsm_of(fs);
	struct mafs_node *node;
	mafsm_read(&m->lock);

	node = mafsm_node(m, nodeid);
	if (!node)
		return -ESTALE;
	if (!node->target)
		return -EINVAL;
	if (strlen(node->target) >= len)
		return -ENAMETOOLONG;
	strcpy(ret, node->target);
	return 0;
}

/* ---- listings: position 1 is ".", 2 is "..", then cookies ---- */

#define N_DOTS 2

struct mafsd_dir {
	uint64_t nodeid;
	char name[MAFS_NAME_MAX + 1]; /* the last one given */
};

int mafsm_opendir(struct mafsd_fs *fs, uint64_t nodeid, struct mafsd_dir **ret)
{
	struct mafsd_dir *dir = calloc(1, sizeof(*dir));

	if (!dir)
		return -ENOMEM;
	dir->nodeid = nodeid;
	*ret = dir;
	return 0;
}

void mafsm_closedir(struct mafsd_fs *fs, struct mafsd_dir *dir)
{
	free(dir);
}

int mafsm_readdir(struct mafsd_fs *fs, struct mafsd_dir *dir, off_t offset,
		  const char **ret_name, struct stat *ret_st, off_t *ret_next)
{
	struct mafsm *m = mafsm_of(fs);
	struct mafs_node *node;
	struct mafs_name *name;
	mafsm_read(&m->lock);

	node = dir_of(m, dir->nodeid);
	if (!node)
		return -ESTALE;
	*ret_name = dir->name;
	if (offset < N_DOTS) {
		strcpy(dir->name, offset ? ".." : ".");
		if (offset && node->id != MAFS_OMF_ROOT_ID)
			node = mafsm_node(m, node->parent);
		if (!node) /* removed */
			return 0;
		mafsm_stat(node, ret_st);
		*ret_next = offset + 1;
		return 1;
	}
	name = mafs_names_next(m->names, node, (uint64_t)offset - N_DOTS);
	if (!name)
		return 0;
	strcpy(dir->name, name->name);
	mafsm_stat(name->node, ret_st);
	*ret_next = (off_t)(name->cookie + N_DOTS);
	return 1;
}

/* Names are in the log, flushed, before the reply. */
int mafsm_fsyncdir(struct mafsd_fs *fs, struct mafsd_dir *dir, bool data_only)
{
	return atomic_load(&mafsm_of(fs)->broken) ? -EIO : 0;
}
