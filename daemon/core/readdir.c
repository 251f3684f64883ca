/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Listing directories. Each open directory has a descriptor of its own; the
 * positions are N's cookies, so a listing may go on from any of them.
 */
#include "names.h"

#include <string.h>

/**
 * struct mafsd_dir - an open directory
 * @inode: borrowed: the kernel knows it while it is open
 * @at: where @stream stands
 */
struct mafsd_dir {
	struct mafsd *d;
	struct mafsd_inode *inode;
	DIR *stream;
	off_t at;
};

int mafsd_opendir(struct mafsd *d, uint64_t nodeid, struct mafsd_dir **ret)
{
	struct mafsd_inode *inode = mafsd_inode_by_id(d, nodeid);
	_cleanup_free_ struct mafsd_dir *dir = NULL;
	_cleanup_close_ int fd = -1;
	char path[MAFSD_PROC_LEN];
	int path_fd;

	if (!inode)
		return -ESTALE;
	if (!S_ISDIR(inode->type))
		return -ENOTDIR;
	dir = calloc(1, sizeof(*dir));
	if (!dir)
		return -ENOMEM;
	path_fd = mafsd_path_get(d, inode);
	if (path_fd < 0)
		return path_fd;
	/* Not openat("."): that needs permission to search, too. */
	mafsd_proc_path(path_fd, path);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		fd = -errno;
	mafsd_path_put(d, inode);
	if (fd < 0)
		return fd;
	dir->stream = fdopendir(fd);
	if (!dir->stream)
		return -errno;
	(void)take_fd(fd);
	dir->d = d;
	dir->inode = inode;
	*ret = take_ptr(dir);
	return 0;
}

void mafsd_closedir(struct mafsd_dir *dir)
{
	if (!dir)
		return;
	mafs_closedirp(&dir->stream);
	free(dir);
}

static void go_to(struct mafsd_dir *dir, off_t offset)
{
	if (offset == dir->at)
		return;
	if (offset == 0)
		rewinddir(dir->stream);
	else
		seekdir(dir->stream, offset);
	dir->at = offset;
}

static mode_t type_of(struct mafsd_dir *dir, const struct dirent *entry)
{
	struct stat st;

	if (entry->d_type != DT_UNKNOWN)
		return DTTOIF(entry->d_type);
	if (fstatat(dirfd(dir->stream), entry->d_name, &st,
		    AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	return st.st_mode & S_IFMT;
}

int mafsd_readdir(struct mafsd_dir *dir, off_t offset, const char **ret_name,
		  struct stat *ret_st, off_t *ret_next)
{
	struct dirent *entry;

	go_to(dir, offset);
	do {
		errno = 0;
		entry = readdir(dir->stream);
		if (!entry)
			return -errno;
		dir->at = entry->d_off;
	} while (mafsd_name_hidden(dir->d, dir->inode, entry->d_name));

	*ret_name = entry->d_name;
	*ret_st = (struct stat){
		.st_ino = entry->d_ino,
		.st_mode = type_of(dir, entry),
	};
	*ret_next = entry->d_off;
	return 1;
}

int mafsd_fsyncdir(struct mafsd *d, struct mafsd_dir *dir, bool data_only)
{
	int fd = dirfd(dir->stream);
	int r = data_only ? fdatasync(fd) : fsync(fd);

	return r < 0 ? -errno : 0;
}
