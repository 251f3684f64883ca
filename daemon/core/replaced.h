/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a rename replaced by bytes that are not down yet (replaced.c,
 * replaced_left.c).
 */
#pragma once

#include "intern.h"

#define MAFSD_REPLACED_LEN 24

/**
 * struct mafsd_replaced - one link in N/.mafs/replaced
 * @seq: its name there
 * @victim: referenced; NULL when no other name can show its link count
 * @by, @of, @alone: whose bytes are awaited, and whose link it is; of links
 *	that an earlier daemon left
 */
struct mafsd_replaced {
	struct mafsd_replaced *next; /* made before this one */
	uint64_t seq;
	unsigned int depth; /* of the chain that begins with it */
	struct mafsd_inode *victim;
	struct mafs_identity by, of; /* of: the link's own file */
	bool alone; /* that has no other name */
};

/* Is what its name promises on N in no version? Else a cut leaves it as it
 * leaves any file that was changed in place. Context: inode->lock held. */
static inline bool mafsd_replaced_awaits(const struct mafsd_file *file)
{
	return mafsd_is_dirty(file) &&
	       (file->pending || file->n_valid == 0 || file->wb_new);
}

/* ---- replaced.c ---- */

/**
 * mafsd_replaced_keep() - link a victim away before a rename replaces it
 * @source: what takes its name, dirty
 * @fd: O_PATH of @victim
 *
 * Return: 0; -EOPNOTSUPP, -EMLINK, ...: no link can be had, so @source must be
 * written back before the rename.
 */
int mafsd_replaced_keep(struct mafsd *d, struct mafsd_inode *source,
			struct mafsd_inode *victim, int fd,
			const struct mafs_hint *hint,
			struct mafsd_replaced **ret);
/* The bytes are down, or nobody will ask for them: the links go, the newest
 * first, so that a cut in between finds a whole chain. Context: no locks. */
void mafsd_replaced_release(struct mafsd *d, struct mafsd_replaced *list);
/* Puts @list before what @file awaits. Context: inode->lock held. */
void mafsd_replaced_push(struct mafsd_file *file, struct mafsd_replaced *list);
/* Frees a list; the links stay until the end, and references are kept. */
void mafsd_replaced_done(struct mafsd_replaced *list);
/* The xattr of a link that says whose bytes are awaited, and where. */
const char *mafsd_replaced_xattr(void);
/* "17" */
void mafsd_replaced_name(uint64_t seq, char ret[static MAFSD_REPLACED_LEN]);

/* ---- replaced_left.c ---- */

/**
 * mafsd_replaced_begin() - settle what an earlier daemon left
 * @recover: its memory is there, so the bytes may still go down; else, when
 *	it was lost, names get back what they had before
 *
 * Context: before the mount.
 */
int mafsd_replaced_begin(struct mafsd *d, bool recover,
			 struct mafs_fault *fault);
/* Removes all links: everything is down. */
void mafsd_replaced_end(struct mafsd *d);
/* The links that await this inode's bytes. Context: inode->lock held. */
struct mafsd_replaced *mafsd_replaced_claim(struct mafsd *d,
					    const struct mafsd_inode *inode);
/* Whose bytes nobody has any more. Context: all dirty files were met. */
void mafsd_replaced_forget_left(struct mafsd *d);
