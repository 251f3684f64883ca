/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whole files between memory and N: evict (drop a clean copy) and promote
 * (copy up). Both prove by a lease that nobody uses the file that loses its
 * role, and hold the lease until the move is done. An open through the mount
 * cancels a promotion; it waits for one chunk at most.
 *
 * Orders: evict: lease, log `drop`, memory removed. Promote: lease, copy, same
 * fingerprint as before, log `map` clean, published.
 */
#include "intern.h"

#include <string.h>
#include <time.h>

#define CHUNK (4U << 20)

/* ---- evict ---- */

/* Context: inode->lock held. */
static int evict_locked(struct mafsd *d, struct mafsd_inode *inode,
			bool patient)
{
	struct mafsd_file *file = inode->file;
	bool leased = d->root && d->memory->ops->kernel_serves;
	struct mafs_memory_file *mem;
	int fd, r;

	if (!file || file->state != MAFSD_CLEAN || file->path != MAFSD_CLOSED ||
	    file->wb_busy || file->n_pins > 0)
		return -EBUSY;
	if (mafsd_policy_of(d, inode) == MAFSD_POLICY_PINNED) {
		mafsd_queue_clean(d, file); /* to the pinned ones */
		return -EPERM;
	}
	if (!mafsd_slot_close(&d->slots, &file->mem_slot))
		return -EBUSY;
	r = d->memory->ops->open(d->memory, &file->map, false, &mem);
	if (r == -ENOENT)
		return mafsd_hot_drop(d, inode);
	if (r < 0)
		return r;
	fd = d->memory->ops->lease_fd(mem);
	if (leased &&
	    (fd < 0 || mafsd_lease_wait(fd, patient) != MAFS_USE_NONE)) {
		d->memory->ops->close(mem);
		return -EBUSY;
	}
	r = mafsd_hot_drop(d, inode);
	if (leased)
		mafs_lease_drop(fd);
	d->memory->ops->close(mem);
	if (r == 0) {
		mafsd_queue_evicted(d, file);
		atomic_fetch_add(&d->n_evicted, 1);
	}
	return r;
}

int mafsd_evict(struct mafsd *d, struct mafsd_inode *inode, bool patient)
{
	int r;

	pthread_mutex_lock(&inode->lock);
	r = evict_locked(d, inode, patient);
	mafsd_file_put(d, inode);
	pthread_mutex_unlock(&inode->lock);
	return r;
}

/* ---- promote ---- */

struct promotion {
	struct mafsd_inode *inode;
	struct mafsd_file *file; /* pinned */
	int n_fd; /* read-only, leased as root */
	struct stat n_st;
	struct mafs_map map;
	struct mafs_memory_file *mem;
	uint64_t id;
	bool patient;
	const atomic_bool *stop; /* or NULL */
};

/* inode->lock, unless our lease is asked for back: who asks may hold the lock
 * while it waits for us (a truncation opens N's file). */
static bool lock_while_leased(struct mafsd *d, struct promotion *p)
{
	const struct timespec wait = { .tv_nsec = 1000000 };

	while (pthread_mutex_trylock(&p->inode->lock) != 0) {
		if (d->root && !mafs_lease_holds(p->n_fd))
			return false;
		nanosleep(&wait, NULL);
	}
	return true;
}

static bool may_go_on(struct mafsd *d, struct promotion *p)
{
	bool may;

	if (p->stop && atomic_load(p->stop))
		return false;
	if (!lock_while_leased(d, p))
		return false;
	may = !p->file->move_cancel && p->file->path == MAFSD_CLOSED &&
	      p->file->state == MAFSD_COLD &&
	      (!d->root || mafs_lease_holds(p->n_fd));
	pthread_mutex_unlock(&p->inode->lock);
	return may;
}

/* Data only: what N has as holes stays a hole. */
static int copy_up(struct mafsd *d, struct promotion *p)
{
	_cleanup_free_ uint8_t *bytes = malloc(CHUNK);
	off_t size = p->n_st.st_size, at = 0, hole;
	ssize_t n;
	int r;

	if (!bytes)
		return -ENOMEM;
	r = d->memory->ops->truncate(p->mem, (uint64_t)size);
	while (r == 0 && at < size) {
		at = lseek(p->n_fd, at, SEEK_DATA);
		if (at < 0)
			return errno == ENXIO ? 0 : -errno;
		hole = lseek(p->n_fd, at, SEEK_HOLE);
		if (hole < 0)
			return -errno;
		while (at < hole && r == 0) {
			size_t want = hole - at < CHUNK ? (size_t)(hole - at) :
							  CHUNK;

			if (!may_go_on(d, p))
				return -EBUSY;
			n = d->tier->pread(p->n_fd, bytes, want, (uint64_t)at);
			if (n <= 0)
				return n < 0 ? (int)n : -EBUSY;
			n = d->memory->ops->pwrite(p->mem, bytes, (size_t)n,
						   (uint64_t)at);
			if (n <= 0)
				return n < 0 ? (int)n : -ENOSPC;
			atomic_fetch_add(&d->promoted_bytes, (uint64_t)n);
			at += n;
		}
	}
	return r;
}

/* Shown as soon as the copy is dirty. */
static int copy_times_up(struct mafsd *d, struct promotion *p)
{
	const struct timespec times[2] = { p->n_st.st_atim, p->n_st.st_mtim };

	return d->memory->ops->set_times(p->mem, times);
}

/* Context: inode->lock held. */
static int publish(struct mafsd *d, struct promotion *p)
{
	struct mafs_fingerprint before, now;
	struct mafsd_file *file = p->file;
	struct stat st;
	int r;

	if (file->move_cancel || file->path != MAFSD_CLOSED ||
	    file->state != MAFSD_COLD ||
	    (d->root && !mafs_lease_holds(p->n_fd)))
		return -EBUSY;
	if (file->unlinked) /* nobody would ever drop it */
		return -ESTALE;
	if (fstat(p->n_fd, &st) < 0)
		return -errno;
	mafs_fingerprint_of(&p->n_st, &before);
	mafs_fingerprint_of(&st, &now);
	if (!mafs_fingerprint_equal(&before, &now))
		return -EBUSY;
	mafs_map_done(&file->map);
	file->map = p->map;
	memset(&p->map, 0, sizeof(p->map));
	file->id = p->id;
	file->fingerprint = now;
	memset(&file->shown_ctime, 0, sizeof(file->shown_ctime));
	r = mafsd_hot_log_map(d, p->inode, 0);
	if (r < 0) {
		p->map = file->map;
		memset(&file->map, 0, sizeof(file->map));
		file->id = 0;
		return r;
	}
	file->state = MAFSD_CLEAN;
	file->stale = file->unverified = false;
	file->refs_inode = true;
	mafsd_inode_ref(d, p->inode);
	atomic_fetch_add(&d->n_hot, 1);
	atomic_fetch_add(&d->n_promoted, 1);
	mafsd_queue_clean(d, file);
	return 0;
}

/* The record that fsck and salvage know a memory file by. */
static int make_memory(struct mafsd *d, struct promotion *p)
{
	_cleanup_(mafs_buffer_done) struct mafs_buffer id = { 0 };
	struct mafs_entry entry = { .type = MAFS_OMF_MAP };
	int r;

	p->id = mafsd_journal_new_id(d);
	entry.map.id = p->id;
	mafs_fingerprint_of(&p->n_st, &entry.map.fingerprint);
	mafsd_inode_identity(d, p->inode, &entry.map.identity);
	mafsd_hint_of(d, p->inode, &entry.map.hint);
	r = mafs_entry_encode(&entry, &id);
	if (r < 0)
		return r;
	return d->memory->ops->create(d->memory, id.bytes,
				      id.len <= 512 ? id.len : 0, &p->map,
				      &p->mem);
}

static int run_promotion(struct mafsd *d, struct promotion *p)
{
	int r;

	r = make_memory(d, p);
	if (r < 0)
		return r;
	r = copy_up(d, p);
	if (r == 0)
		r = copy_times_up(d, p);
	d->memory->ops->close(p->mem);
	if (r == 0 && !lock_while_leased(d, p))
		r = -EBUSY;
	else if (r == 0) {
		r = publish(d, p);
		pthread_mutex_unlock(&p->inode->lock);
	}
	if (r < 0)
		d->memory->ops->remove(d->memory, &p->map);
	mafs_map_done(&p->map);
	return r;
}

/* Return: 0 with p->n_fd open and leased; 1: is hot already; -errno. */
static int begin_promotion(struct mafsd *d, struct promotion *p)
{
	struct mafsd_inode *inode = p->inode;
	struct mafsd_file *file = p->file;
	mafs_guard(&inode->lock);

	/* Open, its path says where its bytes are; a stale copy stays stale,
	 * as the kernel may not have opened N's file yet. */
	if (file->path != MAFSD_CLOSED)
		return mafsd_in_memory(file) && !file->on_n ? 1 : -EBUSY;
	if (mafsd_in_memory(file) && mafsd_hot_verify(d, inode) > 0)
		return 1;
	if (mafsd_in_memory(file) || mafsd_journal_knows(d, inode))
		return -EBUSY;
	mafsd_slot_close(&d->slots, &file->n_slot);
	p->n_fd = mafsd_n_open(d, inode, O_RDONLY);
	if (p->n_fd < 0)
		return p->n_fd;
	if (d->root && mafsd_lease_wait(p->n_fd, p->patient) != MAFS_USE_NONE)
		return -EBUSY;
	if (fstat(p->n_fd, &p->n_st) < 0)
		return -errno;
	file->move_cancel = false;
	return 0;
}

int mafsd_promote(struct mafsd *d, struct mafsd_inode *inode, bool patient,
		  const atomic_bool *stop)
{
	struct promotion p = {
		.inode = inode,
		.n_fd = -1,
		.patient = patient,
		.stop = stop,
	};
	struct mafs_memory_usage usage;
	uint64_t room;
	int r;

	if (!S_ISREG(inode->type))
		return -EINVAL;
	if (mafsd_policy_of(d, inode) == MAFSD_POLICY_COLD)
		return -EPERM;
	p.file = mafsd_file_pin(d, inode, true);
	if (!p.file)
		return -ENOMEM;
	r = begin_promotion(d, &p);
	if (r == 0 && p.n_st.st_size == 0)
		r = 1; /* nothing to bring up */
	if (r == 0) {
		room = (uint64_t)p.n_st.st_size;
		if (d->memory->ops->usage(d->memory, &usage) == 0 &&
		    usage.used_bytes + room > usage.size_bytes &&
		    mafsd_space_make_room(d, usage.used_bytes + room -
						     usage.size_bytes) < 0)
			r = -ENOSPC;
	}
	if (r == 0)
		r = run_promotion(d, &p);
	if (p.n_fd >= 0 && d->root)
		mafs_lease_drop(p.n_fd);
	mafs_closep(&p.n_fd);
	mafsd_file_unpin(d, inode);
	return r > 0 ? 0 : r;
}
