/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The daemon's double: every function of core/admin.h, so that nothing of
 * daemon/core is linked. Included once by a test program.
 */
#pragma once

#include <core/admin.h>

#include <errno.h>
#include <mafs/cleanup.h>
#include <mafs/settings.h>
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
	enum mafsd_action action;
	enum mafsd_policy policy;
	char setting[64];
	bool who_known; /* somebody else than root and the owner */
	uid_t uid;
	gid_t group;
	size_t n_groups;
	bool saw_stop;
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

const char *mafsd_way_to_text(enum mafsd_way way)
{
	static const char *const names[] = { "M", "X", "D", "C", "K" };

	return names[way];
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
	ret->ways[MAFSD_WAY_C].read_bytes = 4711;
	ret->ways[MAFSD_WAY_M].read_bytes = 1; /* nobody may believe it */
}

int mafsd_dirty_list(struct mafsd *d, bool only_failed, size_t n_max,
		     struct mafsd_dirty **ret, size_t *ret_n)
{
	struct mafsd_dirty *dirty = calloc(1, sizeof(*dirty));

	(void)d;
	(void)n_max;
	if (!dirty)
		return -ENOMEM;
	dirty->path = strdup("a/b");
	dirty->error = only_failed ? ENOSPC : 0;
	dirty->n_attempts = only_failed ? 4 : 0;
	dirty->dirty_bytes = 512;
	*ret = dirty;
	*ret_n = 1;
	return 0;
}

void mafsd_dirty_list_free(struct mafsd_dirty *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(list[i].path);
	free(list);
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

static int note_path(struct mafsd *d, const struct mafs_who *who,
		     const char *path, struct mafs_fault *fault)
{
	mafs_guard(&d->lock);

	strcpy(d->moved_path, path);
	d->who_known = who != NULL;
	if (who) {
		d->uid = who->uid;
		d->n_groups = who->n_groups;
		d->group = who->n_groups ? who->groups[0] : 0;
	}
	if (d->move_error < 0)
		return mafs_fault_set(fault, d->move_error, "%s: gone", path);
	return 0;
}

int mafsd_act(struct mafsd *d, const struct mafs_who *who,
	      enum mafsd_action action, const char *path, bool count,
	      struct mafsd_progress *progress, struct mafs_fault *fault)
{
	int r = note_path(d, who, path, fault);

	d->action = action;
	if (r < 0)
		return r;
	if (count) {
		progress->n_total = 7;
		progress->bytes_total = 4096;
		progress->counted = true;
	}
	progress->n_moved = 5;
	progress->bytes_moved = 1024;
	progress->n_kept = d->n_kept;
	if (d->n_kept)
		mafs_fault_set(fault, 0, "a/b is open");
	mafs_guard(&d->lock);
	d->sync_entered = true;
	pthread_cond_broadcast(&d->changed);
	while (d->sync_blocks)
		pthread_cond_wait(&d->changed, &d->lock);
	d->saw_stop = progress->stop && *progress->stop;
	return 0;
}

uint64_t mafsd_progress_bytes(const struct mafsd_progress *progress)
{
	return progress->bytes_moved;
}

const char *mafsd_policy_to_text(enum mafsd_policy policy)
{
	return policy == MAFSD_POLICY_PINNED ? "pinned" : "tiered";
}

int mafsd_policy_from_text(const char *text, size_t len, enum mafsd_policy *ret)
{
	if (len != 3 || memcmp(text, "hot", 3) != 0)
		return -EINVAL;
	*ret = MAFSD_POLICY_HOT;
	return 0;
}

void mafsd_settings_get(struct mafsd *d, struct mafs_settings *ret)
{
	mafs_settings_default(ret);
	ret->writeback_after = 60000;
}

int mafsd_set(struct mafsd *d, const char *name, const char *value,
	      struct mafs_fault *fault)
{
	snprintf(d->setting, sizeof(d->setting), "%s=%s", name,
		 value ? value : "(default)");
	return !strcmp(name, "policy");
}

int mafsd_policy_set(struct mafsd *d, const struct mafs_who *who,
		     const char *path, enum mafsd_policy policy, bool count,
		     struct mafsd_progress *progress, struct mafs_fault *fault)
{
	d->policy = policy;
	return note_path(d, who, path, fault);
}

int mafsd_unpin(struct mafsd *d, const struct mafs_who *who, const char *path,
		uint64_t *ret_n_unpinned, struct mafs_fault *fault)
{
	*ret_n_unpinned = 2;
	return note_path(d, who, path, fault);
}

int mafsd_file_info(struct mafsd *d, const struct mafs_who *who,
		    const char *path, struct mafsd_file_info *ret,
		    struct mafs_fault *fault)
{
	struct mafs_extent *extent;
	int r = note_path(d, who, path, fault);

	if (r < 0)
		return r;
	extent = calloc(1, sizeof(*extent));
	if (!extent)
		return -ENOMEM;
	*ret = (struct mafsd_file_info){
		.tier = "memory",
		.state = "dirty",
		.in_memory = true,
		.policy = MAFSD_POLICY_PINNED,
		.st = { .st_mode = S_IFREG | 0640, .st_size = 99 },
	};
	extent->device_uuid.bytes[0] = 1;
	extent->length_bytes = 4096;
	ret->map.extents = extent;
	ret->map.n_extents = 1;
	return 0;
}

/* Names n0, n1, ... up to n24, as many as are asked for. */
int mafsd_list(struct mafsd *d, const struct mafs_who *who, const char *path,
	       int64_t offset, size_t n_max, mafsd_list_fn *visit,
	       void *context, int64_t *ret_next, struct mafs_fault *fault)
{
	struct mafsd_file_info info = { .tier = "disk", .on_disk = true };
	int r = note_path(d, who, path, fault);
	char name[8];

	for (; r == 0 && offset < 25 && n_max > 0; offset++, n_max--) {
		snprintf(name, sizeof(name), "n%d%s", (int)offset,
			 offset == 24 ? "\xff" : "");
		r = visit(context, name, &info);
	}
	*ret_next = offset < 25 ? offset : 0;
	return r;
}

int mafsd_hottest(struct mafsd *d, size_t n_max, mafsd_hottest_fn *visit,
		  void *context)
{
	struct mafsd_file_info info = { .tier = "memory" };

	(void)d;
	return n_max ? visit(context, "a/b", 12.5, &info) : 0;
}
