/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files that programs write past us, straight into memory (policy hot, setting
 * writes=passthrough). Nobody tells what they change: the file is dirty in
 * whole from its open on, and write-back finds the chunks that differ from
 * N's (sums.c).
 *
 * Nor can such a writer be sent to N when memory is full. So its file has no
 * holes, and one that grows is given room ahead, which also keeps the pages
 * from being charged to the writer's control group.
 */
#include "sums.h"

#include <time.h>

#define FIRST_ROOM (256U << 10)
#define MOST_ROOM (16U << 20)
#define N_TENDED 64

bool mafsd_raw_wanted(struct mafsd *d, struct mafsd_inode *inode, int flags)
{
	enum mafsd_policy policy;

	/* What is to be on the disk before the reply must come through us. */
	if (!d->pass_m || (flags & (O_DSYNC | O_SYNC)))
		return false;
	policy = mafsd_policy_of(d, inode);
	return policy == MAFSD_POLICY_HOT ||
	       (mafsd_setting(d, writes) && policy != MAFSD_POLICY_COLD);
}

/* ---- room ---- */

/* Blocks up to @end, the size stays; nor is it a change of the file. */
static int make_room(struct mafsd *d, struct mafs_memory_file *mem,
		     const struct stat *st, uint64_t start, uint64_t end)
{
	const struct timespec times[2] = { st->st_atim, st->st_mtim };
	int r;

	if (start >= end)
		return 0;
	r = d->memory->ops->allocate(mem, FALLOC_FL_KEEP_SIZE, start,
				     end - start);
	(void)d->memory->ops->set_times(mem, times);
	return r;
}

static int fill_holes(struct mafsd *d, struct mafsd_file *file,
		      struct mafs_memory_file *mem, const struct stat *st)
{
	uint64_t size = (uint64_t)st->st_size;
	int r;

	if (file->dense_end < size &&
	    d->memory->ops->seek(mem, 0, SEEK_HOLE) < st->st_size) {
		r = make_room(d, mem, st, 0, size);
		if (r < 0)
			return r;
	}
	file->dense_end = size;
	file->raw_size = file->raw_end = size;
	if (size > 0)
		return 0;
	r = make_room(d, mem, st, 0, FIRST_ROOM);
	if (r == 0)
		file->raw_end = FIRST_ROOM;
	return r;
}

/* What grew since it was looked at last is going to grow on. */
static uint64_t room_for(const struct mafsd_file *file, uint64_t size)
{
	uint64_t room = size > file->raw_size ? 4 * (size - file->raw_size) : 0;

	if (size + room / 2 <= file->raw_end)
		return 0;
	return room > MOST_ROOM ? MOST_ROOM : room;
}

/* ---- the life of one ---- */

static int note_what_n_has(struct mafsd *d, struct mafsd_file *file)
{
	if (file->sums && file->state == MAFSD_CLEAN) {
		file->sums->n_size = file->fingerprint.size_bytes;
		file->sums->n_mtime = file->fingerprint.mtime;
	}
	if (file->sums)
		return 0;
	if (file->state == MAFSD_CLEAN)
		return mafsd_sums_of_clean(d, file, &file->sums);
	file->sums = calloc(1, sizeof(*file->sums));
	return file->sums ? 0 : -ENOMEM;
}

int mafsd_raw_begin(struct mafsd *d, struct mafsd_inode *inode)
{
	struct mafsd_file *file = inode->file;
	struct mafs_memory_file *mem;
	struct stat st;
	int r;

	r = note_what_n_has(d, file);
	if (r == 0)
		r = mafsd_mem_get(d, file, &mem);
	if (r < 0)
		return r;
	r = d->memory->ops->stat(mem, &st);
	if (r == 0)
		r = fill_holes(d, file, mem, &st);
	mafsd_mem_put(d, file);
	if (r < 0)
		return r;
	file->raw = true;
	mafsd_queue_raw(d, file, true);
	return 0;
}

/* N must have room for what came behind its end. */
static void note_growth(struct mafsd *d, struct mafsd_file *file, uint64_t size)
{
	if (size <= file->n_size)
		return;
	(void)mafsd_space_reserve(d, file, file->n_size, size, false);
	mafsd_dirty_add(d, file, file->n_size, size);
}

void mafsd_raw_end(struct mafsd *d, struct mafsd_file *file)
{
	struct mafs_memory_file *mem;
	struct timespec times[2];
	struct stat st;

	file->raw = false;
	mafsd_queue_raw(d, file, false);
	if (mafsd_mem_get(d, file, &mem) < 0)
		return;
	if (d->memory->ops->stat(mem, &st) == 0) {
		note_growth(d, file, (uint64_t)st.st_size);
		times[0] = st.st_atim;
		times[1] = st.st_mtim;
		if (file->raw_end > (uint64_t)st.st_size &&
		    d->memory->ops->truncate(mem, (uint64_t)st.st_size) == 0)
			(void)d->memory->ops->set_times(mem, times);
	}
	mafsd_mem_put(d, file);
}

/* Allocating sets mtime, which is put back unless somebody wrote meanwhile. It
 * is not touched where it was set by hand (under inode->lock, as here). */
static int make_room_ahead(struct mafsd *d, struct mafs_memory_file *mem,
			   const struct stat *st, uint64_t room)
{
	const struct timespec times[2] = { st->st_atim, st->st_mtim };
	struct timespec now;
	struct stat after;
	int r;

	clock_gettime(CLOCK_REALTIME, &now);
	if (st->st_mtim.tv_sec > now.tv_sec ||
	    st->st_mtim.tv_sec + 1 < now.tv_sec)
		return 0;
	r = d->memory->ops->allocate(mem, FALLOC_FL_KEEP_SIZE,
				     (uint64_t)st->st_size, room);
	if (d->memory->ops->stat(mem, &after) == 0 &&
	    after.st_size == st->st_size)
		(void)d->memory->ops->set_times(mem, times);
	return r;
}

/* Return: bytes that memory has not and should have. */
static uint64_t tend(struct mafsd *d, struct mafsd_inode *inode)
{
	struct mafsd_file *file;
	struct mafs_memory_file *mem;
	uint64_t room = 0, size;
	struct stat st;
	int r = 0;
	mafs_guard(&inode->lock);

	file = inode->file;
	if (!file || !file->raw || mafsd_mem_get(d, file, &mem) < 0)
		return 0;
	if (d->memory->ops->stat(mem, &st) == 0) {
		size = (uint64_t)st.st_size;
		note_growth(d, file, size);
		room = room_for(file, size);
		if (room)
			r = make_room_ahead(d, mem, &st, room);
		if (room && r == 0)
			file->raw_end = size + room;
		file->raw_size = size;
	}
	mafsd_mem_put(d, file);
	return r < 0 ? room : 0;
}

bool mafsd_raw_tend(struct mafsd *d)
{
	struct mafsd_inode *inodes[N_TENDED];
	uint64_t lacking = 0;
	size_t n;

	n = mafsd_queue_take_raw(d, inodes, N_TENDED);
	for (size_t i = 0; i < n; i++) {
		lacking += tend(d, inodes[i]);
		mafsd_inode_unref(d, inodes[i]);
	}
	if (lacking && mafsd_space_make_room(d, lacking) < 0)
		mafsd_write_back_kick(d);
	return n > 0;
}
