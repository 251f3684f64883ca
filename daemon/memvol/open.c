// SPDX-License-Identifier: Apache-2.0
/*
 * Open, release, fsync of regular files. Every file is open by copy: reads and
 * writes come as requests, also those through mappings; on old kernels by way
 * of the page cache.
 */
#include "memvol.h"

static bool is_writer(int flags)
{
	return (flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC);
}

/* The node is known to the kernel, as it names it. */
static int admit(struct mafsm *m, uint64_t nodeid, int flags,
		 struct mafsm_inode **ret)
{
	struct mafsm_inode *inode = mafsm_inode(m, nodeid);

	mafsm_change(&m->lock);

	if (!inode)
		return -ESTALE;
	if (!S_ISREG(inode->type))
		return -EOPNOTSUPP; /* the kernel opens these itself */
	inode->n_open++;
	inode->n_writers += is_writer(flags);
	atomic_fetch_add(&m->n_open, 1);
	*ret = inode;
	return 0;
}

/* Return: was it the last writer? */
static bool dismiss(struct mafsm *m, struct mafsm_inode *inode, int flags)
{
	mafsm_change(&m->lock);

	atomic_fetch_sub(&m->n_open, 1);
	inode->n_open--;
	inode->n_writers -= is_writer(flags);
	return is_writer(flags) && inode->n_writers == 0;
}

static int truncate_at_open(struct mafsm *m, const struct mafsd_caller *caller,
			    struct mafsm_inode *inode)
{
	int r = mafsm_strip(m, caller, inode->node);

	if (r < 0)
		return r;
	pthread_rwlock_wrlock(&inode->io);
	r = mafsm_resize(m, inode, 0);
	pthread_rwlock_unlock(&inode->io);
	return r;
}

int mafsm_open(struct mafsd_fs *fs, const struct mafsd_caller *caller,
	       uint64_t nodeid, int flags, bool may_block,
	       struct mafsd_open **ret)
{
	struct mafsm *m = mafsm_of(fs);
	_cleanup_free_ struct mafsm_open *open = calloc(1, sizeof(*open));
	int r;

	if (!open)
		return -ENOMEM;
	if (!m->log && is_writer(flags))
		return -EROFS;
	r = admit(m, nodeid, flags, &open->inode);
	if (r == 0 && (flags & O_TRUNC)) {
		r = truncate_at_open(m, caller, open->inode);
		if (r < 0)
			(void)dismiss(m, open->inode, flags);
	}
	if (r < 0)
		return r;
	open->open.flags = flags;
	/* On a client the page cache would be behind the log. */
	open->open.direct_io = !m->log || !fs->page_cache_only;
	*ret = &take_ptr(open)->open;
	return 0;
}

static int make_and_open(struct mafsm *m, const struct mafsd_caller *caller,
			 uint64_t parent, const char *name, mode_t mode,
			 int flags, struct mafsd_entry *ret_entry,
			 struct mafsd_open **ret)
{
	struct mafsd_entry entry;
	bool is_new = true;
	int r;

	r = mafsm_make(m, caller, parent, name, S_IFREG | (mode & 07777), 0,
		       NULL, &entry);
	if (r == -EEXIST && !(flags & O_EXCL)) {
		is_new = false; /* made beside us; open it */
		r = mafsm_lookup(&m->fs, parent, name, &entry);
	}
	if (r < 0)
		return r;
	r = mafsm_open(&m->fs, caller, entry.nodeid,
		       is_new ? flags & ~O_TRUNC : flags, true, ret);
	if (r < 0) {
		mafsm_forget(&m->fs, entry.nodeid, 1);
		return r;
	}
	*ret_entry = entry;
	return 0;
}

int mafsm_create(struct mafsd_fs *fs, const struct mafsd_caller *caller,
		 uint64_t parent, const char *name, mode_t mode, int flags,
		 struct mafsd_entry *ret_entry, struct mafsd_open **ret)
{
	return make_and_open(mafsm_of(fs), caller, parent, name, mode, flags,
			     ret_entry, ret);
}

int mafsm_tmpfile(struct mafsd_fs *fs, const struct mafsd_caller *caller,
		  uint64_t parent, mode_t mode, int flags,
		  struct mafsd_entry *ret_entry, struct mafsd_open **ret)
{
	return make_and_open(mafsm_of(fs), caller, parent, NULL, mode, flags,
			     ret_entry, ret);
}

/* close(2) makes a file whole for other hosts. */
int mafsm_flush(struct mafsd_fs *fs, struct mafsd_open *open)
{
	struct mafsm *m = mafsm_of(fs);

	if (!m->log || !is_writer(open->flags))
		return 0;
	return mafsm_sync_inode(m, mafsm_opened(open));
}

int mafsm_fsync(struct mafsd_fs *fs, struct mafsd_open *open, bool data_only)
{
	struct mafsm *m = mafsm_of(fs);

	if (atomic_load(&m->broken))
		return -EIO;
	return m->log ? mafsm_sync_inode(m, mafsm_opened(open)) : 0;
}

void mafsm_release(struct mafsd_fs *fs, struct mafsd_open *open)
{
	struct mafsm *m = mafsm_of(fs);
	struct mafsm_inode *inode = mafsm_opened(open);

	/* It stays until it is forgotten, which comes after this. */
	if (dismiss(m, inode, open->flags)) {
		(void)mafsm_sync_inode(m, inode);
		pthread_rwlock_wrlock(&inode->io);
		mafsm_trim(m, inode);
		pthread_rwlock_unlock(&inode->io);
		mafsm_attr_changed(m, inode->node->id);
	}
	free((struct mafsm_open *)open);
}
