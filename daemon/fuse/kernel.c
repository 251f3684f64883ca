// SPDX-License-Identifier: Apache-2.0
/*
 * What the core asks of the kernel beside replies: backing files for
 * passthrough, and forgetting attributes. After the end of the session the
 * descriptor may be somebody else's, so each call looks under kernel_lock.
 */
#include "adapter.h"

#include <string.h>
#include <sys/ioctl.h>

/*
 * Source: the kernel's include/uapi/linux/fuse.h of 6.9 (struct
 * fuse_backing_map and FUSE_DEV_IOC_BACKING_*), which older headers lack.
 */
struct backing_map {
	int32_t fd;
	uint32_t flags;
	uint64_t padding;
};

#define DEV_IOC_BACKING_OPEN _IOW(229, 1, struct backing_map)
#define DEV_IOC_BACKING_CLOSE _IOW(229, 2, uint32_t)

static int backing_open(void *context, int fd)
{
	struct mafsd_fuse *fuse = context;
	struct backing_map map = { .fd = fd };
	int r = -ENOTCONN;

	pthread_rwlock_rdlock(&fuse->kernel_lock);
	if (fuse->kernel_fd >= 0) {
		r = ioctl(fuse->kernel_fd, DEV_IOC_BACKING_OPEN, &map);
		if (r < 0)
			r = -errno;
	}
	pthread_rwlock_unlock(&fuse->kernel_lock);
	return r;
}

static void backing_close(void *context, int backing_id)
{
	struct mafsd_fuse *fuse = context;
	uint32_t id = (uint32_t)backing_id;

	pthread_rwlock_rdlock(&fuse->kernel_lock);
	if (fuse->kernel_fd >= 0)
		(void)ioctl(fuse->kernel_fd, DEV_IOC_BACKING_CLOSE, &id);
	pthread_rwlock_unlock(&fuse->kernel_lock);
}

static void inval_attr(void *context, uint64_t nodeid)
{
	struct mafsd_fuse *fuse = context;

	pthread_rwlock_rdlock(&fuse->kernel_lock);
	/* An offset below 0 touches no pages, so that it waits for none. */
	if (fuse->kernel_fd >= 0)
		(void)fuse_lowlevel_notify_inval_inode(fuse->session, nodeid,
						       -1, 0);
	pthread_rwlock_unlock(&fuse->kernel_lock);
}

static void inval_data(void *context, uint64_t nodeid)
{
	struct mafsd_fuse *fuse = context;

	pthread_rwlock_rdlock(&fuse->kernel_lock);
	if (fuse->kernel_fd >= 0)
		(void)fuse_lowlevel_notify_inval_inode(fuse->session, nodeid, 0,
						       0);
	pthread_rwlock_unlock(&fuse->kernel_lock);
}

static void inval_entry(void *context, uint64_t parent, const char *name)
{
	struct mafsd_fuse *fuse = context;

	pthread_rwlock_rdlock(&fuse->kernel_lock);
	if (fuse->kernel_fd >= 0)
		(void)fuse_lowlevel_notify_inval_entry(fuse->session, parent,
						       name, strlen(name));
	pthread_rwlock_unlock(&fuse->kernel_lock);
}

static const struct mafsd_kernel_ops kernel_ops = {
	.backing_open = backing_open,
	.backing_close = backing_close,
	.inval_attr = inval_attr,
	.inval_data = inval_data,
	.inval_entry = inval_entry,
};

void mafsd_kernel_begin(struct mafsd_fuse *fuse, int fd)
{
	pthread_rwlock_wrlock(&fuse->kernel_lock);
	fuse->kernel_fd = fd;
	pthread_rwlock_unlock(&fuse->kernel_lock);
}

void mafsd_kernel_end(struct mafsd_fuse *fuse)
{
	mafsd_kernel_begin(fuse, -1);
}

void mafsd_kernel_connect(struct mafsd_fuse *fuse)
{
	if (atomic_load_explicit(&fuse->connected, memory_order_acquire))
		return;
	mafs_guard(&fuse->connect_lock);
	if (fuse->connected)
		return;
	fuse->fs->ops->connect(fuse->fs, &kernel_ops, fuse);
	atomic_store_explicit(&fuse->connected, true, memory_order_release);
}
