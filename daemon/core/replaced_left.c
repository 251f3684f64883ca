/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Links in N/.mafs/replaced that an earlier daemon left. After a mere kill the
 * awaited bytes are in memory and the links wait on. After a power cut they
 * are not: each name that still holds the awaited file gets back what it held
 * before, the newest replacement first, so that chains unwind.
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

static void insert(struct mafsd_replaced **list, struct mafsd_replaced *new)
{
	while (*list && (*list)->seq > new->seq)
		list = &(*list)->next;
	new->next = *list;
	*list = new;
}

static int read_left(struct mafsd *d, struct mafsd_replaced **ret)
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
	while ((entry = readdir(stream))) {
		struct mafsd_replaced *replaced;
		char *end;
		uint64_t seq = strtoull(entry->d_name, &end, 10);

		if (*end || end == entry->d_name)
			continue;
		replaced = calloc(1, sizeof(*replaced));
		if (!replaced)
			return -ENOMEM;
		replaced->seq = seq;
		insert(ret, replaced);
	}
	return 0;
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
		mafs_warning("%s: what had come down of its new content is in "
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
		/* The rename went back, or another name came since. */
		mafsd_proc_path(fd, path);
		removexattr(path, mafsd_replaced_xattr());
		r = unlinkat(d->replaced_fd, link, 0) < 0 ? -errno : 0;
	}
	mafs_entry_done(&entry);
	return r;
}

static int settle_all(struct mafsd *d, struct mafsd_replaced *list)
{
	char link[MAFSD_REPLACED_LEN];
	int r, first = 0;

	for (const struct mafsd_replaced *at = list; at; at = at->next) {
		mafsd_replaced_name(at->seq, link);
		r = settle(d, link);
		if (r < 0)
			mafs_error("%s/replaced/%s: %s", MAFS_VOLUME_DIR, link,
				   strerror(-r));
		if (r < 0 && first == 0)
			first = r;
	}
	mafsd_replaced_done(list);
	r = d->tier->flush_all(d->n_fd);
	return first < 0 ? first : r;
}

/* ---- after a kill ---- */

/* With another name its inode may be looked up, and its links be counted. */
static int meet_victim(struct mafsd *d, int fd, struct mafsd_replaced *replaced)
{
	struct stat st;
	int r;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_nlink == 1)
		return 0;
	r = mafsd_inode_of(d, fd, &st, true, &replaced->victim);
	if (r == 0)
		__atomic_add_fetch(&replaced->victim->n_own_links, 1,
				   __ATOMIC_RELAXED);
	return r;
}

/* Return: 1: it waits on; 0: it awaits nothing. */
static int take_up(struct mafsd *d, struct mafsd_replaced *replaced)
{
	_cleanup_close_ int fd = -1;
	char link[MAFSD_REPLACED_LEN];
	struct mafs_entry entry;
	int r;

	mafsd_replaced_name(replaced->seq, link);
	fd = openat(d->replaced_fd, link, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = meet_victim(d, fd, replaced);
	if (r < 0 || read_note(fd, &entry) < 0)
		return r;
	replaced->by = entry.map.identity;
	mafs_entry_done(&entry);
	return 1;
}

static int take_up_all(struct mafsd *d, struct mafsd_replaced *list)
{
	struct mafsd_replaced **last = &d->replaced_left;
	int r = 0;

	while (list) {
		struct mafsd_replaced *next = list->next;
		int taken = take_up(d, list);

		list->next = NULL;
		if (taken > 0) {
			*last = list;
			last = &list->next;
		} else {
			mafsd_replaced_release(d, list);
			r = taken < 0 ? taken : r;
		}
		list = next;
	}
	return r;
}

struct mafsd_replaced *mafsd_replaced_claim(struct mafsd *d,
					    const struct mafsd_inode *inode)
{
	struct mafsd_replaced *claimed = NULL, **last = &claimed, **at;
	struct mafs_identity identity;
	mafs_guard(&d->journal.lock);

	if (!d->replaced_left)
		return NULL;
	mafsd_inode_identity(d, inode, &identity);
	for (at = &d->replaced_left; *at;) {
		struct mafsd_replaced *replaced = *at;

		if (!mafs_identity_equal(&replaced->by, &identity)) {
			at = &replaced->next;
			continue;
		}
		*at = replaced->next;
		replaced->next = NULL;
		*last = replaced;
		last = &replaced->next;
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

int mafsd_replaced_begin(struct mafsd *d, bool recover)
{
	struct mafsd_replaced *list = NULL;
	int r;

	if (mkdirat(d->volume->dot_fd, "replaced", 0700) < 0 && errno != EEXIST)
		return -errno;
	d->replaced_fd =
		openat(d->volume->dot_fd, "replaced",
		       O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (d->replaced_fd < 0)
		return -errno;
	r = read_left(d, &list);
	if (list)
		atomic_store(&d->replaced_seq, list->seq);
	if (r == 0 && list)
		return recover ? take_up_all(d, list) : settle_all(d, list);
	mafsd_replaced_done(list);
	return r;
}
