/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How inodes come and go. One is made when a descriptor shows a file that is
 * not known yet, and lives as long as the kernel counts lookups of it or one
 * of us holds a reference (a child, bytes in memory, work on it).
 *
 * Invariant: an inode without a name is not hashed, since the file system may
 * give its identity to another file.
 */
#include "names.h"

#include <assert.h>
#include <string.h>

/* Frees what nobody can reach any more. */
void mafsd_inode_free(struct mafsd *d, struct mafsd_inode *inode)
{
	bool closed;

	if (inode->file) {
		pthread_mutex_lock(&inode->lock);
		inode->file->maybe_mapped = false;
		mafsd_file_put(d, inode);
		pthread_mutex_unlock(&inode->lock);
	}
	assert(!inode->file);
	closed = mafsd_slot_close(&d->slots, &inode->path_slot);
	assert(closed);
	(void)closed;
	pthread_mutex_destroy(&inode->lock);
	free(inode->name);
	free(inode);
}

static void take(struct mafsd_inode *inode, bool as_ref)
{
	if (as_ref)
		inode->refs++;
	else
		inode->nlookup++;
}

static int identify(struct mafsd *d, int fd, struct mafs_identity *ret)
{
	struct mafs_identity identity = { .fs_id = d->fs_id };
	int r = mafs_handle_of(fd, "", &identity.handle);

	/* Without handles the birth time tells reuse of an inode number. */
	if (r == -EOPNOTSUPP)
		return mafs_identity_of(fd, &d->fs_id, ret, NULL);
	if (r < 0)
		return r;
	*ret = identity;
	return 0;
}

static struct mafsd_inode *new_inode(const struct mafs_identity *identity,
				     uint64_t hash, const struct stat *st)
{
	const struct mafs_handle *handle = &identity->handle;
	struct mafsd_inode *inode = calloc(1, sizeof(*inode) + handle->length);

	if (!inode)
		return NULL;
	inode->hash = hash;
	inode->ino = st->st_ino;
	inode->btime = identity->btime;
	inode->type = st->st_mode & S_IFMT;
	inode->handle_type = handle->type;
	inode->handle_len = (uint8_t)handle->length;
	memcpy(inode->handle, handle->bytes, handle->length);
	mafsd_slot_init(&inode->path_slot);
	pthread_mutex_init(&inode->lock, NULL);
	return inode;
}

/* The one that is known, unless the number now names another file. */
static struct mafsd_inode *find_same(struct mafsd_table *table, uint64_t hash,
				     const struct mafs_identity *identity,
				     const struct stat *st)
{
	struct mafsd_inode *inode =
		mafsd_table_find(table, hash, &identity->handle, st->st_ino);

	if (!inode)
		return NULL;
	if (inode->type == (st->st_mode & S_IFMT) &&
	    (identity->handle.length ||
	     (inode->btime.tv_sec == identity->btime.tv_sec &&
	      inode->btime.tv_nsec == identity->btime.tv_nsec)))
		return inode;
	mafsd_table_unhash(table, inode);
	return NULL;
}

/* An earlier daemon may have left bytes for it. Context: inode->lock held, so
 * that whoever finds it meanwhile waits. */
static int adopt(struct mafsd *d, struct mafsd_inode *inode, int fd,
		 const struct stat *st)
{
	char path[MAFSD_PROC_LEN];
	int path_fd;

	mafsd_proc_path(fd, path);
	path_fd = open(path, O_PATH | O_CLOEXEC);
	if (path_fd < 0)
		return -errno;
	mafsd_slot_fill(&d->slots, &inode->path_slot, path_fd, NULL);
	mafsd_slot_unpin(&d->slots, &inode->path_slot);
	return mafsd_hot_adopt(d, inode, st);
}

static int make(struct mafsd *d, int fd, const struct stat *st,
		struct mafs_identity *identity, uint64_t hash, bool as_ref,
		struct mafsd_inode **ret)
{
	struct mafsd_table *table = &d->table;
	struct mafsd_inode *inode, *other;
	int r;

	/* The birth time is asked for only once in an inode's life. */
	r = mafs_identity_of(fd, &d->fs_id, identity, NULL);
	if (r < 0)
		return r;
	inode = new_inode(identity, hash, st);
	if (!inode)
		return -ENOMEM;

	pthread_mutex_lock(&inode->lock);
	pthread_mutex_lock(&table->lock);
	other = find_same(table, hash, identity, st);
	r = other ? 0 : mafsd_table_add(table, inode);
	if (r == 0)
		take(other ? other : inode, as_ref);
	pthread_mutex_unlock(&table->lock);

	if (other || r < 0) {
		pthread_mutex_unlock(&inode->lock);
		mafsd_inode_free(d, inode);
		if (other)
			*ret = other;
		return r;
	}
	if (S_ISREG(inode->type) && atomic_load(&d->journal.n_unclaimed))
		r = adopt(d, inode, fd, st);
	pthread_mutex_unlock(&inode->lock);
	if (r < 0) {
		if (as_ref)
			mafsd_inode_unref(d, inode);
		else
			mafsd_inode_forget(d, inode, 1);
		return r;
	}
	*ret = inode;
	return 0;
}

int mafsd_inode_of(struct mafsd *d, int fd, const struct stat *st, bool as_ref,
		   struct mafsd_inode **ret)
{
	struct mafsd_table *table = &d->table;
	struct mafs_identity identity;
	struct mafsd_inode *inode;
	uint64_t hash;
	int r;

	r = identify(d, fd, &identity);
	if (r < 0)
		return r;
	identity.ino = st->st_ino;
	hash = mafs_identity_hash(&identity);

	pthread_mutex_lock(&table->lock);
	inode = find_same(table, hash, &identity, st);
	if (inode)
		take(inode, as_ref);
	pthread_mutex_unlock(&table->lock);
	if (!inode)
		return make(d, fd, st, &identity, hash, as_ref, ret);
	*ret = inode;
	return 0;
}

struct mafsd_inode *mafsd_inode_find(struct mafsd *d,
				     const struct mafs_handle *handle,
				     uint64_t ino)
{
	struct mafs_identity identity = { .handle = *handle, .ino = ino };
	struct mafsd_inode *inode;
	uint64_t hash = mafs_identity_hash(&identity);
	mafs_guard(&d->table.lock);

	inode = mafsd_table_find(&d->table, hash, handle, ino);
	if (inode)
		inode->refs++;
	return inode;
}

void mafsd_inode_unhash(struct mafsd *d, struct mafsd_inode *inode)
{
	mafs_guard(&d->table.lock);

	mafsd_table_unhash(&d->table, inode);
}

void mafsd_inode_rehash(struct mafsd *d, struct mafsd_inode *inode)
{
	mafs_guard(&d->table.lock);

	if (!inode->hashed)
		mafsd_table_hash(&d->table, inode);
}

void mafsd_inode_handle(const struct mafsd_inode *inode,
			struct mafs_handle *ret)
{
	*ret = (struct mafs_handle){
		.type = inode->handle_type,
		.length = inode->handle_len,
	};
	memcpy(ret->bytes, inode->handle, inode->handle_len);
}

void mafsd_inode_identity(struct mafsd *d, const struct mafsd_inode *inode,
			  struct mafs_identity *ret)
{
	*ret = (struct mafs_identity){
		.fs_id = d->fs_id,
		.ino = inode->ino,
		.btime = inode->btime,
	};
	mafsd_inode_handle(inode, &ret->handle);
}

/* ---- how long they live ---- */

struct mafsd_inode *mafsd_inode_ref(struct mafsd *d, struct mafsd_inode *inode)
{
	mafs_guard(&d->table.lock);

	inode->refs++;
	return inode;
}

/* Gives back lookups and a reference; frees the inode, then perhaps its
 * parent, and so on up, without recursion. */
static void give_back(struct mafsd *d, struct mafsd_inode *inode,
		      uint64_t nlookup, unsigned int refs)
{
	struct mafsd_table *table = &d->table;

	while (inode) {
		struct mafsd_inode *parent;
		bool dead;

		pthread_mutex_lock(&table->lock);
		/* The root's lookups are not counted by the kernel. */
		inode->nlookup -= nlookup < inode->nlookup ? nlookup :
							     inode->nlookup;
		assert(inode->refs >= refs);
		inode->refs -= refs;
		dead = !inode->nlookup && !inode->refs;
		if (dead)
			mafsd_table_remove(table, inode);
		pthread_mutex_unlock(&table->lock);
		if (!dead)
			return;
		parent = inode->parent;
		mafsd_inode_free(d, inode);
		inode = parent;
		nlookup = 0;
		refs = 1;
	}
}

void mafsd_inode_unref(struct mafsd *d, struct mafsd_inode *inode)
{
	give_back(d, inode, 0, 1);
}

void mafsd_inode_forget(struct mafsd *d, struct mafsd_inode *inode, uint64_t n)
{
	give_back(d, inode, n, 0);
}
