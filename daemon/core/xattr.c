/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Extended attributes are N's. Our own (trusted.mafs.*) are never seen or set
 * through the mount; user.mafs.* are made up on reading, and never listed, so
 * that cp -a and rsync -X do not carry them along. user.mafs.policy is set in
 * admin_policy.c, the others are not.
 */
#include "names.h"

#include <inttypes.h>
#include <string.h>
#include <sys/xattr.h>

#define OWN_PREFIX "trusted.mafs."
#define VIRTUAL_PREFIX "user.mafs."
#define ACL_ACCESS "system.posix_acl_access"
#define CAPABILITY "security.capability"

static bool has_prefix(const char *name, const char *prefix)
{
	return !strncmp(name, prefix, strlen(prefix));
}

static bool is_ours(const char *name)
{
	return has_prefix(name, OWN_PREFIX) || has_prefix(name, VIRTUAL_PREFIX);
}

/* As getxattr(2) answers: the size alone, or all of it. */
static ssize_t answer(const void *bytes, size_t n, void *ret, size_t len)
{
	if (len && n > len)
		return -ERANGE;
	if (len && n)
		memcpy(ret, bytes, n);
	return (ssize_t)n;
}

/* ---- made up; all with inode->lock held ---- */

static const char *tier_text(const struct mafsd_file *file)
{
	return file && mafsd_in_memory(file) && !file->stale ? "memory" :
							       "disk";
}

static const char *state_text(const struct mafsd_file *file)
{
	if (!file || !mafsd_in_memory(file))
		return "cold";
	if (file->stale)
		return "stale";
	switch (file->state) {
	case MAFSD_DIRTY:
		return "dirty";
	case MAFSD_WRITING:
		return "writing";
	default:
		return "clean";
	}
}

static ssize_t extents_text(struct mafsd *d, struct mafsd_inode *inode,
			    void *ret, size_t len)
{
	_cleanup_(mafs_map_done) struct mafs_map map = { 0 };
	struct mafsd_file *file = inode->file;
	_cleanup_free_ char *text = NULL;
	size_t text_len = 0;
	FILE *stream;
	int r;

	if (!file || !mafsd_in_memory(file))
		return answer("", 0, ret, len);
	r = d->memory->ops->extents(d->memory, &file->map, &map);
	if (r < 0)
		return r;
	stream = open_memstream(&text, &text_len);
	if (!stream)
		return -ENOMEM;
	for (size_t i = 0; i < map.n_extents; i++) {
		const struct mafs_extent *extent = &map.extents[i];
		char uuid[MAFS_UUID_TEXT_LEN];

		mafs_uuid_to_text(&extent->device_uuid, uuid);
		fprintf(stream, "%s %" PRIu64 " %" PRIu64 "\n", uuid,
			extent->offset_bytes, extent->length_bytes);
	}
	if (fclose(stream) != 0)
		return -ENOMEM;
	return answer(text, text_len, ret, len);
}

static ssize_t get_virtual(struct mafsd *d, struct mafsd_inode *inode,
			   const char *name, void *ret, size_t len)
{
	const char *text = NULL;

	if (!strcmp(name, MAFSD_POLICY_XATTR)) {
		text = mafsd_policy_to_text(mafsd_policy_of(d, inode));
		return answer(text, strlen(text), ret, len);
	}
	if (!S_ISREG(inode->type))
		return -ENODATA;
	name += strlen(VIRTUAL_PREFIX);
	if (!strcmp(name, "extents"))
		return extents_text(d, inode, ret, len);
	if (!strcmp(name, "tier"))
		text = tier_text(inode->file);
	else if (!strcmp(name, "state"))
		text = state_text(inode->file);
	return text ? answer(text, strlen(text), ret, len) : -ENODATA;
}

/* ---- reading ---- */

/* Opens the path for the calls below; put with mafsd_path_put(). */
static int get_path(struct mafsd *d, struct mafsd_inode *inode,
		    char ret[static MAFSD_PROC_LEN])
{
	int fd = mafsd_path_get(d, inode);

	if (fd < 0)
		return fd;
	mafsd_proc_path(fd, ret);
	return 0;
}

ssize_t mafsd_getxattr(struct mafsd *d, uint64_t nodeid, const char *name,
		       void *value, size_t len)
{
	struct mafsd_inode *inode = mafsd_inode_by_id(d, nodeid);
	char path[MAFSD_PROC_LEN];
	ssize_t n;

	if (!inode)
		return -ESTALE;
	mafs_guard(&inode->lock);
	if (has_prefix(name, VIRTUAL_PREFIX))
		return get_virtual(d, inode, name, value, len);
	if (has_prefix(name, OWN_PREFIX))
		return -ENODATA;
	n = get_path(d, inode, path);
	if (n < 0)
		return n;
	n = getxattr(path, name, value, len);
	if (n < 0)
		n = -errno;
	mafsd_path_put(d, inode);
	return n;
}

/* All names, ours too. It may grow while it is read. */
static ssize_t list_all(const char *path, char **ret)
{
	for (;;) {
		_cleanup_free_ char *names = NULL;
		ssize_t n = listxattr(path, NULL, 0);

		if (n <= 0)
			return n < 0 ? -errno : 0;
		names = malloc((size_t)n);
		if (!names)
			return -ENOMEM;
		n = listxattr(path, names, (size_t)n);
		if (n < 0 && errno == ERANGE)
			continue;
		if (n < 0)
			return -errno;
		*ret = take_ptr(names);
		return n;
	}
}

/* trusted.* is for those with CAP_SYS_ADMIN; N lists it for us. */
static bool is_shown(const char *name, const struct mafsd_caller *caller)
{
	return !is_ours(name) &&
	       (caller->uid == 0 || strncmp(name, "trusted.", 8) != 0);
}

static size_t leave_out(char *names, size_t n,
			const struct mafsd_caller *caller)
{
	size_t kept = 0;

	for (size_t i = 0; i < n;) {
		size_t len = strlen(names + i) + 1;

		if (is_shown(names + i, caller)) {
			memmove(names + kept, names + i, len);
			kept += len;
		}
		i += len;
	}
	return kept;
}

ssize_t mafsd_listxattr(struct mafsd *d, const struct mafsd_caller *caller,
			uint64_t nodeid, char *list, size_t len)
{
	struct mafsd_inode *inode = mafsd_inode_by_id(d, nodeid);
	_cleanup_free_ char *names = NULL;
	char path[MAFSD_PROC_LEN];
	ssize_t n;

	if (!inode)
		return -ESTALE;
	pthread_mutex_lock(&inode->lock);
	n = get_path(d, inode, path);
	if (n == 0) {
		n = list_all(path, &names);
		mafsd_path_put(d, inode);
	}
	pthread_mutex_unlock(&inode->lock);
	if (n < 0)
		return n;
	return answer(names, leave_out(names, (size_t)n, caller), list, len);
}

/* ---- changing; with inode->lock held ---- */

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

/* An ACL changes the mode. As a member of the group N keeps a setgid bit,
 * which only a stranger loses. */
static int set_acl(int fd, const char *path, const void *value, size_t len,
		   int flags, bool is_stranger, gid_t gid)
{
	struct stat st;
	int r;

	mafs_act_as(0, gid);
	r = setxattr(path, ACL_ACCESS, value, len, flags);
	if (r == 0 && is_stranger && fstat(fd, &st) == 0 &&
	    (st.st_mode & S_ISGID) && !S_ISDIR(st.st_mode))
		r = chmod(path, st.st_mode & 07777 & ~(mode_t)S_ISGID);
	if (r < 0)
		r = -errno;
	mafs_act_as_self();
	return r;
}

static int set_any(struct mafsd *d, const struct mafsd_caller *caller,
		   const gid_t *groups, size_t n_groups, int fd,
		   const char *name, const void *value, size_t len, int flags)
{
	char path[MAFSD_PROC_LEN];
	struct stat st;

	mafsd_proc_path(fd, path);
	if (strcmp(name, ACL_ACCESS)) {
		if (setxattr(path, name, value, len, flags) < 0)
			return -errno;
		return 0;
	}
	if (fstat(fd, &st) < 0)
		return -errno;
	return set_acl(fd, path, value, len, flags,
		       !is_member(caller, groups, n_groups, st.st_gid),
		       st.st_gid);
}

static void changed(struct mafsd *d, struct mafsd_inode *inode,
		    const char *name)
{
	if (!strcmp(name, CAPABILITY) || !strcmp(name, ACL_ACCESS))
		mafsd_priv_changed(inode);
	mafsd_attr_touched(d, inode);
}

int mafsd_setxattr(struct mafsd *d, const struct mafsd_caller *caller,
		   const gid_t *groups, size_t n_groups, uint64_t nodeid,
		   const char *name, const void *value, size_t len, int flags)
{
	struct mafsd_inode *inode = mafsd_inode_by_id(d, nodeid);
	int fd, r;

	if (!inode)
		return -ESTALE;
	if (is_ours(name))
		return -EPERM;
	mafs_guard(&inode->lock);
	fd = mafsd_path_get(d, inode);
	if (fd < 0)
		return fd;
	r = set_any(d, caller, groups, n_groups, fd, name, value, len, flags);
	mafsd_path_put(d, inode);
	if (r == 0)
		changed(d, inode, name);
	return r;
}

int mafsd_removexattr(struct mafsd *d, uint64_t nodeid, const char *name)
{
	struct mafsd_inode *inode = mafsd_inode_by_id(d, nodeid);
	char path[MAFSD_PROC_LEN];
	int r;

	if (!inode)
		return -ESTALE;
	if (is_ours(name))
		return -EPERM;
	mafs_guard(&inode->lock);
	r = get_path(d, inode, path);
	if (r < 0)
		return r;
	if (removexattr(path, name) < 0)
		r = -errno;
	mafsd_path_put(d, inode);
	if (r == 0)
		changed(d, inode, name);
	return r;
}
