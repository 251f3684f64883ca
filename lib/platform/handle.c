/* SPDX-License-Identifier: Apache-2.0 */
/*
 * File handles: name_to_handle_at(2) and open_by_handle_at(2) between our
 * struct mafs_handle and the kernel's struct with a flexible end.
 *
 * A handle is a key to every file of its file system: whoever opens by one
 * that came from a log proves afterwards that the file lies beneath N.
 */
#include <mafs/platform.h>

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

static_assert(MAFS_HANDLE_MAX == MAX_HANDLE_SZ, "handles fit");

union kernel_handle {
	struct file_handle head;
	char room[sizeof(struct file_handle) + MAX_HANDLE_SZ];
};

int mafs_handle_of(int dirfd, const char *name, struct mafs_handle *ret)
{
	union kernel_handle kernel = { .head.handle_bytes = MAX_HANDLE_SZ };
	int flags = *name ? 0 : AT_EMPTY_PATH;
	struct mafs_handle handle = { 0 };
	int mount_id;

	if (name_to_handle_at(dirfd, name, &kernel.head, &mount_id, flags) < 0)
		return -errno;
	/* Some file systems name no bytes at all: of no use as a name. */
	if (!kernel.head.handle_bytes)
		return -EOPNOTSUPP;

	handle.type = kernel.head.handle_type;
	handle.length = kernel.head.handle_bytes;
	memcpy(handle.bytes, kernel.head.f_handle, handle.length);
	*ret = handle;
	return 0;
}

int mafs_handle_open(int mount_fd, const struct mafs_handle *handle, int flags)
{
	union kernel_handle kernel = { 0 };
	int fd;

	/* It may come from a log: the kernel's own limits, before its call. */
	if (!handle->length || handle->length > MAX_HANDLE_SZ)
		return -ESTALE;
	kernel.head.handle_type = handle->type;
	kernel.head.handle_bytes = handle->length;
	memcpy(kernel.head.f_handle, handle->bytes, handle->length);

	fd = open_by_handle_at(mount_fd, &kernel.head, flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}
