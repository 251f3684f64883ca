/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SIZE of a device that is a directory on a tmpfs which is not ours: no kernel
 * keeps it, so we count.
 *
 * Invariant: used_bytes is the sum of the blocks of all files that have a
 * name, plus what is reserved by stores under way. A store reserves first, so
 * that threads together never pass SIZE, and then corrects by what the file's
 * blocks really became. The counter is not stored: attaching counts anew.
 */
#include "tmpfs.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

#define BLOCK_BYTES 512

static uint64_t blocks_of(const struct stat *st)
{
	return (uint64_t)st->st_blocks * BLOCK_BYTES;
}

static bool reserve(struct tmpfs *tmpfs, uint64_t bytes)
{
	uint64_t used = atomic_fetch_add(&tmpfs->used_bytes, bytes);

	if (used + bytes <= tmpfs->size_bytes)
		return true;
	atomic_fetch_sub(&tmpfs->used_bytes, bytes);
	return false;
}

/* The most that a store may take: all pages that it touches, but nothing in a
 * file without holes, which has them. */
static uint64_t most_taken(const struct stat *st, uint64_t offset, uint64_t len)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	uint64_t size = (uint64_t)st->st_size;

	if (!len || (offset + len <= size && blocks_of(st) >= size))
		return 0;
	return (len + 2 * page - 1) & ~(page - 1);
}

int tmpfs_charge_begin(const struct tmpfs_file *file, uint64_t offset,
		       uint64_t len, struct tmpfs_charge *ret)
{
	struct tmpfs *tmpfs = tmpfs_device_of(file);
	struct stat st;
	uint64_t want;

	if (fstat(file->fd, &st) < 0)
		return -errno;
	want = most_taken(&st, offset, len);
	if (!reserve(tmpfs, want))
		return -ENOSPC;
	*ret = (struct tmpfs_charge){
		.tmpfs = tmpfs,
		.fd = file->fd,
		.before_bytes = blocks_of(&st),
		.reserved_bytes = want,
	};
	return 0;
}

void tmpfs_charge_end(struct tmpfs_charge *charge)
{
	uint64_t give_back = charge->reserved_bytes;
	struct stat st;

	/* A file without a name was uncharged whole when it lost it. Unsigned
	 * arithmetic wraps to the right sum. */
	if (fstat(charge->fd, &st) == 0 && st.st_nlink)
		give_back += charge->before_bytes - blocks_of(&st);
	atomic_fetch_sub(&charge->tmpfs->used_bytes, give_back);
}

struct sum {
	uint64_t bytes, files;
};

static int add_file(void *context, int bucket_fd, const char *name,
		    const struct stat *st)
{
	struct sum *sum = context;

	sum->bytes += blocks_of(st);
	sum->files++;
	return 0;
}

int tmpfs_count(struct tmpfs *tmpfs, uint64_t *ret_bytes, uint64_t *ret_files)
{
	struct sum sum = { 0 };
	int r = tmpfs_walk(tmpfs, true, add_file, &sum);

	if (r < 0)
		return r;
	*ret_bytes = sum.bytes;
	*ret_files = sum.files;
	return 0;
}

int tmpfs_limit_store(int dir_fd, uint64_t size_bytes)
{
	_cleanup_close_ int fd = -1;

	fd = openat(dir_fd, TMPFS_LIMIT,
		    O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || dprintf(fd, "%" PRIu64 "\n", size_bytes) < 0)
		return -errno;
	return 0;
}

int tmpfs_limit_load(int dir_fd, uint64_t *ret_bytes)
{
	_cleanup_close_ int fd = -1;
	char text[32] = { 0 };

	fd = openat(dir_fd, TMPFS_LIMIT, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (read(fd, text, sizeof(text) - 1) <= 0 ||
	    sscanf(text, "%" SCNu64, ret_bytes) != 1)
		return -EUCLEAN;
	return 0;
}
