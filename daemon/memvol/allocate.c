// SPDX-License-Identifier: Apache-2.0
/*
 * fallocate, lseek and copy_file_range. What is allocated without being written
 * is zeroed before the log hears of it; what is punched is zeroed where its
 * unit stays, and goes back to the pool where it does not.
 */
#include "memvol.h"

#include <linux/falloc.h>

#define COPY_BYTES (1U << 20)

/* ---- fallocate ---- */

static int allocate(struct mafsm *m, struct mafsm_inode *inode, uint64_t start,
		    uint64_t end, bool keep_size)
{
	_cleanup_(mafs_layout_done) struct mafs_layout added = { 0 };
	uint64_t old_size = inode->node->size_bytes, size = old_size;
	int r;

	if (!keep_size && end > size)
		size = end;
	r = mafsm_fill(m, inode, start, end, &added);
	if (r < 0)
		return r;
	if (size > old_size)
		r = mafsm_zero(m, inode, old_size, size);
	if (r == 0)
		r = mafsm_log_layout(m, inode, size, false);
	if (r < 0)
		mafsm_take_back(m, inode, &added);
	else if (inode->ahead && inode->ahead_start < end)
		inode->ahead_start = end; /* this is asked for */
	return r;
}

/* Behind the end there is nothing to zero: anything may lie there. */
static int zero_within(struct mafsm *m, struct mafsm_inode *inode,
		       uint64_t start, uint64_t end)
{
	uint64_t size = inode->node->size_bytes;

	if (end > size)
		end = size;
	return start < end ? mafsm_zero(m, inode, start, end) : 0;
}

static int punch(struct mafsm *m, struct mafsm_inode *inode, uint64_t start,
		 uint64_t end)
{
	int r = zero_within(m, inode, start, end);

	if (r < 0)
		return r;
	return mafsm_cut(m, inode, start, end, inode->node->size_bytes, false);
}

static int zero_range(struct mafsm *m, struct mafsm_inode *inode,
		      uint64_t start, uint64_t end, bool keep_size)
{
	int r = zero_within(m, inode, start, end);

	return r < 0 ? r : allocate(m, inode, start, end, keep_size);
}

/* Context: inode->io held exclusively. */
static int fallocate_locked(struct mafsm *m, struct mafsm_inode *inode,
			    int mode, uint64_t start, uint64_t end)
{
	bool keep_size = mode & FALLOC_FL_KEEP_SIZE;
	int r = mafsm_load(m, inode);

	if (r < 0)
		return r;
	switch (mode & ~FALLOC_FL_KEEP_SIZE) {
	case 0:
		return allocate(m, inode, start, end, keep_size);
	case FALLOC_FL_PUNCH_HOLE:
		return keep_size ? punch(m, inode, start, end) : -EOPNOTSUPP;
	case FALLOC_FL_ZERO_RANGE:
		return zero_range(m, inode, start, end, keep_size);
	default:
		return -EOPNOTSUPP;
	}
}

int mafsm_fallocate(struct mafsd_fs *fs, const struct mafsd_caller *caller,
		    struct mafsd_open *open, int mode, uint64_t offset,
		    uint64_t len, bool may_block)
{
	struct mafsm *m = mafsm_of(fs);
	struct mafsm_inode *inode = mafsm_opened(open);
	int r;

	if (!m->log)
		return -EROFS;
	if (len == 0)
		return -EINVAL;
	if (offset > INT64_MAX || len > INT64_MAX - offset)
		return -EFBIG;
	if (mafsm_is_fenced(m))
		return -EIO;
	/* It may zero very much. */
	if (!may_block)
		return MAFSD_WOULD_BLOCK;
	r = mafsm_strip(m, caller, inode->node);
	if (r < 0)
		return r;
	pthread_rwlock_wrlock(&inode->io);
	r = fallocate_locked(m, inode, mode, offset, offset + len);
	pthread_rwlock_unlock(&inode->io);
	return r;
}

/* ---- lseek ---- */

off_t mafsm_lseek(struct mafsd_fs *fs, struct mafsd_open *open, off_t offset,
		  int whence)
{
	struct mafsm *m = mafsm_of(fs);
	struct mafsm_inode *inode = mafsm_opened(open);
	off_t at;

	pthread_rwlock_rdlock(&m->swap);
	at = mafsm_read_begin(m, inode);
	if (at == 0) {
		at = mafs_layout_seek(&inode->layout, inode->node->size_bytes,
				      offset, whence);
		pthread_rwlock_unlock(&inode->io);
	}
	pthread_rwlock_unlock(&m->swap);
	return at;
}

/* ---- copy_file_range ---- */

ssize_t mafsm_copy_file_range(struct mafsd_fs *fs,
			      const struct mafsd_caller *caller,
			      struct mafsd_open *in, uint64_t offset_in,
			      struct mafsd_open *out, uint64_t offset_out,
			      size_t len)
{
	_cleanup_free_ uint8_t *bytes = malloc(COPY_BYTES);
	size_t done = 0;
	ssize_t n = 0;

	if (!bytes)
		return -ENOMEM;
	while (done < len) {
		size_t part = len - done < COPY_BYTES ? len - done : COPY_BYTES;

		n = mafsm_read_bytes(fs, in, bytes, part, offset_in + done);
		if (n <= 0)
			break;
		n = mafsm_write_bytes(fs, caller, out, bytes, (size_t)n,
				      offset_out + done, 0, false, true);
		if (n <= 0)
			break;
		done += (size_t)n;
	}
	return done ? (ssize_t)done : n;
}
