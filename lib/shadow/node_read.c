// SPDX-License-Identifier: Apache-2.0
/*
 * The validating reader of a memory volume's descriptors. The text may come
 * from anybody: each value is checked before it is stored, and nothing is given
 * to the caller unless all of it is right. A text without `version` is read as
 * famfs's (famfs_read.c).
 */
#include "famfs.h"
#include "path.h"
#include "yaml.h"

#include <errno.h>
#include <linux/limits.h>
#include <mafs/checked.h>
#include <mafs/cleanup.h>
#include <mafs/descriptor.h>
#include <mafs/node_descriptor.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

static int read_version(struct mafs_yaml *yaml, void *target)
{
	uint64_t version = 0;
	int r = mafs_yaml_u64(yaml, UINT32_MAX, &version);

	if (r < 0)
		return r;
	if (version != MAFS_NODE_DESCRIPTOR_VERSION)
		return mafs_yaml_fail(yaml, -EOPNOTSUPP,
				      "version %u is not known here",
				      (unsigned int)version);
	return 0;
}

static int read_id(struct mafs_yaml *yaml, void *target)
{
	struct mafs_node_descriptor *descriptor = target;
	int r = mafs_yaml_u64(yaml, UINT64_MAX, &descriptor->id);

	if (r == 0 && !descriptor->id)
		return mafs_yaml_fail(yaml, -EINVAL, "no id is 0");
	return r;
}

static int read_path(struct mafs_yaml *yaml, void *target)
{
	struct mafs_node_descriptor *descriptor = target;
	int r = mafs_yaml_name(yaml, &descriptor->path);

	if (r == 0 && !mafs_path_is_valid(descriptor->path))
		return mafs_yaml_fail(yaml, -EINVAL,
				      "not an absolute path without . and ..");
	return r;
}

static int read_links(struct mafs_yaml *yaml, void *target)
{
	struct mafs_node_descriptor *descriptor = target;

	return mafs_yaml_u64(yaml, UINT32_MAX, &descriptor->n_links);
}

static int read_type(struct mafs_yaml *yaml, void *target)
{
	static const uint32_t types[] = { S_IFREG,  S_IFDIR, S_IFLNK, S_IFIFO,
					  S_IFSOCK, S_IFCHR, S_IFBLK };
	struct mafs_node_descriptor *descriptor = target;
	const char *text = NULL;
	int r = mafs_yaml_text(yaml, &text);

	if (r < 0)
		return r;
	for (size_t i = 0; i < MAFS_ARRAY_SIZE(types); i++)
		if (!strcmp(text, mafs_node_type_to_text(types[i]))) {
			descriptor->mode |= types[i];
			return 0;
		}
	return mafs_yaml_fail(yaml, -EINVAL, "not a type of file");
}

static int read_owner(struct mafs_yaml *yaml, void *target)
{
	struct mafs_node_descriptor *descriptor = target;

	return mafs_yaml_u32(yaml, &descriptor->owner);
}

static int read_group(struct mafs_yaml *yaml, void *target)
{
	struct mafs_node_descriptor *descriptor = target;

	return mafs_yaml_u32(yaml, &descriptor->group);
}

static int read_permissions(struct mafs_yaml *yaml, void *target)
{
	struct mafs_node_descriptor *descriptor = target;
	uint32_t permissions = 0;
	int r = mafs_yaml_permissions(yaml, &permissions);

	descriptor->mode |= permissions;
	return r;
}

static int read_size(struct mafs_yaml *yaml, void *target)
{
	struct mafs_node_descriptor *descriptor = target;

	return mafs_yaml_u64(yaml, INT64_MAX, &descriptor->size_bytes);
}

static int read_device(struct mafs_yaml *yaml, void *target)
{
	struct mafs_node_descriptor *descriptor = target;
	unsigned int high = 0, low = 0;
	const char *text = NULL;
	char canonical[32];
	int r = mafs_yaml_text(yaml, &text);

	if (r < 0)
		return r;
	if (sscanf(text, "%9u:%9u", &high, &low) == 2)
		(void)snprintf(canonical, sizeof(canonical), "%u:%u", high,
			       low);
	else
		canonical[0] = '\0';
	if (strcmp(canonical, text) != 0 || !*text)
		return mafs_yaml_fail(yaml, -EINVAL, "not MAJOR:MINOR");
	descriptor->rdev = makedev(high, low);
	return 0;
}

static int read_target(struct mafs_yaml *yaml, void *target)
{
	struct mafs_node_descriptor *descriptor = target;
	int r = mafs_yaml_name(yaml, &descriptor->target);

	if (r < 0)
		return r;
	if (!*descriptor->target || strlen(descriptor->target) >= PATH_MAX)
		return mafs_yaml_fail(yaml, -EINVAL, "no target of a link");
	return 0;
}

static int read_atime(struct mafs_yaml *yaml, void *target)
{
	return mafs_yaml_time(yaml,
			      &((struct mafs_node_descriptor *)target)->atime);
}

static int read_mtime(struct mafs_yaml *yaml, void *target)
{
	return mafs_yaml_time(yaml,
			      &((struct mafs_node_descriptor *)target)->mtime);
}

static int read_ctime(struct mafs_yaml *yaml, void *target)
{
	return mafs_yaml_time(yaml,
			      &((struct mafs_node_descriptor *)target)->ctime);
}

static int read_btime(struct mafs_yaml *yaml, void *target)
{
	return mafs_yaml_time(yaml,
			      &((struct mafs_node_descriptor *)target)->btime);
}

/* ---- extended attributes ---- */

static int read_xattr_name(struct mafs_yaml *yaml, void *target)
{
	struct mafs_descriptor_xattr *xattr = target;
	int r = mafs_yaml_name(yaml, &xattr->name);

	if (r == 0 && (!*xattr->name || strlen(xattr->name) > XATTR_NAME_MAX))
		return mafs_yaml_fail(yaml, -EINVAL,
				      "no name of an extended attribute");
	return r;
}

static int read_xattr_value(struct mafs_yaml *yaml, void *target)
{
	struct mafs_descriptor_xattr *xattr = target;
	size_t len = 0;
	int r = mafs_yaml_bytes(yaml, (char **)&xattr->value, &len);

	if (r == 0 && len > XATTR_SIZE_MAX)
		return mafs_yaml_fail(yaml, -ERANGE, "value of %zu bytes", len);
	xattr->value_len = (uint32_t)len;
	return r;
}

static const struct mafs_yaml_key xattr_keys[] = {
	{ .name = "name", .read = read_xattr_name },
	{ .name = "value", .read = read_xattr_value },
};

/* One more, empty. */
static struct mafs_descriptor_xattr *
add_xattr(struct mafs_node_descriptor *descriptor)
{
	struct mafs_descriptor_xattr *xattrs = reallocarray(
		descriptor->xattrs, descriptor->n_xattrs + 1, sizeof(*xattrs));

	if (!xattrs)
		return NULL;
	descriptor->xattrs = xattrs;
	xattrs += descriptor->n_xattrs++;
	*xattrs = (struct mafs_descriptor_xattr){};
	return xattrs;
}

static int read_xattr(struct mafs_yaml *yaml, void *target)
{
	struct mafs_node_descriptor *descriptor = target;
	struct mafs_descriptor_xattr *xattr = add_xattr(descriptor);
	int r;

	if (!xattr)
		return -ENOMEM;
	r = mafs_yaml_mapping(yaml, xattr_keys, MAFS_ARRAY_SIZE(xattr_keys),
			      xattr);
	if (r < 0)
		return r;
	for (size_t i = 0; i + 1 < descriptor->n_xattrs; i++)
		if (!strcmp(descriptor->xattrs[i].name, xattr->name))
			return mafs_yaml_fail(yaml, -EINVAL, "%s is repeated",
					      xattr->name);
	return 0;
}

static int read_xattrs(struct mafs_yaml *yaml, void *target)
{
	return mafs_yaml_mappings(yaml, read_xattr, target);
}

/* ---- extents ---- */

/* One of the list: an extent, or a hole. */
struct piece {
	struct mafs_extent extent;
	bool has_hole, has_device, has_offset, has_length;
};

static int read_hole(struct mafs_yaml *yaml, void *target)
{
	struct piece *piece = target;

	piece->has_hole = true;
	return mafs_yaml_u64(yaml, INT64_MAX, &piece->extent.length_bytes);
}

static int read_device_uuid(struct mafs_yaml *yaml, void *target)
{
	struct piece *piece = target;

	piece->has_device = true;
	return mafs_yaml_uuid(yaml, &piece->extent.device_uuid);
}

static int read_offset(struct mafs_yaml *yaml, void *target)
{
	struct piece *piece = target;

	piece->has_offset = true;
	return mafs_yaml_u64(yaml, INT64_MAX, &piece->extent.offset_bytes);
}

static int read_length(struct mafs_yaml *yaml, void *target)
{
	struct piece *piece = target;

	piece->has_length = true;
	return mafs_yaml_u64(yaml, INT64_MAX, &piece->extent.length_bytes);
}

static const struct mafs_yaml_key piece_keys[] = {
	{ .name = "hole", .read = read_hole, .optional = true },
	{ .name = "device_uuid", .read = read_device_uuid, .optional = true },
	{ .name = "offset", .read = read_offset, .optional = true },
	{ .name = "length", .read = read_length, .optional = true },
};

static bool piece_is_whole(const struct piece *piece)
{
	if (piece->has_hole)
		return !piece->has_device && !piece->has_offset &&
		       !piece->has_length;
	return piece->has_device && piece->has_offset && piece->has_length &&
	       !mafs_uuid_is_null(&piece->extent.device_uuid);
}

static int read_piece(struct mafs_yaml *yaml, void *target)
{
	struct mafs_node_descriptor *descriptor = target;
	struct piece piece = {};
	int r;

	r = mafs_yaml_mapping(yaml, piece_keys, MAFS_ARRAY_SIZE(piece_keys),
			      &piece);
	if (r < 0)
		return r;
	if (!piece_is_whole(&piece))
		return mafs_yaml_fail(yaml, -EINVAL,
				      "neither a hole nor device_uuid, offset "
				      "and length");
	if (!piece.extent.length_bytes)
		return mafs_yaml_fail(yaml, -EINVAL, "an empty extent");
	if (!mafs_range_fits(piece.extent.offset_bytes,
			     piece.extent.length_bytes, INT64_MAX))
		return mafs_yaml_fail(yaml, -ERANGE, "an extent overflows");
	return mafs_map_append(&descriptor->map, &piece.extent);
}

static int read_extents(struct mafs_yaml *yaml, void *target)
{
	struct mafs_node_descriptor *descriptor = target;
	uint64_t total = 0;
	int r = mafs_yaml_mappings(yaml, read_piece, target);

	if (r == 0 && (mafs_map_length(&descriptor->map, &total) < 0 ||
		       total > INT64_MAX))
		return mafs_yaml_fail(yaml, -ERANGE, "the extents overflow");
	return r;
}

/* ---- the whole ---- */

static const struct mafs_yaml_key file_keys[] = {
	{ .name = "version", .read = read_version },
	{ .name = "id", .read = read_id },
	{ .name = "path", .read = read_path, .optional = true },
	{ .name = "links", .read = read_links, .optional = true },
	{ .name = "type", .read = read_type },
	{ .name = "owner", .read = read_owner },
	{ .name = "group", .read = read_group },
	{ .name = "permissions", .read = read_permissions },
	{ .name = "size", .read = read_size, .optional = true },
	{ .name = "device", .read = read_device, .optional = true },
	{ .name = "target", .read = read_target, .optional = true },
	{ .name = "atime", .read = read_atime },
	{ .name = "mtime", .read = read_mtime },
	{ .name = "ctime", .read = read_ctime },
	{ .name = "btime", .read = read_btime },
	{ .name = "xattrs", .read = read_xattrs, .optional = true },
	{ .name = "extents", .read = read_extents, .optional = true },
};

/* What only some types have. */
static int check_type(const struct mafs_node_descriptor *descriptor,
		      struct mafs_fault *fault)
{
	uint32_t mode = descriptor->mode;

	if (!S_ISREG(mode) &&
	    (descriptor->size_bytes || descriptor->map.n_extents))
		return mafs_fault_set(fault, -EINVAL,
				      "only a regular file has size and "
				      "extents");
	if (!S_ISCHR(mode) && !S_ISBLK(mode) && descriptor->rdev)
		return mafs_fault_set(fault, -EINVAL,
				      "only a device file has a device");
	if (S_ISLNK(mode) != !!descriptor->target)
		return mafs_fault_set(fault, -EINVAL,
				      "a symbolic link has a target, and "
				      "nothing else");
	return 0;
}

/* Does the mapping have the key `version`? It stands first where mafs wrote
 * it. */
static int has_version(const void *text, size_t len, bool *ret)
{
	_cleanup_(mafs_yaml_close) struct mafs_yaml yaml = {};
	int depth = 0, r = mafs_yaml_open(&yaml, text, len, NULL);
	bool key = true;

	*ret = false;
	while (r == 0) {
		r = mafs_yaml_next(&yaml);
		switch (r < 0 ? YAML_STREAM_END_EVENT : yaml.event.type) {
		case YAML_STREAM_END_EVENT:
			return r == -ENOMEM ? r : 0;
		case YAML_MAPPING_START_EVENT:
		case YAML_SEQUENCE_START_EVENT:
			depth++;
			key = true;
			break;
		case YAML_MAPPING_END_EVENT:
		case YAML_SEQUENCE_END_EVENT:
			depth--;
			key = true;
			break;
		case YAML_SCALAR_EVENT:
			if (depth == 2 && key &&
			    !strcmp((char *)yaml.event.data.scalar.value,
				    "version")) {
				*ret = true;
				return 0;
			}
			key = !key;
			break;
		default:
			break;
		}
	}
	return r;
}

static int read_mafs(struct mafs_yaml *yaml,
		     struct mafs_node_descriptor *descriptor,
		     struct mafs_fault *fault)
{
	int r = mafs_yaml_document(yaml, "file", file_keys,
				   MAFS_ARRAY_SIZE(file_keys), descriptor);

	return r < 0 ? r : check_type(descriptor, fault);
}

int mafs_node_descriptor_from_text(const void *text, size_t len,
				   const struct mafs_uuid *devices,
				   size_t n_devices,
				   struct mafs_node_descriptor *ret,
				   struct mafs_fault *fault)
{
	_cleanup_(mafs_node_descriptor_done) struct mafs_node_descriptor
		descriptor = { .n_links = 1 };
	_cleanup_(mafs_yaml_close) struct mafs_yaml yaml = {};
	bool ours = false;
	int r;

	if (len > MAFS_DESCRIPTOR_MAX_BYTES)
		return mafs_fault_set(fault, -EFBIG,
				      "a descriptor of %zu bytes", len);
	r = has_version(text, len, &ours);
	if (r == 0)
		r = mafs_yaml_open(&yaml, text, len, fault);
	if (r < 0)
		return r;
	r = ours ? read_mafs(&yaml, &descriptor, fault) :
		   mafs_famfs_read(&yaml, devices, n_devices, &descriptor);
	if (r < 0)
		return r;
	*ret = descriptor;
	descriptor = (struct mafs_node_descriptor){};
	return 0;
}
