// SPDX-License-Identifier: Apache-2.0
/*
 * A memory volume's daemon: open the volume, serve, flush. There is no state
 * that only the end would store: killed, the next one finds the same.
 */
#include "admin.h"
#include "memvol.h"

#include <mafs/names_shadow.h>

#include <string.h>

#define CLIENT_CACHED_S 1.0

static int open_session_as(struct mafsm *m, const struct mafs_uuid *uuid,
			   struct mafs_fault *fault)
{
	return mafs_memory_session_open(uuid, m->options.source,
					m->options.mountpoint, &m->session,
					fault);
}

/* Under a name of its own where another daemon of this host has the volume's:
 * a master beside a client, or one that was taken over. */
static int open_session(struct mafsm *m, struct mafs_fault *fault)
{
	struct mafs_uuid own;
	int r = -EBUSY;

	if (!m->volume->is_client)
		r = open_session_as(m, &m->volume->uuid, fault);
	if (r != -EBUSY)
		return r;
	mafs_uuid_generate(&own);
	return open_session_as(m, &own, fault);
}

static int open_volume(struct mafsm *m, struct mafs_fault *fault)
{
	const struct mafs_memory_volume_options options = {
		.source = m->options.source,
		.devices = m->options.devices,
		.n_devices = m->options.n_devices,
		.role = m->options.role,
		.takeover = m->options.takeover,
	};

	if (m->options.shadow)
		return mafs_names_shadow_load(m->options.shadow,
					      m->options.devices,
					      m->options.n_devices, &m->volume,
					      fault);
	return mafs_memory_volume_open(&options, &m->volume, fault);
}

static int start(struct mafsm *m, struct mafs_fault *fault)
{
	int r = open_volume(m, fault);

	if (r < 0)
		return r;
	m->pool = m->volume->pool;
	m->names = m->volume->names;
	m->log = m->volume->log;
	m->fs.read_only = m->volume->is_client;
	if (m->volume->is_client) {
		/* They are told when something changes. */
		m->fs.cached_s = CLIENT_CACHED_S;
		/* Nothing is valid before the log was followed. */
		atomic_store(&m->followed_epoch, UINT64_MAX);
	}
	m->next_id = mafs_names_max_id(m->names) + 1;
	return open_session(m, fault);
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
	m->last_note = &m->first_note;
	pthread_rwlock_init(&m->lock, NULL);
	pthread_rwlock_init(&m->swap, NULL);
	pthread_mutex_init(&m->follow_lock, NULL);
	pthread_mutex_init(&m->checkpoint_lock, NULL);
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
	if (r == 0)
		r = mafsm_huge_start(m);
	if (r < 0)
		return mafs_fault_set(fault, r, "threads: %s", strerror(-r));
	return mafs_memory_session_publish(m->session, getpid(), fault);
}

const char *mafsm_runtime_dir(const struct mafsm *m)
{
	return mafs_memory_session_dir(m->session);
}

struct mafsd_fs *mafsm_fs(struct mafsm *m)
{
	return &m->fs;
}

int mafsm_stop(struct mafsm *m)
{
	mafsd_pool_stop(take_ptr(m->fs.pool));
	mafsm_tend_stop(m);
	/* The kernel closes without a word what is open when it is gone. */
	return mafsm_sync(m);
}

static int forget_node(void *context, struct mafs_node *node)
{
	struct mafsm_inode *inode = node->owner;

	if (!inode)
		return 0;
	mafs_layout_done(&inode->layout);
	pthread_mutex_destroy(&inode->sync_lock);
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
	mafs_memory_session_close(m->session);
	pthread_cond_destroy(&m->tend_wake);
	pthread_mutex_destroy(&m->tend_lock);
	pthread_mutex_destroy(&m->checkpoint_lock);
	pthread_mutex_destroy(&m->follow_lock);
	pthread_rwlock_destroy(&m->swap);
	pthread_rwlock_destroy(&m->lock);
	free(m);
}
