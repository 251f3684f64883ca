// SPDX-License-Identifier: Apache-2.0
/*
 * A growing byte buffer. Capacity doubles, so appending is cheap on average;
 * a failed call leaves the contents as they were.
 */
#include <errno.h>
#include <mafs/buffer.h>
#include <stdlib.h>
#include <string.h>

#define BUFFER_FIRST_BYTES 256

void mafs_buffer_done(struct mafs_buffer *buffer)
{
	if (!buffer)
		return;
	free(buffer->bytes);
	*buffer = (struct mafs_buffer){};
}

int mafs_buffer_reserve(struct mafs_buffer *buffer, size_t extra_len)
{
	size_t needed, capacity;
	uint8_t *bytes;

	if (__builtin_add_overflow(buffer->len, extra_len, &needed))
		return -EOVERFLOW;
	if (needed <= buffer->capacity)
		return 0;
	if (__builtin_mul_overflow(buffer->capacity, 2, &capacity) ||
	    capacity < needed)
		capacity = needed;
	if (capacity < BUFFER_FIRST_BYTES)
		capacity = BUFFER_FIRST_BYTES;
	bytes = realloc(buffer->bytes, capacity);
	if (!bytes)
		return -ENOMEM;
	buffer->bytes = bytes;
	buffer->capacity = capacity;
	return 0;
}

int mafs_buffer_append(struct mafs_buffer *buffer, const void *bytes,
		       size_t len)
{
	int err;

	if (!len)
		return 0;
	err = mafs_buffer_reserve(buffer, len);
	if (err)
		return err;
	memcpy(buffer->bytes + buffer->len, bytes, len);
	buffer->len += len;
	return 0;
}

int mafs_buffer_append_zeros(struct mafs_buffer *buffer, size_t len)
{
	int err;

	if (!len)
		return 0;
	err = mafs_buffer_reserve(buffer, len);
	if (err)
		return err;
	memset(buffer->bytes + buffer->len, 0, len);
	buffer->len += len;
	return 0;
}
