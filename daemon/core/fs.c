// SPDX-License-Identifier: Apache-2.0
/* A tiered volume as daemon/fuse sees it: the table of ops.h's calls. */
#include "intern.h"

/* fs is the first member. */
static struct mafsd *tiered(struct mafsd_fs *fs)
{
	return (struct mafsd *)fs;
}

static void fs_connect(struct mafsd_fs *fs,
		       const struct mafsd_kernel_ops *kernel, void *context)
{
	mafsd_connect(tiered(fs), kernel, context);
}

static int fs_lookup(struct mafsd_fs *fs, uint64_t parent, const char *name,
		     struct mafsd_entry *ret)
{
	return mafsd_lookup(tiered(fs), parent, name, ret);
}

static void fs_forget(struct mafsd_fs *fs, uint64_t nodeid, uint64_t n)
{
	mafsd_forget(tiered(fs), nodeid, n);
}

static int fs_readlink(struct mafsd_fs *fs, uint64_t nodeid, char *ret,
		       size_t len)
{
	return mafsd_readlink(tiered(fs), nodeid, ret, len);
}

static int fs_mknod(struct mafsd_fs *fs, const struct mafsd_caller *caller,
		    uint64_t parent, const char *name, mode_t mode, dev_t rdev,
		    struct mafsd_entry *ret)
{
	return mafsd_mknod(tiered(fs), caller, parent, name, mode, rdev, ret);
}

static int fs_mkdir(struct mafsd_fs *fs, const struct mafsd_caller *caller,
		    uint64_t parent, const char *name, mode_t mode,
		    struct mafsd_entry *ret)
{
	return mafsd_mkdir(tiered(fs), caller, parent, name, mode, ret);
}

static int fs_symlink(struct mafsd_fs *fs, const struct mafsd_caller *caller,
		      const char *target, uint64_t parent, const char *name,
		      struct mafsd_entry *ret)
{
	return mafsd_symlink(tiered(fs), caller, target, parent, name, ret);
}

static int fs_link(struct mafsd_fs *fs, uint64_t nodeid, uint64_t parent,
		   const char *name, struct mafsd_entry *ret)
{
	return mafsd_link(tiered(fs), nodeid, parent, name, ret);
}

static int fs_unlink(struct mafsd_fs *fs, uint64_t parent, const char *name)
{
	return mafsd_unlink(tiered(fs), parent, name);
}

static int fs_rmdir(struct mafsd_fs *fs, uint64_t parent, const char *name)
{
	return mafsd_rmdir(tiered(fs), parent, name);
}

static int fs_rename(struct mafsd_fs *fs, uint64_t parent, const char *name,
		     uint64_t new_parent, const char *new_name,
		     unsigned int flags, bool may_block)
{
	return mafsd_try_rename(tiered(fs), parent, name, new_parent, new_name,
				flags, may_block);
}

static int fs_opendir(struct mafsd_fs *fs, uint64_t nodeid,
		      struct mafsd_dir **ret)
{
	return mafsd_opendir(tiered(fs), nodeid, ret);
}

static void fs_closedir(struct mafsd_fs *fs, struct mafsd_dir *dir)
{
	mafsd_closedir(dir);
}

static int fs_readdir(struct mafsd_fs *fs, struct mafsd_dir *dir, off_t offset,
		      const char **ret_name, struct stat *ret_st,
		      off_t *ret_next)
{
	return mafsd_readdir(dir, offset, ret_name, ret_st, ret_next);
}

static int fs_fsyncdir(struct mafsd_fs *fs, struct mafsd_dir *dir,
		       bool data_only)
{
	return mafsd_fsyncdir(tiered(fs), dir, data_only);
}

static int fs_getattr(struct mafsd_fs *fs, uint64_t nodeid, struct stat *ret,
		      bool *ret_volatile)
{
	return mafsd_getattr(tiered(fs), nodeid, ret, ret_volatile);
}

static int fs_setattr(struct mafsd_fs *fs, const struct mafsd_caller *caller,
		      uint64_t nodeid, const struct stat *attr, int set,
		      bool may_block, struct stat *ret, bool *ret_volatile)
{
	return mafsd_setattr(tiered(fs), caller, nodeid, attr, set, may_block,
			     ret, ret_volatile);
}

static int fs_statfs(struct mafsd_fs *fs, struct statvfs *ret)
{
	return mafsd_statfs(tiered(fs), ret);
}

static ssize_t fs_getxattr(struct mafsd_fs *fs, uint64_t nodeid,
			   const char *name, void *value, size_t len)
{
	return mafsd_getxattr(tiered(fs), nodeid, name, value, len);
}

static ssize_t fs_listxattr(struct mafsd_fs *fs,
			    const struct mafsd_caller *caller, uint64_t nodeid,
			    char *list, size_t len)
{
	return mafsd_listxattr(tiered(fs), caller, nodeid, list, len);
}

static int fs_setxattr(struct mafsd_fs *fs, const struct mafsd_caller *caller,
		       const gid_t *groups, size_t n_groups, uint64_t nodeid,
		       const char *name, const void *value, size_t len,
		       int flags)
{
	return mafsd_setxattr(tiered(fs), caller, groups, n_groups, nodeid,
			      name, value, len, flags);
}

static int fs_removexattr(struct mafsd_fs *fs, uint64_t nodeid,
			  const char *name)
{
	return mafsd_removexattr(tiered(fs), nodeid, name);
}

static int fs_set_policy(struct mafsd_fs *fs, const struct mafsd_caller *caller,
			 uint64_t nodeid, const void *value, size_t len,
			 int flags)
{
	return mafsd_policy_setxattr(tiered(fs), caller, nodeid, value, len,
				     flags);
}

static int fs_open(struct mafsd_fs *fs, const struct mafsd_caller *caller,
		   uint64_t nodeid, int flags, bool may_block,
		   struct mafsd_open **ret)
{
	return mafsd_open(tiered(fs), caller, nodeid, flags, may_block, ret);
}

static int fs_create(struct mafsd_fs *fs, const struct mafsd_caller *caller,
		     uint64_t parent, const char *name, mode_t mode, int flags,
		     struct mafsd_entry *ret_entry, struct mafsd_open **ret)
{
	return mafsd_create(tiered(fs), caller, parent, name, mode, flags,
			    ret_entry, ret);
}

static int fs_tmpfile(struct mafsd_fs *fs, const struct mafsd_caller *caller,
		      uint64_t parent, mode_t mode, int flags,
		      struct mafsd_entry *ret_entry, struct mafsd_open **ret)
{
	return mafsd_tmpfile(tiered(fs), caller, parent, mode, flags, ret_entry,
			     ret);
}

static void fs_release(struct mafsd_fs *fs, struct mafsd_open *open)
{
	mafsd_release(tiered(fs), open);
}

static ssize_t fs_read(struct mafsd_fs *fs, struct mafsd_open *open,
		       void *bytes, size_t len, uint64_t offset)
{
	return mafsd_read(tiered(fs), open, bytes, len, offset);
}

static ssize_t fs_write(struct mafsd_fs *fs, const struct mafsd_caller *caller,
			struct mafsd_open *open, const void *bytes, size_t len,
			uint64_t offset, int flags, bool from_cache,
			bool may_block)
{
	return mafsd_write(tiered(fs), caller, open, bytes, len, offset, flags,
			   from_cache, may_block);
}

static int fs_flush(struct mafsd_fs *fs, struct mafsd_open *open)
{
	return mafsd_flush(tiered(fs), open);
}

static int fs_fsync(struct mafsd_fs *fs, struct mafsd_open *open,
		    bool data_only)
{
	return mafsd_fsync(tiered(fs), open, data_only);
}

static ssize_t fs_copy_file_range(struct mafsd_fs *fs,
				  const struct mafsd_caller *caller,
				  struct mafsd_open *in, uint64_t offset_in,
				  struct mafsd_open *out, uint64_t offset_out,
				  size_t len)
{
	return mafsd_copy_file_range(tiered(fs), caller, in, offset_in, out,
				     offset_out, len);
}

static int fs_fallocate(struct mafsd_fs *fs, const struct mafsd_caller *caller,
			struct mafsd_open *open, int mode, uint64_t offset,
			uint64_t len, bool may_block)
{
	return mafsd_fallocate(tiered(fs), caller, open, mode, offset, len,
			       may_block);
}

static off_t fs_lseek(struct mafsd_fs *fs, struct mafsd_open *open,
		      off_t offset, int whence)
{
	return mafsd_lseek(tiered(fs), open, offset, whence);
}

const struct mafsd_fs_ops mafsd_tiered_ops = {
	.connect = fs_connect,
	.lookup = fs_lookup,
	.forget = fs_forget,
	.readlink = fs_readlink,
	.mknod = fs_mknod,
	.mkdir = fs_mkdir,
	.symlink = fs_symlink,
	.link = fs_link,
	.unlink = fs_unlink,
	.rmdir = fs_rmdir,
	.rename = fs_rename,
	.opendir = fs_opendir,
	.closedir = fs_closedir,
	.readdir = fs_readdir,
	.fsyncdir = fs_fsyncdir,
	.getattr = fs_getattr,
	.setattr = fs_setattr,
	.statfs = fs_statfs,
	.getxattr = fs_getxattr,
	.listxattr = fs_listxattr,
	.setxattr = fs_setxattr,
	.removexattr = fs_removexattr,
	.set_policy = fs_set_policy,
	.open = fs_open,
	.create = fs_create,
	.tmpfile = fs_tmpfile,
	.release = fs_release,
	.read = fs_read,
	.write = fs_write,
	.flush = fs_flush,
	.fsync = fs_fsync,
	.copy_file_range = fs_copy_file_range,
	.fallocate = fs_fallocate,
	.lseek = fs_lseek,
};
