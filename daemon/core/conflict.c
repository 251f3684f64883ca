/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two versions of a file: bytes in memory that N has not, and bytes that came
 * to N past the mount meanwhile (shared_dir). Memory's keep the name, as
 * programs have them open; N's are copied to NAME.mafs-conflict-N before they
 * are written over.
 *
 * Order: copy, owner, mode and times, flush, flush of the directory, log `map`
 * dirty with N's new fingerprint; then the write-back. Killed before `map`,
 * recovery finds the conflict again, and both versions stay.
 *
 * Told by size and mtime, as in recovery, and not from `writing` to the end of a
 * write-back that succeeds: N's changes are our own then. The log knows no such
 * end of a file that stays dirty.
 */
#include "intern.h"

#include <sys/stat.h>

#define CHUNK (UINT64_C(16) << 20)

/* Context: inode->lock held. */
static bool was_edited(struct mafsd *d, struct mafsd_inode *inode)
{
	const struct mafsd_file *file = inode->file;
	struct mafs_fingerprint now;
	struct stat st;

	if (!d->shared.on || file->n_torn || file->unlinked ||
	    mafsd_stat_n(d, inode, &st) < 0 || st.st_nlink == 0)
		return false;
	mafs_fingerprint_of(&st, &now);
	return !mafs_fingerprint_same_bytes(&now, &file->fingerprint);
}

static int copy_bytes(struct mafsd *d, int from, int to, const struct stat *st)
{
	ssize_t n;

	mafsd_act_as_owner(d, st);
	do
		n = copy_file_range(from, NULL, to, NULL, CHUNK, 0);
	while (n > 0);
	n = n < 0 ? -errno : 0;
	mafs_act_as_self();
	return (int)n;
}

/* As the file was, but for what a stranger's bytes may not keep. */
static int dress(int fd, const struct stat *st)
{
	const struct timespec times[2] = { st->st_atim, st->st_mtim };

	if (fchown(fd, st->st_uid, st->st_gid) == 0 &&
	    fchmod(fd, st->st_mode & 0777) < 0)
		return -errno;
	return futimens(fd, times) < 0 ? -errno : 0;
}

/* *ret: N's file as it was copied. */
static int copy_theirs(struct mafsd *d, struct mafsd_inode *inode, int dirfd,
		       int fd, struct stat *ret)
{
	_cleanup_close_ int n_fd =
		mafsd_n_open_admitted(d, inode, O_RDONLY | O_NONBLOCK);
	struct mafs_fingerprint before, after;
	struct stat st;
	int r;

	if (n_fd < 0)
		return n_fd;
	r = d->tier->stat(n_fd, ret);
	if (r == 0)
		r = copy_bytes(d, n_fd, fd, ret);
	if (r == 0)
		r = dress(fd, ret);
	if (r == 0)
		r = d->tier->flush(fd, false);
	if (r == 0)
		r = d->tier->flush(dirfd, false);
	if (r == 0)
		r = d->tier->stat(n_fd, &st);
	if (r < 0)
		return r;
	mafs_fingerprint_of(ret, &before);
	mafs_fingerprint_of(&st, &after);
	/* Still being written: the next try has more of it. */
	return mafs_fingerprint_same_bytes(&before, &after) ? 0 : -EBUSY;
}

static int keep_theirs(struct mafsd *d, struct mafsd_inode *inode,
		       struct stat *ret)
{
	_cleanup_close_ int dirfd = -1, fd = -1;
	char home[MAFS_NAME_MAX + 1];
	struct mafs_hint hint;
	bool lost;
	int r;

	mafsd_hint_of(d, inode, &hint);
	dirfd = mafsd_home_directory(d, &hint, &lost);
	if (dirfd < 0)
		return dirfd;
	fd = mafsd_home_create(dirfd, hint.name[0] ? hint.name : "unnamed",
			       lost, home);
	if (fd < 0)
		return fd;
	r = copy_theirs(d, inode, dirfd, fd, ret);
	if (r < 0) {
		unlinkat(dirfd, home, 0);
		return r;
	}
	atomic_fetch_add(lost ? &d->n_lost_found : &d->n_conflicts, 1);
	mafs_warning("%s: changed on disk while newer bytes were in memory; "
		     "what was there is kept as %s%s",
		     hint.name, lost ? MAFS_VOLUME_DIR "/lost+found/" : "",
		     home);
	return 0;
}

int mafsd_conflict_settle(struct mafsd *d, struct mafsd_inode *inode)
{
	struct mafsd_file *file = inode->file;
	struct stat st;
	int r;

	if (!was_edited(d, inode))
		return 0;
	file->wb_busy = true;
	pthread_mutex_unlock(&inode->lock);
	r = keep_theirs(d, inode, &st);
	pthread_mutex_lock(&inode->lock);
	file->wb_busy = false;
	pthread_cond_broadcast(&file->wb_done);
	if (file->wb_drop)
		return mafsd_hot_drop(d, inode);
	if (r < 0)
		return r;
	mafs_fingerprint_of(&st, &file->fingerprint);
	file->dirty_whole = true;
	file->n_valid = 0;
	file->state = MAFSD_DIRTY;
	file->writing_logged = false;
	mafsd_dirty_on_n(d, file, &st);
	return mafsd_hot_log_map(d, inode, MAFS_OMF_MAP_DIRTY);
}
