// SPDX-License-Identifier: Apache-2.0
/*
 * famfs's descriptors (user space of June 2026): a regular file with either
 * simple extents or one striped one. Numbers may be hexadecimal, devices are
 * indices. A striped extent is unrolled chunk by chunk: chunk i lies on strip
 * i modulo their number. Extents are cut to whole chunks behind the size.
 *
 * Source: the text that famfs's own emitter writes; it has no version.
 */
#include "famfs.h"

#include "path.h"

#include <errno.h>
#include <mafs/checked.h>
#include <mafs/cleanup.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* famfs's own bounds are 16, 2 MiB and 2; ours keep hostile texts short. A
 * TiB in chunks of 2 MiB fits. */
#define STRIPS_MAX 64
#define CHUNK_UNIT 4096U
#define EXTENTS_MAX (1U << 19)

struct strip {
	uint64_t device, offset, length;
};

struct strips {
	struct strip list[STRIPS_MAX];
	size_t n;
};

/**
 * struct famfs - what the text says
 * @n_told: nextents, or nstrips of the striped extent
 */
struct famfs {
	const struct mafs_uuid *devices;
	size_t n_devices;
	struct mafs_node_descriptor *descriptor;
	uint64_t n_told, n_told_strips, chunk_bytes;
	struct mafs_map simple;
	struct strips strips;
	bool is_striped, is_simple;
};

/* Decimal or 0x...; octal only where a mode is meant. */
static int read_number(struct mafs_yaml *yaml, uint64_t max, int base,
		       uint64_t *ret)
{
	const char *text = NULL;
	char *end = NULL;
	uint64_t value;
	int r = mafs_yaml_text(yaml, &text);

	if (r < 0)
		return r;
	if (*text < '0' || *text > '9')
		return mafs_yaml_fail(yaml, -EINVAL, "not a number");
	if (!base)
		base = text[0] == '0' && (text[1] | 32) == 'x' ? 16 : 10;
	errno = 0;
	value = strtoull(text, &end, base);
	if (*end)
		return mafs_yaml_fail(yaml, -EINVAL, "not a number");
	if (errno || value > max)
		return mafs_yaml_fail(yaml, -ERANGE, "number too large");
	*ret = value;
	return 0;
}

/* ---- extents and strips: the same three keys ---- */

static int read_devindex(struct mafs_yaml *yaml, void *target)
{
	return read_number(yaml, UINT32_MAX, 0,
			   &((struct strip *)target)->device);
}

static int read_offset(struct mafs_yaml *yaml, void *target)
{
	return read_number(yaml, INT64_MAX, 0,
			   &((struct strip *)target)->offset);
}

static int read_length(struct mafs_yaml *yaml, void *target)
{
	return read_number(yaml, INT64_MAX, 0,
			   &((struct strip *)target)->length);
}

static const struct mafs_yaml_key strip_keys[] = {
	{ .name = "devindex", .read = read_devindex, .optional = true },
	{ .name = "offset", .read = read_offset },
	{ .name = "length", .read = read_length },
};

static int read_strip(struct mafs_yaml *yaml, const struct famfs *famfs,
		      struct strip *ret)
{
	int r;

	*ret = (struct strip){};
	r = mafs_yaml_mapping(yaml, strip_keys, MAFS_ARRAY_SIZE(strip_keys),
			      ret);
	if (r < 0)
		return r;
	if (ret->device >= famfs->n_devices)
		return mafs_yaml_fail(yaml, -EINVAL,
				      "devindex %llu: %zu devices are given",
				      (unsigned long long)ret->device,
				      famfs->n_devices);
	if (!ret->length)
		return mafs_yaml_fail(yaml, -EINVAL, "an empty extent");
	if (!mafs_range_fits(ret->offset, ret->length, INT64_MAX))
		return mafs_yaml_fail(yaml, -ERANGE, "an extent overflows");
	return 0;
}

/* Adds without merging: the text says how many there are. */
static int add_extent(const struct famfs *famfs, uint64_t device,
		      uint64_t offset, uint64_t length, struct mafs_map *map)
{
	const struct mafs_extent extent = {
		.device_uuid = famfs->devices[device],
		.offset_bytes = offset,
		.length_bytes = length,
	};

	return mafs_map_append(map, &extent);
}

static int read_simple(struct mafs_yaml *yaml, void *target)
{
	struct famfs *famfs = target;
	struct strip strip;
	int r = read_strip(yaml, famfs, &strip);

	if (r < 0)
		return r;
	if (famfs->strips.n++ >= EXTENTS_MAX)
		return mafs_yaml_fail(yaml, -ERANGE, "too many extents");
	return add_extent(famfs, strip.device, strip.offset, strip.length,
			  &famfs->simple);
}

static int read_simple_list(struct mafs_yaml *yaml, void *target)
{
	struct famfs *famfs = target;

	famfs->is_simple = true;
	return mafs_yaml_mappings(yaml, read_simple, target);
}

static int read_strip_of_list(struct mafs_yaml *yaml, void *target)
{
	struct famfs *famfs = target;

	if (famfs->strips.n >= STRIPS_MAX)
		return mafs_yaml_fail(yaml, -ERANGE, "too many strips");
	return read_strip(yaml, famfs, &famfs->strips.list[famfs->strips.n++]);
}

static int read_strips(struct mafs_yaml *yaml, void *target)
{
	return mafs_yaml_mappings(yaml, read_strip_of_list, target);
}

static int read_nstrips(struct mafs_yaml *yaml, void *target)
{
	struct famfs *famfs = target;

	return read_number(yaml, STRIPS_MAX, 0, &famfs->n_told_strips);
}

static int read_chunk_size(struct mafs_yaml *yaml, void *target)
{
	struct famfs *famfs = target;

	return read_number(yaml, INT64_MAX, 0, &famfs->chunk_bytes);
}

static const struct mafs_yaml_key striped_keys[] = {
	{ .name = "nstrips", .read = read_nstrips },
	{ .name = "chunk_size", .read = read_chunk_size },
	{ .name = "simple_ext_list", .read = read_strips },
};

static int read_striped(struct mafs_yaml *yaml, void *target)
{
	struct famfs *famfs = target;
	int r;

	if (famfs->is_striped)
		return mafs_yaml_fail(yaml, -EINVAL,
				      "more than one striped extent");
	famfs->is_striped = true;
	r = mafs_yaml_mapping(yaml, striped_keys, MAFS_ARRAY_SIZE(striped_keys),
			      famfs);
	if (r < 0)
		return r;
	if (!famfs->strips.n || famfs->n_told_strips != famfs->strips.n)
		return mafs_yaml_fail(yaml, -EINVAL,
				      "nstrips is not the number of strips");
	if (!famfs->chunk_bytes || famfs->chunk_bytes % CHUNK_UNIT)
		return mafs_yaml_fail(yaml, -EINVAL,
				      "chunk_size is no multiple of 4096");
	return 0;
}

static int read_striped_list(struct mafs_yaml *yaml, void *target)
{
	return mafs_yaml_mappings(yaml, read_striped, target);
}

/* ---- the file ---- */

static int read_path(struct mafs_yaml *yaml, void *target)
{
	_cleanup_free_ char *path = NULL;
	struct famfs *famfs = target;
	int r = mafs_yaml_name(yaml, &path);

	if (r < 0)
		return r;
	if (asprintf(&famfs->descriptor->path, "/%s", path) < 0) {
		famfs->descriptor->path = NULL;
		return -ENOMEM;
	}
	if (!mafs_path_is_valid(famfs->descriptor->path))
		return mafs_yaml_fail(yaml, -EINVAL,
				      "not a relative path without . and ..");
	return 0;
}

static int read_size(struct mafs_yaml *yaml, void *target)
{
	struct famfs *famfs = target;

	return read_number(yaml, INT64_MAX, 0, &famfs->descriptor->size_bytes);
}

static int read_flags(struct mafs_yaml *yaml, void *target)
{
	uint64_t flags;

	return read_number(yaml, UINT32_MAX, 0, &flags);
}

static int read_mode(struct mafs_yaml *yaml, void *target)
{
	struct famfs *famfs = target;
	uint64_t mode = 0;
	int r = read_number(yaml, 07777, 8, &mode);

	famfs->descriptor->mode = S_IFREG | (uint32_t)mode;
	return r;
}

static int read_id(struct mafs_yaml *yaml, uint32_t *ret)
{
	uint64_t id = 0;
	int r = read_number(yaml, UINT32_MAX, 0, &id);

	*ret = (uint32_t)id;
	return r;
}

static int read_uid(struct mafs_yaml *yaml, void *target)
{
	return read_id(yaml, &((struct famfs *)target)->descriptor->owner);
}

static int read_gid(struct mafs_yaml *yaml, void *target)
{
	return read_id(yaml, &((struct famfs *)target)->descriptor->group);
}

static int read_nextents(struct mafs_yaml *yaml, void *target)
{
	struct famfs *famfs = target;

	return read_number(yaml, UINT32_MAX, 0, &famfs->n_told);
}

static const struct mafs_yaml_key file_keys[] = {
	{ .name = "path", .read = read_path },
	{ .name = "size", .read = read_size },
	{ .name = "flags", .read = read_flags, .optional = true },
	{ .name = "mode", .read = read_mode },
	{ .name = "uid", .read = read_uid },
	{ .name = "gid", .read = read_gid },
	{ .name = "nextents", .read = read_nextents },
	{ .name = "simple_ext_list",
	  .read = read_simple_list,
	  .optional = true },
	{ .name = "striped_ext_list",
	  .read = read_striped_list,
	  .optional = true },
};

/* ---- what it means ---- */

static int unroll(struct mafs_yaml *yaml, struct famfs *famfs)
{
	const struct strips *strips = &famfs->strips;
	uint64_t size = famfs->descriptor->size_bytes;
	uint64_t chunk = famfs->chunk_bytes;
	uint64_t n_chunks = size / chunk + (size % chunk != 0);
	struct mafs_map *map = &famfs->descriptor->map;

	if (n_chunks > EXTENTS_MAX)
		return mafs_yaml_fail(yaml, -ERANGE, "too many chunks");
	map->extents = calloc(n_chunks + 1, sizeof(*map->extents));
	if (!map->extents)
		return -ENOMEM;
	for (uint64_t i = 0; i < n_chunks; i++) {
		const struct strip *strip = &strips->list[i % strips->n];
		uint64_t at, end;

		if (!mafs_mul_u64(i / strips->n, chunk, &at) ||
		    !mafs_add_u64(at, chunk, &end) || end > strip->length)
			return mafs_yaml_fail(yaml, -EINVAL,
					      "the strips are shorter than "
					      "the file");
		map->extents[map->n_extents++] = (struct mafs_extent){
			.device_uuid = famfs->devices[strip->device],
			.offset_bytes = strip->offset + at,
			.length_bytes = chunk,
		};
	}
	return 0;
}

static int take_extents(struct mafs_yaml *yaml, struct famfs *famfs)
{
	uint64_t total = 0;

	if (famfs->is_striped == famfs->is_simple && famfs->n_told)
		return mafs_yaml_fail(yaml, -EINVAL,
				      "simple_ext_list or striped_ext_list");
	if (famfs->n_told != (famfs->is_striped ? 1 : famfs->strips.n))
		return mafs_yaml_fail(yaml, -EINVAL,
				      "nextents is not the number of extents");
	if (famfs->is_striped)
		return unroll(yaml, famfs);
	if (mafs_map_length(&famfs->simple, &total) || total > INT64_MAX)
		return mafs_yaml_fail(yaml, -ERANGE, "the extents overflow");
	if (total < famfs->descriptor->size_bytes)
		return mafs_yaml_fail(yaml, -EINVAL,
				      "the extents are shorter than the file");
	famfs->descriptor->map = famfs->simple;
	famfs->simple = (struct mafs_map){};
	return 0;
}

int mafs_famfs_read(struct mafs_yaml *yaml, const struct mafs_uuid *devices,
		    size_t n_devices, struct mafs_node_descriptor *descriptor)
{
	struct famfs famfs = {
		.devices = devices,
		.n_devices = n_devices,
		.descriptor = descriptor,
	};
	int r;

	r = mafs_yaml_document(yaml, "file", file_keys,
			       MAFS_ARRAY_SIZE(file_keys), &famfs);
	if (r == 0)
		r = take_extents(yaml, &famfs);
	mafs_map_done(&famfs.simple);
	return r;
}
