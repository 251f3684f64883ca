// SPDX-License-Identifier: Apache-2.0
/*
 * What a file system does about POSIX ACLs; who may do what is the kernel's
 * part. The xattr's form is version 2 of acl(5): a header, then entries in the
 * order of their tags.
 *
 * Sources: POSIX 1003.1e draft 17, 23.3.2 (inheritance) and 23.5.2 (mode);
 * linux/posix_acl_xattr.h for the form.
 */
#include "memvol.h"

#include <endian.h>
#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>
#include <string.h>

struct acl {
	struct posix_acl_xattr_entry *entries;
	size_t n;
};

static int parse(void *bytes, size_t len, struct acl *ret)
{
	const struct posix_acl_xattr_header *header = bytes;

	if (len < sizeof(*header) ||
	    le32toh(header->a_version) != POSIX_ACL_XATTR_VERSION ||
	    (len - sizeof(*header)) % sizeof(*ret->entries))
		return -EINVAL;
	ret->entries = (struct posix_acl_xattr_entry *)((char *)bytes +
							sizeof(*header));
	ret->n = (len - sizeof(*header)) / sizeof(*ret->entries);
	return 0;
}

static struct posix_acl_xattr_entry *find(struct acl *acl, unsigned int tag)
{
	for (size_t i = 0; i < acl->n; i++)
		if (le16toh(acl->entries[i].e_tag) == tag)
			return &acl->entries[i];
	return NULL;
}

static mode_t perm(const struct posix_acl_xattr_entry *entry)
{
	return le16toh(entry->e_perm) & 7;
}

static void set_perm(struct posix_acl_xattr_entry *entry, mode_t bits)
{
	entry->e_perm = htole16((uint16_t)(bits & 7));
}

/* The three that stand for the mode; the mask stands for the group. */
struct pillars {
	struct posix_acl_xattr_entry *user, *group, *other;
	bool is_minimal;
};

static int find_pillars(struct acl *acl, struct pillars *ret)
{
	struct posix_acl_xattr_entry *mask = find(acl, ACL_MASK);

	ret->user = find(acl, ACL_USER_OBJ);
	ret->group = mask ? mask : find(acl, ACL_GROUP_OBJ);
	ret->other = find(acl, ACL_OTHER);
	ret->is_minimal = acl->n == 3 && !mask;
	return ret->user && ret->group && ret->other ? 0 : -EINVAL;
}

int mafsm_acl_inherit(void *bytes, size_t len, mode_t *mode)
{
	struct pillars pillars;
	struct acl acl;
	int r;

	r = parse(bytes, len, &acl);
	if (r == 0)
		r = find_pillars(&acl, &pillars);
	if (r < 0)
		return r;
	set_perm(pillars.user, perm(pillars.user) & (*mode >> 6));
	set_perm(pillars.group, perm(pillars.group) & (*mode >> 3));
	set_perm(pillars.other, perm(pillars.other) & *mode);
	*mode = (*mode & ~(mode_t)0777) | perm(pillars.user) << 6 |
		perm(pillars.group) << 3 | perm(pillars.other);
	return !pillars.is_minimal;
}

int mafsm_acl_chmod(void *bytes, size_t len, mode_t mode)
{
	struct pillars pillars;
	struct acl acl;
	int r;

	r = parse(bytes, len, &acl);
	if (r == 0)
		r = find_pillars(&acl, &pillars);
	if (r < 0)
		return r;
	set_perm(pillars.user, mode >> 6);
	set_perm(pillars.group, mode >> 3);
	set_perm(pillars.other, mode);
	return 0;
}

int mafsm_acl_mode(const void *bytes, size_t len, mode_t *mode)
{
	struct pillars pillars;
	struct acl acl;
	int r;

	r = parse((void *)bytes, len, &acl); /* only read here */
	if (r == 0)
		r = find_pillars(&acl, &pillars);
	if (r < 0)
		return r;
	*mode = (*mode & ~(mode_t)0777) | perm(pillars.user) << 6 |
		perm(pillars.group) << 3 | perm(pillars.other);
	return !pillars.is_minimal;
}
