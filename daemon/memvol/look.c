// SPDX-License-Identifier: Apache-2.0
/* Where the bytes of files are, for people: as the log has it. */
#include "admin.h"

#include "memvol.h"

#include <string.h>

/* Context: m->lock held. */
static int walk(struct mafsm *m, const char *path, struct mafs_node **ret)
{
	struct mafs_node *node = mafsm_node(m, MAFS_OMF_ROOT_ID);
	char text[MAFS_NAME_MAX + 1];
	struct mafs_name *name;
	size_t len;

	for (path += strspn(path, "/"); *path; path += strspn(path, "/")) {
		len = strcspn(path, "/");
		if (!node->dir)
			return -ENOTDIR;
		if (len > MAFS_NAME_MAX)
			return -ENAMETOOLONG;
		memcpy(text, path, len);
		text[len] = '\0';
		name = mafs_names_lookup(m->names, node, text);
		if (!name)
			return -ENOENT;
		node = name->node;
		path += len;
	}
	*ret = node;
	return 0;
}

static void describe(const struct mafs_node *node, struct mafsm_file *ret)
{
	const struct mafsm_inode *inode = node->owner;

	*ret = (struct mafsm_file){ .n_open = inode ? inode->n_open : 0 };
	mafsm_stat(node, &ret->st);
}

int mafsm_look(struct mafsm *m, const char *path, struct mafsm_file *ret)
{
	struct mafs_node *node;
	mafsm_read(&m->lock);
	int r = walk(m, path, &node);

	if (r < 0)
		return r;
	describe(node, ret);
	return mafs_map_copy(&node->map, &ret->map);
}

int mafsm_list(struct mafsm *m, const char *path, uint64_t offset, size_t n_max,
	       mafsm_list_fn *visit, void *context, uint64_t *ret_next)
{
	struct mafsm_file file;
	struct mafs_name *name;
	struct mafs_node *dir;
	mafsm_read(&m->lock);
	int r = walk(m, path, &dir);

	if (r == 0 && !dir->dir)
		r = -ENOTDIR;
	*ret_next = 0;
	while (r == 0 && (name = mafs_names_next(m->names, dir, offset))) {
		if (n_max-- == 0) {
			*ret_next = offset;
			break;
		}
		describe(name->node, &file);
		r = visit(context, name->name, &file);
		offset = name->cookie;
	}
	return r;
}
