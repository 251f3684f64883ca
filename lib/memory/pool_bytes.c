// SPDX-License-Identifier: Apache-2.0
/*
 * The bytes of a file: from and to the mappings, run by run, with no lock. The
 * layout is the caller's to keep as it is meanwhile.
 */
#include "pool.h"

#include <errno.h>
#include <string.h>

/* What is done to one piece of a run. */
typedef int piece_fn(struct mafs_device *device, uint64_t at, uint64_t len,
		     uint8_t *bytes);

static int piece_read(struct mafs_device *device, uint64_t at, uint64_t len,
		      uint8_t *bytes)
{
	return mafs_guarded_copy(bytes, device->base + at, len);
}

static int piece_write(struct mafs_device *device, uint64_t at, uint64_t len,
		       uint8_t *bytes)
{
	return mafs_guarded_copy(device->base + at, bytes, len);
}

static int piece_zero(struct mafs_device *device, uint64_t at, uint64_t len,
		      uint8_t *bytes)
{
	return mafs_guarded_zero(device->base + at, len);
}

static int piece_flush(struct mafs_device *device, uint64_t at, uint64_t len,
		       uint8_t *bytes)
{
	return mafs_device_flush(device, at, len);
}

static int piece_invalidate(struct mafs_device *device, uint64_t at,
			    uint64_t len, uint8_t *bytes)
{
	mafs_device_invalidate(device, at, len);
	return 0;
}

/* Does @piece to what the layout holds of [start, end). @bytes: for @start. */
static int each_piece(struct mafs_pool *pool, const struct mafs_layout *layout,
		      uint64_t start, uint64_t end, uint8_t *bytes,
		      piece_fn *piece)
{
	int err = 0;

	for (uint32_t i = layout_first(layout, start);
	     !err && i < layout->n_runs && layout->runs[i].file_offset < end;
	     i++) {
		struct mafs_run part = run_part(&layout->runs[i], start, end);

		err = piece(pool->devices[part.device], part.offset,
			    part.length,
			    bytes ? bytes + (part.file_offset - start) : NULL);
	}
	return err;
}

/* The end of a range that came as a length; beyond all that is, at most. */
static uint64_t range_end(uint64_t offset, size_t len)
{
	return len > UINT64_MAX - offset ? UINT64_MAX : offset + len;
}

static void zero_holes(const struct mafs_layout *layout, uint64_t start,
		       uint64_t end, uint8_t *bytes)
{
	uint32_t i = layout_first(layout, start);
	uint64_t at = start;

	while (at < end) {
		const struct mafs_run *next =
			i < layout->n_runs ? &layout->runs[i++] : NULL;
		uint64_t stop = next && next->file_offset < end ?
					next->file_offset :
					end;

		if (at < stop)
			memset(bytes + (at - start), 0, stop - at);
		at = next ? run_end(next) : end;
	}
}

int mafs_pool_read(struct mafs_pool *pool, const struct mafs_layout *layout,
		   void *bytes, size_t len, uint64_t offset)
{
	uint64_t end = range_end(offset, len);

	zero_holes(layout, offset, end, bytes);
	return each_piece(pool, layout, offset, end, bytes, piece_read);
}

int mafs_pool_write(struct mafs_pool *pool, const struct mafs_layout *layout,
		    const void *bytes, size_t len, uint64_t offset)
{
	uint64_t end = range_end(offset, len);

	if (!mafs_layout_covers(layout, offset, end))
		return -EINVAL;
	return each_piece(pool, layout, offset, end, (uint8_t *)bytes,
			  piece_write);
}

int mafs_pool_zero(struct mafs_pool *pool, const struct mafs_layout *layout,
		   uint64_t start, uint64_t end)
{
	return each_piece(pool, layout, start, end, NULL, piece_zero);
}

int mafs_pool_flush(struct mafs_pool *pool, const struct mafs_layout *layout,
		    uint64_t start, uint64_t end)
{
	return each_piece(pool, layout, start, end, NULL, piece_flush);
}

void mafs_pool_invalidate(struct mafs_pool *pool,
			  const struct mafs_layout *layout, uint64_t start,
			  uint64_t end)
{
	(void)each_piece(pool, layout, start, end, NULL, piece_invalidate);
}
