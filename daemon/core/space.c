/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Room: bytes that memory absorbed are reserved against N's free space, so
 * that ENOSPC comes at write and not after close; and clean files are evicted
 * when memory is full.
 *
 * A file's reservation is its dirty bytes in whole blocks, less what N has
 * allocated already where they go: known only of a file without holes. f_bavail
 * counts for all: root's reserve is never promised.
 */
#include "intern.h"

#define FRESH_MS 1000
#define NEAR_BYTES (256ULL << 20) /* below it N is asked each time */

/* Does N have room for @more reserved bytes? Context: space->lock held. */
static bool fits(struct mafsd *d, uint64_t more)
{
	struct mafsd_space *space = &d->space;
	int64_t now = mafsd_now_ms();
	uint64_t wanted = space->reserved_bytes + more + space->margin_bytes;

	if (now - space->read_ms > FRESH_MS ||
	    wanted + NEAR_BYTES > space->available_bytes) {
		mafsd_room_look(d);
		wanted = space->reserved_bytes + more + space->margin_bytes;
	}
	return wanted <= space->available_bytes;
}

/* Room on N for so many dirty bytes, @above of them behind its end. */
static uint64_t needed(const struct mafsd_file *file, uint64_t bytes,
		       uint64_t above)
{
	uint64_t below = mafsd_in_blocks(bytes - above);

	below = below > file->credit_bytes ? below - file->credit_bytes : 0;
	return below + mafsd_in_blocks(above);
}

int mafsd_space_reserve(struct mafsd *d, struct mafsd_file *file,
			uint64_t start, uint64_t end, bool fresh)
{
	uint64_t bytes, above, want, more;
	mafs_guard(&d->space.lock);

	mafsd_dirty_adds(file, start, end, &bytes, &above);
	want = file->wb_reserved + needed(file, file->dirty_bytes + bytes,
					  file->dirty_above + above);
	if (want <= file->reserved_bytes)
		return 0;
	more = want - file->reserved_bytes;
	if (fresh && !fits(d, more))
		return -ENOSPC;
	file->reserved_bytes += more;
	d->space.reserved_bytes += more;
	return 0;
}

void mafsd_space_settle(struct mafsd *d, struct mafsd_file *file)
{
	uint64_t want = 0;
	mafs_guard(&d->space.lock);

	if (mafsd_is_dirty(file))
		want = file->wb_reserved +
		       needed(file, file->dirty_bytes, file->dirty_above);
	d->space.reserved_bytes -= file->reserved_bytes;
	d->space.reserved_bytes += want;
	file->reserved_bytes = want;
}

/* ---- room in memory ---- */

int mafsd_space_make_room(struct mafsd *d, uint64_t bytes)
{
	size_t n_left = mafsd_queue_n_clean(d);
	struct mafs_memory_usage before, now;
	struct mafsd_inode *victim;
	uint64_t freed = 0;

	if (d->memory->ops->usage(d->memory, &before) < 0)
		return -ENOSPC;
	while (freed < bytes && n_left-- > 0 &&
	       (victim = mafsd_queue_victim(d))) {
		mafsd_evict(d, victim, false);
		mafsd_inode_unref(d, victim);
		if (d->memory->ops->usage(d->memory, &now) < 0)
			break;
		freed = before.used_bytes > now.used_bytes ?
				before.used_bytes - now.used_bytes :
				0;
	}
	if (freed == 0 && mafsd_recover_drop_unmet(d) > 0)
		return 0;
	return freed > 0 ? 0 : -ENOSPC;
}
