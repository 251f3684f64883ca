/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The daemon's double: every function of core/admin.h, so that nothing of
 * daemon/core is linked. Included once by a test program.
 */
#pragma once

#include <core/admin.h>

#include <errno.h>
#include <mafs/cleanup.h>
#include <pthread.h>
#include <string.h>

struct mafsd {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool sync_blocks; /* under lock */
	bool sync_entered; /* under lock */
	int sync_error;
	int move_error;
	uint64_t n_kept;
	char moved_path[4096];
};

const char *mafsd_upcall_to_text(enum mafsd_upcall upcall)
{
	static const char *const names[] = {
#define X(name) #name,
		MAFSD_UPCALLS(X)
#undef X
	};

	return names[upcall];
}

void mafsd_status(struct mafsd *d, struct mafsd_status *ret)
{
	*ret = (struct mafsd_status){
		.source = "/data",
		.mountpoint = "/mnt/f\xffst",
		.memory_kind = "tmpfs",
		.policy = "lru",
		.memory_size_bytes = 1 << 20,
		.memory_used_bytes = 4096,
		.n_dirty = 2,
		.dirty_bytes = 8192,
		.n_hot = 3,
	};
	ret->upcalls[MAFSD_UPCALL_read] = 7;
}

int mafsd_troubles(struct mafsd *d, struct mafsd_trouble **ret, size_t *ret_n)
{
	struct mafsd_trouble *trouble = calloc(1, sizeof(*trouble));

	if (!trouble)
		return -ENOMEM;
	strcpy(trouble->path, "a/b");
	trouble->error = ENOSPC;
	trouble->n_attempts = 4;
	*ret = trouble;
	*ret_n = 1;
	return 0;
}

size_t mafsd_pending_list(struct mafsd *d, char **ret, size_t n_max)
{
	(void)d;
	if (n_max)
		ret[0] = strdup("/lost");
	return 1;
}

int mafsd_sync(struct mafsd *d, struct mafs_fault *fault)
{
	mafs_guard(&d->lock);
	d->sync_entered = true;
	pthread_cond_broadcast(&d->changed);
	while (d->sync_blocks)
		pthread_cond_wait(&d->changed, &d->lock);
	if (d->sync_error < 0)
		mafs_fault_set(fault, d->sync_error, "a/b: the disk is full");
	return d->sync_error;
}

int mafsd_push(struct mafsd *d, const char *path, uint64_t *ret_n_moved,
	       uint64_t *ret_n_kept, struct mafs_fault *fault)
{
	strcpy(d->moved_path, path);
	if (d->move_error < 0)
		return mafs_fault_set(fault, d->move_error, "%s: gone", path);
	*ret_n_moved = 5;
	*ret_n_kept = d->n_kept;
	if (d->n_kept)
		mafs_fault_set(fault, 0, "a/b is open");
	return 0;
}

int mafsd_pull(struct mafsd *d, const char *path, uint64_t *ret_n_moved,
	       uint64_t *ret_n_kept, struct mafs_fault *fault)
{
	return mafsd_push(d, path, ret_n_moved, ret_n_kept, fault);
}

int mafsd_file_info(struct mafsd *d, const char *path,
		    struct mafsd_file_info *ret, struct mafs_fault *fault)
{
	struct mafs_extent *extent = calloc(1, sizeof(*extent));

	if (!extent)
		return -ENOMEM;
	strcpy(d->moved_path, path);
	*ret = (struct mafsd_file_info){ .tier = "memory", .state = "dirty" };
	extent->length_bytes = 4096;
	ret->map.extents = extent;
	ret->map.n_extents = 1;
	return 0;
}
