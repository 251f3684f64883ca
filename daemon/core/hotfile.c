/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An inode's bytes in memory: made, marked dirty, dropped, and taken over from
 * an earlier daemon.
 *
 * Orders (a daemon may be killed between any two):
 *	make	memory file with its identity, log `map` dirty, first byte
 *	dirty	log `map` dirty, first changed byte
 *	drop	log `drop`, memory file removed
 * A memory file without a `map` is an orphan, removed at the next start.
 */
#include "replaced.h"
#include "sums.h"

#include <assert.h>
#include <string.h>
#include <time.h>

#define NO_TIME ((struct timespec){ 0 })
#define ID_MAX 512

struct mafsd_file *mafsd_file_get(struct mafsd_inode *inode)
{
	struct mafsd_file *file = inode->file;

	if (file)
		return file;
	file = calloc(1, sizeof(*file));
	if (!file)
		return NULL;
	file->inode = inode;
	pthread_rwlock_init(&file->io, NULL);
	pthread_cond_init(&file->wb_done, NULL);
	file->pin_fd = -1;
	file->n_valid = UINT64_MAX;
	mafsd_slot_init(&file->mem_slot);
	mafsd_slot_init(&file->n_slot);
	inode->file = file;
	return file;
}

void mafsd_file_put(struct mafsd *d, struct mafsd_inode *inode)
{
	struct mafsd_file *file = inode->file;

	if (!file || file->n_open || file->n_pins || mafsd_in_memory(file) ||
	    file->wb_busy || file->maybe_mapped)
		return;
	mafsd_pin_done(d, inode);
	inode->file = NULL;
	mafsd_slot_close(&d->slots, &file->n_slot);
	mafsd_slot_close(&d->slots, &file->mem_slot);
	mafs_map_done(&file->map);
	mafs_ranges_done(&file->dirty);
	mafsd_sums_free(file->sums);
	pthread_rwlock_destroy(&file->io);
	pthread_cond_destroy(&file->wb_done);
	free(file);
}

struct mafsd_file *mafsd_file_pin(struct mafsd *d, struct mafsd_inode *inode,
				  bool make)
{
	struct mafsd_file *file;
	mafs_guard(&inode->lock);

	file = make ? mafsd_file_get(inode) : inode->file;
	if (file)
		file->n_pins++;
	return file;
}

void mafsd_file_unpin(struct mafsd *d, struct mafsd_inode *inode)
{
	mafs_guard(&inode->lock);

	inode->file->n_pins--;
	mafsd_file_put(d, inode);
}

/* ---- the memory file ---- */

int mafsd_mem_get(struct mafsd *d, struct mafsd_file *file,
		  struct mafs_memory_file **ret)
{
	struct mafs_memory_file *mem;
	int r;

	if (!mafsd_slot_pin(&d->slots, &file->mem_slot)) {
		r = d->memory->ops->open(d->memory, &file->map, true, &mem);
		if (r < 0)
			return r;
		mafsd_slot_fill(&d->slots, &file->mem_slot, -1, mem);
	}
	*ret = file->mem_slot.mem;
	return 0;
}

void mafsd_mem_put(struct mafsd *d, struct mafsd_file *file)
{
	mafsd_slot_unpin(&d->slots, &file->mem_slot);
}

/* ---- log entries ---- */

static void fill_map_entry(struct mafsd *d, struct mafsd_inode *inode,
			   uint32_t flags, struct mafs_entry *ret)
{
	const struct mafsd_file *file = inode->file;

	memset(ret, 0, sizeof(*ret));
	ret->type = MAFS_OMF_MAP;
	ret->map.id = file->id;
	ret->map.flags = flags;
	if (file->unlinked || file->drop_intent)
		ret->map.flags |= MAFS_OMF_MAP_INTENT;
	ret->map.fingerprint = file->fingerprint;
	ret->map.shown_ctime = file->shown_ctime;
	ret->map.map = file->map;
	mafsd_inode_identity(d, inode, &ret->map.identity);
	mafsd_hint_of(d, inode, &ret->map.hint);
}

int mafsd_hot_log_map(struct mafsd *d, struct mafsd_inode *inode,
		      uint32_t flags)
{
	struct mafs_entry entry;

	fill_map_entry(d, inode, flags, &entry);
	return mafsd_journal_append(d, &entry);
}

/* ---- hot and cold ---- */

static void become_hot(struct mafsd *d, struct mafsd_file *file)
{
	if (!file->refs_inode) {
		file->refs_inode = true;
		mafsd_inode_ref(d, file->inode);
		atomic_fetch_add(&d->n_hot, 1);
	}
}

static void become_dirty(struct mafsd *d, struct mafsd_file *file)
{
	int64_t now = mafsd_now_ms();

	file->state = MAFSD_DIRTY;
	file->dirty_since_ms = now;
	file->wb_attempts = 0;
	mafsd_queue_dirty(d, file, mafsd_due_changed(d));
}

/* An empty memory file that carries its identity, and its log id. */
static int create_memory(struct mafsd *d, struct mafsd_inode *inode)
{
	_cleanup_(mafs_buffer_done) struct mafs_buffer id = { 0 };
	struct mafsd_file *file = inode->file;
	struct mafs_memory_file *mem;
	struct mafs_entry entry;
	struct mafs_map map;
	int r;

	mafs_map_done(&file->map);
	memset(&file->map, 0, sizeof(file->map));
	file->id = mafsd_journal_new_id(d);
	fill_map_entry(d, inode, 0, &entry);
	r = mafs_entry_encode(&entry, &id);
	if (r < 0)
		return r;
	r = d->memory->ops->create(d->memory, id.bytes,
				   id.len <= ID_MAX ? id.len : 0, &map, &mem);
	if (r < 0)
		return r;
	file->map = map;
	mafsd_slot_fill(&d->slots, &file->mem_slot, -1, mem);
	mafsd_slot_unpin(&d->slots, &file->mem_slot);
	return 0;
}

static void remove_memory(struct mafsd *d, struct mafsd_file *file)
{
	mafsd_slot_close(&d->slots, &file->mem_slot);
	d->memory->ops->remove(d->memory, &file->map);
	mafs_map_done(&file->map);
	memset(&file->map, 0, sizeof(file->map));
	file->id = 0;
	file->dense_end = 0;
}

int mafsd_hot_make(struct mafsd *d, struct mafsd_inode *inode,
		   const struct stat *st)
{
	struct mafsd_file *file = inode->file;
	int r;

	mafs_fingerprint_of(st, &file->fingerprint);
	clock_gettime(CLOCK_REALTIME, &file->shown_ctime);
	r = create_memory(d, inode);
	if (r < 0)
		return r;
	r = mafsd_hot_log_map(d, inode, MAFS_OMF_MAP_DIRTY);
	if (r < 0) {
		remove_memory(d, file);
		return r;
	}
	file->stale = file->unverified = file->writing_logged = false;
	file->dirty_whole = file->mapped_writer = file->n_torn = false;
	file->n_valid = 0;
	if (st->st_size == 0)
		mafsd_pending_set(d, inode);
	mafsd_dirty_on_n(d, file, st);
	file->gen++;
	become_hot(d, file);
	become_dirty(d, file);
	return 0;
}

int mafsd_hot_dirty(struct mafsd *d, struct mafsd_inode *inode)
{
	struct mafsd_file *file = inode->file;
	struct mafs_fingerprint now;
	struct stat st;
	bool edited;
	int r;

	if (mafsd_is_dirty(file))
		return 0;
	r = mafsd_stat_n(d, inode, &st);
	if (r < 0)
		return r;
	mafs_fingerprint_of(&st, &now);
	/* N was edited while this was open: write-back is to see it. */
	edited = d->shared.on &&
		 !mafs_fingerprint_same_bytes(&now, &file->fingerprint);
	if (!edited)
		file->fingerprint = now;
	r = mafsd_hot_log_map(d, inode, MAFS_OMF_MAP_DIRTY);
	if (r < 0)
		return r;
	clock_gettime(CLOCK_REALTIME, &file->shown_ctime);
	file->writing_logged = file->n_torn = false;
	file->n_valid = UINT64_MAX;
	if (edited) {
		file->stale = false;
		file->dirty_whole = true;
	}
	mafsd_dirty_on_n(d, file, &st);
	become_dirty(d, file);
	return 0;
}

int mafsd_hot_writing(struct mafsd *d, struct mafsd_file *file)
{
	int r = 0;

	if (!file->writing_logged)
		r = mafsd_journal_id(d, MAFS_OMF_WRITING, file->id);
	if (r < 0)
		return r;
	file->writing_logged = file->n_torn = true;
	file->state = MAFSD_WRITING;
	return 0;
}

int mafsd_hot_drop(struct mafsd *d, struct mafsd_inode *inode)
{
	struct mafsd_file *file = inode->file;
	int r;

	if (!mafsd_in_memory(file))
		return 0;
	if (file->wb_busy) {
		file->wb_drop = true;
		return 0;
	}
	r = mafsd_journal_id(d, MAFS_OMF_DROP, file->id);
	if (r < 0)
		return r;
	mafsd_queue_remove(d, file);
	mafsd_dirty_clear(d, file);
	mafsd_sums_free(take_ptr(file->sums));
	remove_memory(d, file);
	file->state = MAFSD_COLD;
	file->stale = file->unverified = file->writing_logged = false;
	file->mapped_writer = file->wb_drop = false;
	file->drop_intent = false;
	file->shown_ctime = NO_TIME;
	file->n_valid = UINT64_MAX;
	mafsd_space_settle(d, file);
	if (file->refs_inode) {
		file->refs_inode = false;
		atomic_fetch_sub(&d->n_hot, 1);
		mafsd_inode_unref(d, inode);
	}
	return 0;
}

/* ---- who uses it? ---- */

/* Right after a close the answer is wrongly "in use" for a moment. */
static const unsigned int retry_ms[] = { 1, 5, 20 };

enum mafs_use mafsd_lease_wait(int fd, bool may_block)
{
	size_t i = 0;

	for (;;) {
		struct timespec wait = { 0 };

		if (mafs_lease_take(fd) == MAFS_USE_NONE)
			return MAFS_USE_NONE;
		if (!may_block || i == MAFS_ARRAY_SIZE(retry_ms))
			return MAFS_USE_SOME;
		wait.tv_nsec = retry_ms[i++] * 1000000L;
		nanosleep(&wait, NULL);
	}
}

static enum mafs_use probe(int fd, bool may_block)
{
	enum mafs_use use = mafsd_lease_wait(fd, may_block);

	if (use == MAFS_USE_NONE)
		mafs_lease_drop(fd);
	return use;
}

enum mafs_use mafsd_mem_use(struct mafsd *d, struct mafsd_file *file,
			    bool may_block)
{
	struct mafs_memory_file *mem;
	enum mafs_use use = MAFS_USE_SOME;
	int fd;

	/* Nobody was ever passed through, but by an earlier daemon; where there
	 * is no mount nobody is waited for. */
	if (!d->memory->ops->kernel_serves ||
	    (!d->pass_m && !file->unverified &&
	     !(d->kernel && file->mapped_writer)))
		return MAFS_USE_NONE;
	if (!mafsd_slot_close(&d->slots, &file->mem_slot))
		return MAFS_USE_SOME;
	if (d->memory->ops->open(d->memory, &file->map, false, &mem) < 0)
		return MAFS_USE_SOME;
	fd = d->memory->ops->lease_fd(mem);
	if (fd >= 0)
		use = probe(fd, may_block);
	d->memory->ops->close(mem);
	return use;
}

enum mafs_use mafsd_n_use(struct mafsd *d, struct mafsd_inode *inode,
			  bool may_block)
{
	_cleanup_close_ int fd = -1;

	if (!d->pass_n)
		return MAFS_USE_NONE; /* nobody was ever passed through */
	if (inode->file && !mafsd_slot_close(&d->slots, &inode->file->n_slot))
		return MAFS_USE_SOME;
	fd = mafsd_n_open(d, inode, O_RDONLY | O_NONBLOCK);
	if (fd < 0)
		return MAFS_USE_SOME;
	return probe(fd, may_block);
}

/* ---- what an earlier daemon left ---- */

/* Voids a `drop intent`. */
static int log_dirty_again(struct mafsd *d, struct mafsd_inode *inode)
{
	uint32_t flags = MAFS_OMF_MAP_DIRTY;

	if (inode->file->writing_logged)
		flags |= MAFS_OMF_MAP_WRITING;
	return mafsd_hot_log_map(d, inode, flags);
}

int mafsd_hot_adopt(struct mafsd *d, struct mafsd_inode *inode,
		    const struct stat *st)
{
	struct mafs_fingerprint now;
	struct mafs_identity identity;
	struct mafsd_file *file;
	struct mafs_hot hot;

	mafsd_inode_identity(d, inode, &identity);
	mafs_fingerprint_of(st, &now);
	if (!mafsd_journal_claim(d, &identity, &now, &hot))
		return 0;
	file = mafsd_file_get(inode);
	if (!file) {
		mafsd_journal_unclaim(d, hot.id);
		mafs_map_done(&hot.map);
		return -ENOMEM;
	}
	file->id = hot.id;
	file->map = hot.map;
	file->fingerprint = hot.fingerprint;
	file->shown_ctime = hot.shown_ctime;
	file->unverified = true;
	file->gen++;
	become_hot(d, file);
	if (hot.state == MAFS_HOT_CLEAN) {
		file->state = MAFSD_CLEAN;
		mafsd_queue_clean(d, file);
		return 0;
	}
	/* After a crash a dirty file is dirty in whole. */
	file->dirty_whole = true;
	file->n_valid = 0;
	file->pending = true; /* perhaps */
	mafsd_replaced_push(file, mafsd_replaced_claim(d, inode));
	mafsd_dirty_on_n(d, file, st);
	become_dirty(d, file);
	if (hot.state == MAFS_HOT_WRITING) {
		file->state = MAFSD_WRITING;
		file->writing_logged = file->n_torn = true;
	}
	file->mapped_writer = mafsd_mem_use(d, file, false) != MAFS_USE_NONE;
	file->unverified = false;
	atomic_fetch_add(&d->n_recovered, 1);
	/* It has a name: whoever was about to remove it did not. */
	return hot.drop_intent ? log_dirty_again(d, inode) : 0;
}

/* A program's descriptor or mapping from before may still write. */
static bool written_by_survivor(struct mafsd *d, struct mafsd_file *file)
{
	struct mafs_memory_file *mem;
	bool used = true;
	int fd;

	if (!d->root || !d->memory->ops->kernel_serves)
		return false; /* passthrough was never had */
	if (!mafsd_slot_close(&d->slots, &file->mem_slot) ||
	    d->memory->ops->open(d->memory, &file->map, false, &mem) < 0)
		return true;
	fd = d->memory->ops->lease_fd(mem);
	if (fd >= 0)
		used = mafs_lease_probe_writers(fd) != MAFS_USE_NONE;
	d->memory->ops->close(mem);
	return used;
}

int mafsd_hot_verify(struct mafsd *d, struct mafsd_inode *inode)
{
	struct mafsd_file *file = inode->file;
	struct mafs_fingerprint now;
	bool doubted;
	struct stat st;
	int r;

	assert(file->path == MAFSD_CLOSED);
	if (mafsd_is_dirty(file))
		return 1;
	doubted = file->stale || file->unverified;
	if (!doubted && !d->shared.on)
		return 1;
	if (file->unverified && written_by_survivor(d, file)) {
		r = mafsd_hot_dirty(d, inode);
		if (r < 0)
			return r;
		file->unverified = file->stale = false;
		file->dirty_whole = file->mapped_writer = true;
		return 1;
	}
	r = mafsd_stat_n(d, inode, &st);
	if (r < 0)
		return r;
	mafs_fingerprint_of(&st, &now);
	if (!mafs_fingerprint_equal(&now, &file->fingerprint)) {
		if (mafsd_mem_use(d, file, false) != MAFS_USE_NONE)
			return 0; /* mapped: it stays, unused by us */
		r = mafsd_hot_drop(d, inode);
		return r < 0 ? r : 0;
	}
	if (doubted && mafsd_n_use(d, inode, false) != MAFS_USE_NONE)
		return 0;
	file->stale = file->unverified = false;
	return 1;
}
