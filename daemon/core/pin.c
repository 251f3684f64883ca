/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What keeps a file at N that has no name left, or never had one, while it is
 * open as M or C: a backing id, else a descriptor, and where these have become
 * many a link in N/.mafs/unlinked.
 *
 * Order: link, unlink; last close, link removed. A daemon that finds links of
 * an earlier one removes them before it looks for anything else.
 */
#include "replaced.h"

#include <dirent.h>

static void count_link(struct mafsd_inode *inode, int n)
{
	__atomic_add_fetch(&inode->n_own_links, (unsigned int)n,
			   __ATOMIC_RELAXED);
}

static int keep_by_link(struct mafsd *d, struct mafsd_inode *inode, int fd)
{
	char path[MAFSD_PROC_LEN], name[MAFSD_REPLACED_LEN];
	uint64_t seq;

	if (d->unlinked_fd < 0)
		return -EROFS;
	mafsd_proc_path(fd, path);
	do {
		seq = atomic_fetch_add(&d->unlinked_seq, 1) + 1;
		mafsd_replaced_name(seq, name);
		if (linkat(AT_FDCWD, path, d->unlinked_fd, name,
			   AT_SYMLINK_FOLLOW) == 0) {
			count_link(inode, 1);
			mafsd_attr_touched(d, inode);
			__atomic_store_n(&inode->file->pin_seq, seq,
					 __ATOMIC_RELEASE);
			return 0;
		}
	} while (errno == EEXIST);
	return -errno;
}

static int keep_by_descriptor(struct mafsd *d, struct mafsd_file *file, int fd)
{
	fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (fd < 0)
		return -errno;
	atomic_fetch_add(&d->n_pin_fds, 1);
	__atomic_store_n(&file->pin_fd, fd, __ATOMIC_RELEASE);
	return 0;
}

int mafsd_pin_keep(struct mafsd *d, struct mafsd_inode *inode, int fd,
		   bool by_kernel)
{
	struct mafsd_file *file = inode->file;

	if (file->pin_id > 0 || file->pin_fd >= 0 || file->pin_seq)
		return 0;
	if (by_kernel && d->kernel && d->root)
		file->pin_id = d->kernel->backing_open(d->kernel_context, fd);
	if (file->pin_id > 0)
		return 0;
	file->pin_id = 0;
	if (atomic_load(&d->n_pin_fds) >= d->pin_fds_max &&
	    keep_by_link(d, inode, fd) == 0)
		return 0;
	return keep_by_descriptor(d, file, fd);
}

void mafsd_pin_done(struct mafsd *d, struct mafsd_inode *inode)
{
	struct mafsd_file *file = inode->file;
	char name[MAFSD_REPLACED_LEN];

	if (file->pin_id > 0 && d->kernel)
		d->kernel->backing_close(d->kernel_context, file->pin_id);
	if (file->pin_fd >= 0)
		atomic_fetch_sub(&d->n_pin_fds, 1);
	mafs_closep(&file->pin_fd);
	if (!file->pin_seq)
		return;
	mafsd_replaced_name(file->pin_seq, name);
	if (unlinkat(d->unlinked_fd, name, 0) == 0)
		count_link(inode, -1);
}

/* May be kept beside us; it stays until the file goes. */
bool mafsd_pin_has(const struct mafsd_file *file)
{
	return __atomic_load_n(&file->pin_fd, __ATOMIC_ACQUIRE) >= 0 ||
	       __atomic_load_n(&file->pin_seq, __ATOMIC_ACQUIRE);
}

int mafsd_pin_open(struct mafsd *d, const struct mafsd_file *file)
{
	uint64_t seq = __atomic_load_n(&file->pin_seq, __ATOMIC_ACQUIRE);
	char name[MAFSD_REPLACED_LEN];
	int fd;

	if (seq) {
		mafsd_replaced_name(seq, name);
		fd = openat(d->unlinked_fd, name,
			    O_PATH | O_NOFOLLOW | O_CLOEXEC);
	} else {
		fd = fcntl(__atomic_load_n(&file->pin_fd, __ATOMIC_ACQUIRE),
			   F_DUPFD_CLOEXEC, 3);
	}
	return fd < 0 ? -errno : fd;
}

/* ---- the directory ---- */

void mafsd_pin_forget_left(struct mafsd *d)
{
	_cleanup_closedir_ DIR *stream = NULL;
	struct dirent *entry;
	int fd;

	if (d->unlinked_fd < 0)
		return;
	fd = openat(d->unlinked_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return;
	stream = fdopendir(fd);
	if (!stream) {
		close(fd);
		return;
	}
	while ((entry = readdir(stream)))
		unlinkat(d->unlinked_fd, entry->d_name, 0);
}

int mafsd_pin_begin(struct mafsd *d)
{
	if (mkdirat(d->volume->dot_fd, "unlinked", 0700) < 0 && errno != EEXIST)
		return -errno;
	d->unlinked_fd =
		openat(d->volume->dot_fd, "unlinked",
		       O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (d->unlinked_fd < 0)
		return -errno;
	mafsd_pin_forget_left(d);
	return 0;
}
