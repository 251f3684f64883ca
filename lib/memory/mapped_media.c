// SPDX-License-Identifier: Apache-2.0
/*
 * Superblock and log of a mapped device, as lib/log sees them.
 *
 * Until the allocator has begun, and always on a device opened for reading,
 * another host may be the writer: what is read is invalidated in the CPU's
 * caches first. What is known of the chains is believed until the superblock is
 * read: lib/log does that, and reads again, before it draws a conclusion from
 * bytes that are not valid.
 */
#include "mapped.h"

#include <errno.h>
#include <mafs/checked.h>
#include <mafs/omf.h>

#define SUPERBLOCK_BYTES ((uint64_t)MAFS_OMF_N_SB * MAFS_OMF_SB_SIZE)

static struct mapped *device_of(struct mafs_media *media)
{
	return mafs_container_of(media, struct mapped, base.media);
}

static uint32_t slot_of(enum mafs_region region)
{
	return region == MAFS_REGION_LOG_B ? 1 : 0;
}

static uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Where byte @offset of a region stands on the device, and how many follow it
 * there. Return: 1; 0: beyond its end; -errno. */
static int find(struct mapped *mapped, enum mafs_region region, uint64_t offset,
		uint64_t *ret_at, uint64_t *ret_len)
{
	uint32_t slot = slot_of(region);
	int err;

	if (region == MAFS_REGION_SUPERBLOCK) {
		*ret_at = offset;
		*ret_len = SUPERBLOCK_BYTES - offset;
		return offset < SUPERBLOCK_BYTES;
	}
	mafs_guard(&mapped->base.lock);
	if (!mapped_owns_log(mapped) && offset < UINT64_MAX) {
		err = chain_follow(mapped, slot, offset + 1, NULL);
		if (err)
			return err;
	}
	return chain_find(&mapped->chains[slot], offset, ret_at, ret_len);
}

static void forget_chains(struct mapped *mapped)
{
	mafs_guard(&mapped->base.lock);
	for (uint32_t slot = 0; slot < N_CHAINS; slot++)
		if (!mapped_owns_log(mapped))
			chain_forget(&mapped->chains[slot]);
}

static ssize_t media_read(struct mafs_media *media, enum mafs_region region,
			  uint64_t offset, void *bytes, size_t len)
{
	struct mapped *mapped = device_of(media);
	uint64_t at = 0, n = 0;
	size_t done = 0;

	if (region == MAFS_REGION_SUPERBLOCK)
		forget_chains(mapped);
	while (done < len) {
		int found = find(mapped, region, offset + done, &at, &n);
		int err;

		if (found < 0)
			return found;
		if (!found)
			break;
		n = min_u64(n, len - done);
		if (region == MAFS_REGION_SUPERBLOCK ||
		    !mapped_owns_log(mapped))
			mafs_device_invalidate(&mapped->base, at, n);
		err = mafs_guarded_copy((uint8_t *)bytes + done,
					mapped->base.base + at, n);
		if (err)
			return err;
		done += n;
	}
	return (ssize_t)done;
}

/* The region is as long as @end, where it can be. */
static int make_room(struct mapped *mapped, enum mafs_region region,
		     uint64_t end)
{
	if (region == MAFS_REGION_SUPERBLOCK || !mapped_owns_log(mapped))
		return 0;
	return chain_grow(mapped, slot_of(region), end);
}

static int media_write(struct mafs_media *media, enum mafs_region region,
		       uint64_t offset, const void *bytes, size_t len)
{
	struct mapped *mapped = device_of(media);
	uint64_t end, at = 0, n = 0;
	int err;

	if (mapped->base.read_only)
		return -EROFS;
	if (!mafs_device_is_ours(&mapped->base))
		return -EIO;
	if (!mafs_add_u64(offset, len, &end))
		return -ENOSPC;
	err = make_room(mapped, region, end);
	for (size_t done = 0; !err && done < len; done += n) {
		int found = find(mapped, region, offset + done, &at, &n);

		if (found <= 0)
			return found ? found : -ENOSPC;
		n = min_u64(n, len - done);
		err = mafs_guarded_copy(mapped->base.base + at,
					(const uint8_t *)bytes + done, n);
	}
	return err;
}

static int media_flush(struct mafs_media *media, enum mafs_region region,
		       uint64_t offset, size_t len)
{
	struct mapped *mapped = device_of(media);
	uint64_t at = 0, n = 0;
	int err = 0;

	for (size_t done = 0; !err && done < len; done += n) {
		int found = find(mapped, region, offset + done, &at, &n);

		if (found <= 0)
			return found;
		n = min_u64(n, len - done);
		err = mafs_device_flush(&mapped->base, at, n);
	}
	return err;
}

static int media_length(struct mafs_media *media, enum mafs_region region,
			uint64_t *ret_bytes)
{
	struct mapped *mapped = device_of(media);
	uint32_t slot = slot_of(region);
	int err = 0;

	if (region == MAFS_REGION_SUPERBLOCK) {
		*ret_bytes = SUPERBLOCK_BYTES;
		return 0;
	}
	mafs_guard(&mapped->base.lock);
	if (!mapped_owns_log(mapped))
		err = chain_follow(mapped, slot, UINT64_MAX, NULL);
	if (!err)
		*ret_bytes = mapped->chains[slot].bytes;
	return err;
}

static int media_truncate(struct mafs_media *media, enum mafs_region region,
			  uint64_t length)
{
	struct mapped *mapped = device_of(media);

	if (mapped->base.read_only)
		return -EROFS;
	if (region == MAFS_REGION_SUPERBLOCK || !mapped_owns_log(mapped))
		return 0;
	if (!mafs_device_is_ours(&mapped->base))
		return -EIO;
	return chain_cut(mapped, slot_of(region), length);
}

const struct mafs_media_ops mapped_media_ops = {
	.read = media_read,
	.write = media_write,
	.flush = media_flush,
	.length = media_length,
	.truncate = media_truncate,
};
