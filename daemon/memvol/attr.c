// SPDX-License-Identifier: Apache-2.0
/*
 * Attributes. Who may change them the kernel has decided; what a change takes
 * away with it (setuid, setgid, capabilities, an ACL's mask) is done here, in
 * the same batch of the log.
 */
#include "memvol.h"

#include <string.h>

#define CAPABILITY "security.capability"
#define BLOCK_BYTES 4096U
#define N_ENTRIES_MAX 3

int mafsm_getattr(struct mafsd_fs *fs, uint64_t nodeid, struct stat *ret,
		  bool *ret_volatile)
{
	struct mafsm *m = mafsm_of(fs);
	struct mafs_node *node;
	mafsm_read(&m->lock);

	node = mafsm_node(m, nodeid);
	if (!node)
		return -ESTALE;
	mafsm_stat(node, ret);
	*ret_volatile = false;
	return 0;
}

int mafsm_statfs(struct mafsd_fs *fs, struct statvfs *ret)
{
	struct mafsm *m = mafsm_of(fs);
	struct mafs_pool_usage usage;
	uint64_t left;

	mafsm_usage(m, &usage);
	left = (usage.free_bytes + usage.quarantined_bytes) / BLOCK_BYTES;
	*ret = (struct statvfs){
		.f_bsize = BLOCK_BYTES,
		.f_frsize = BLOCK_BYTES,
		.f_blocks = usage.size_bytes / BLOCK_BYTES,
		.f_bfree = left,
		.f_bavail = left,
		.f_ffree = left,
		.f_favail = left,
		.f_namemax = MAFS_NAME_MAX,
	};
	mafsm_read(&m->lock);
	ret->f_files = mafs_names_count(m->names) + left;
	return 0;
}

void mafsm_attr_changed(struct mafsm *m, uint64_t id)
{
	if (m->kernel)
		m->kernel->inval_attr(m->kernel_context, id);
}

/**
 * struct change - the entries of one setattr
 * @acl: a changed copy of the access ACL
 */
struct change {
	struct mafs_entry entries[N_ENTRIES_MAX];
	size_t n;
	uint8_t *acl;
};

static void change_done(struct change *change)
{
	free(change->acl);
}

static mode_t without_privileges(mode_t mode)
{
	mode &= ~(mode_t)S_ISUID;
	if ((mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP))
		mode &= ~(mode_t)S_ISGID;
	return mode;
}

/* Context: m->lock held. */
static bool has_privileges(const struct mafs_node *node)
{
	return S_ISREG(node->mode) &&
	       (without_privileges(node->mode) != node->mode ||
		mafs_names_xattr(node, CAPABILITY));
}

static void add_no_capability(const struct mafs_node *node,
			      struct change *change)
{
	struct mafs_entry *entry;

	if (!mafs_names_xattr(node, CAPABILITY))
		return;
	entry = &change->entries[change->n++];
	entry->type = MAFS_OMF_XATTR;
	entry->xattr.id = node->id;
	entry->xattr.removed = true;
	strcpy(entry->xattr.name, CAPABILITY);
}

static int add_acl(const struct mafs_node *node, mode_t mode,
		   struct change *change)
{
	const struct mafs_node_xattr *acl =
		mafs_names_xattr(node, MAFSM_ACL_ACCESS);
	struct mafs_entry *entry;

	if (!acl)
		return 0;
	change->acl = malloc(acl->value_len);
	if (!change->acl)
		return -ENOMEM;
	memcpy(change->acl, acl->value, acl->value_len);
	if (mafsm_acl_chmod(change->acl, acl->value_len, mode) < 0)
		return -EIO;
	entry = &change->entries[change->n++];
	entry->type = MAFS_OMF_XATTR;
	entry->xattr.id = node->id;
	entry->xattr.value = change->acl;
	entry->xattr.value_len = acl->value_len;
	strcpy(entry->xattr.name, MAFSM_ACL_ACCESS);
	return 0;
}

static void set_mode(struct mafs_entry_attr *attr, mode_t mode)
{
	attr->mask |= MAFS_OMF_ATTR_MODE;
	attr->mode = mode & 07777;
}

static void set_owner(const struct mafs_node *node, const struct stat *from,
		      int set, struct mafs_entry_attr *attr)
{
	if (set & MAFSD_SET_UID) {
		attr->mask |= MAFS_OMF_ATTR_UID;
		attr->uid = from->st_uid;
	}
	if (set & MAFSD_SET_GID) {
		attr->mask |= MAFS_OMF_ATTR_GID;
		attr->gid = from->st_gid;
	}
	if (!node->dir)
		set_mode(attr, without_privileges(node->mode));
}

static void set_times(const struct stat *from, int set,
		      struct mafs_entry_attr *attr)
{
	struct timespec now = mafsm_now();

	if (set & (MAFSD_SET_ATIME | MAFSD_SET_ATIME_NOW)) {
		attr->mask |= MAFS_OMF_ATTR_ATIME;
		attr->atime = set & MAFSD_SET_ATIME_NOW ? now : from->st_atim;
	}
	if (set & (MAFSD_SET_MTIME | MAFSD_SET_MTIME_NOW)) {
		attr->mask |= MAFS_OMF_ATTR_MTIME;
		attr->mtime = set & MAFSD_SET_MTIME_NOW ? now : from->st_mtim;
	}
	attr->mask |= MAFS_OMF_ATTR_CTIME;
	attr->ctime = now;
}

/* Owner before mode: a change of owner strips. Context: m->lock held. */
static int fill_change(const struct mafs_node *node, const struct stat *from,
		       int set, struct change *change)
{
	struct mafs_entry_attr attr = { .id = node->id };
	int r = 0;

	if (set & (MAFSD_SET_UID | MAFSD_SET_GID))
		set_owner(node, from, set, &attr);
	if (set & MAFSD_SET_KILL_PRIV && !node->dir)
		set_mode(&attr, without_privileges(node->mode));
	if (set & (MAFSD_SET_UID | MAFSD_SET_GID | MAFSD_SET_KILL_PRIV))
		add_no_capability(node, change);
	if (set & MAFSD_SET_MODE) {
		set_mode(&attr, from->st_mode);
		r = add_acl(node, from->st_mode, change);
	}
	set_times(from, set, &attr);
	change->entries[change->n++] = (struct mafs_entry){
		.type = MAFS_OMF_ATTR,
		.attr = attr,
	};
	return r;
}

/* Context: m->lock held exclusively. Return: 1: committed; 0: as it was. */
static int change_locked(struct mafsm *m, struct mafs_node *node,
			 const struct stat *from, int set, uint64_t *ret_ticket)
{
	_cleanup_(change_done) struct change change = { .n = 0 };
	int r;

	if (set == MAFSD_SET_KILL_PRIV && !has_privileges(node))
		return 0;
	if (set & MAFSD_SET_MODE && S_ISLNK(node->mode))
		return -EOPNOTSUPP;
	r = fill_change(node, from, set, &change);
	if (r == 0)
		r = mafsm_commit(m, change.entries, change.n, ret_ticket);
	if (r == 0 && set & (MAFSD_SET_MTIME | MAFSD_SET_MTIME_NOW))
		mafsm_forget_time(node);
	return r < 0 ? r : 1;
}

static int change_attributes(struct mafsm *m, uint64_t nodeid,
			     const struct stat *from, int set, struct stat *ret)
{
	struct mafs_node *node;
	uint64_t ticket;
	int r;

	pthread_rwlock_wrlock(&m->lock);
	node = mafsm_node(m, nodeid);
	r = node ? 0 : -ESTALE;
	if (r == 0 && set)
		r = change_locked(m, node, from, set, &ticket);
	if (r >= 0)
		mafsm_stat(node, ret);
	pthread_rwlock_unlock(&m->lock);
	return r > 0 ? mafsm_wait(m, ticket) : r;
}

static int change_size(struct mafsm *m, uint64_t nodeid, off_t size)
{
	struct mafsm_inode *inode = mafsm_inode(m, nodeid);
	int r;

	if (!inode)
		return -ESTALE;
	if (!S_ISREG(inode->type))
		return S_ISDIR(inode->type) ? -EISDIR : -EINVAL;
	if (size < 0)
		return -EINVAL;
	pthread_rwlock_wrlock(&inode->io);
	r = mafsm_resize(m, inode, (uint64_t)size);
	pthread_rwlock_unlock(&inode->io);
	return r;
}

int mafsm_setattr(struct mafsd_fs *fs, const struct mafsd_caller *caller,
		  uint64_t nodeid, const struct stat *attr, int set,
		  bool may_block, struct stat *ret, bool *ret_volatile)
{
	struct mafsm *m = mafsm_of(fs);
	int r = 0;

	if (!m->log)
		return -EROFS;
	*ret_volatile = false;
	if (set & MAFSD_SET_SIZE)
		r = change_size(m, nodeid, attr->st_size);
	if (r < 0)
		return r;
	set &= ~MAFSD_SET_SIZE;
	return change_attributes(m, nodeid, attr, set, ret);
}

int mafsm_strip(struct mafsm *m, const struct mafsd_caller *caller,
		struct mafs_node *node)
{
	struct stat ignored;
	bool has;
	int r;

	if (!caller || caller->uid == 0)
		return 0;
	pthread_rwlock_rdlock(&m->lock);
	has = has_privileges(node);
	pthread_rwlock_unlock(&m->lock);
	if (!has)
		return 0;
	r = change_attributes(m, node->id, &(struct stat){ 0 },
			      MAFSD_SET_KILL_PRIV, &ignored);
	mafsm_attr_changed(m, node->id);
	return r;
}
