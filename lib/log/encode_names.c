// SPDX-License-Identifier: Apache-2.0
/* The payloads of memory volumes, entry to record. Called by encode.c. */
#include "encode.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

static int encode_node(const struct mafs_entry_node *node,
		       struct mafs_buffer *buffer)
{
	size_t target_len = node->target ? strlen(node->target) : 0;
	struct mafs_omf_node omf = {
		.id = htole64(node->id),
		.mode = htole32(node->mode),
		.uid = htole32(node->uid),
		.gid = htole32(node->gid),
		.rdev = htole64(node->rdev),
		.parent = htole64(node->parent),
		.target_len = htole16((uint16_t)target_len),
	};
	int err;

	if (!mafs_entry_node_is_valid(node, target_len))
		return -EINVAL;
	err = mafs_encode_time(&node->atime, &omf.atime);
	if (!err)
		err = mafs_encode_time(&node->mtime, &omf.mtime);
	if (!err)
		err = mafs_encode_time(&node->ctime, &omf.ctime);
	if (!err)
		err = mafs_encode_time(&node->btime, &omf.btime);
	if (!err)
		err = mafs_buffer_append(buffer, &omf, sizeof(omf));
	if (!err)
		err = mafs_buffer_append(buffer, node->target, target_len);
	return err;
}

/* Length of the name, 0 when it is none. */
static size_t name_length(const char name[static MAFS_NAME_MAX + 1])
{
	size_t len = strnlen(name, MAFS_NAME_MAX + 1);

	return mafs_entry_name_is_valid(name, len) ? len : 0;
}

static int encode_name(const struct mafs_entry_name *name,
		       struct mafs_buffer *buffer)
{
	size_t name_len = name_length(name->name);
	struct mafs_omf_name omf = {
		.parent = htole64(name->parent),
		.id = htole64(name->id),
		.name_len = htole16((uint16_t)name_len),
	};
	int err;

	if (!name->parent || !name->id || !name_len)
		return -EINVAL;
	err = mafs_buffer_append(buffer, &omf, sizeof(omf));
	return err ? err : mafs_buffer_append(buffer, name->name, name_len);
}

static int encode_rename(const struct mafs_entry_rename *rename,
			 struct mafs_buffer *buffer)
{
	size_t name_len = name_length(rename->name);
	size_t new_name_len = name_length(rename->new_name);
	struct mafs_omf_rename omf = {
		.parent = htole64(rename->parent),
		.new_parent = htole64(rename->new_parent),
		.id = htole64(rename->id),
		.other = htole64(rename->other),
		.flags = htole32(rename->flags),
		.name_len = htole16((uint16_t)name_len),
		.new_name_len = htole16((uint16_t)new_name_len),
	};
	int err;

	if (!mafs_entry_rename_is_valid(rename) || !name_len || !new_name_len)
		return -EINVAL;
	err = mafs_buffer_append(buffer, &omf, sizeof(omf));
	if (!err)
		err = mafs_buffer_append(buffer, rename->name, name_len);
	if (!err)
		err = mafs_buffer_append(buffer, rename->new_name,
					 new_name_len);
	return err;
}

/* A time that the mask does not name is zero on media. */
static int encode_masked_time(const struct mafs_entry_attr *attr, uint32_t bit,
			      const struct timespec *time,
			      struct mafs_omf_time *ret)
{
	return attr->mask & bit ? mafs_encode_time(time, ret) : 0;
}

static int encode_attr(const struct mafs_entry_attr *attr,
		       struct mafs_buffer *buffer)
{
	uint32_t mask = attr->mask;
	struct mafs_omf_attr omf = {
		.id = htole64(attr->id),
		.mask = htole32(mask),
		.mode = htole32(mask & MAFS_OMF_ATTR_MODE ? attr->mode : 0),
		.uid = htole32(mask & MAFS_OMF_ATTR_UID ? attr->uid : 0),
		.gid = htole32(mask & MAFS_OMF_ATTR_GID ? attr->gid : 0),
	};
	int err;

	if (!mafs_entry_attr_is_valid(attr))
		return -EINVAL;
	err = encode_masked_time(attr, MAFS_OMF_ATTR_ATIME, &attr->atime,
				 &omf.atime);
	if (!err)
		err = encode_masked_time(attr, MAFS_OMF_ATTR_MTIME,
					 &attr->mtime, &omf.mtime);
	if (!err)
		err = encode_masked_time(attr, MAFS_OMF_ATTR_CTIME,
					 &attr->ctime, &omf.ctime);
	return err ? err : mafs_buffer_append(buffer, &omf, sizeof(omf));
}

static int encode_xattr(const struct mafs_entry_xattr *xattr,
			struct mafs_buffer *buffer)
{
	size_t name_len = strnlen(xattr->name, sizeof(xattr->name));
	struct mafs_omf_xattr omf = {
		.id = htole64(xattr->id),
		.flags = htole32(xattr->removed ? MAFS_OMF_XATTR_REMOVED : 0),
		.value_len = htole32(xattr->value_len),
		.name_len = htole16((uint16_t)name_len),
	};
	int err;

	if (!mafs_entry_xattr_is_valid(xattr, xattr->name, name_len))
		return -EINVAL;
	err = mafs_buffer_append(buffer, &omf, sizeof(omf));
	if (!err)
		err = mafs_buffer_append(buffer, xattr->name, name_len);
	if (!err)
		err = mafs_buffer_append(buffer, xattr->value,
					 xattr->value_len);
	return err;
}

static int encode_extents(const struct mafs_entry_extents *extents,
			  struct mafs_buffer *buffer)
{
	struct mafs_omf_extents omf = {
		.id = htole64(extents->id),
		.size = htole64(extents->size_bytes),
		.first = htole32(extents->first),
		.n_extents = htole32((uint32_t)extents->map.n_extents),
	};
	int err;

	if (!mafs_entry_extents_are_valid(extents, extents->map.n_extents) ||
	    extents->map.n_extents >
		    RECORD_BYTES_MAX / sizeof(struct mafs_omf_extent))
		return -EINVAL;
	err = mafs_encode_time(&extents->mtime, &omf.mtime);
	if (!err)
		err = mafs_buffer_append(buffer, &omf, sizeof(omf));
	if (!err)
		err = mafs_encode_extents(&extents->map, true, buffer);
	return err;
}

static int encode_size(const struct mafs_entry_size *size,
		       struct mafs_buffer *buffer)
{
	struct mafs_omf_size omf = {
		.id = htole64(size->id),
		.size = htole64(size->size_bytes),
	};
	int err;

	if (!mafs_entry_size_is_valid(size))
		return -EINVAL;
	err = mafs_encode_time(&size->mtime, &omf.mtime);
	return err ? err : mafs_buffer_append(buffer, &omf, sizeof(omf));
}

int mafs_encode_names_payload(const struct mafs_entry *entry,
			      struct mafs_buffer *buffer)
{
	switch (entry->type) {
	case MAFS_OMF_NODE:
		return encode_node(&entry->node, buffer);
	case MAFS_OMF_NAME:
	case MAFS_OMF_UNNAME:
		return encode_name(&entry->name, buffer);
	case MAFS_OMF_RENAME:
		return encode_rename(&entry->rename, buffer);
	case MAFS_OMF_ATTR:
		return encode_attr(&entry->attr, buffer);
	case MAFS_OMF_XATTR:
		return encode_xattr(&entry->xattr, buffer);
	case MAFS_OMF_EXTENTS:
		return encode_extents(&entry->extents, buffer);
	case MAFS_OMF_SIZE:
		return encode_size(&entry->size, buffer);
	default:
		return -EINVAL;
	}
}
