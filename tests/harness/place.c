// SPDX-License-Identifier: Apache-2.0
#include "place.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <mafs/mounts.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

void t_place_make(const char *name, char ret[T_PLACE_LEN])
{
	static unsigned int n;

	assert_true(snprintf(ret, T_PLACE_LEN, "/tmp/mafs-%s-%d-%u", name,
			     getpid(), n++) < T_PLACE_LEN);
	assert_int_equal(mkdir(ret, 0700), 0);
}

static int remove_one(const char *path, const struct stat *st, int type,
		      struct FTW *where)
{
	return remove(path);
}

void t_place_remove(const char *place)
{
	struct mafs_mounts mounts;
	size_t len = strlen(place);

	if (mafs_mounts_read(NULL, &mounts) == 0) {
		for (size_t i = mounts.n_mounts; i > 0; i--)
			if (!strncmp(mounts.mounts[i - 1].path, place, len))
				umount2(mounts.mounts[i - 1].path, MNT_DETACH);
		mafs_mounts_done(&mounts);
	}
	nftw(place, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

/* In a chroot "/" need not be a mount: each mount that is seen, then. */
static int make_mounts_private(void)
{
	struct mafs_mounts mounts;

	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0)
		return 0;
	if (mafs_mounts_read(NULL, &mounts) < 0)
		return -1;
	for (size_t i = 0; i < mounts.n_mounts; i++)
		mount(NULL, mounts.mounts[i].path, NULL, MS_PRIVATE, NULL);
	mafs_mounts_done(&mounts);
	return 0;
}

int t_become_private(void)
{
	if (geteuid() != 0) {
		printf("needs root\n");
		return T_SKIP;
	}
	if (unshare(CLONE_NEWNS) < 0 || make_mounts_private() < 0) {
		printf("needs a mount namespace: %m\n");
		return T_SKIP;
	}
	mkdir("/run/mafs", 0700);
	if (mount("mafs-test", "/run/mafs", "tmpfs", 0, "mode=0700") < 0) {
		printf("needs a tmpfs at /run/mafs: %m\n");
		return T_SKIP;
	}
	return 0;
}

const char *t_path(const char *place, const char *name)
{
	static char path[PATH_MAX];

	assert_true(snprintf(path, sizeof(path), "%s/%s", place, name) <
		    (int)sizeof(path));
	return path;
}

void t_write_file(const char *place, const char *name, const char *content)
{
	size_t len = strlen(content);
	int fd = open(t_path(place, name), O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, content, len), len);
	close(fd);
}

int t_mount_silent(const char *source, const char *mountpoint)
{
	char options[128];
	int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);

	if (fd < 0) {
		print_message("needs /dev/fuse\n");
		skip();
	}
	snprintf(options, sizeof(options),
		 "fd=%d,rootmode=40000,user_id=0,group_id=0", fd);
	assert_int_equal(mount(source, mountpoint, "fuse.mafs", 0, options), 0);
	return fd;
}
