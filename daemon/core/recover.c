/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Recovery: what an earlier daemon left in memory. Files are met lazily: a
 * lookup adopts an inode whose identity is in the hot table. This thread looks
 * for the dirty ones that nobody has met, so that they are written back, and
 * gives a home to those that have no name any more or that N has others of.
 *
 * Nothing dirty is dropped, but where the log holds the intent and N has the
 * file no more. A home is made by copy, flush, log `conflict`, `drop`: killed
 * before `drop`, it is made again under another name, never lost.
 */
#include "replaced.h"

#include <mafs/locate.h>
#include <mafs/salvage.h>

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define NAME_TRIES 1000U

/* ---- what is left to be met ---- */

struct unmet {
	struct mafs_hot *hots; /* copies; map owned */
	size_t n, capacity;
};

static void unmet_done(struct unmet *unmet)
{
	size_t i;

	for (i = 0; i < unmet->n; i++)
		mafs_map_done(&unmet->hots[i].map);
	free(unmet->hots);
}

static int gather_dirty(void *context, struct mafs_hot *hot)
{
	struct unmet *unmet = context;
	struct mafs_hot *more;

	if (hot->claimed || hot->state == MAFS_HOT_CLEAN)
		return 0;
	if (unmet->n == unmet->capacity) {
		size_t capacity = unmet->capacity ? unmet->capacity * 2 : 64;

		more = realloc(unmet->hots, capacity * sizeof(*more));
		if (!more)
			return -ENOMEM;
		unmet->hots = more;
		unmet->capacity = capacity;
	}
	unmet->hots[unmet->n] = *hot;
	if (mafs_map_copy(&hot->map, &unmet->hots[unmet->n].map) < 0)
		return -ENOMEM;
	unmet->n++;
	return 0;
}

static int gather_clean(void *context, struct mafs_hot *hot)
{
	struct unmet *unmet = context;

	if (hot->claimed || hot->state != MAFS_HOT_CLEAN || unmet->n >= 1024)
		return 0;
	hot->claimed = true;
	if (unmet->n == unmet->capacity) {
		unmet->hots = calloc(1024, sizeof(*unmet->hots));
		if (!unmet->hots)
			return -ENOMEM;
		unmet->capacity = 1024;
	}
	unmet->hots[unmet->n] = *hot;
	if (mafs_map_copy(&hot->map, &unmet->hots[unmet->n].map) < 0)
		return -ENOMEM;
	unmet->n++;
	return 0;
}

size_t mafsd_recover_drop_unmet(struct mafsd *d)
{
	_cleanup_(unmet_done) struct unmet unmet = { 0 };
	size_t i;

	if (atomic_load(&d->journal.n_unclaimed) == 0)
		return 0;
	pthread_mutex_lock(&d->journal.lock);
	mafs_hot_visit(d->journal.table, gather_clean, &unmet);
	atomic_fetch_sub(&d->journal.n_unclaimed, unmet.n);
	pthread_mutex_unlock(&d->journal.lock);
	for (i = 0; i < unmet.n; i++)
		if (mafsd_journal_id(d, MAFS_OMF_DROP, unmet.hots[i].id) == 0)
			d->memory->ops->remove(d->memory, &unmet.hots[i].map);
	return unmet.n;
}

/* ---- a home for what has none ---- */

static int copy_memory(struct mafsd *d, struct mafs_memory_file *mem, int fd)
{
	uint64_t n_bytes = 0;
	int r = mafs_copy_out(mem, d->tier, fd, &n_bytes);

	return r < 0 ? r : d->tier->flush(fd, false);
}

void mafsd_conflict_name(const char *name, uint64_t seq,
			 char ret[static MAFS_NAME_MAX + 1])
{
	char suffix[48];
	int len = snprintf(suffix, sizeof(suffix), ".mafs-conflict-%llu",
			   (unsigned long long)seq);

	snprintf(ret, MAFS_NAME_MAX + 1, "%.*s%s", MAFS_NAME_MAX - len, name,
		 suffix);
}

int mafsd_home_create(int dirfd, const char *name, bool exact,
		      char ret[static MAFS_NAME_MAX + 1])
{
	uint64_t i;
	int fd;

	for (i = exact ? 0 : 1; i < NAME_TRIES; i++) {
		if (i == 0)
			snprintf(ret, MAFS_NAME_MAX + 1, "%s", name);
		else
			mafsd_conflict_name(name, i, ret);
		fd = openat(dirfd, ret,
			    O_CREAT | O_EXCL | O_RDWR | O_NOFOLLOW | O_CLOEXEC,
			    0600);
		if (fd >= 0 || errno != EEXIST)
			return fd >= 0 ? fd : -errno;
	}
	return -EEXIST;
}

/* Up from @fd by "..": does N's root come, or the end of the file system? */
static bool lies_beneath(struct mafsd *d, int fd)
{
	_cleanup_close_ int at = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	struct mafs_handle root, here, last = { 0 };

	if (mafs_handle_of(d->n_fd, "", &root) < 0)
		return false;
	while (at >= 0 && mafs_handle_of(at, "", &here) == 0 &&
	       !mafs_handle_equal(&here, &last)) {
		int up;

		if (mafs_handle_equal(&here, &root))
			return true;
		last = here;
		up = openat(at, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
		close(at);
		at = up;
	}
	return false;
}

int mafsd_hinted_directory(struct mafsd *d, const struct mafs_hint *hint)
{
	_cleanup_close_ int fd = -1;
	struct stat st;

	if (!d->root || !d->handles || hint->parent.length == 0)
		return -EOPNOTSUPP;
	fd = mafs_handle_open(d->n_fd, &hint->parent, O_RDONLY | O_DIRECTORY);
	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0 || st.st_nlink == 0 || !lies_beneath(d, fd))
		return -ESTALE;
	return take_fd(fd);
}

int mafsd_lost_found(struct mafsd *d)
{
	int fd;

	if (mkdirat(d->volume->dot_fd, "lost+found", 0700) < 0 &&
	    errno != EEXIST)
		return -errno;
	fd = openat(d->volume->dot_fd, "lost+found",
		    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int mafsd_home_directory(struct mafsd *d, const struct mafs_hint *hint,
			 bool *ret_lost)
{
	int fd = mafsd_hinted_directory(d, hint);

	*ret_lost = fd < 0;
	return *ret_lost ? mafsd_lost_found(d) : fd;
}

/* @hint: where @hot's file was met, or was when it still had a name.
 * @st: of that file; NULL: it has no name, which may be taken again, and
 * nobody can say whose it was. */
static int give_home(struct mafsd *d, const struct mafs_hot *hot,
		     const struct mafs_hint *hint, const struct stat *st)
{
	_cleanup_close_ int dirfd = -1, fd = -1;
	struct mafs_entry entry = { .type = MAFS_OMF_CONFLICT };
	const char *name = hint->name[0] ? hint->name : "unnamed";
	struct mafs_memory_file *mem;
	bool lost;
	int r;

	dirfd = mafsd_home_directory(d, hint, &lost);
	if (dirfd < 0)
		return dirfd;
	r = d->memory->ops->open(d->memory, &hot->map, false, &mem);
	if (r < 0)
		return r;
	fd = mafsd_home_create(dirfd, name, !st || lost, entry.conflict.name);
	r = fd < 0 ? fd : copy_memory(d, mem, fd);
	d->memory->ops->close(mem);
	if (fd < 0)
		return r;
	if (r == 0 && st && fchown(fd, st->st_uid, st->st_gid) == 0)
		fchmod(fd, st->st_mode & 0777);
	if (r == 0)
		r = d->tier->flush(dirfd, false);
	if (r < 0) {
		unlinkat(dirfd, entry.conflict.name, 0);
		return r;
	}
	entry.conflict.id = hot->id;
	mafs_warning("%s: kept as %s%s", name,
		     lost ? MAFS_VOLUME_DIR "/lost+found/" : "",
		     entry.conflict.name);
	atomic_fetch_add(lost ? &d->n_lost_found : &d->n_conflicts, 1);
	r = mafsd_journal_append(d, &entry);
	if (r == 0)
		r = mafsd_journal_id(d, MAFS_OMF_DROP, hot->id);
	if (r == 0)
		d->memory->ops->remove(d->memory, &hot->map);
	return r;
}

/* @hot is claimed; when it gets no home it is not, and waits for the
 * end. */
static int settle(struct mafsd *d, const struct mafs_hot *hot,
		  const struct mafs_hint *hint, const struct stat *st)
{
	int r = give_home(d, hot, hint, st);

	if (r < 0) {
		mafs_error("%s: no home for its bytes yet: %s", hint->name,
			   strerror(-r));
		mafsd_journal_unclaim(d, hot->id);
	}
	return r;
}

/* ---- looking for the dirty ones ---- */

static bool still_unmet(struct mafsd *d, uint64_t id)
{
	struct mafs_hot *hot;
	mafs_guard(&d->journal.lock);

	hot = mafs_hot_find(d->journal.table, id);
	return hot && !hot->claimed;
}

static bool claim_by_id(struct mafsd *d, uint64_t id)
{
	struct mafs_hot *hot;
	mafs_guard(&d->journal.lock);

	hot = mafs_hot_find(d->journal.table, id);
	if (!hot || hot->claimed)
		return false;
	hot->claimed = true;
	atomic_fetch_sub(&d->journal.n_unclaimed, 1);
	return true;
}

/* Is its only name a link that we keep? */
static bool is_replaced(struct mafsd *d, const struct mafs_hot *hot)
{
	_cleanup_closedir_ DIR *stream = NULL;
	struct dirent *entry;
	int fd =
		openat(d->replaced_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	stream = fd < 0 ? NULL : fdopendir(fd);
	if (fd >= 0 && !stream)
		close(fd);
	while (stream && (entry = readdir(stream))) {
		_cleanup_close_ int file_fd = -1;
		struct mafs_identity identity;
		struct stat st;

		if (entry->d_ino != hot->identity.ino)
			continue;
		file_fd = openat(fd, entry->d_name,
				 O_PATH | O_NOFOLLOW | O_CLOEXEC);
		if (file_fd >= 0 &&
		    mafs_identity_of(file_fd, &d->fs_id, &identity, &st) == 0 &&
		    mafs_identity_equal(&identity, &hot->identity))
			return st.st_nlink == 1;
	}
	return false;
}

/* Has no name beneath N. What was to be dropped goes where that is certain. */
static int settle_nameless(struct mafsd *d, const struct mafs_hot *hot,
			   bool gone)
{
	int r;

	if (!claim_by_id(d, hot->id))
		return 0;
	if (!hot->drop_intent ||
	    (!gone && d->root && d->handles && !is_replaced(d, hot)))
		return settle(d, hot, &hot->hint, NULL);
	r = mafsd_journal_id(d, MAFS_OMF_DROP, hot->id);
	if (r == 0)
		d->memory->ops->remove(d->memory, &hot->map);
	return r;
}

/* Its inode is known and did not take it over: N changed while the volume was
 * not mounted. The copy goes beside the file, and is its owner's. */
static int settle_conflict(struct mafsd *d, struct mafsd_inode *inode,
			   const struct mafs_hot *hot)
{
	struct mafs_identity identity;
	struct mafs_hint hint;
	struct stat st;
	int r;
	mafs_guard(&inode->lock);

	mafsd_inode_identity(d, inode, &identity);
	if (!mafs_identity_equal(&identity, &hot->identity))
		return 0;
	r = mafsd_stat_n(d, inode, &st);
	if (r < 0 || !claim_by_id(d, hot->id))
		return r;
	mafsd_hint_of(d, inode, &hint);
	mafs_warning("%s: changed on disk while it was not mounted", hint.name);
	return settle(d, hot, &hint, &st);
}

static int meet(struct mafsd *d, const struct mafs_hot *hot,
		const struct mafs_place *place)
{
	struct mafsd_inode *inode;
	int r;

	if (!still_unmet(d, hot->id))
		return 0;
	if (place->error)
		return place->error;
	if (!place->path)
		return settle_nameless(d, hot, place->gone);
	r = mafsd_resolve(d, place->path + 1, &inode);
	if (r < 0)
		return r;
	r = settle_conflict(d, inode, hot);
	mafsd_inode_unref(d, inode);
	return r;
}

/* Twice: a file whose directory is renamed during the walk may be missed. */
static int locate(struct mafsd *d, struct mafs_place *places, size_t n)
{
	int r = mafs_locate(d->n_fd, &d->fs_id, places, n, true);

	for (size_t i = 0; r == 0 && i < n; i++)
		if (!places[i].path && !places[i].gone)
			return mafs_locate(d->n_fd, &d->fs_id, places, n, true);
	return r;
}

static int look_for(struct mafsd *d, struct unmet *unmet)
{
	_cleanup_free_ struct mafs_place *places =
		calloc(unmet->n ? unmet->n : 1, sizeof(*places));
	int r, first = 0;
	size_t i;

	if (!places)
		return -ENOMEM;
	for (i = 0; i < unmet->n; i++) {
		places[i].identity = &unmet->hots[i].identity;
		places[i].hint = &unmet->hots[i].hint;
	}
	r = locate(d, places, unmet->n);
	for (i = 0; i < unmet->n; i++) {
		if (r == 0) {
			int error = meet(d, &unmet->hots[i], &places[i]);

			if (error < 0 && first == 0)
				first = error;
		}
		mafs_place_done(&places[i]);
	}
	return r < 0 ? r : first;
}

int mafsd_recover_all(struct mafsd *d)
{
	_cleanup_(unmet_done) struct unmet unmet = { 0 };
	int r;
	mafs_guard(&d->recover_lock);

	if (atomic_load(&d->journal.n_unclaimed) == 0)
		return 0;
	pthread_mutex_lock(&d->journal.lock);
	r = mafs_hot_visit(d->journal.table, gather_dirty, &unmet);
	pthread_mutex_unlock(&d->journal.lock);
	if (r < 0 || unmet.n == 0)
		return r;
	return look_for(d, &unmet);
}

static void *recover_main(void *argument)
{
	struct mafsd *d = argument;
	int r;

	mafsd_thread_enter();
	r = mafsd_recover_all(d);
	if (r < 0)
		mafs_error("recovery: %s", strerror(-r));
	else
		mafsd_replaced_forget_left(d);
	atomic_store(&d->fs.names_come, false);
	return NULL;
}

int mafsd_recover_start(struct mafsd *d)
{
	int r;

	if (atomic_load(&d->journal.n_unclaimed) == 0)
		return 0;
	atomic_store(&d->fs.names_come, true);
	r = pthread_create(&d->recover_thread, NULL, recover_main, d);
	d->recover_running = r == 0;
	return -r;
}

void mafsd_recover_stop(struct mafsd *d)
{
	if (!d->recover_running)
		return;
	pthread_join(d->recover_thread, NULL);
	d->recover_running = false;
}
