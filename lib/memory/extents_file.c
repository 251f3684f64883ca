// SPDX-License-Identifier: Apache-2.0
/*
 * Reading and writing one memory file on a mapped device. Bytes are copied in
 * place beside each other; who changes where they are, or the size, is alone.
 *
 * What lies behind the size, in the last unit or in one that was allocated
 * ahead, is undefined: whoever raises the size makes it zeros first.
 */
#include "extents.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

static struct extents *device_of(const struct mafs_memory_file *file)
{
	return extents_of(file->memory);
}

ssize_t extents_pread(struct mafs_memory_file *file, void *bytes, size_t len,
		      uint64_t offset)
{
	struct node *node = extents_file_of(file)->node;
	const struct content *content = &node->content;
	int r = 0;

	pthread_rwlock_rdlock(&node->lock);
	if (offset >= content->size_bytes)
		len = 0;
	else if (len > content->size_bytes - offset)
		len = content->size_bytes - offset;
	if (len)
		r = mafs_pool_read(device_of(file)->pool, &content->layout,
				   bytes, len, offset);
	pthread_rwlock_unlock(&node->lock);
	return r < 0 ? r : (ssize_t)len;
}

/* A change of the bytes alone. Context: node->lock held shared. */
static int touch(struct extents *e, struct node *node)
{
	mafs_guard(&node->state_lock);

	clock_gettime(CLOCK_REALTIME_COARSE, &node->content.mtime);
	return node->removed ? 0 : content_publish(e, &node->content);
}

/* Return: 1: stored; 0: where they go there is no room yet; -errno. */
static int store_in_place(struct extents *e, struct node *node,
			  const void *bytes, uint64_t start, uint64_t end)
{
	const struct content *content = &node->content;
	int r = 0;

	pthread_rwlock_rdlock(&node->lock);
	if (end <= content->size_bytes &&
	    mafs_layout_covers(&content->layout, start, end)) {
		r = mafs_pool_write(e->pool, &content->layout, bytes,
				    end - start, start);
		if (r == 0)
			r = touch(e, node);
		r = r < 0 ? r : 1;
	}
	pthread_rwlock_unlock(&node->lock);
	return r;
}

/* Return: bytes stored, or -ENOSPC. */
static ssize_t store_growing(struct extents *e, struct node *node,
			     const void *bytes, uint64_t start, uint64_t end)
{
	uint64_t size;
	int r;

	pthread_rwlock_wrlock(&node->lock);
	end = extents_fitting_end(e, node, start, end);
	size = node->content.size_bytes;
	if (end > size)
		size = end;
	clock_gettime(CLOCK_REALTIME_COARSE, &node->content.mtime);
	r = end > start ? extents_grow(e, node, start, end, size, bytes) :
			  -ENOSPC;
	pthread_rwlock_unlock(&node->lock);
	return r < 0 ? r : (ssize_t)(end - start);
}

ssize_t extents_pwrite(struct mafs_memory_file *file, const void *bytes,
		       size_t len, uint64_t offset)
{
	struct node *node = extents_file_of(file)->node;
	struct extents *e = device_of(file);
	uint64_t end;
	int r;

	if (e->read_only)
		return -EROFS;
	if (!mafs_add_u64(offset, len, &end) || end > INT64_MAX)
		return -EFBIG;
	if (!len)
		return 0;
	r = store_in_place(e, node, bytes, offset, end);
	if (r != 0)
		return r < 0 ? r : (ssize_t)len;
	return store_growing(e, node, bytes, offset, end);
}

off_t extents_seek(struct mafs_memory_file *file, off_t offset, int whence)
{
	struct node *node = extents_file_of(file)->node;
	off_t at;

	pthread_rwlock_rdlock(&node->lock);
	at = mafs_layout_seek(&node->content.layout, node->content.size_bytes,
			      offset, whence);
	pthread_rwlock_unlock(&node->lock);
	return at;
}

int extents_stat(struct mafs_memory_file *file, struct stat *ret)
{
	struct node *node = extents_file_of(file)->node;

	pthread_rwlock_rdlock(&node->lock);
	pthread_mutex_lock(&node->state_lock);
	content_to_stat(&node->content, node->removed, ret);
	pthread_mutex_unlock(&node->state_lock);
	pthread_rwlock_unlock(&node->lock);
	return 0;
}

static void set_time(struct timespec *to, const struct timespec *from)
{
	if (from->tv_nsec == UTIME_OMIT)
		return;
	if (from->tv_nsec == UTIME_NOW)
		clock_gettime(CLOCK_REALTIME_COARSE, to);
	else
		*to = *from;
}

int extents_set_times(struct mafs_memory_file *file,
		      const struct timespec times[2])
{
	struct node *node = extents_file_of(file)->node;
	struct extents *e = device_of(file);
	int r = 0;

	if (e->read_only)
		return -EROFS;
	pthread_rwlock_rdlock(&node->lock);
	pthread_mutex_lock(&node->state_lock);
	set_time(&node->content.atime, &times[0]);
	set_time(&node->content.mtime, &times[1]);
	if (!node->removed)
		r = content_publish(e, &node->content);
	pthread_mutex_unlock(&node->state_lock);
	pthread_rwlock_unlock(&node->lock);
	return r;
}
