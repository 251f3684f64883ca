/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which bytes of a file are dirty, and how many in all. Exact at first; a file
 * written at very many places is noted in coarser and coarser grains, which
 * only means that clean bytes beside dirty ones go down with them (memory has
 * the whole file). All under inode->lock.
 */
#include "intern.h"

#include <string.h>

#define N_RANGES_MAX 8192U
#define FIRST_GRAIN (64U << 10)
#define LAST_GRAIN (64U << 20)

static void count(struct mafsd *d, struct mafsd_file *file, uint64_t bytes,
		  uint64_t above)
{
	if (!file->unlinked)
		mafsd_account_dirty(d, file, file->dirty_bytes, bytes);
	file->dirty_bytes = bytes;
	file->dirty_above = above;
}

static void recount(struct mafsd *d, struct mafsd_file *file)
{
	count(d, file, mafs_ranges_total(&file->dirty),
	      mafs_ranges_overlap(&file->dirty, file->n_size, UINT64_MAX));
}

static int add_in_grains(struct mafs_ranges *to, uint64_t start, uint64_t end,
			 uint64_t grain)
{
	start &= ~(grain - 1);
	end = (end + grain - 1) & ~(grain - 1);
	return mafs_ranges_add(to, start, end);
}

static void coarsen(struct mafsd_file *file)
{
	uint64_t grain = file->dirty_grain ? file->dirty_grain * 4ULL :
					     FIRST_GRAIN;
	struct mafs_ranges coarse = { 0 };
	size_t i;

	if (grain > LAST_GRAIN)
		return;
	for (i = 0; i < file->dirty.n_ranges; i++)
		if (add_in_grains(&coarse, file->dirty.ranges[i].start,
				  file->dirty.ranges[i].end, grain) < 0) {
			mafs_ranges_done(&coarse);
			return;
		}
	mafs_ranges_done(&file->dirty);
	file->dirty = coarse;
	file->dirty_grain = (uint32_t)grain;
}

void mafsd_dirty_on_n(struct mafsd *d, struct mafsd_file *file,
		      const struct stat *n)
{
	uint64_t allocated = (uint64_t)n->st_blocks * 512;

	file->n_size = (uint64_t)n->st_size;
	/* Where there are holes, nobody knows which bytes have their blocks. */
	file->credit_bytes = allocated >= file->n_size ? allocated : 0;
	recount(d, file);
}

void mafsd_dirty_adds(const struct mafsd_file *file, uint64_t start,
		      uint64_t end, uint64_t *ret_bytes, uint64_t *ret_above)
{
	uint64_t from = start > file->n_size ? start : file->n_size;

	*ret_bytes =
		end - start - mafs_ranges_overlap(&file->dirty, start, end);
	*ret_above = 0;
	if (from < end)
		*ret_above = end - from -
			     mafs_ranges_overlap(&file->dirty, from, end);
}

void mafsd_dirty_add(struct mafsd *d, struct mafsd_file *file, uint64_t start,
		     uint64_t end)
{
	uint64_t bytes, above;
	int r;

	if (file->dirty_grain) {
		start &= ~(uint64_t)(file->dirty_grain - 1);
		end = (end + file->dirty_grain - 1) &
		      ~(uint64_t)(file->dirty_grain - 1);
	}
	mafsd_dirty_adds(file, start, end, &bytes, &above);
	r = mafs_ranges_add(&file->dirty, start, end);
	if (r < 0)
		file->dirty_whole = true; /* no memory to be exact */
	count(d, file, file->dirty_bytes + bytes, file->dirty_above + above);
	if (file->dirty.n_ranges > N_RANGES_MAX) {
		coarsen(file);
		recount(d, file);
	}
}

void mafsd_dirty_cut(struct mafsd *d, struct mafsd_file *file, uint64_t size)
{
	if (mafs_ranges_remove(&file->dirty, size, UINT64_MAX) < 0)
		file->dirty_whole = true;
	recount(d, file);
}

void mafsd_dirty_take(struct mafsd *d, struct mafsd_file *file,
		      struct mafs_ranges *ret)
{
	*ret = file->dirty;
	memset(&file->dirty, 0, sizeof(file->dirty));
	file->dirty_grain = 0;
	count(d, file, 0, 0);
}

void mafsd_dirty_give_back(struct mafsd *d, struct mafsd_file *file,
			   const struct mafs_ranges *ranges)
{
	if (mafs_ranges_merge(&file->dirty, ranges) < 0)
		file->dirty_whole = true;
	recount(d, file);
}

void mafsd_dirty_named(struct mafsd *d, struct mafsd_file *file, bool named)
{
	if (file->unlinked == !named)
		return;
	file->unlinked = !named;
	mafsd_account_dirty(d, file, named ? 0 : file->dirty_bytes,
			    named ? file->dirty_bytes : 0);
	if (mafsd_is_dirty(file))
		mafsd_queue_dirty(d, file, mafsd_due_ms(file));
}

void mafsd_dirty_clear(struct mafsd *d, struct mafsd_file *file)
{
	struct mafs_ranges ranges;

	mafsd_dirty_take(d, file, &ranges);
	mafs_ranges_done(&ranges);
	file->dirty_whole = false;
}
