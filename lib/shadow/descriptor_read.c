// SPDX-License-Identifier: Apache-2.0
/*
 * The validating reader of descriptors. The text may come from anybody: each
 * value is checked and overflow-checked before it is stored, and nothing is
 * given to the caller unless all of it is right.
 */
#include "path.h"
#include "yaml.h"

#include <errno.h>
#include <mafs/checked.h>
#include <mafs/cleanup.h>
#include <mafs/descriptor.h>
#include <string.h>

static int read_version(struct mafs_yaml *yaml, void *target)
{
	uint64_t version = 0;
	int r = mafs_yaml_u64(yaml, UINT32_MAX, &version);

	(void)target;
	if (r < 0)
		return r;
	if (version != MAFS_DESCRIPTOR_VERSION)
		return mafs_yaml_fail(yaml, -EOPNOTSUPP,
				      "version %u is not known here",
				      (unsigned int)version);
	return 0;
}

static int read_id(struct mafs_yaml *yaml, void *target)
{
	struct mafs_descriptor *descriptor = target;

	return mafs_yaml_u64(yaml, UINT64_MAX, &descriptor->id);
}

static int read_path(struct mafs_yaml *yaml, void *target)
{
	struct mafs_descriptor *descriptor = target;
	int r = mafs_yaml_name(yaml, &descriptor->path);

	if (r < 0)
		return r;
	if (!mafs_path_is_valid(descriptor->path))
		return mafs_yaml_fail(yaml, -EINVAL,
				      "not an absolute path without . and ..");
	return 0;
}

static int read_hint(struct mafs_yaml *yaml, void *target)
{
	struct mafs_descriptor *descriptor = target;
	int r = mafs_yaml_name(yaml, &descriptor->hint);

	if (r < 0)
		return r;
	if (!mafs_name_is_valid(descriptor->hint))
		return mafs_yaml_fail(yaml, -EINVAL, "not a name");
	return 0;
}

static int read_links(struct mafs_yaml *yaml, void *target)
{
	struct mafs_descriptor *descriptor = target;

	return mafs_yaml_u64(yaml, UINT64_MAX, &descriptor->n_links);
}

static int read_owner(struct mafs_yaml *yaml, void *target)
{
	struct mafs_descriptor *descriptor = target;

	return mafs_yaml_u32(yaml, &descriptor->owner);
}

static int read_group(struct mafs_yaml *yaml, void *target)
{
	struct mafs_descriptor *descriptor = target;

	return mafs_yaml_u32(yaml, &descriptor->group);
}

static int read_permissions(struct mafs_yaml *yaml, void *target)
{
	struct mafs_descriptor *descriptor = target;

	return mafs_yaml_permissions(yaml, &descriptor->permissions);
}

static int read_size(struct mafs_yaml *yaml, void *target)
{
	struct mafs_descriptor *descriptor = target;

	return mafs_yaml_u64(yaml, INT64_MAX, &descriptor->size_bytes);
}

static int read_mtime(struct mafs_yaml *yaml, void *target)
{
	struct mafs_descriptor *descriptor = target;

	return mafs_yaml_time(yaml, &descriptor->mtime);
}

static int read_state(struct mafs_yaml *yaml, void *target)
{
	struct mafs_descriptor *descriptor = target;
	const char *text = NULL;
	int r;

	r = mafs_yaml_text(yaml, &text);
	if (r < 0)
		return r;
	for (unsigned int i = 0; i < MAFS_N_DESCRIPTOR_STATES; i++)
		if (strcmp(text, mafs_descriptor_state_to_text(i)) == 0) {
			descriptor->state = i;
			return 0;
		}
	return mafs_yaml_fail(yaml, -EINVAL, "not a state");
}

static int read_device_uuid(struct mafs_yaml *yaml, void *target)
{
	struct mafs_extent *extent = target;

	return mafs_yaml_uuid(yaml, &extent->device_uuid);
}

static int read_offset(struct mafs_yaml *yaml, void *target)
{
	struct mafs_extent *extent = target;

	return mafs_yaml_u64(yaml, UINT64_MAX, &extent->offset_bytes);
}

static int read_length(struct mafs_yaml *yaml, void *target)
{
	struct mafs_extent *extent = target;

	return mafs_yaml_u64(yaml, UINT64_MAX, &extent->length_bytes);
}

static const struct mafs_yaml_key extent_keys[] = {
	{ .name = "device_uuid", .read = read_device_uuid },
	{ .name = "offset", .read = read_offset },
	{ .name = "length", .read = read_length },
};

static int read_extent(struct mafs_yaml *yaml, void *target)
{
	struct mafs_descriptor *descriptor = target;
	struct mafs_extent extent = { 0 };
	int r;

	r = mafs_yaml_mapping(yaml, extent_keys, MAFS_ARRAY_SIZE(extent_keys),
			      &extent);
	if (r < 0)
		return r;
	if (!extent.length_bytes)
		return mafs_yaml_fail(yaml, -EINVAL, "an empty extent");
	if (!mafs_range_fits(extent.offset_bytes, extent.length_bytes,
			     INT64_MAX))
		return mafs_yaml_fail(yaml, -ERANGE, "an extent overflows");
	return mafs_map_append(&descriptor->map, &extent);
}

static int read_extents(struct mafs_yaml *yaml, void *target)
{
	struct mafs_descriptor *descriptor = target;
	uint64_t total = 0;
	int r = mafs_yaml_mappings(yaml, read_extent, target);

	if (r == 0 && mafs_map_length(&descriptor->map, &total) < 0)
		return mafs_yaml_fail(yaml, -ERANGE, "the extents overflow");
	return r;
}

static const struct mafs_yaml_key file_keys[] = {
	{ .name = "version", .read = read_version },
	{ .name = "id", .read = read_id },
	{ .name = "path", .read = read_path, .optional = true },
	{ .name = "hint", .read = read_hint, .optional = true },
	{ .name = "links", .read = read_links, .optional = true },
	{ .name = "owner", .read = read_owner },
	{ .name = "group", .read = read_group },
	{ .name = "permissions", .read = read_permissions },
	{ .name = "size", .read = read_size },
	{ .name = "mtime", .read = read_mtime },
	{ .name = "state", .read = read_state },
	{ .name = "extents", .read = read_extents },
};

int mafs_descriptor_from_text(const void *text, size_t len,
			      struct mafs_descriptor *ret,
			      struct mafs_fault *fault)
{
	_cleanup_(mafs_descriptor_done) struct mafs_descriptor descriptor = {
		.n_links = 1,
	};
	_cleanup_(mafs_yaml_close) struct mafs_yaml yaml = { 0 };
	int r;

	if (len > MAFS_DESCRIPTOR_MAX_BYTES)
		return mafs_fault_set(fault, -EFBIG,
				      "a descriptor of %zu bytes", len);
	r = mafs_yaml_open(&yaml, text, len, fault);
	if (r < 0)
		return r;
	r = mafs_yaml_document(&yaml, "file", file_keys,
			       MAFS_ARRAY_SIZE(file_keys), &descriptor);
	if (r < 0)
		return r;
	if (descriptor.path && descriptor.hint)
		return mafs_fault_set(fault, -EINVAL, "both a path and a hint");

	*ret = descriptor;
	descriptor = (struct mafs_descriptor){ 0 };
	return 0;
}
