// SPDX-License-Identifier: Apache-2.0
/*
 * A memory volume's daemon: open the volume, serve, flush. There is no state
 * that only the end would store: killed, the next one finds the same.
 */
#include "memvol.h"

#include <string.h>

static int start(struct mafsm *m, struct mafs_fault *fault)
{
	const struct mafs_memory_volume_options options = {
		.source = m->options.source,
		.devices = m->options.devices,
		.n_devices = m->options.n_devices,
		.role = m->options.role,
		.takeover = m->options.takeover,
	};
	int r;

	r = mafs_memory_volume_open(&options, &m->volume, fault);
	if (r < 0)
		return r;
	m->pool = m->volume->pool;
	m->names = m->volume->names;
	m->log = m->volume->log;
	m->next_id = mafs_names_max_id(m->names) + 1;
	return 0;
}

int mafsm_start(const struct mafsm_options *options, struct mafsm **ret,
		struct mafs_fault *fault)
{
	struct mafsm *m = calloc(1, sizeof(*m));
	int r;

	if (!m)
		return -ENOMEM;
	m->fs.ops = &mafsm_ops;
	m->fs.cached_s = MAFSD_CACHED_S;
	m->options = *options;
	pthread_rwlock_init(&m->lock, NULL);
	pthread_mutex_init(&m->tend_lock, NULL);
	pthread_cond_init(&m->tend_wake, NULL);
	r = start(m, fault);
	if (r < 0) {
		mafsm_free(m);
		return r;
	}
	*ret = m;
	return 0;
}

int mafsm_run(struct mafsm *m, struct mafs_fault *fault)
{
	int r = mafsd_pool_start(&m->fs.pool);

	if (r == 0)
		r = mafsm_tend_start(m);
	return r < 0 ? mafs_fault_set(fault, r, "threads: %s", strerror(-r)) :
		       0;
}

struct mafsd_fs *mafsm_fs(struct mafsm *m)
{
	return &m->fs;
}

/* The kernel closes what is open without a word when the connection ends. */
static int sync_node(void *context, struct mafs_node *node)
{
	struct mafsm *m = context;
	struct mafsm_inode *inode = node->owner;

	return inode && S_ISREG(node->mode) ? mafsm_sync_inode(m, inode) : 0;
}

int mafsm_stop(struct mafsm *m)
{
	int r = 0;

	mafsd_pool_stop(take_ptr(m->fs.pool));
	mafsm_tend_stop(m);
	if (m->log && !atomic_load(&m->broken))
		r = mafs_names_visit(m->names, sync_node, m);
	return atomic_load(&m->broken) ? -EIO : r;
}

static int forget_node(void *context, struct mafs_node *node)
{
	struct mafsm_inode *inode = node->owner;

	if (!inode)
		return 0;
	mafs_layout_done(&inode->layout);
	pthread_rwlock_destroy(&inode->io);
	free(inode);
	node->owner = NULL;
	return 0;
}

void mafsm_free(struct mafsm *m)
{
	if (!m)
		return;
	mafsd_pool_stop(take_ptr(m->fs.pool));
	mafsm_tend_stop(m);
	if (m->volume) {
		mafs_names_visit(m->names, forget_node, NULL);
		mafs_memory_volume_close(m->volume);
	}
	pthread_cond_destroy(&m->tend_wake);
	pthread_mutex_destroy(&m->tend_lock);
	pthread_rwlock_destroy(&m->lock);
	free(m);
}
