/* SPDX-License-Identifier: Apache-2.0 */
/* A mafs_media in process memory, for tests. */
#pragma once

#include <mafs/buffer.h>
#include <mafs/media.h>
#include <pthread.h>
#include <stdbool.h>

/**
 * struct media_memory
 * @fixed: log slots have a fixed length and keep their bytes when they are
 *	truncated, as on dax; otherwise they grow and shrink, as on tmpfs
 * @regions: under @lock; tests with one thread may look at them directly
 */
struct media_memory {
	struct mafs_media media;
	pthread_mutex_t lock;
	bool fixed;
	struct mafs_buffer regions[MAFS_N_REGIONS];
};

/* @slot_bytes: of each log slot, for fixed ones; 0: they grow. */
struct media_memory *media_memory_new(size_t slot_bytes);
struct media_memory *media_memory_clone(struct media_memory *from);
void media_memory_free(struct media_memory *memory);
static inline void media_memory_freep(struct media_memory **memory)
{
	media_memory_free(*memory);
}
#define _cleanup_media_memory_ __attribute__((cleanup(media_memory_freep)))
