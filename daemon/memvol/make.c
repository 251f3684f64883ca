// SPDX-License-Identifier: Apache-2.0
/*
 * New names. An object and its name are one batch of the log: after a crash
 * both are there or none.
 *
 * Owner, group, setgid and default ACLs come as ext4 does it: the group of a
 * setgid directory, which hands setgid on to directories; a default ACL instead
 * of the umask.
 */
#include "memvol.h"

#include <string.h>

#define N_ENTRIES_MAX 4

/**
 * struct making - one object about to be made
 * @acl: a copy of the directory's default ACL, then the access ACL
 */
struct making {
	struct mafs_node *parent;
	const char *name; /* NULL: it has none */
	struct mafs_entry entries[N_ENTRIES_MAX];
	size_t n_entries;
	mode_t mode;
	gid_t gid;
	uint8_t *acl;
	bool acl_done;
};

static void making_done(struct making *making)
{
	free(making->acl);
}

static int find_parent(struct mafsm *m, uint64_t parent, const char *name,
		       struct mafs_node **ret)
{
	struct mafs_node *dir = mafsm_node(m, parent);

	if (!dir || !dir->dir)
		return -ESTALE;
	if (!dir->n_names && dir->id != MAFS_OMF_ROOT_ID)
		return -ENOENT; /* removed */
	if (name && strlen(name) > MAFS_NAME_MAX)
		return -ENAMETOOLONG;
	if (name && mafs_names_lookup(m->names, dir, name))
		return -EEXIST;
	*ret = dir;
	return 0;
}

static void take_group(struct making *making, const struct mafsd_caller *caller)
{
	making->gid = caller->gid;
	if (!(making->parent->mode & S_ISGID))
		return;
	making->gid = making->parent->gid;
	if (S_ISDIR(making->mode))
		making->mode |= S_ISGID;
}

static int take_acl(struct making *making, const struct mafsd_caller *caller)
{
	const struct mafs_node_xattr *acl =
		mafs_names_xattr(making->parent, MAFSM_ACL_DEFAULT);
	int r;

	if (S_ISLNK(making->mode))
		return 0;
	if (!acl) {
		making->mode &= ~(caller->umask & 0777);
		return 0;
	}
	making->acl = malloc(acl->value_len);
	if (!making->acl)
		return -ENOMEM;
	memcpy(making->acl, acl->value, acl->value_len);
	r = mafsm_acl_inherit(making->acl, acl->value_len, &making->mode);
	if (r < 0)
		return -EIO;
	making->acl_done = r > 0;
	return 0;
}

static struct mafs_entry *next_entry(struct making *making,
				     enum mafs_omf_type type)
{
	struct mafs_entry *entry = &making->entries[making->n_entries++];

	entry->type = type;
	return entry;
}

static void add_xattr(struct making *making, uint64_t id, const char *name,
		      const void *value, uint32_t len)
{
	struct mafs_entry *entry = next_entry(making, MAFS_OMF_XATTR);

	entry->xattr = (struct mafs_entry_xattr){
		.id = id,
		.value = (void *)value,
		.value_len = len,
	};
	strcpy(entry->xattr.name, name);
}

static void add_acls(struct making *making, uint64_t id)
{
	const struct mafs_node_xattr *acl =
		mafs_names_xattr(making->parent, MAFSM_ACL_DEFAULT);

	if (making->acl_done)
		add_xattr(making, id, MAFSM_ACL_ACCESS, making->acl,
			  acl->value_len);
	if (acl && S_ISDIR(making->mode))
		add_xattr(making, id, MAFSM_ACL_DEFAULT, acl->value,
			  acl->value_len);
}

static void add_node(struct making *making, uint64_t id,
		     const struct mafsd_caller *caller, dev_t rdev,
		     const char *target)
{
	struct timespec now = mafsm_now();

	next_entry(making, MAFS_OMF_NODE)->node = (struct mafs_entry_node){
		.id = id,
		.mode = making->mode,
		.uid = caller->uid,
		.gid = making->gid,
		.rdev = rdev,
		.parent = S_ISDIR(making->mode) ? making->parent->id : 0,
		.atime = now,
		.mtime = now,
		.ctime = now,
		.btime = now,
		.target = (char *)target,
	};
}

static void add_name(struct making *making, uint64_t id)
{
	struct mafs_entry *entry = next_entry(making, MAFS_OMF_NAME);

	entry->name.parent = making->parent->id;
	entry->name.id = id;
	strcpy(entry->name.name, making->name);
}

/* Context: m->lock held exclusively. */
static int make_locked(struct mafsm *m, const struct mafsd_caller *caller,
		       struct making *making, dev_t rdev, const char *target,
		       uint64_t *ret_ticket, struct mafsd_entry *ret)
{
	uint64_t id = m->next_id;
	int r;

	take_group(making, caller);
	r = take_acl(making, caller);
	if (r < 0)
		return r;
	add_node(making, id, caller, rdev, target);
	add_acls(making, id);
	if (making->name)
		add_name(making, id);
	r = mafsm_commit(m, making->entries, making->n_entries, ret_ticket);
	if (r < 0)
		return r;
	m->next_id++;
	return mafsm_entry(m, mafsm_node(m, id), ret);
}

int mafsm_make(struct mafsm *m, const struct mafsd_caller *caller,
	       uint64_t parent, const char *name, mode_t mode, dev_t rdev,
	       const char *target, struct mafsd_entry *ret)
{
	_cleanup_(making_done) struct making making = {
		.name = name,
		.mode = mode,
	};
	uint64_t ticket;
	int r;

	r = mafsm_room_for_names(m);
	if (r < 0)
		return r;
	pthread_rwlock_wrlock(&m->lock);
	r = find_parent(m, parent, name, &making.parent);
	if (r == 0)
		r = make_locked(m, caller, &making, rdev, target, &ticket, ret);
	pthread_rwlock_unlock(&m->lock);
	if (r < 0)
		return r;
	r = mafsm_wait(m, ticket);
	if (r < 0)
		mafsm_forget(&m->fs, ret->nodeid, 1);
	return r;
}

int mafsm_mknod(struct mafsd_fs *fs, const struct mafsd_caller *caller,
		uint64_t parent, const char *name, mode_t mode, dev_t rdev,
		struct mafsd_entry *ret)
{
	if (!(mode & S_IFMT))
		mode |= S_IFREG;
	if (S_ISDIR(mode) || S_ISLNK(mode))
		return -EINVAL;
	if (!S_ISCHR(mode) && !S_ISBLK(mode))
		rdev = 0;
	return mafsm_make(mafsm_of(fs), caller, parent, name, mode, rdev, NULL,
			  ret);
}

int mafsm_mkdir(struct mafsd_fs *fs, const struct mafsd_caller *caller,
		uint64_t parent, const char *name, mode_t mode,
		struct mafsd_entry *ret)
{
	return mafsm_make(mafsm_of(fs), caller, parent, name,
			  S_IFDIR | (mode & 07777), 0, NULL, ret);
}

int mafsm_symlink(struct mafsd_fs *fs, const struct mafsd_caller *caller,
		  const char *target, uint64_t parent, const char *name,
		  struct mafsd_entry *ret)
{
	return mafsm_make(mafsm_of(fs), caller, parent, name, S_IFLNK | 0777, 0,
			  target, ret);
}

/* Context: m->lock held exclusively. */
static int link_locked(struct mafsm *m, uint64_t nodeid, uint64_t parent,
		       const char *name, uint64_t *ret_ticket,
		       struct mafsd_entry *ret)
{
	struct mafs_entry entry = { .type = MAFS_OMF_NAME };
	struct mafs_node *node = mafsm_node(m, nodeid), *dir;
	int r;

	if (!node)
		return -ESTALE;
	if (node->dir)
		return -EPERM;
	r = find_parent(m, parent, name, &dir);
	if (r < 0)
		return r;
	entry.name.parent = dir->id;
	entry.name.id = node->id;
	strcpy(entry.name.name, name);
	r = mafsm_commit(m, &entry, 1, ret_ticket);
	return r < 0 ? r : mafsm_entry(m, node, ret);
}

int mafsm_link(struct mafsd_fs *fs, uint64_t nodeid, uint64_t parent,
	       const char *name, struct mafsd_entry *ret)
{
	struct mafsm *m = mafsm_of(fs);
	uint64_t ticket;
	int r;

	r = mafsm_room_for_names(m);
	if (r < 0)
		return r;
	pthread_rwlock_wrlock(&m->lock);
	r = link_locked(m, nodeid, parent, name, &ticket, ret);
	pthread_rwlock_unlock(&m->lock);
	return r < 0 ? r : mafsm_wait(m, ticket);
}
