// SPDX-License-Identifier: Apache-2.0
/* A memory volume as daemon/fuse sees it. */
#include "memvol.h"

static void connect_kernel(struct mafsd_fs *fs,
			   const struct mafsd_kernel_ops *kernel, void *context)
{
	struct mafsm *m = mafsm_of(fs);

	m->kernel_context = context;
	m->kernel = kernel;
}

const struct mafsd_fs_ops mafsm_ops = {
	.connect = connect_kernel,
	.lookup = mafsm_lookup,
	.forget = mafsm_forget,
	.readlink = mafsm_readlink,
	.mknod = mafsm_mknod,
	.mkdir = mafsm_mkdir,
	.symlink = mafsm_symlink,
	.link = mafsm_link,
	.unlink = mafsm_unlink,
	.rmdir = mafsm_rmdir,
	.rename = mafsm_rename,
	.opendir = mafsm_opendir,
	.closedir = mafsm_closedir,
	.readdir = mafsm_readdir,
	.fsyncdir = mafsm_fsyncdir,
	.getattr = mafsm_getattr,
	.setattr = mafsm_setattr,
	.statfs = mafsm_statfs,
	.getxattr = mafsm_getxattr,
	.listxattr = mafsm_listxattr,
	.setxattr = mafsm_setxattr,
	.removexattr = mafsm_removexattr,
	.set_policy = mafsm_set_policy,
	.open = mafsm_open,
	.create = mafsm_create,
	.tmpfile = mafsm_tmpfile,
	.release = mafsm_release,
	.read = mafsm_read_bytes,
	.write = mafsm_write_bytes,
	.flush = mafsm_flush,
	.fsync = mafsm_fsync,
	.copy_file_range = mafsm_copy_file_range,
	.fallocate = mafsm_fallocate,
	.lseek = mafsm_lseek,
};
