/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the names side call in each other, by file. */
#pragma once

#include "intern.h"

/* ---- table.c; all with table.lock held ---- */

struct mafsd_inode *mafsd_table_find(struct mafsd_table *table, uint64_t hash,
				     const struct mafs_handle *handle,
				     uint64_t ino);
/* Gives it a node id, and hashes it. Return: 0, -ENOMEM, -ENFILE. */
int mafsd_table_add(struct mafsd_table *table, struct mafsd_inode *inode);
void mafsd_table_remove(struct mafsd_table *table, struct mafsd_inode *inode);
void mafsd_table_hash(struct mafsd_table *table, struct mafsd_inode *inode);
void mafsd_table_unhash(struct mafsd_table *table, struct mafsd_inode *inode);

/* ---- inode.c ---- */

/* Frees what is not in the table any more. */
void mafsd_inode_free(struct mafsd *d, struct mafsd_inode *inode);

/* It has a name again (a file made without one was linked). */
void mafsd_inode_rehash(struct mafsd *d, struct mafsd_inode *inode);
/* Is a name left, as far as we know? Context: any. */
static inline bool mafsd_inode_is_hashed(const struct mafsd_inode *inode)
{
	return __atomic_load_n(&inode->hashed, __ATOMIC_RELAXED);
}

/* ---- attr.c ---- */

/* Fills the reply for an inode whose attributes at N are @st. */
int mafsd_entry_fill(struct mafsd *d, struct mafsd_inode *inode,
		     const struct stat *st, struct mafsd_entry *ret);

/* ---- lookup.c ---- */

/* The inode that a name leads to; takes one lookup or one reference. */
int mafsd_child(struct mafsd *d, struct mafsd_inode *parent, const char *name,
		bool as_ref, struct mafsd_inode **ret, struct stat *ret_st);
/* The same as the reply to the kernel: one lookup. */
int mafsd_child_entry(struct mafsd *d, struct mafsd_inode *parent,
		      const char *name, struct mafsd_entry *ret);

/* ---- remove.c: what loses a name ---- */

/**
 * struct mafsd_victim - a known inode that is about to lose a name
 * @inode: referenced, its path pinned at @fd; NULL: not known, all calls on
 *	it do nothing
 * @intent: `drop intent` was logged
 */
struct mafsd_victim {
	struct mafsd_inode *inode;
	int fd;
	bool intent;
};

/* Before the change. Return: 0 also when nobody knows the file, -errno. */
int mafsd_victim_prepare(struct mafsd *d, struct mafsd_inode *dir, int dirfd,
			 const char *name, struct mafsd_victim *ret);
/* After it, however it went. */
void mafsd_victim_finish(struct mafsd *d, struct mafsd_victim *victim,
			 bool removed);
/* Takes back a logged `drop intent`. Context: inode->lock held. */
int mafsd_intent_take_back(struct mafsd *d, struct mafsd_inode *inode);
