/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Links in N/.mafs/replaced that an earlier daemon left. After a mere kill the
 * awaited bytes are in memory and the links wait on. After a power cut they
 * are not: each name that still holds the awaited file gets back what it held
 * before, the newest replacement first, so that chains unwind; what has no
 * name to go back to is found in lost+found. After a clean end all was down,
 * and a link is only one that could not be removed.
 *
 * Each step may be run again: after the exchange the link names the file whose
 * bytes never came, which has no note.
 */
#include "replaced.h"

#include <dirent.h>
#include <inttypes.h>
#include <string.h>
#include <sys/xattr.h>

#define NOTE_MAX 2048

/* ---- reading the directory ---- */

static int compare_newest(const void *a, const void *b)
{
	const struct mafsd_replaced *const *x = a, *const *y = b;

	return (*x)->seq < (*y)->seq ? 1 : (*x)->seq > (*y)->seq ? -1 : 0;
}

static int sort_newest(struct mafsd_replaced **list, size_t n)
{
	_cleanup_free_ struct mafsd_replaced **all =
		calloc(n + 1, sizeof(struct mafsd_replaced *));
	struct mafsd_replaced *at = *list;

	if (!all)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++, at = at->next)
		all[i] = at;
	qsort(all, n, sizeof(struct mafsd_replaced *), compare_newest);
	for (size_t i = 0; i < n; i++)
		all[i]->next = all[i + 1]; /* the last is NULL */
	*list = all[0];
	return 0;
}

static int read_left(struct mafsd *d, struct mafsd_replaced **ret,
		     size_t *ret_n)
{
	_cleanup_closedir_ DIR *stream = NULL;
	struct dirent *entry;
	int fd;

	fd = openat(d->replaced_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	stream = fdopendir(fd);
	if (!stream) {
		close(fd);
		return -errno;
	}
	*ret_n = 0;
	while ((entry = readdir(stream))) {
		struct mafsd_replaced *replaced;
		char name[MAFSD_REPLACED_LEN];
		struct stat st;
		uint64_t seq = strtoull(entry->d_name, NULL, 10);

		/* Only what we make, and name so. */
		mafsd_replaced_name(seq, name);
		if (strcmp(name, entry->d_name) ||
		    fstatat(d->replaced_fd, name, &st, AT_SYMLINK_NOFOLLOW) <
			    0 ||
		    !S_ISREG(st.st_mode))
			continue;
		replaced = calloc(1, sizeof(*replaced));
		if (!replaced)
			return -ENOMEM;
		replaced->seq = seq;
		replaced->next = *ret;
		*ret = replaced;
		++*ret_n;
	}
	return sort_newest(ret, *ret_n);
}

/* Return: 0, -ENODATA: it has no note that can be read. */
static int read_note(int fd, struct mafs_entry *ret)
{
	char path[MAFSD_PROC_LEN];
	uint8_t bytes[NOTE_MAX];
	size_t length;
	ssize_t n;

	mafsd_proc_path(fd, path);
	n = getxattr(path, mafsd_replaced_xattr(), bytes, sizeof(bytes));
	if (n < 0 ||
	    mafs_entry_decode(bytes, (size_t)n, ret, &length, NULL) < 0)
		return -ENODATA;
	if (ret->type == MAFS_OMF_MAP)
		return 0;
	mafs_entry_done(ret);
	return -ENODATA;
}

/* ---- after a power cut ---- */

/* Moves a link whose file has no other name where people find it. */
static int put_in_lost_found(struct mafsd *d, const char *link,
			     const char *name)
{
	_cleanup_close_ int dirfd = mafsd_lost_found(d);
	char to[MAFS_NAME_MAX + 1];
	int r = -EEXIST;

	if (dirfd < 0)
		return dirfd;
	for (uint64_t i = 1; r == -EEXIST && i < UINT16_MAX; i++) {
		mafsd_conflict_name(name, i, to);
		r = renameat2(d->replaced_fd, link, dirfd, to,
			      RENAME_NOREPLACE) < 0 ?
			    -errno :
			    0;
	}
	if (r == 0)
		mafs_warning("%s: the file that was not needed there is "
			     "%s/lost+found/%s",
			     name, MAFS_VOLUME_DIR, to);
	return r;
}

/* A link that nothing is to be done with any more. */
static int put_away(struct mafsd *d, const char *link, const char *name)
{
	struct stat st;

	if (fstatat(d->replaced_fd, link, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (st.st_nlink == 1 && st.st_size > 0)
		return put_in_lost_found(d, link, name);
	return unlinkat(d->replaced_fd, link, 0) < 0 ? -errno : 0;
}

static bool holds(struct mafsd *d, int dirfd, const char *name,
		  const struct mafs_identity *wanted)
{
	_cleanup_close_ int fd =
		openat(dirfd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct mafs_identity identity;

	return fd >= 0 &&
	       mafs_identity_of(fd, &d->fs_id, &identity, NULL) == 0 &&
	       mafs_identity_equal(&identity, wanted);
}

static int give_back(struct mafsd *d, const char *link, int fd,
		     const struct mafs_hint *hint, int dirfd)
{
	char path[MAFSD_PROC_LEN];

	if (renameat2(d->replaced_fd, link, dirfd, hint->name,
		      RENAME_EXCHANGE) < 0)
		return -errno;
	mafsd_proc_path(fd, path);
	removexattr(path, mafsd_replaced_xattr());
	mafs_warning("%s: holds again what it held before it was replaced; its "
		     "new content was never written back",
		     hint->name);
	atomic_fetch_add(&d->n_given_back, 1);
	return put_away(d, link, hint->name);
}

static int settle(struct mafsd *d, const char *link)
{
	_cleanup_close_ int fd = -1, dirfd = -1;
	struct mafs_entry entry;
	char path[MAFSD_PROC_LEN];
	int r;

	fd = openat(d->replaced_fd, link, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (read_note(fd, &entry) < 0)
		return put_away(d, link, "unnamed");
	dirfd = mafsd_hinted_directory(d, &entry.map.hint);
	if (dirfd >= 0 &&
	    holds(d, dirfd, entry.map.hint.name, &entry.map.identity)) {
		r = give_back(d, link, fd, &entry.map.hint, dirfd);
	} else {
		/* The rename went back, or the name moved on. */
		mafsd_proc_path(fd, path);
		removexattr(path, mafsd_replaced_xattr());
		r = put_away(d, link, entry.map.hint.name);
	}
	mafs_entry_done(&entry);
	return r;
}

static int settle_all(struct mafsd *d, struct mafsd_replaced *list,
		      struct mafs_fault *fault)
{
	char link[MAFSD_REPLACED_LEN];
	int r = 0;

	for (const struct mafsd_replaced *at = list; at && r == 0;
	     at = at->next) {
		mafsd_replaced_name(at->seq, link);
		r = settle(d, link);
	}
	mafsd_replaced_done(list);
	if (r == 0)
		r = d->tier->flush_all(d->n_fd);
	if (r < 0)
		mafs_fault_set(fault, r, "%s/%s/replaced/%s: %s",
			       d->options.source, MAFS_VOLUME_DIR, link,
			       strerror(-r));
	return r;
}

/* ---- after a kill ---- */

/* Return: 1: it waits on; 0: it awaits nothing. */
static int take_up(struct mafsd *d, struct mafsd_replaced *replaced)
{
	_cleanup_close_ int fd = -1;
	char link[MAFSD_REPLACED_LEN];
	struct mafs_entry entry;
	struct stat st;
	int r;

	mafsd_replaced_name(replaced->seq, link);
	fd = openat(d->replaced_fd, link, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = mafs_identity_of(fd, &d->fs_id, &replaced->of, &st);
	if (r < 0 || read_note(fd, &entry) < 0)
		return r;
	replaced->alone = st.st_nlink == 1;
	replaced->by = entry.map.identity;
	mafs_entry_done(&entry);
	return 1;
}

/* With another name its inode may be looked up, and its links be counted.
 * It may be adopted here, and then claims what awaits it. */
static int meet_victim(struct mafsd *d, struct mafsd_replaced *replaced)
{
	_cleanup_close_ int fd = -1;
	char link[MAFSD_REPLACED_LEN];
	struct stat st;
	int r;

	if (replaced->alone)
		return 0;
	mafsd_replaced_name(replaced->seq, link);
	fd = openat(d->replaced_fd, link, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	r = mafsd_inode_of(d, fd, &st, true, &replaced->victim);
	if (r == 0)
		__atomic_add_fetch(&replaced->victim->n_own_links, 1,
				   __ATOMIC_RELAXED);
	return r;
}

/* Only when the list is whole are victims met. */
static int take_up_all(struct mafsd *d, struct mafsd_replaced *list, size_t n)
{
	_cleanup_free_ struct mafsd_replaced **taken =
		calloc(n, sizeof(*taken));
	struct mafsd_replaced **last = &d->replaced_left;
	size_t n_taken = 0;
	int r = taken ? 0 : -ENOMEM;

	while (list) {
		struct mafsd_replaced *next = list->next;
		int waits = r < 0 ? r : take_up(d, list);

		list->next = NULL;
		if (waits > 0) {
			*last = taken[n_taken++] = list;
			last = &list->next;
		} else {
			r = waits;
			if (r == 0)
				mafsd_replaced_release(d, list);
			else
				mafsd_replaced_done(list);
		}
		list = next;
	}
	for (size_t i = 0; r == 0 && i < n_taken; i++)
		r = meet_victim(d, taken[i]);
	return r;
}

/* What was renamed over while its own bytes were awaited has left its links
 * to who has the name now: from the newest down each taken link's file is
 * claimed for, too, unless that has a name of its own. */
struct mafsd_replaced *mafsd_replaced_claim(struct mafsd *d,
					    const struct mafsd_inode *inode)
{
	struct mafsd_replaced *claimed = NULL, **last = &claimed, **at;
	struct mafs_identity wanted;
	bool more = true;
	mafs_guard(&d->journal.lock);

	if (!d->replaced_left)
		return NULL;
	mafsd_inode_identity(d, inode, &wanted);
	for (at = &d->replaced_left; *at && more;) {
		struct mafsd_replaced *replaced = *at;

		if (!mafs_identity_equal(&replaced->by, &wanted)) {
			at = &replaced->next;
			continue;
		}
		*at = replaced->next;
		replaced->next = NULL;
		*last = replaced;
		last = &replaced->next;
		wanted = replaced->of;
		more = replaced->alone;
	}
	return claimed;
}

void mafsd_replaced_forget_left(struct mafsd *d)
{
	struct mafsd_replaced *left;

	pthread_mutex_lock(&d->journal.lock);
	left = take_ptr(d->replaced_left);
	pthread_mutex_unlock(&d->journal.lock);
	mafsd_replaced_release(d, left);
}

void mafsd_replaced_end(struct mafsd *d)
{
	struct mafsd_replaced *list = NULL;
	size_t n;

	if (d->replaced_fd >= 0 && read_left(d, &list, &n) == 0)
		mafsd_replaced_release(d, take_ptr(list));
	mafsd_replaced_done(list);
}

int mafsd_replaced_begin(struct mafsd *d, bool recover,
			 struct mafs_fault *fault)
{
	struct mafsd_replaced *list = NULL;
	size_t n;
	int r;

	if (mkdirat(d->volume->dot_fd, "replaced", 0700) < 0 && errno != EEXIST)
		return -errno;
	d->replaced_fd =
		openat(d->volume->dot_fd, "replaced",
		       O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (d->replaced_fd < 0)
		return -errno;
	r = read_left(d, &list, &n);
	if (r < 0 || !list) {
		mafsd_replaced_done(list);
		return r;
	}
	atomic_store(&d->replaced_seq, list->seq);
	if (recover)
		return take_up_all(d, list, n);
	if (d->lost_memory)
		return settle_all(d, list, fault);
	mafsd_replaced_release(d, list);
	return 0;
}
