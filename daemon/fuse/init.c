// SPDX-License-Identifier: Apache-2.0
/*
 * The INIT handshake: what mafs asks of the kernel, and what it does not want
 * of what libfuse would ask for.
 */
#include "adapter.h"

#define N_BACKGROUND_MAX 64

/* Each only where the kernel offers it. */
static const uint64_t wanted[] = {
	FUSE_CAP_ASYNC_READ,
	FUSE_CAP_ASYNC_DIO,
	FUSE_CAP_ATOMIC_O_TRUNC,
	FUSE_CAP_PARALLEL_DIROPS,
	FUSE_CAP_READDIRPLUS,
	FUSE_CAP_READDIRPLUS_AUTO,
	/* The kernel decides access, ACLs included. */
	FUSE_CAP_POSIX_ACL,
	/* Default ACLs decide the mode, so that the umask must not. */
	FUSE_CAP_DONT_MASK,
	/* Else each write would ask for security.capability first. */
	FUSE_CAP_HANDLE_KILLPRIV_V2,
	FUSE_CAP_CACHE_SYMLINKS,
	/* Node ids do not outlive the daemon. */
	FUSE_CAP_NO_EXPORT_SUPPORT,
};

static const uint64_t unwanted[] = {
	FUSE_CAP_SPLICE_READ,
	FUSE_CAP_SPLICE_WRITE,
	FUSE_CAP_SPLICE_MOVE,
	FUSE_CAP_WRITEBACK_CACHE,
	/* The page cache is ours to invalidate: content changes here only,
	 * but for what is shared. */
	FUSE_CAP_AUTO_INVAL_DATA,
	/* Locks stay in the kernel. */
	FUSE_CAP_POSIX_LOCKS,
	FUSE_CAP_FLOCK_LOCKS,
	FUSE_CAP_EXPORT_SUPPORT,
	FUSE_CAP_HANDLE_KILLPRIV,
	FUSE_CAP_IOCTL_DIR,
	FUSE_CAP_NO_OPEN_SUPPORT,
	FUSE_CAP_NO_OPENDIR_SUPPORT,
};

static void op_init(void *userdata, struct fuse_conn_info *conn)
{
	struct mafsd_fuse *fuse = userdata;

	for (size_t i = 0; i < MAFS_ARRAY_SIZE(wanted); i++)
		(void)fuse_set_feature_flag(conn, wanted[i]);
	for (size_t i = 0; i < MAFS_ARRAY_SIZE(unwanted); i++)
		fuse_unset_feature_flag(conn, unwanted[i]);
	/* Shared mappings of files that are open by copy. */
	fuse->fs->page_cache_only =
		!fuse_set_feature_flag(conn, FUSE_CAP_DIRECT_IO_ALLOW_MMAP);
	if (fuse->fs->shared)
		(void)fuse_set_feature_flag(conn, FUSE_CAP_AUTO_INVAL_DATA);
	/* Without root INIT agrees to it, and then no file is let through. */
	if (fuse->fs->passthrough)
		(void)fuse_set_feature_flag(conn, FUSE_CAP_PASSTHROUGH);
	/* N on a stacked file system is never passed through, and others may
	 * stack on the mount. */
	conn->max_backing_stack_depth = 0;
	conn->max_write = fuse->max_write;
	conn->max_read = MAFSD_REQUEST_MAX;
	conn->max_background = N_BACKGROUND_MAX;
	conn->congestion_threshold = N_BACKGROUND_MAX * 3 / 4;
	conn->time_gran = 1;
#if FUSE_VERSION >= FUSE_MAKE_VERSION(3, 18)
	/* Nothing here can be interrupted halfway. */
	conn->no_interrupt = 1;
	if (fuse->io_uring)
		fuse->fs->io_uring =
			fuse_set_feature_flag(conn, FUSE_CAP_OVER_IO_URING);
	else
		fuse_unset_feature_flag(conn, FUSE_CAP_OVER_IO_URING);
#endif
}

void mafsd_ops_init(struct fuse_lowlevel_ops *ops)
{
	ops->init = op_init;
}
