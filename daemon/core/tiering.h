/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of daemon/core call in each other: which bytes are to be in
 * memory, and for how long. Included by intern.h. */
#pragma once

#include "ops.h"

/* ---- raw.c: writers that go past us to memory; inode->lock held ---- */

/* Shall they, by policy and setting, for an open with these flags? */
bool mafsd_raw_wanted(struct mafsd *d, struct mafsd_inode *inode, int flags);
/* Before the first such writer of a file that is in memory: what N has is
 * noted, holes are filled. Return: 0; -ENOSPC; -errno. */
int mafsd_raw_begin(struct mafsd *d, struct mafsd_inode *inode);
/* After the last close. */
void mafsd_raw_end(struct mafsd *d, struct mafsd_file *file);
/* Now and then: those that grow get room ahead. Context: no locks held.
 * Return: are there any? */
bool mafsd_raw_tend(struct mafsd *d);

/* ---- settings.c ---- */

/* Those of the volume, and over them what the mount was given. */
int mafsd_settings_load(struct mafsd *d, struct mafs_fault *fault);
/* Once the size of memory is known. */
void mafsd_settings_apply(struct mafsd *d);
/* A changed file's write-back: after its last close; at the latest. */
int64_t mafsd_due_closed(struct mafsd *d);
int64_t mafsd_due_changed(struct mafsd *d);
/* Bytes come into a file that was to go down soon because it was empty.
 * Context: inode->lock held. */
void mafsd_due_again(struct mafsd *d, struct mafsd_file *file);

/* ---- policy.c: what people want of a file ---- */

/* Of @inode itself. */
enum mafsd_policy mafsd_policy_own(struct mafsd *d, struct mafsd_inode *inode);
/* Its own or that of the nearest directory above. Never INHERIT.
 * Context: perhaps inode->lock held. */
enum mafsd_policy mafsd_policy_of(struct mafsd *d, struct mafsd_inode *inode);
/* Whose policy that is; referenced, NULL: the default's. */
struct mafsd_inode *mafsd_policy_from(struct mafsd *d,
				      struct mafsd_inode *inode);
/* A file that was made just now has none. */
void mafsd_policy_of_new(struct mafsd_inode *inode);
/* Stores it on N. @flags: of setxattr(2). Return: 0, -ENODATA, -errno. */
int mafsd_policy_store(struct mafsd *d, struct mafsd_inode *inode,
		       enum mafsd_policy policy, int flags);

/* ---- shared.c: N is changed past the mount ---- */

/* Once, when the kernel is connected. Where it cannot be watched that is
 * said, and what the kernel keeps counts for a second. */
void mafsd_shared_watch(struct mafsd *d);
void mafsd_shared_stop(struct mafsd *d);

/* ---- conflict.c ---- */

/* Before a dirty file goes down: bytes that came to N past the mount are kept
 * beside it. Context: inode->lock held, and left meanwhile with wb_busy set:
 * look again whether it is dirty. Return: 0, -errno. */
int mafsd_conflict_settle(struct mafsd *d, struct mafsd_inode *inode);

/* ---- pressure.c ---- */

int mafsd_pressure_start(struct mafsd *d);
void mafsd_pressure_stop(struct mafsd *d);

/* ---- move.c: evict, promote ---- */

/* Return: 0; -EBUSY (open, mapped, dirty); -errno. No locks held. */
/* @patient: asks again for some ms, when it was closed just now. */
int mafsd_evict(struct mafsd *d, struct mafsd_inode *inode, bool patient);
/* @patient: the same. @stop: leave off as soon as it is set; may be NULL. */
int mafsd_promote(struct mafsd *d, struct mafsd_inode *inode, bool patient,
		  const atomic_bool *stop);

/* ---- walk.c ---- */

/**
 * struct mafsd_walk - what is called for each
 * @who: for whom, NULL: who may all; he needs to be able to list the
 *	directories and to have @access (R_OK, ...) to the files
 * @file: a regular file; takes over the reference
 * @directory: before what is in it; may be NULL
 * @failed: a directory that cannot be read, a file that he may not access
 * @stop: leave off as soon as it is set; may be NULL
 */
struct mafsd_walk {
	const struct mafs_who *who;
	int access;
	void *context;
	void (*file)(void *context, struct mafsd_inode *inode);
	void (*directory)(void *context, struct mafsd_inode *inode);
	void (*failed)(void *context, struct mafsd_inode *inode, int err);
	const atomic_bool *stop;
};

/* @top, or all below it. Return: 0, -ENOMEM. */
int mafsd_walk(struct mafsd *d, struct mafsd_inode *top,
	       const struct mafsd_walk *walk);

/* ---- admin*.c, as far as others need it ---- */

/**
 * mafsd_act_tree() - mafsd_act() on what was found already
 *
 * Access to @top itself was asked for. Return: 0, -ENOMEM with the fault set.
 */
int mafsd_act_tree(struct mafsd *d, const struct mafs_who *who,
		   enum mafsd_action action, struct mafsd_inode *top,
		   bool count, struct mafsd_progress *progress,
		   struct mafs_fault *fault);

/* ---- promote.c: promotion by use ---- */

/* A file was opened that is not read from memory. Context: inode->lock
 * held. */
void mafsd_promote_opened(struct mafsd *d, struct mafsd_inode *inode,
			  bool writer);
/* Its last close. Context: inode->lock held, @inode referenced. */
void mafsd_promote_closed(struct mafsd *d, struct mafsd_inode *inode);
int mafsd_promote_start(struct mafsd *d);
void mafsd_promote_stop(struct mafsd *d);
