/* SPDX-License-Identifier: Apache-2.0 */
/* A growing byte buffer, and whole-range file I/O that never stops short. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct mafs_buffer {
	uint8_t *bytes; /* owned */
	size_t len;
	size_t capacity;
};

void mafs_buffer_done(struct mafs_buffer *buffer);
/* Return: 0, -ENOMEM, -EOVERFLOW. Contents unchanged on failure. */
int mafs_buffer_reserve(struct mafs_buffer *buffer, size_t extra_len);
int mafs_buffer_append(struct mafs_buffer *buffer, const void *bytes,
		       size_t len);
int mafs_buffer_append_zeros(struct mafs_buffer *buffer, size_t len);

/* All of the range or an error; EINTR and short transfers are gone on with.
 * Return: 0, -errno; mafs_pread_full() returns the bytes read, less than @len
 * only at end of file. */
ssize_t mafs_pread_full(int fd, void *bytes, size_t len, uint64_t offset);
int mafs_pwrite_full(int fd, const void *bytes, size_t len, uint64_t offset);
