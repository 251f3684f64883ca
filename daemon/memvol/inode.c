// SPDX-License-Identifier: Apache-2.0
/*
 * What the kernel knows of: a node that was looked up has an inode until it is
 * forgotten, and stays with its bytes as long, names or not.
 */
#include "memvol.h"

#include <assert.h>

struct mafs_node *mafsm_node(struct mafsm *m, uint64_t nodeid)
{
	return mafs_names_node(m->names, nodeid);
}

static struct mafsm_inode *know(struct mafs_node *node)
{
	struct mafsm_inode *inode = node->owner;

	if (inode)
		return inode;
	inode = calloc(1, sizeof(*inode));
	if (!inode)
		return NULL;
	inode->node = node;
	inode->type = node->mode & S_IFMT;
	pthread_mutex_init(&inode->sync_lock, NULL);
	pthread_rwlock_init(&inode->io, NULL);
	node->owner = inode;
	node->pins++;
	return inode;
}

int mafsm_entry(struct mafsm *m, struct mafs_node *node,
		struct mafsd_entry *ret)
{
	struct mafsm_inode *inode = know(node);

	if (!inode)
		return -ENOMEM;
	inode->nlookup++;
	*ret = (struct mafsd_entry){ .nodeid = node->id };
	mafsm_stat(node, &ret->st);
	return 0;
}

void mafsm_node_gone(struct mafsm *m, struct mafs_node *node)
{
	_cleanup_(mafs_layout_done) struct mafs_layout layout = { 0 };

	/* Its entry that took the last name was waited for. */
	if (S_ISREG(node->mode) &&
	    mafs_layout_from_map(m->pool, &node->map, &layout, NULL) == 0)
		mafs_pool_give(m->pool, &layout, false);
}

static void unknow(struct mafsm *m, struct mafsm_inode *inode)
{
	struct mafs_node *node = inode->node;

	assert(inode->n_open == 0);
	node->owner = NULL;
	node->pins--;
	mafs_layout_done(&inode->layout);
	pthread_mutex_destroy(&inode->sync_lock);
	pthread_rwlock_destroy(&inode->io);
	free(inode);
	if (node->n_names || node->pins)
		return;
	if (m->log)
		mafsm_node_gone(m, node);
	mafs_names_drop(m->names, node);
}

void mafsm_forget(struct mafsd_fs *fs, uint64_t nodeid, uint64_t n)
{
	struct mafsm *m = mafsm_of(fs);
	struct mafs_node *node;
	struct mafsm_inode *inode;
	mafsm_change(&m->lock);

	node = mafsm_node(m, nodeid);
	inode = node ? node->owner : NULL;
	if (!inode)
		return;
	inode->nlookup -= n < inode->nlookup ? n : inode->nlookup;
	if (inode->nlookup == 0 && inode->n_open == 0)
		unknow(m, inode);
}

struct mafsm_inode *mafsm_inode(struct mafsm *m, uint64_t nodeid)
{
	struct mafs_node *node;
	mafsm_change(&m->lock);

	node = mafsm_node(m, nodeid);
	return node ? know(node) : NULL;
}

int mafsm_load(struct mafsm *m, struct mafsm_inode *inode)
{
	struct mafs_fault fault = MAFS_FAULT_INIT;
	int r;

	if (inode->loaded)
		return 0;
	mafs_layout_done(&inode->layout);
	r = mafs_layout_from_map(m->pool, &inode->node->map, &inode->layout,
				 &fault);
	if (r < 0) {
		mafs_error("inode %llu: %s",
			   (unsigned long long)inode->node->id, fault.what);
		return -EIO;
	}
	inode->loaded = true;
	return 0;
}
