/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bytes of one file's way down (copy_down.c): what was dirty is read from
 * memory and written to N in place; holes are zeros where N had bytes.
 *
 * A file that programs write past us goes down whole, but for the chunks that
 * N has (sums.c). After any error nothing is known of N.
 */
#include "copy_down.h"
#include "sums.h"

#include <string.h>

#define CHUNK (1U << 20)

static int put(struct mafsd *d, struct mafsd_copy *copy, const uint8_t *bytes,
	       size_t len, uint64_t start)
{
	atomic_fetch_add(&d->written_back_bytes, len);
	return d->tier->pwrite(copy->n_fd, bytes, len, start);
}

/* @bytes: NULL: zeros. */
static int put_changed(struct mafsd *d, struct mafsd_copy *copy,
		       const uint8_t *bytes, size_t len, uint64_t start)
{
	size_t at = 0, n;
	int r = 0;

	while (r == 0 && (n = mafsd_sums_changed(copy->sums, bytes, start, len,
						 &at)) > 0) {
		r = bytes ? put(d, copy, bytes + at, n, start + at) :
			    d->tier->zero(copy->n_fd, start + at, n);
		at += n;
		copy->changes_n = true;
	}
	return r;
}

/* @whole: chunks, but for the file's last one. Of others nothing is known. */
static int put_data(struct mafsd *d, struct mafsd_copy *copy, size_t len,
		    uint64_t start, bool whole)
{
	if (copy->sums && copy->whole) {
		if (whole)
			return put_changed(d, copy, copy->bytes, len, start);
		mafsd_sums_forget(copy->sums, start, start + len);
		copy->changes_n = true;
	}
	return put(d, copy, copy->bytes, len, start);
}

static int copy_data(struct mafsd *d, struct mafsd_copy *copy, uint64_t start,
		     uint64_t end)
{
	ssize_t n;
	int r;

	while (start < end) {
		size_t want = end - start < CHUNK ? (size_t)(end - start) :
						    CHUNK;

		n = d->memory->ops->pread(copy->mem, copy->bytes, want, start);
		if (n <= 0)
			return (int)n; /* cut meanwhile: it is dirty again */
		/* Read in part: cut meanwhile, and perhaps longer again. */
		r = put_data(d, copy, (size_t)n, start,
			     (size_t)n == want && start % MAFSD_CHUNK == 0);
		if (r < 0)
			return r;
		start += (uint64_t)n;
	}
	return 0;
}

/* Data is copied, holes are zeros where N had bytes. */
static int copy_range(struct mafsd *d, struct mafsd_copy *copy, uint64_t start,
		      uint64_t end)
{
	const struct mafs_memory_ops *ops = d->memory->ops;
	uint64_t data, hole;
	off_t at;
	int r;

	while (start < end) {
		at = ops->seek(copy->mem, (off_t)start, SEEK_DATA);
		if (at < 0 && at != -ENXIO)
			return (int)at;
		data = at < 0 || (uint64_t)at > end ? end : (uint64_t)at;
		if (data > start && start < copy->n_size) {
			hole = data < copy->n_size ? data : copy->n_size;
			r = copy->sums && copy->whole ?
				    put_changed(d, copy, NULL, hole - start,
						start) :
				    d->tier->zero(copy->n_fd, start,
						  hole - start);
			if (r < 0)
				return r;
		}
		if (data >= end)
			return 0;
		at = ops->seek(copy->mem, (off_t)data, SEEK_HOLE);
		if (at < 0)
			return at == -ENXIO ? 0 : (int)at;
		hole = (uint64_t)at > end ? end : (uint64_t)at;
		r = copy_data(d, copy, data, hole);
		if (r < 0)
			return r;
		start = hole;
	}
	return 0;
}

/* N's bytes behind n_valid are superseded: zeros or data by now. They go down
 * once, also where they are noted as dirty. */
static int copy_ranges(struct mafsd *d, struct mafsd_copy *copy)
{
	uint64_t size = (uint64_t)copy->mem_st.st_size;
	uint64_t to = copy->n_size < size ? copy->n_size : size;
	uint64_t from = copy->n_valid < to ? copy->n_valid : to;
	size_t i;
	int r;

	if (copy->whole)
		return copy_range(d, copy, 0, size);
	for (i = 0; i < copy->ranges.n_ranges; i++) {
		uint64_t start = copy->ranges.ranges[i].start;
		uint64_t end = copy->ranges.ranges[i].end;

		if (end > size)
			end = size;
		r = copy_range(d, copy, start, end < from ? end : from);
		if (r == 0)
			r = copy_range(d, copy, start > to ? start : to, end);
		if (r < 0)
			return r;
	}
	return copy_range(d, copy, from, to);
}

/* Exact ranges are no chunks: what is in them is written as it is. */
static void forget_ranges(struct mafsd_copy *copy)
{
	for (size_t i = 0; i < copy->ranges.n_ranges; i++)
		mafsd_sums_forget(copy->sums, copy->ranges.ranges[i].start,
				  copy->ranges.ranges[i].end);
	mafsd_sums_forget(copy->sums, copy->n_valid, UINT64_MAX);
}

/* A file that is nearly all holes has too many chunks. */
static void prepare_sums(struct mafsd *d, struct mafsd_copy *copy)
{
	uint64_t size = (uint64_t)copy->mem_st.st_size;

	if (!copy->sums)
		return;
	if (size > d->memory_size_bytes ||
	    !mafsd_sums_are_of(copy->sums, &copy->n_st))
		copy->sums->n = 0;
	if (size > d->memory_size_bytes ||
	    mafsd_sums_resize(copy->sums, size) < 0)
		copy->sums = NULL;
	else if (!copy->whole)
		forget_ranges(copy);
}

static int open_both(struct mafsd *d, struct mafsd_copy *copy)
{
	struct mafsd_file *file = copy->inode->file;
	int r;

	r = mafsd_mem_get(d, file, &copy->mem);
	if (r < 0)
		return r;
	copy->mem_pinned = true;
	copy->n_fd = mafsd_n_open_admitted(d, copy->inode, O_RDWR);
	if (copy->n_fd < 0)
		return copy->n_fd;
	r = d->tier->stat(copy->n_fd, &copy->n_st);
	if (r < 0)
		return r;
	copy->n_size = (uint64_t)copy->n_st.st_size;
	mafsd_capability_save(copy->n_fd, &copy->capability);
	r = d->memory->ops->stat(copy->mem, &copy->mem_st);
	if (r == 0)
		prepare_sums(d, copy);
	return r;
}

int mafsd_spare_buffer(struct mafsd *d)
{
	d->wb_spare = malloc(CHUNK);
	if (!d->wb_spare)
		return -ENOMEM;
	memset(d->wb_spare, 0, CHUNK); /* its pages are there, too */
	return 0;
}

/* Write-back is what frees memory, so it must not need any: without a buffer
 * of their own copies go through the spare one, one at a time. */
static void take_buffer(struct mafsd *d, struct mafsd_copy *copy)
{
	copy->bytes = malloc(CHUNK);
	if (copy->bytes)
		return;
	pthread_mutex_lock(&d->wb_spare_lock);
	copy->bytes = d->wb_spare;
}

static void give_buffer(struct mafsd *d, struct mafsd_copy *copy)
{
	uint8_t *bytes = take_ptr(copy->bytes);

	if (bytes == d->wb_spare)
		pthread_mutex_unlock(&d->wb_spare_lock);
	else
		free(bytes);
}

int mafsd_copy_bytes(struct mafsd *d, struct mafsd_copy *copy)
{
	int r;

	take_buffer(d, copy);
	r = open_both(d, copy);
	if (r < 0)
		goto out;
	mafsd_act_as_owner(d, &copy->n_st);
	r = copy_ranges(d, copy);
	mafs_act_as_self();
	copy->changes_n |= !copy->whole || !copy->sums;
	copy->cuts = copy->mem_st.st_size < copy->n_st.st_size;
out:
	give_buffer(d, copy);
	return r;
}
