// SPDX-License-Identifier: Apache-2.0
/*
 * Names that go or move: one entry each. What is left without a name stays as
 * long as the kernel knows it, and its bytes as long (inode.c); after a crash
 * it is gone.
 */
#include "memvol.h"

#include <linux/fs.h>
#include <string.h>

/* What nobody knows goes at once; its entry was waited for. */
static void drop_nameless(struct mafsm *m, uint64_t id)
{
	struct mafs_node *node;
	mafsm_change(&m->lock);

	node = mafsm_node(m, id);
	if (!node || node->n_names || node->pins)
		return;
	mafsm_node_gone(m, node);
	mafs_names_drop(m->names, node);
}

/* ---- unlink, rmdir ---- */

static int may_remove(const struct mafs_node *node, bool dir)
{
	if (!dir)
		return node->dir ? -EISDIR : 0;
	if (!node->dir)
		return -ENOTDIR;
	return mafs_names_is_empty(node) ? 0 : -ENOTEMPTY;
}

/* Context: m->lock held exclusively. */
static int remove_locked(struct mafsm *m, uint64_t parent, const char *text,
			 bool dir, uint64_t *ret_id, uint64_t *ret_ticket)
{
	struct mafs_entry entry = { .type = MAFS_OMF_UNNAME };
	struct mafs_node *node = mafsm_node(m, parent);
	struct mafs_name *name;
	int r;

	if (!node || !node->dir)
		return -ESTALE;
	name = mafs_names_lookup(m->names, node, text);
	if (!name)
		return -ENOENT;
	r = may_remove(name->node, dir);
	if (r < 0)
		return r;
	*ret_id = name->node->id;
	entry.name.parent = parent;
	entry.name.id = name->node->id;
	strcpy(entry.name.name, text);
	return mafsm_commit(m, &entry, 1, ret_ticket);
}

static int remove_name(struct mafsm *m, uint64_t parent, const char *text,
		       bool dir)
{
	uint64_t id, ticket;
	int r;

	pthread_rwlock_wrlock(&m->lock);
	r = remove_locked(m, parent, text, dir, &id, &ticket);
	pthread_rwlock_unlock(&m->lock);
	if (r == 0)
		r = mafsm_wait(m, ticket);
	if (r == 0)
		drop_nameless(m, id);
	return r;
}

int mafsm_unlink(struct mafsd_fs *fs, uint64_t parent, const char *name)
{
	return remove_name(mafsm_of(fs), parent, name, false);
}

int mafsm_rmdir(struct mafsd_fs *fs, uint64_t parent, const char *name)
{
	return remove_name(mafsm_of(fs), parent, name, true);
}

/* ---- rename ---- */

/**
 * struct moving - a rename, looked up
 * @to: NULL: the new name is free
 * @may_grow: the new name is no longer, or there is room; in another's place
 *	it always has room
 */
struct moving {
	struct mafs_node *dir, *new_dir;
	struct mafs_name *from, *to;
	const char *new_name;
	unsigned int flags;
	bool may_grow;
};

static int may_replace(const struct moving *moving)
{
	const struct mafs_node *node = moving->from->node;
	const struct mafs_node *other = moving->to->node;

	if (node->dir && !other->dir)
		return -ENOTDIR;
	if (!node->dir && other->dir)
		return -EISDIR;
	if (other->dir && !mafs_names_is_empty(other))
		return -ENOTEMPTY;
	return 0;
}

/* The kernel has seen to directories that would be beneath themselves; a
 * broken one would be a cycle in the log for good, so it is asked again. */
static int may_move(struct mafsm *m, const struct moving *moving)
{
	const struct mafs_node *node = moving->from->node;
	bool exchange = moving->flags & RENAME_EXCHANGE;

	if (node->dir && mafs_names_is_beneath(m->names, moving->new_dir, node))
		return -EINVAL;
	if (!moving->to && exchange)
		return -ENOENT;
	if (!moving->to)
		return moving->may_grow ? 0 : -ENOSPC;
	if (moving->flags & RENAME_NOREPLACE)
		return -EEXIST;
	if (!exchange)
		return may_replace(moving);
	if (moving->to->node->dir &&
	    mafs_names_is_beneath(m->names, moving->dir, moving->to->node))
		return -EINVAL;
	return 0;
}

static int find_moving(struct mafsm *m, uint64_t parent, const char *name,
		       uint64_t new_parent, const char *new_name,
		       unsigned int flags, struct moving *ret)
{
	struct moving moving = {
		.dir = mafsm_node(m, parent),
		.new_dir = mafsm_node(m, new_parent),
		.new_name = new_name,
		.flags = flags,
	};

	if (!moving.dir || !moving.dir->dir || !moving.new_dir ||
	    !moving.new_dir->dir)
		return -ESTALE;
	if (strlen(new_name) > MAFS_NAME_MAX)
		return -ENAMETOOLONG;
	if (!moving.new_dir->n_names && new_parent != MAFS_OMF_ROOT_ID)
		return -ENOENT; /* removed */
	moving.from = mafs_names_lookup(m->names, moving.dir, name);
	moving.to = mafs_names_lookup(m->names, moving.new_dir, new_name);
	if (!moving.from)
		return -ENOENT;
	*ret = moving;
	return 0;
}

/* Context: m->lock held exclusively. Return: 1: committed, 0: nothing to do. */
static int move_locked(struct mafsm *m, struct moving *moving,
		       uint64_t *ret_other, uint64_t *ret_ticket)
{
	struct mafs_entry entry = {
		.type = MAFS_OMF_RENAME,
		.rename = {
			.parent = moving->dir->id,
			.new_parent = moving->new_dir->id,
			.id = moving->from->node->id,
			.flags = moving->flags & RENAME_EXCHANGE ?
					 MAFS_OMF_RENAME_EXCHANGE :
					 0,
		},
	};
	int r;

	r = may_move(m, moving);
	if (r < 0)
		return r;
	if (moving->to && moving->to->node == moving->from->node)
		return 0; /* two names of one file stay, says POSIX */
	if (moving->to)
		entry.rename.other = moving->to->node->id;
	strcpy(entry.rename.name, moving->from->name);
	strcpy(entry.rename.new_name, moving->new_name);
	*ret_other = entry.rename.other;
	r = mafsm_commit(m, &entry, 1, ret_ticket);
	return r < 0 ? r : 1;
}

int mafsm_rename(struct mafsd_fs *fs, uint64_t parent, const char *name,
		 uint64_t new_parent, const char *new_name, unsigned int flags,
		 bool may_block)
{
	struct mafsm *m = mafsm_of(fs);
	struct moving moving;
	uint64_t other = 0, ticket;
	bool may_grow;
	int r;

	if (flags & ~(unsigned int)(RENAME_NOREPLACE | RENAME_EXCHANGE))
		return -EINVAL;
	may_grow = strlen(new_name) <= strlen(name) ||
		   mafsm_room_for_names(m) == 0;
	pthread_rwlock_wrlock(&m->lock);
	r = find_moving(m, parent, name, new_parent, new_name, flags, &moving);
	if (r == 0) {
		moving.may_grow = may_grow;
		r = move_locked(m, &moving, &other, &ticket);
	}
	pthread_rwlock_unlock(&m->lock);
	if (r <= 0)
		return r;
	r = mafsm_wait(m, ticket);
	if (r == 0 && other)
		drop_nameless(m, other);
	return r;
}
