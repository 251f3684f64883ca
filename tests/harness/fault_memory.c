// SPDX-License-Identifier: Apache-2.0
/* Only slots that can fail are ours; the others are the device's own. */
#include "fault_memory.h"

#include <limits.h>
#include <pthread.h>

static struct {
	struct mafs_memory_ops ops;
	struct mafs_media_ops media_ops;
	const struct mafs_memory_ops *real;
	const struct mafs_media_ops *real_media;
	pthread_mutex_t lock;
	struct {
		int error;
		unsigned int n;
	} due[FAULT_MEMORY_N_CALLS]; /* under lock */
} fault = { .lock = PTHREAD_MUTEX_INITIALIZER };

static int error_of(enum fault_memory_call call)
{
	int error = 0;

	pthread_mutex_lock(&fault.lock);
	if (fault.due[call].n > 0) {
		error = fault.due[call].error;
		if (fault.due[call].n < UINT_MAX)
			fault.due[call].n--;
	}
	pthread_mutex_unlock(&fault.lock);
	return error;
}

static int fault_create(struct mafs_memory *memory, const void *id,
			size_t id_len, struct mafs_map *ret_map,
			struct mafs_memory_file **ret)
{
	int r = error_of(FAULT_MEMORY_CREATE);

	return r < 0 ? r : fault.real->create(memory, id, id_len, ret_map, ret);
}

static ssize_t fault_pread(struct mafs_memory_file *file, void *bytes,
			   size_t len, uint64_t offset)
{
	int r = error_of(FAULT_MEMORY_READ);

	return r < 0 ? r : fault.real->pread(file, bytes, len, offset);
}

static ssize_t fault_pwrite(struct mafs_memory_file *file, const void *bytes,
			    size_t len, uint64_t offset)
{
	int r = error_of(FAULT_MEMORY_STORE);

	return r < 0 ? r : fault.real->pwrite(file, bytes, len, offset);
}

static int fault_log_write(struct mafs_media *media, enum mafs_region region,
			   uint64_t offset, const void *bytes, size_t len)
{
	int r = error_of(FAULT_MEMORY_LOG);

	if (r < 0)
		return r;
	return fault.real_media->write(media, region, offset, bytes, len);
}

void fault_memory_install(struct mafs_memory *memory)
{
	for (int i = 0; i < FAULT_MEMORY_N_CALLS; i++)
		fault.due[i].n = 0;
	fault.real = memory->ops;
	fault.real_media = memory->media.ops;
	fault.ops = *memory->ops;
	fault.ops.create = fault_create;
	fault.ops.pread = fault_pread;
	fault.ops.pwrite = fault_pwrite;
	fault.media_ops = *memory->media.ops;
	fault.media_ops.write = fault_log_write;
	memory->ops = &fault.ops;
	memory->media.ops = &fault.media_ops;
}

void fault_memory_fail(enum fault_memory_call call, int error, unsigned int n)
{
	pthread_mutex_lock(&fault.lock);
	fault.due[call].error = error;
	fault.due[call].n = n;
	pthread_mutex_unlock(&fault.lock);
}
