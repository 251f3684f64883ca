/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What N has of a file that programs write past us: a hash of each chunk, as of
 * the last write-back. Chunks that hash to the same need not go down again.
 *
 * Invariant: a sum that is not 0 is of the bytes that N's file has there, as
 * long as N has the size and mtime noted with it. A chunk that ends with the
 * file is hashed as long as it is; a longer one is another.
 *
 * Context: whoever writes the file back (file->wb_busy), or, while nobody does,
 * inode->lock.
 */
#include "sums.h"

#include <mafs/checked.h>
#include <mafs/hash.h>
#include <stdlib.h>
#include <string.h>

#define READ_LEN (1U << 20)

_Static_assert(READ_LEN % MAFSD_CHUNK == 0, "chunks are read whole");

static size_t n_chunks(uint64_t size)
{
	return (size_t)((size + MAFSD_CHUNK - 1) / MAFSD_CHUNK);
}

/* Never 0, which stands for not known. @bytes: NULL: zeros. */
static uint64_t sum_of(const uint8_t *bytes, size_t len)
{
	static const uint8_t zeros[MAFSD_CHUNK];
	uint64_t sum = mafs_hash64(bytes ? bytes : zeros, len);

	return sum ? sum : 1;
}

void mafsd_sums_free(struct mafsd_sums *sums)
{
	if (!sums)
		return;
	free(sums->sums);
	free(sums);
}

int mafsd_sums_resize(struct mafsd_sums *sums, uint64_t size)
{
	size_t n = n_chunks(size);
	uint64_t *longer;

	if (n > sums->n) {
		longer = reallocarray(sums->sums, n, sizeof(*longer));
		if (!longer) {
			sums->n = 0;
			return -ENOMEM;
		}
		memset(longer + sums->n, 0, (n - sums->n) * sizeof(*longer));
		sums->sums = longer;
	}
	sums->n = n;
	return 0;
}

void mafsd_sums_forget(struct mafsd_sums *sums, uint64_t start, uint64_t end)
{
	size_t i = (size_t)(start / MAFSD_CHUNK);

	for (; i < sums->n && (uint64_t)i * MAFSD_CHUNK < end; i++)
		sums->sums[i] = 0;
}

void mafsd_sums_note(struct mafsd_sums *sums, const struct stat *n)
{
	sums->n_size = (uint64_t)n->st_size;
	sums->n_mtime = n->st_mtim;
}

bool mafsd_sums_are_of(const struct mafsd_sums *sums, const struct stat *n)
{
	return sums->n_size == (uint64_t)n->st_size &&
	       sums->n_mtime.tv_sec == n->st_mtim.tv_sec &&
	       sums->n_mtime.tv_nsec == n->st_mtim.tv_nsec;
}

size_t mafsd_sums_changed(struct mafsd_sums *sums, const uint8_t *bytes,
			  uint64_t start, size_t len, size_t *at)
{
	size_t from = *at, end = *at;

	while (end < len) {
		size_t n = len - end < MAFSD_CHUNK ? len - end : MAFSD_CHUNK;
		size_t i = (size_t)((start + end) / MAFSD_CHUNK);
		uint64_t sum = sum_of(bytes ? bytes + end : NULL, n);

		if (sum == sums->sums[i] && end > from)
			break;
		end += n;
		if (sum == sums->sums[i])
			from = end;
		sums->sums[i] = sum;
	}
	*at = from;
	return end - from;
}

/* ---- of a copy that is N's ---- */

static int sum_memory(struct mafsd *d, struct mafs_memory_file *mem,
		      uint64_t size, struct mafsd_sums *sums)
{
	_cleanup_free_ uint8_t *bytes = malloc(READ_LEN);
	uint64_t start = 0;
	size_t want, at;
	ssize_t n;

	if (!bytes)
		return -ENOMEM;
	while (start < size) {
		want = size - start < READ_LEN ? (size_t)(size - start) :
						 READ_LEN;
		n = d->memory->ops->pread(mem, bytes, want, start);
		if (n != (ssize_t)want)
			return n < 0 ? (int)n : -EIO;
		at = 0;
		while (mafsd_sums_changed(sums, bytes, start, (size_t)n, &at))
			at = (size_t)n;
		start += (uint64_t)n;
	}
	return 0;
}

int mafsd_sums_of_clean(struct mafsd *d, struct mafsd_file *file,
			struct mafsd_sums **ret)
{
	struct mafsd_sums *sums = calloc(1, sizeof(*sums));
	uint64_t size = file->fingerprint.size_bytes;
	struct mafs_memory_file *mem;
	int r;

	if (!sums)
		return -ENOMEM;
	sums->n_size = size;
	sums->n_mtime = file->fingerprint.mtime;
	r = mafsd_sums_resize(sums, size);
	if (r == 0)
		r = mafsd_mem_get(d, file, &mem);
	if (r == 0) {
		r = sum_memory(d, mem, size, sums);
		mafsd_mem_put(d, file);
	}
	if (r < 0) {
		mafsd_sums_free(sums);
		return r;
	}
	*ret = sums;
	return 0;
}
