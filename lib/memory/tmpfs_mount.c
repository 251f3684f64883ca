/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The private tmpfs of root. There are two, one in the other:
 *
 *	PATH		superblock, log-a, log-b
 *	PATH/data	one file per allocation; its limit is SIZE
 *
 * so that data never takes the room of the log, whoever stores it (a
 * passthrough writer does so without asking us), and SIZE is kept by the kernel
 * alone. The outer limit is generous: it is a bound, not a
 * reservation, and the log of a million files needs some 300 MiB.
 *
 * Mounted from outside to inside; the superblock's file, made last by the
 * caller, says that all is there.
 */
#include "tmpfs.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <mafs/mounts.h>
#include <string.h>
#include <sys/mount.h>

#define SOURCE_NAME "mafs"
#define META_BYTES_MIN (UINT64_C(64) << 20)
/*
 * Measured: sequential writes of 1 MiB 23 GB/s against 8 GB/s with small
 * pages, reads 26 against 14. huge=always would give each 4 KiB file 2 MiB.
 */
#define HUGE_DEFAULT "within_size"

struct options {
	uint64_t size_bytes;
	const char *huge;
	const char *mpol;
	bool huge_is_wish; /* not asked for by a person */
};

/* What the kernel said about it, for a person. */
static int complain(int fs_fd, int err, const char *what,
		    struct mafs_fault *fault)
{
	char text[256] = "";
	ssize_t n = read(fs_fd, text, sizeof(text) - 1);

	text[n > 0 ? n : 0] = '\0';
	text[strcspn(text, "\n")] = '\0';
	/* "e tmpfs: Bad value for 'mpol'": a letter for the level first. */
	return mafs_fault_set(fault, err, "cannot mount a tmpfs: %s: %s", what,
			      n > 2 ? text + 2 : strerror(-err));
}

static int set_string(int fs_fd, const char *key, const char *value,
		      struct mafs_fault *fault)
{
	if (fsconfig(fs_fd, FSCONFIG_SET_STRING, key, value, 0) < 0)
		return complain(fs_fd, -errno, key, fault);
	return 0;
}

static int configure(int fs_fd, const struct options *options,
		     struct mafs_fault *fault)
{
	char size[24];
	int r;

	snprintf(size, sizeof(size), "%" PRIu64, options->size_bytes);
	r = set_string(fs_fd, "source", SOURCE_NAME, fault);
	if (r == 0)
		r = set_string(fs_fd, "size", size, fault);
	if (r == 0)
		r = set_string(fs_fd, "mode", "0700", fault);
	if (r == 0)
		r = set_string(fs_fd, "nr_inodes", "0", fault);
	if (r == 0 && *options->mpol)
		r = set_string(fs_fd, "mpol", options->mpol, fault);
	if (r < 0)
		return r;

	/* A kernel without huge pages knows no huge=, one before 6.4 no
	 * noswap: both are wishes. */
	r = set_string(fs_fd, "huge", options->huge, fault);
	if (r < 0 && !options->huge_is_wish)
		return r;
	fsconfig(fs_fd, FSCONFIG_SET_FLAG, "noswap", NULL, 0);

	if (fsconfig(fs_fd, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return complain(fs_fd, -errno, "create", fault);
	return 0;
}

/* Return: descriptor of the mount, not yet seen anywhere. */
static int make_mount(const struct options *options, struct mafs_fault *fault)
{
	_cleanup_close_ int fs_fd = fsopen("tmpfs", FSOPEN_CLOEXEC);
	int fd, r;

	if (fs_fd < 0)
		return mafs_fault_set(fault, -errno,
				      "cannot mount a tmpfs: %m");
	r = configure(fs_fd, options, fault);
	if (r < 0)
		return r;
	fd = fsmount(fs_fd, FSMOUNT_CLOEXEC,
		     MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC |
			     MOUNT_ATTR_NOATIME);
	if (fd < 0)
		return mafs_fault_set(fault, -errno,
				      "cannot mount a tmpfs: %m");
	return fd;
}

static int attach_mount(int mount_fd, int dir_fd, const char *name,
			struct mafs_fault *fault)
{
	if (move_mount(mount_fd, "", dir_fd, name, MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return mafs_fault_set(fault, -errno,
				      "cannot mount a tmpfs at %s: %m", name);
	return 0;
}

int tmpfs_make_buckets(int data_fd)
{
	char name[3];

	for (unsigned int i = 0; i < TMPFS_N_BUCKETS; i++) {
		snprintf(name, sizeof(name), "%02x", i);
		if (mkdirat(data_fd, name, 0700) < 0 && errno != EEXIST)
			return -errno;
	}
	return 0;
}

static int mount_data(const char *path, int outer_fd,
		      const struct mafs_memory_spec *spec,
		      struct mafs_fault *fault)
{
	const struct options options = {
		.size_bytes = spec->size_bytes,
		.huge = *spec->huge ? spec->huge : HUGE_DEFAULT,
		.huge_is_wish = !*spec->huge,
		.mpol = spec->mpol,
	};
	_cleanup_close_ int fd = make_mount(&options, fault);
	int r;

	if (fd < 0)
		return fd;
	r = tmpfs_make_buckets(fd);
	if (r < 0)
		return mafs_fault_set(fault, r, "%s/%s: %s", path, TMPFS_DATA,
				      strerror(-r));
	return attach_mount(fd, outer_fd, TMPFS_DATA, fault);
}

int tmpfs_mount(const char *path, const struct mafs_memory_spec *spec,
		struct mafs_fault *fault)
{
	struct options options = {
		.size_bytes = spec->size_bytes / 4,
		.huge = "never",
		.huge_is_wish = true,
		.mpol = spec->mpol,
	};
	_cleanup_close_ int fd = -1;
	int r;

	if (options.size_bytes < META_BYTES_MIN)
		options.size_bytes = META_BYTES_MIN;
	fd = make_mount(&options, fault);
	if (fd < 0)
		return fd;
	if (mkdirat(fd, TMPFS_DATA, 0700) < 0)
		return mafs_fault_set(fault, -errno, "%s/%s: %m", path,
				      TMPFS_DATA);
	r = attach_mount(fd, AT_FDCWD, path, fault);
	if (r < 0)
		return r;
	r = mount_data(path, fd, spec, fault);
	if (r < 0)
		tmpfs_unmount(path, NULL);
	return r;
}

/* Somebody may still have a file open or stand in it: then it goes from sight
 * at once and from memory with the last of them. */
static int unmount_one(const char *path, struct mafs_fault *fault)
{
	if (umount2(path, UMOUNT_NOFOLLOW) == 0 ||
	    (errno == EBUSY &&
	     umount2(path, UMOUNT_NOFOLLOW | MNT_DETACH) == 0))
		return 0;
	return mafs_fault_set(fault, -errno, "cannot unmount %s: %m", path);
}

static bool is_ours(const struct mafs_mounts *mounts, const char *path)
{
	const struct mafs_mount *mount = mafs_mounts_at(mounts, path);

	return mount && !strcmp(mount->type, "tmpfs") &&
	       !strcmp(mount->source, SOURCE_NAME);
}

int tmpfs_unmount(const char *path, struct mafs_fault *fault)
{
	_cleanup_(mafs_mounts_done) struct mafs_mounts mounts = { 0 };
	_cleanup_free_ char *real = realpath(path, NULL);
	char data[PATH_MAX];
	int r;

	if (!real)
		return errno == ENOENT ? 0 : -errno;
	r = mafs_mounts_read(NULL, &mounts);
	if (r < 0)
		return mafs_fault_set(fault, r,
				      "cannot read the list of mounts");
	if (snprintf(data, sizeof(data), "%s/%s", real, TMPFS_DATA) >=
	    (int)sizeof(data))
		return -ENAMETOOLONG;
	if (is_ours(&mounts, data))
		r = unmount_one(data, fault);
	if (r == 0 && is_ours(&mounts, real))
		r = unmount_one(real, fault);
	return r;
}
