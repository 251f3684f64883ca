// SPDX-License-Identifier: Apache-2.0
/* The payloads of memory volumes, record to entry. Called by decode.c. */
#include "decode.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Is every byte of a reserved field zero? */
static bool is_zero(const __u8 *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (bytes[i])
			return false;
	return true;
}

static int get_target(struct mafs_cursor *cursor, size_t len, char **ret)
{
	int err;

	if (!len)
		return 0;
	err = mafs_decode_blob(cursor, len, ret);
	if (!err && memchr(*ret, '\0', len))
		err = mafs_fault_set(cursor->fault, -EUCLEAN,
				     "NUL in the target of a symbolic link");
	return err;
}

static int decode_node(struct mafs_cursor *cursor, struct mafs_entry_node *ret)
{
	struct mafs_omf_node omf;
	size_t target_len;
	int err = mafs_decode_bytes(cursor, &omf, sizeof(omf));

	if (err)
		return err;
	ret->id = le64toh(omf.id);
	ret->mode = le32toh(omf.mode);
	ret->uid = le32toh(omf.uid);
	ret->gid = le32toh(omf.gid);
	ret->rdev = le64toh(omf.rdev);
	ret->parent = le64toh(omf.parent);
	target_len = le16toh(omf.target_len);
	if (omf.reserved || !is_zero(omf.pad, sizeof(omf.pad)) ||
	    !mafs_entry_node_is_valid(ret, target_len))
		return mafs_fault_set(cursor->fault, -EUCLEAN,
				      "node %llu of mode 0%o is no inode",
				      (unsigned long long)ret->id, ret->mode);
	err = mafs_decode_time(cursor, &omf.atime, &ret->atime);
	if (!err)
		err = mafs_decode_time(cursor, &omf.mtime, &ret->mtime);
	if (!err)
		err = mafs_decode_time(cursor, &omf.ctime, &ret->ctime);
	if (!err)
		err = mafs_decode_time(cursor, &omf.btime, &ret->btime);
	return err ? err : get_target(cursor, target_len, &ret->target);
}

static int get_whole_name(struct mafs_cursor *cursor, size_t len,
			  char ret[static MAFS_NAME_MAX + 1])
{
	if (!len)
		return mafs_fault_set(cursor->fault, -EUCLEAN, "empty name");
	return mafs_decode_name(cursor, len, ret);
}

static int decode_name(struct mafs_cursor *cursor, struct mafs_entry_name *ret)
{
	struct mafs_omf_name omf;
	int err = mafs_decode_bytes(cursor, &omf, sizeof(omf));

	if (err)
		return err;
	ret->parent = le64toh(omf.parent);
	ret->id = le64toh(omf.id);
	if (!ret->parent || !ret->id ||
	    !is_zero(omf.reserved, sizeof(omf.reserved)))
		return mafs_fault_set(cursor->fault, -EUCLEAN,
				      "name without an inode");
	return get_whole_name(cursor, le16toh(omf.name_len), ret->name);
}

static int decode_rename(struct mafs_cursor *cursor,
			 struct mafs_entry_rename *ret)
{
	struct mafs_omf_rename omf;
	int err = mafs_decode_bytes(cursor, &omf, sizeof(omf));

	if (err)
		return err;
	ret->parent = le64toh(omf.parent);
	ret->new_parent = le64toh(omf.new_parent);
	ret->id = le64toh(omf.id);
	ret->other = le64toh(omf.other);
	ret->flags = le32toh(omf.flags);
	if (!mafs_entry_rename_is_valid(ret))
		return mafs_fault_set(cursor->fault, -EUCLEAN,
				      "rename without an inode, or of unknown "
				      "flags");
	err = get_whole_name(cursor, le16toh(omf.name_len), ret->name);
	if (err)
		return err;
	return get_whole_name(cursor, le16toh(omf.new_name_len), ret->new_name);
}

static bool time_is_zero(const struct timespec *time)
{
	return !time->tv_sec && !time->tv_nsec;
}

/* Are the fields that the mask does not name zero? */
static bool unmasked_is_zero(const struct mafs_entry_attr *attr)
{
	uint32_t mask = attr->mask;

	return (mask & MAFS_OMF_ATTR_MODE || !attr->mode) &&
	       (mask & MAFS_OMF_ATTR_UID || !attr->uid) &&
	       (mask & MAFS_OMF_ATTR_GID || !attr->gid) &&
	       (mask & MAFS_OMF_ATTR_ATIME || time_is_zero(&attr->atime)) &&
	       (mask & MAFS_OMF_ATTR_MTIME || time_is_zero(&attr->mtime)) &&
	       (mask & MAFS_OMF_ATTR_CTIME || time_is_zero(&attr->ctime));
}

static int decode_attr(struct mafs_cursor *cursor, struct mafs_entry_attr *ret)
{
	struct mafs_omf_attr omf;
	int err = mafs_decode_bytes(cursor, &omf, sizeof(omf));

	if (err)
		return err;
	ret->id = le64toh(omf.id);
	ret->mask = le32toh(omf.mask);
	ret->mode = le32toh(omf.mode);
	ret->uid = le32toh(omf.uid);
	ret->gid = le32toh(omf.gid);
	err = mafs_decode_time(cursor, &omf.atime, &ret->atime);
	if (!err)
		err = mafs_decode_time(cursor, &omf.mtime, &ret->mtime);
	if (!err)
		err = mafs_decode_time(cursor, &omf.ctime, &ret->ctime);
	if (err)
		return err;
	if (!mafs_entry_attr_is_valid(ret) || !unmasked_is_zero(ret))
		return mafs_fault_set(cursor->fault, -EUCLEAN,
				      "attributes beyond their mask 0x%x",
				      ret->mask);
	return 0;
}

static int decode_xattr(struct mafs_cursor *cursor,
			struct mafs_entry_xattr *ret)
{
	struct mafs_omf_xattr omf;
	size_t name_len;
	uint32_t flags;
	int err = mafs_decode_bytes(cursor, &omf, sizeof(omf));

	if (err)
		return err;
	flags = le32toh(omf.flags);
	name_len = le16toh(omf.name_len);
	ret->id = le64toh(omf.id);
	ret->removed = flags & MAFS_OMF_XATTR_REMOVED;
	ret->value_len = le32toh(omf.value_len);
	if (cursor->left < name_len)
		return mafs_decode_too_short(cursor);
	if (flags & ~MAFS_OMF_XATTR_KNOWN ||
	    !is_zero(omf.reserved, sizeof(omf.reserved)) ||
	    !mafs_entry_xattr_is_valid(ret, (const char *)cursor->at, name_len))
		return mafs_fault_set(cursor->fault, -EUCLEAN,
				      "not an extended attribute");
	err = mafs_decode_bytes(cursor, ret->name, name_len);
	if (err || !ret->value_len)
		return err;
	return mafs_decode_blob(cursor, ret->value_len, &ret->value);
}

static int decode_extents(struct mafs_cursor *cursor,
			  struct mafs_entry_extents *ret)
{
	struct mafs_omf_extents omf;
	int err = mafs_decode_bytes(cursor, &omf, sizeof(omf));

	if (err)
		return err;
	ret->id = le64toh(omf.id);
	ret->size_bytes = le64toh(omf.size);
	ret->first = le32toh(omf.first);
	if (!mafs_entry_extents_are_valid(ret, le32toh(omf.n_extents)))
		return mafs_fault_set(cursor->fault, -EUCLEAN,
				      "extents of no file, or of one that is "
				      "too long");
	err = mafs_decode_time(cursor, &omf.mtime, &ret->mtime);
	if (err)
		return err;
	return mafs_decode_extents(cursor, le32toh(omf.n_extents), true,
				   &ret->map);
}

static int decode_size(struct mafs_cursor *cursor, struct mafs_entry_size *ret)
{
	struct mafs_omf_size omf;
	int err = mafs_decode_bytes(cursor, &omf, sizeof(omf));

	if (err)
		return err;
	ret->id = le64toh(omf.id);
	ret->size_bytes = le64toh(omf.size);
	if (!mafs_entry_size_is_valid(ret))
		return mafs_fault_set(cursor->fault, -EUCLEAN,
				      "size of no file, or beyond any file");
	return mafs_decode_time(cursor, &omf.mtime, &ret->mtime);
}

int mafs_decode_names_payload(struct mafs_cursor *cursor,
			      struct mafs_entry *ret)
{
	switch (ret->type) {
	case MAFS_OMF_NODE:
		return decode_node(cursor, &ret->node);
	case MAFS_OMF_NAME:
	case MAFS_OMF_UNNAME:
		return decode_name(cursor, &ret->name);
	case MAFS_OMF_RENAME:
		return decode_rename(cursor, &ret->rename);
	case MAFS_OMF_ATTR:
		return decode_attr(cursor, &ret->attr);
	case MAFS_OMF_XATTR:
		return decode_xattr(cursor, &ret->xattr);
	case MAFS_OMF_EXTENTS:
		return decode_extents(cursor, &ret->extents);
	case MAFS_OMF_SIZE:
		return decode_size(cursor, &ret->size);
	default:
		return mafs_fault_set(cursor->fault, -EOPNOTSUPP,
				      "unknown type of record %d",
				      (int)ret->type);
	}
}
