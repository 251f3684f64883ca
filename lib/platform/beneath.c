/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Resolving names so that they never leave a directory: openat2(2) with all
 * its restrictions, and a private clone of the mount at a directory, in which
 * nothing that is mounted below can be met (our own mount included).
 */
#include <mafs/platform.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <mafs/cleanup.h>
#include <sys/mount.h>
#include <sys/syscall.h>

/* A rename beside us makes openat2() give up with EAGAIN. */
#define N_ATTEMPTS 16

int mafs_open_beneath(int dirfd, const char *path, int flags, mode_t mode)
{
	bool creates = flags & (O_CREAT | (O_TMPFILE & ~O_DIRECTORY));
	struct open_how how = {
		.flags = (uint64_t)(unsigned int)(flags | O_CLOEXEC),
		.mode = creates ? mode & 07777 : 0,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS |
			   RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS,
	};
	long fd = -1;

	for (int i = 0; i < N_ATTEMPTS; i++) {
		fd = syscall(SYS_openat2, dirfd, path, &how, sizeof(how));
		if (fd >= 0 || (errno != EAGAIN && errno != EINTR))
			break;
	}
	return fd < 0 ? -errno : (int)fd;
}

/*
 * What open_tree() gives is O_PATH and takes the clone down when it is closed;
 * a plain descriptor inside keeps the clone's mount just as well, and can be
 * synced, read and given to open_by_handle_at() on every kernel.
 */
int mafs_clone_tree(const char *path)
{
	_cleanup_close_ int tree_fd = -1;
	int fd;

	tree_fd =
		open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (tree_fd < 0)
		return -errno;
	fd = openat(tree_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}
