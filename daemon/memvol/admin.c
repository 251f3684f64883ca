// SPDX-License-Identifier: Apache-2.0
/* What people ask: how it stands, and that all be flushed. */
#include "admin.h"

#include "memvol.h"

static int add_extents(void *context, struct mafs_node *node)
{
	struct mafs_pool_usage *usage = context;
	struct stat st;

	mafs_names_stat(node, &st);
	if (S_ISREG(node->mode))
		usage->free_bytes -= (uint64_t)st.st_blocks * 512;
	return 0;
}

void mafsm_usage(struct mafsm *m, struct mafs_pool_usage *ret)
{
	mafs_pool_usage(m->pool, ret);
	if (m->log)
		return;
	/* A client claims nothing: what the files have is taken. */
	ret->free_bytes = ret->size_bytes;
	mafsm_read(&m->lock);
	mafs_names_visit(m->names, add_extents, ret);
}

void mafsm_status(struct mafsm *m, struct mafsm_status *ret)
{
	*ret = (struct mafsm_status){
		.uuid = m->volume->uuid,
		.source = m->options.source,
		.mountpoint = m->options.mountpoint,
		.is_client = !m->log,
		.broken = atomic_load(&m->broken),
		.io_uring = m->fs.io_uring,
		.epoch = m->volume->epoch,
		.log_bytes = m->log ? mafs_log_length(m->log) : 0,
		.n_open = atomic_load(&m->n_open),
	};
	mafsm_usage(m, &ret->usage);
	pthread_rwlock_rdlock(&m->lock);
	ret->n_inodes = mafs_names_count(m->names);
	pthread_rwlock_unlock(&m->lock);
	for (uint32_t i = 0; i < mafs_pool_n_devices(m->pool) &&
			     ret->n_devices < MAFSM_DEVICES_MAX;
	     i++)
		ret->devices[ret->n_devices++] = mafs_pool_device(m->pool, i);
	for (int i = 0; i < MAFSD_N_UPCALLS; i++)
		ret->upcalls[i] = atomic_load(&m->fs.upcalls[i]);
}

/* ---- sync ---- */

/**
 * struct collecting - ids of what is to be flushed; the table is not walked
 * while we wait
 */
struct collecting {
	uint64_t *ids;
	size_t n, capacity;
};

static int collect(void *context, struct mafs_node *node)
{
	struct collecting *collecting = context;
	const struct mafsm_inode *inode = node->owner;
	uint64_t *ids;

	if (!inode || !mafsm_has_stored(inode))
		return 0;
	if (collecting->n == collecting->capacity) {
		collecting->capacity = collecting->capacity * 2 + 64;
		ids = reallocarray(collecting->ids, collecting->capacity,
				   sizeof(*ids));
		if (!ids)
			return -ENOMEM;
		collecting->ids = ids;
	}
	collecting->ids[collecting->n++] = node->id;
	return 0;
}

/* The inode, kept by a lookup of ours; NULL: it is gone. */
static struct mafsm_inode *keep(struct mafsm *m, uint64_t id)
{
	struct mafs_node *node;
	struct mafsm_inode *inode;
	mafsm_change(&m->lock);

	node = mafsm_node(m, id);
	inode = node ? node->owner : NULL;
	if (inode)
		inode->nlookup++;
	return inode;
}

int mafsm_sync(struct mafsm *m)
{
	struct collecting collecting = { 0 };
	struct mafsm_inode *inode;
	int r, r_one;

	if (!m->log)
		return 0;
	if (atomic_load(&m->broken))
		return -EIO;
	pthread_rwlock_rdlock(&m->lock);
	r = mafs_names_visit(m->names, collect, &collecting);
	pthread_rwlock_unlock(&m->lock);
	for (size_t i = 0; i < collecting.n; i++) {
		inode = keep(m, collecting.ids[i]);
		if (!inode)
			continue;
		r_one = mafsm_sync_inode(m, inode);
		if (r == 0)
			r = r_one;
		mafsm_forget(&m->fs, collecting.ids[i], 1);
	}
	free(collecting.ids);
	return r;
}
