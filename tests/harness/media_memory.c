// SPDX-License-Identifier: Apache-2.0
/* A mafs_media in process memory. Out of memory aborts: it is for tests. */
#include "media_memory.h"

#include <errno.h>
#include <mafs/checked.h>
#include <mafs/cleanup.h>
#include <mafs/omf.h>
#include <string.h>

static struct media_memory *to_memory(struct mafs_media *media)
{
	return mafs_container_of(media, struct media_memory, media);
}

static void grow(struct mafs_buffer *region, size_t len)
{
	if (region->len < len &&
	    mafs_buffer_append_zeros(region, len - region->len))
		abort();
}

static ssize_t memory_read(struct mafs_media *media, enum mafs_region region,
			   uint64_t offset, void *bytes, size_t len)
{
	struct media_memory *memory = to_memory(media);
	const struct mafs_buffer *from = &memory->regions[region];

	mafs_guard(&memory->lock);
	if (offset >= from->len)
		return 0;
	if (len > from->len - offset)
		len = from->len - offset;
	if (len)
		memcpy(bytes, from->bytes + offset, len);
	return (ssize_t)len;
}

static int memory_write(struct mafs_media *media, enum mafs_region region,
			uint64_t offset, const void *bytes, size_t len)
{
	struct media_memory *memory = to_memory(media);
	struct mafs_buffer *to = &memory->regions[region];
	uint64_t end;

	mafs_guard(&memory->lock);
	if (!mafs_add_u64(offset, len, &end))
		return -ENOSPC;
	if (end > to->len && memory->fixed)
		return -ENOSPC;
	grow(to, end);
	if (len)
		memcpy(to->bytes + offset, bytes, len);
	return 0;
}

static int memory_flush(struct mafs_media *media, enum mafs_region region,
			uint64_t offset, size_t len)
{
	return 0;
}

static int memory_length(struct mafs_media *media, enum mafs_region region,
			 uint64_t *ret_bytes)
{
	struct media_memory *memory = to_memory(media);

	mafs_guard(&memory->lock);
	*ret_bytes = memory->regions[region].len;
	return 0;
}

static int memory_truncate(struct mafs_media *media, enum mafs_region region,
			   uint64_t length)
{
	struct media_memory *memory = to_memory(media);

	mafs_guard(&memory->lock);
	if (!memory->fixed && length < memory->regions[region].len)
		memory->regions[region].len = length;
	return 0;
}

static const struct mafs_media_ops memory_ops = {
	.read = memory_read,
	.write = memory_write,
	.flush = memory_flush,
	.length = memory_length,
	.truncate = memory_truncate,
};

struct media_memory *media_memory_new(size_t slot_bytes)
{
	struct media_memory *memory = calloc(1, sizeof(*memory));

	if (!memory)
		abort();
	memory->media.ops = &memory_ops;
	pthread_mutex_init(&memory->lock, NULL);
	memory->fixed = slot_bytes != 0;
	grow(&memory->regions[MAFS_REGION_SUPERBLOCK],
	     (size_t)MAFS_OMF_N_SB * MAFS_OMF_SB_SIZE);
	grow(&memory->regions[MAFS_REGION_LOG_A], slot_bytes);
	grow(&memory->regions[MAFS_REGION_LOG_B], slot_bytes);
	return memory;
}

struct media_memory *media_memory_clone(struct media_memory *from)
{
	struct media_memory *memory = media_memory_new(0);

	mafs_guard(&from->lock);
	memory->fixed = from->fixed;
	for (size_t i = 0; i < MAFS_N_REGIONS; i++) {
		memory->regions[i].len = 0;
		if (mafs_buffer_append(&memory->regions[i],
				       from->regions[i].bytes,
				       from->regions[i].len))
			abort();
	}
	return memory;
}

void media_memory_free(struct media_memory *memory)
{
	if (!memory)
		return;
	for (size_t i = 0; i < MAFS_N_REGIONS; i++)
		mafs_buffer_done(&memory->regions[i]);
	pthread_mutex_destroy(&memory->lock);
	free(memory);
}
