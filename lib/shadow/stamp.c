// SPDX-License-Identifier: Apache-2.0
/* The stamp at a shadow's root: whose it is and how far it got. */
#include "tree.h"
#include "yaml.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <mafs/cleanup.h>
#include <mafs/platform.h>
#include <mafs/shadow.h>

#define STAMP_MAX_BYTES 4096

static int read_version(struct mafs_yaml *yaml, void *target)
{
	uint64_t version = 0;
	int r = mafs_yaml_u64(yaml, UINT32_MAX, &version);

	if (r < 0)
		return r;
	if (version != MAFS_SHADOW_VERSION)
		return mafs_yaml_fail(yaml, -EOPNOTSUPP,
				      "version %u is not known here",
				      (unsigned int)version);
	return 0;
}

static int read_volume(struct mafs_yaml *yaml, void *target)
{
	struct mafs_shadow_stamp *stamp = target;

	return mafs_yaml_uuid(yaml, &stamp->volume);
}

static int read_generation(struct mafs_yaml *yaml, void *target)
{
	struct mafs_shadow_stamp *stamp = target;

	return mafs_yaml_u64(yaml, UINT64_MAX, &stamp->generation);
}

static int read_sequence(struct mafs_yaml *yaml, void *target)
{
	struct mafs_shadow_stamp *stamp = target;

	return mafs_yaml_u64(yaml, UINT64_MAX, &stamp->seq);
}

static const struct mafs_yaml_key stamp_keys[] = {
	{ .name = "version", .read = read_version },
	{ .name = "volume", .read = read_volume },
	{ .name = "generation", .read = read_generation },
	{ .name = "sequence", .read = read_sequence },
};

static int stamp_from_text(const void *text, size_t len,
			   struct mafs_shadow_stamp *ret,
			   struct mafs_fault *fault)
{
	_cleanup_(mafs_yaml_close) struct mafs_yaml yaml = { 0 };
	int r;

	r = mafs_yaml_open(&yaml, text, len, fault);
	if (r < 0)
		return r;
	return mafs_yaml_document(&yaml, "shadow", stamp_keys,
				  MAFS_ARRAY_SIZE(stamp_keys), ret);
}

int mafs_shadow_stamp_read(int dir_fd, struct mafs_shadow_stamp *ret,
			   struct mafs_fault *fault)
{
	_cleanup_close_ int fd = -1;
	struct mafs_shadow_stamp stamp = { 0 };
	char text[STAMP_MAX_BYTES];
	ssize_t len;
	int r;

	fd = mafs_open_beneath(dir_fd, MAFS_SHADOW_DOT "/" MAFS_SHADOW_STAMP,
			       O_RDONLY | O_NONBLOCK | O_CLOEXEC, 0);
	if (fd < 0)
		return fd;
	len = mafs_pread_full(fd, text, sizeof(text), 0);
	if (len < 0)
		return (int)len;
	r = stamp_from_text(text, (size_t)len, &stamp, fault);
	if (r < 0)
		return r;
	*ret = stamp;
	return 0;
}

int mafs_shadow_stamp_write(int dot_fd, const struct mafs_shadow_stamp *stamp)
{
	char uuid[MAFS_UUID_TEXT_LEN];
	char text[256];
	int len;

	mafs_uuid_to_text(&stamp->volume, uuid);
	len = snprintf(text, sizeof(text),
		       "shadow:\n"
		       "  version: %d\n"
		       "  volume: '%s'\n"
		       "  generation: %" PRIu64 "\n"
		       "  sequence: %" PRIu64 "\n",
		       MAFS_SHADOW_VERSION, uuid, stamp->generation,
		       stamp->seq);
	if (len < 0 || (size_t)len >= sizeof(text))
		return -EOVERFLOW;
	return mafs_tree_replace(dot_fd, dot_fd, MAFS_SHADOW_STAMP, text,
				 (size_t)len);
}
