// SPDX-License-Identifier: Apache-2.0
/* Superblock and log: the mapped device's own. */
#include "extents.h"

static struct mafs_media *mapped_media(struct mafs_media *media)
{
	return &mafs_container_of(media, struct extents, base.media)
			->mapped->base.media;
}

static ssize_t media_read(struct mafs_media *media, enum mafs_region region,
			  uint64_t offset, void *bytes, size_t len)
{
	return mapped_media_ops.read(mapped_media(media), region, offset, bytes,
				     len);
}

static int media_write(struct mafs_media *media, enum mafs_region region,
		       uint64_t offset, const void *bytes, size_t len)
{
	return mapped_media_ops.write(mapped_media(media), region, offset,
				      bytes, len);
}

static int media_flush(struct mafs_media *media, enum mafs_region region,
		       uint64_t offset, size_t len)
{
	return mapped_media_ops.flush(mapped_media(media), region, offset, len);
}

static int media_length(struct mafs_media *media, enum mafs_region region,
			uint64_t *ret_bytes)
{
	return mapped_media_ops.length(mapped_media(media), region, ret_bytes);
}

static int media_truncate(struct mafs_media *media, enum mafs_region region,
			  uint64_t length)
{
	return mapped_media_ops.truncate(mapped_media(media), region, length);
}

const struct mafs_media_ops extents_media_ops = {
	.read = media_read,
	.write = media_write,
	.flush = media_flush,
	.length = media_length,
	.truncate = media_truncate,
};
