/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rename over a file by one whose bytes are only in memory. A power cut would
 * leave the name with an empty file, so the victim is linked to
 * N/.mafs/replaced/SEQ first, with an xattr that says which name it had and
 * whose bytes are awaited, and the rename goes through at once. The link goes
 * when the bytes are below and before the flush that makes them durable:
 * N's log then has both or neither.
 *
 * Order: link, xattr, rename; data below, link removed, flush. After a cut the
 * next daemon gives the name back where it still holds the awaited identity.
 *
 * Invariants: what awaits a file's bytes hangs on it only while it is dirty; a
 * link and its count in n_own_links change together under the victim's lock.
 */
#include "replaced.h"

#include <inttypes.h>
#include <string.h>
#include <sys/xattr.h>

const char *mafsd_replaced_xattr(void)
{
	return "trusted.mafs.replaced";
}

void mafsd_replaced_name(uint64_t seq, char ret[static MAFSD_REPLACED_LEN])
{
	(void)snprintf(ret, MAFSD_REPLACED_LEN, "%" PRIu64, seq);
}

static void count_link(struct mafsd_inode *victim, int n)
{
	__atomic_add_fetch(&victim->n_own_links, (unsigned int)n,
			   __ATOMIC_RELAXED);
}

/* As the identity of a memory file is kept: a `map` entry without a map. */
static int note(struct mafsd *d, struct mafsd_inode *source, const char *path,
		const struct mafs_hint *hint)
{
	_cleanup_(mafs_buffer_done) struct mafs_buffer bytes = { 0 };
	struct mafs_entry entry = { .type = MAFS_OMF_MAP };
	int r;

	entry.map.hint = *hint;
	mafsd_inode_identity(d, source, &entry.map.identity);
	r = mafs_entry_encode(&entry, &bytes);
	if (r < 0)
		return r;
	if (setxattr(path, mafsd_replaced_xattr(), bytes.bytes, bytes.len, 0) <
	    0)
		return -errno;
	return 0;
}

/* Where other names show it, it is to look as if we had not been there. */
static void forget_note(struct mafsd *d, const char *name)
{
	_cleanup_close_ int fd =
		openat(d->replaced_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	char path[MAFSD_PROC_LEN];
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || st.st_nlink == 1)
		return;
	mafsd_proc_path(fd, path);
	removexattr(path, mafsd_replaced_xattr());
}

/* The link and its count change together. Return: 0, -errno. */
static int make_link(struct mafsd *d, struct mafsd_inode *victim,
		     const char *path, const char *name)
{
	mafs_guard(&victim->lock);

	/* One xattr says one name. */
	if (victim->n_own_links)
		return -EOPNOTSUPP;
	if (linkat(AT_FDCWD, path, d->replaced_fd, name, AT_SYMLINK_FOLLOW) < 0)
		return -errno;
	count_link(victim, 1);
	return 0;
}

static void remove_link(struct mafsd *d, struct mafsd_inode *victim,
			const char *name)
{
	mafs_guard(&victim->lock);

	forget_note(d, name);
	if (unlinkat(d->replaced_fd, name, 0) == 0)
		count_link(victim, -1);
	mafsd_attr_touched(d, victim);
}

int mafsd_replaced_keep(struct mafsd *d, struct mafsd_inode *source,
			struct mafsd_inode *victim, int fd,
			const struct mafs_hint *hint,
			struct mafsd_replaced **ret)
{
	_cleanup_free_ struct mafsd_replaced *replaced =
		calloc(1, sizeof(*replaced));
	char path[MAFSD_PROC_LEN], name[MAFSD_REPLACED_LEN];
	int r;

	if (!replaced)
		return -ENOMEM;
	/* The way back is by handles. Elsewhere than on ext4 and XFS a log that
	 * is flushed for one file need not hold what else came before (btrfs). */
	if (!d->root || !d->handles || !d->orders_names || d->replaced_fd < 0 ||
	    !S_ISREG(victim->type))
		return -EOPNOTSUPP;
	replaced->seq = atomic_fetch_add(&d->replaced_seq, 1) + 1;
	mafsd_replaced_name(replaced->seq, name);
	mafsd_proc_path(fd, path);
	r = make_link(d, victim, path, name);
	if (r < 0)
		return r;
	r = note(d, source, path, hint);
	if (r < 0) {
		remove_link(d, victim, name);
		return r;
	}
	replaced->victim = mafsd_inode_ref(d, victim);
	*ret = take_ptr(replaced);
	return 0;
}

void mafsd_replaced_push(struct mafsd_file *file, struct mafsd_replaced *list)
{
	struct mafsd_replaced *last = list;

	if (!list)
		return;
	while (last->next)
		last = last->next;
	last->next = file->replaced;
	file->replaced = list;
}

void mafsd_replaced_done(struct mafsd_replaced *list)
{
	while (list) {
		struct mafsd_replaced *next = list->next;

		free(list);
		list = next;
	}
}

void mafsd_replaced_release(struct mafsd *d, struct mafsd_replaced *list)
{
	char name[MAFSD_REPLACED_LEN];

	while (list) {
		struct mafsd_replaced *next = list->next;

		mafsd_replaced_name(list->seq, name);
		if (list->victim) {
			remove_link(d, list->victim, name);
			mafsd_inode_unref(d, list->victim);
		} else {
			forget_note(d, name);
			unlinkat(d->replaced_fd, name, 0);
		}
		free(list);
		list = next;
	}
}
