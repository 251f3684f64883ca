/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading and writing one allocation. The hot path: on a tmpfs of our own a
 * read or a write is one system call and nothing else. Two exceptions, both
 * off that path: files with holes (tmpfs_sparse.c), and a directory on
 * somebody else's tmpfs, where we count the bytes (tmpfs_limit.c).
 */
#include "tmpfs.h"

#include <errno.h>
#include <fcntl.h>

static int writable_device(const struct tmpfs_file *file)
{
	return tmpfs_device_of(file)->read_only ? -EROFS : 0;
}

ssize_t tmpfs_pread(struct mafs_memory_file *file, void *bytes, size_t len,
		    uint64_t offset)
{
	ssize_t n = pread(tmpfs_file_of(file)->fd, bytes, len, (off_t)offset);

	return n < 0 ? -errno : n;
}

/* A store behind the end leaves a hole. */
static void note_store(struct tmpfs_file *file, uint64_t offset)
{
	if (offset > file->size_bytes)
		file->sparse = true;
}

static void note_end(struct tmpfs_file *file, uint64_t end)
{
	uint64_t size = file->size_bytes;

	/* Writes of one file run side by side. */
	while (end > size &&
	       !atomic_compare_exchange_weak(&file->size_bytes, &size, end))
		;
}

ssize_t tmpfs_pwrite(struct mafs_memory_file *file, const void *bytes,
		     size_t len, uint64_t offset)
{
	struct tmpfs_file *own = tmpfs_file_of(file);
	struct tmpfs *tmpfs = tmpfs_device_of(own);
	struct tmpfs_charge charge;
	ssize_t n;
	int r;

	if (tmpfs->read_only)
		return -EROFS;
	note_store(own, offset);
	if (own->sparse && tmpfs->huge)
		tmpfs_fill_holes_small(own, offset, len);
	if (tmpfs->limited) {
		r = tmpfs_charge_begin(own, offset, len, &charge);
		if (r < 0)
			return r;
	}

	n = pwrite(own->fd, bytes, len, (off_t)offset);
	if (n < 0)
		n = -errno;
	if (tmpfs->limited)
		tmpfs_charge_end(&charge);
	if (n > 0)
		note_end(own, offset + (uint64_t)n);
	return n;
}

int tmpfs_truncate(struct mafs_memory_file *file, uint64_t size_bytes)
{
	struct tmpfs_file *own = tmpfs_file_of(file);
	bool limited = tmpfs_device_of(own)->limited;
	struct tmpfs_charge charge;
	int r = writable_device(own);

	if (r == 0 && limited)
		r = tmpfs_charge_begin(own, 0, 0, &charge);
	if (r < 0)
		return r;
	r = ftruncate(own->fd, (off_t)size_bytes) < 0 ? -errno : 0;
	if (limited)
		tmpfs_charge_end(&charge);
	if (r < 0)
		return r;

	note_store(own, size_bytes);
	if (!size_bytes)
		own->sparse = false;
	own->size_bytes = size_bytes;
	return 0;
}

/* tmpfs has no FALLOC_FL_ZERO_RANGE: a hole, filled again. */
static int do_allocate(struct tmpfs_file *file, int mode, uint64_t offset,
		       uint64_t len)
{
	if (mode & FALLOC_FL_ZERO_RANGE) {
		if (fallocate(file->fd,
			      FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			      (off_t)offset, (off_t)len) < 0)
			return -errno;
		mode &= ~FALLOC_FL_ZERO_RANGE;
	}
	return fallocate(file->fd, mode, (off_t)offset, (off_t)len) < 0 ?
		       -errno :
		       0;
}

int tmpfs_allocate(struct mafs_memory_file *file, int mode, uint64_t offset,
		   uint64_t len)
{
	struct tmpfs_file *own = tmpfs_file_of(file);
	struct tmpfs *tmpfs = tmpfs_device_of(own);
	bool punches = mode & FALLOC_FL_PUNCH_HOLE;
	struct tmpfs_charge charge;
	int r = writable_device(own);

	if (r == 0 && tmpfs->limited)
		r = tmpfs_charge_begin(own, offset, punches ? 0 : len, &charge);
	if (r < 0)
		return r;
	if (own->sparse && tmpfs->huge && !punches)
		tmpfs_fill_holes_small(own, offset, len);
	r = do_allocate(own, mode, offset, len);
	if (tmpfs->limited)
		tmpfs_charge_end(&charge);
	if (r < 0)
		return r;

	if (punches)
		own->sparse = true;
	else
		note_store(own, offset);
	if (!(mode & FALLOC_FL_KEEP_SIZE))
		note_end(own, offset + len);
	return 0;
}

off_t tmpfs_seek(struct mafs_memory_file *file, off_t offset, int whence)
{
	off_t at = lseek(tmpfs_file_of(file)->fd, offset, whence);

	return at < 0 ? -errno : at;
}

int tmpfs_stat(struct mafs_memory_file *file, struct stat *ret)
{
	return fstat(tmpfs_file_of(file)->fd, ret) < 0 ? -errno : 0;
}

int tmpfs_set_times(struct mafs_memory_file *file,
		    const struct timespec times[2])
{
	struct tmpfs_file *own = tmpfs_file_of(file);
	int r = writable_device(own);

	if (r < 0)
		return r;
	return futimens(own->fd, times) < 0 ? -errno : 0;
}

int tmpfs_lease_fd(struct mafs_memory_file *file)
{
	return tmpfs_file_of(file)->fd;
}
