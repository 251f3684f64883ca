// SPDX-License-Identifier: Apache-2.0
/*
 * Extended attributes: the table's, and the virtual ones that say where a
 * file's bytes are. An access ACL is also a mode.
 */
#include "memvol.h"

#include <inttypes.h>
#include <linux/limits.h>
#include <string.h>
#include <sys/xattr.h>

#define VIRTUAL_PREFIX "user.mafs."
#define OWN_PREFIX "trusted.mafs."
#define N_ENTRIES_MAX 2

static bool has_prefix(const char *name, const char *prefix)
{
	return strncmp(name, prefix, strlen(prefix)) == 0;
}

static bool is_ours(const char *name)
{
	return has_prefix(name, VIRTUAL_PREFIX) || has_prefix(name, OWN_PREFIX);
}

static ssize_t answer(const void *value, size_t value_len, void *ret,
		      size_t len)
{
	if (len == 0)
		return (ssize_t)value_len;
	if (value_len > len)
		return -ERANGE;
	if (value_len)
		memcpy(ret, value, value_len);
	return (ssize_t)value_len;
}

/* ---- virtual ones ---- */

static ssize_t extents_text(const struct mafs_node *node, void *ret, size_t len)
{
	_cleanup_free_ char *text = NULL;
	size_t text_len = 0;
	FILE *stream = open_memstream(&text, &text_len);

	if (!stream)
		return -ENOMEM;
	for (size_t i = 0; i < node->map.n_extents; i++) {
		const struct mafs_extent *extent = &node->map.extents[i];
		char uuid[MAFS_UUID_TEXT_LEN];

		mafs_uuid_to_text(&extent->device_uuid, uuid);
		fprintf(stream, "%s %" PRIu64 " %" PRIu64 "\n", uuid,
			extent->offset_bytes, extent->length_bytes);
	}
	if (fclose(stream) != 0)
		return -ENOMEM;
	return answer(text, text_len, ret, len);
}

static ssize_t get_virtual(const struct mafs_node *node, const char *name,
			   void *ret, size_t len)
{
	const char *text = NULL;

	if (!S_ISREG(node->mode))
		return -ENODATA;
	name += strlen(VIRTUAL_PREFIX);
	if (!strcmp(name, "extents"))
		return extents_text(node, ret, len);
	if (!strcmp(name, "tier"))
		text = "memory";
	else if (!strcmp(name, "state"))
		text = "clean";
	return text ? answer(text, strlen(text), ret, len) : -ENODATA;
}

/* ---- reading ---- */

ssize_t mafsm_getxattr(struct mafsd_fs *fs, uint64_t nodeid, const char *name,
		       void *value, size_t len)
{
	struct mafsm *m = mafsm_of(fs);
	const struct mafs_node_xattr *xattr;
	struct mafs_node *node;
	mafsm_read(&m->lock);

	node = mafsm_node(m, nodeid);
	if (!node)
		return -ESTALE;
	if (has_prefix(name, VIRTUAL_PREFIX))
		return get_virtual(node, name, value, len);
	xattr = mafs_names_xattr(node, name);
	return xattr ? answer(xattr->value, xattr->value_len, value, len) :
		       -ENODATA;
}

ssize_t mafsm_listxattr(struct mafsd_fs *fs, const struct mafsd_caller *caller,
			uint64_t nodeid, char *list, size_t len)
{
	struct mafsm *m = mafsm_of(fs);
	const struct mafs_node_xattr *xattr;
	struct mafs_node *node;
	size_t n = 0;
	mafsm_read(&m->lock);

	node = mafsm_node(m, nodeid);
	if (!node)
		return -ESTALE;
	for (xattr = node->xattrs; xattr; xattr = xattr->next) {
		size_t name_len = strlen(xattr->name) + 1;

		/* trusted.* is for those with CAP_SYS_ADMIN. */
		if (caller->uid != 0 && has_prefix(xattr->name, "trusted."))
			continue;
		if (len && n + name_len > len)
			return -ERANGE;
		if (len)
			memcpy(list + n, xattr->name, name_len);
		n += name_len;
	}
	return (ssize_t)n;
}

/* ---- changing ---- */

static int check_name(const char *name)
{
	if (is_ours(name))
		return -EPERM;
	if (strlen(name) > XATTR_NAME_MAX)
		return -ERANGE;
	if (has_prefix(name, "user.") || has_prefix(name, "trusted.") ||
	    has_prefix(name, "security.") || !strcmp(name, MAFSM_ACL_ACCESS) ||
	    !strcmp(name, MAFSM_ACL_DEFAULT))
		return 0;
	return -EOPNOTSUPP;
}

static bool is_member(const struct mafsd_caller *caller, const gid_t *groups,
		      size_t n_groups, gid_t gid)
{
	if (caller->uid == 0 || caller->gid == gid)
		return true;
	for (size_t i = 0; i < n_groups; i++)
		if (groups[i] == gid)
			return true;
	return false;
}

/**
 * struct setting - the entries of one change of an xattr
 */
struct setting {
	struct mafs_entry entries[N_ENTRIES_MAX];
	size_t n;
};

static void add_value(struct setting *setting, uint64_t id, const char *name,
		      const void *value, size_t len)
{
	struct mafs_entry *entry = &setting->entries[setting->n++];

	entry->type = MAFS_OMF_XATTR;
	entry->xattr.id = id;
	entry->xattr.removed = !value;
	entry->xattr.value = (void *)value;
	entry->xattr.value_len = (uint32_t)len;
	strcpy(entry->xattr.name, name);
}

/* Return: 1: the ACL is kept; 0: the mode says it all; -EINVAL. */
static int add_acl_mode(struct setting *setting, const struct mafs_node *node,
			const void *value, size_t len, bool is_stranger)
{
	mode_t mode = node->mode & 07777;
	struct mafs_entry *entry;
	int r;

	r = mafsm_acl_mode(value, len, &mode);
	if (r < 0)
		return r;
	if (is_stranger && !node->dir)
		mode &= ~(mode_t)S_ISGID;
	entry = &setting->entries[setting->n++];
	entry->type = MAFS_OMF_ATTR;
	entry->attr = (struct mafs_entry_attr){
		.id = node->id,
		.mask = MAFS_OMF_ATTR_MODE,
		.mode = mode,
	};
	return r;
}

static int check_flags(const struct mafs_node *node, const char *name,
		       int flags)
{
	bool is_there = mafs_names_xattr(node, name);

	if (flags & XATTR_CREATE && is_there)
		return -EEXIST;
	if (flags & XATTR_REPLACE && !is_there)
		return -ENODATA;
	return 0;
}

/* Context: m->lock held exclusively. */
static int set_locked(struct mafsm *m, struct mafs_node *node, const char *name,
		      const void *value, size_t len, int flags,
		      bool is_stranger, uint64_t *ret_ticket)
{
	struct setting setting = { .n = 0 };
	int r;

	r = check_flags(node, name, flags);
	if (r < 0)
		return r;
	if (!strcmp(name, MAFSM_ACL_ACCESS)) {
		r = add_acl_mode(&setting, node, value, len, is_stranger);
		if (r < 0)
			return r;
		if (r == 0)
			value = NULL;
	} else if (!strcmp(name, MAFSM_ACL_DEFAULT) && !node->dir) {
		return -EACCES;
	}
	add_value(&setting, node->id, name, value, value ? len : 0);
	return mafsm_commit(m, setting.entries, setting.n, ret_ticket);
}

int mafsm_setxattr(struct mafsd_fs *fs, const struct mafsd_caller *caller,
		   const gid_t *groups, size_t n_groups, uint64_t nodeid,
		   const char *name, const void *value, size_t len, int flags)
{
	struct mafsm *m = mafsm_of(fs);
	struct mafs_node *node;
	uint64_t ticket;
	int r;

	r = check_name(name);
	if (r == 0)
		r = mafsm_room_for_names(m);
	if (r < 0)
		return r;
	pthread_rwlock_wrlock(&m->lock);
	node = mafsm_node(m, nodeid);
	r = node ? set_locked(m, node, name, len ? value : "", len, flags,
			      !is_member(caller, groups, n_groups, node->gid),
			      &ticket) :
		   -ESTALE;
	pthread_rwlock_unlock(&m->lock);
	return r < 0 ? r : mafsm_wait(m, ticket);
}

int mafsm_removexattr(struct mafsd_fs *fs, uint64_t nodeid, const char *name)
{
	struct mafsm *m = mafsm_of(fs);
	struct setting setting = { .n = 0 };
	struct mafs_node *node;
	uint64_t ticket;
	int r;

	r = check_name(name);
	if (r < 0)
		return r;
	pthread_rwlock_wrlock(&m->lock);
	node = mafsm_node(m, nodeid);
	if (!node) {
		r = -ESTALE;
	} else if (!mafs_names_xattr(node, name)) {
		r = -ENODATA;
	} else {
		add_value(&setting, node->id, name, NULL, 0);
		r = mafsm_commit(m, setting.entries, setting.n, &ticket);
	}
	pthread_rwlock_unlock(&m->lock);
	return r < 0 ? r : mafsm_wait(m, ticket);
}

/* All is in memory here, always. */
int mafsm_set_policy(struct mafsd_fs *fs, const struct mafsd_caller *caller,
		     uint64_t nodeid, const void *value, size_t len, int flags)
{
	return -EOPNOTSUPP;
}
