/* SPDX-License-Identifier: Apache-2.0 */
/* Moves as root asks for them, for tests that only want the counts. */
#pragma once

#include <core/admin.h>

static inline int t_act(struct mafsd *d, enum mafsd_action action,
			const char *path, uint64_t *ret_n_moved,
			uint64_t *ret_n_kept, struct mafs_fault *fault)
{
	struct mafsd_progress progress = { 0 };
	int r = mafsd_act(d, NULL, action, path, false, &progress, fault);

	*ret_n_moved = progress.n_moved;
	*ret_n_kept = progress.n_kept;
	return r;
}

static inline int t_push(struct mafsd *d, const char *path,
			 uint64_t *ret_n_moved, uint64_t *ret_n_kept,
			 struct mafs_fault *fault)
{
	return t_act(d, MAFSD_PUSH, path, ret_n_moved, ret_n_kept, fault);
}

static inline int t_pull(struct mafsd *d, const char *path,
			 uint64_t *ret_n_moved, uint64_t *ret_n_kept,
			 struct mafs_fault *fault)
{
	return t_act(d, MAFSD_PULL, path, ret_n_moved, ret_n_kept, fault);
}

static inline int t_policy_set(struct mafsd *d, const char *path,
			       enum mafsd_policy policy, uint64_t *ret_n_moved,
			       uint64_t *ret_n_kept, struct mafs_fault *fault)
{
	struct mafsd_progress progress = { 0 };
	int r = mafsd_policy_set(d, NULL, path, policy, false, &progress,
				 fault);

	*ret_n_moved = progress.n_moved;
	*ret_n_kept = progress.n_kept;
	return r;
}

static inline int t_pin(struct mafsd *d, const char *path,
			uint64_t *ret_n_moved, uint64_t *ret_n_kept,
			struct mafs_fault *fault)
{
	return t_policy_set(d, path, MAFSD_POLICY_PINNED, ret_n_moved,
			    ret_n_kept, fault);
}
