/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making, attaching and destroying a tmpfs device.
 *
 * Invariant: the file "superblock" is made last and removed first, so a device
 * is there whole or not at all, whenever we are killed; making one clears what
 * half of one an earlier attempt has left.
 */
#include "tmpfs.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <mafs/mounts.h>
#include <string.h>

#define SUPERBLOCK (tmpfs_region_names[MAFS_REGION_SUPERBLOCK])

/* Below /dev/shm anybody may have made the directory before us. */
static int open_dir(const char *path, int *ret, struct mafs_fault *fault)
{
	_cleanup_close_ int fd = -1;
	struct stat st;

	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return mafs_fault_set(fault, -errno, "memory %s: %m", path);
	if (geteuid() != 0 &&
	    (st.st_uid != geteuid() || (st.st_mode & (S_IRWXG | S_IRWXO))))
		return mafs_fault_set(fault, -EPERM,
				      "memory %s is open to other users", path);
	*ret = take_fd(fd);
	return 0;
}

/* ---- attaching ---- */

/* Without the list of mounts: as if it had, which costs little. */
static bool may_be_huge(int fd)
{
	_cleanup_(mafs_mounts_done) struct mafs_mounts mounts = { 0 };
	struct statx stx;

	if (statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &stx) < 0 ||
	    !(stx.stx_mask & STATX_MNT_ID) || mafs_mounts_read(NULL, &mounts))
		return true;
	for (size_t i = 0; i < mounts.n_mounts; i++)
		if (mounts.mounts[i].id == stx.stx_mnt_id)
			return strstr(mounts.mounts[i].options, "huge=");
	return true;
}

static int open_parts(struct tmpfs *tmpfs)
{
	int access = tmpfs->read_only ? O_RDONLY : O_RDWR;

	for (int i = 0; i < MAFS_N_REGIONS; i++) {
		tmpfs->region_fds[i] = openat(tmpfs->dir_fd,
					      tmpfs_region_names[i],
					      access | O_NOFOLLOW | O_CLOEXEC);
		if (tmpfs->region_fds[i] < 0)
			return -errno;
	}
	tmpfs->data_fd =
		openat(tmpfs->dir_fd, TMPFS_DATA,
		       O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return tmpfs->data_fd < 0 ? -errno : 0;
}

static int load_counters(struct tmpfs *tmpfs)
{
	uint64_t used_bytes = 0, n_files = 0;
	int r;

	r = tmpfs_limit_load(tmpfs->dir_fd, &tmpfs->size_bytes);
	if (r < 0 && r != -ENOENT)
		return r;
	tmpfs->limited = r == 0;

	r = tmpfs->read_only ? 0 : tmpfs_count(tmpfs, &used_bytes, &n_files);
	atomic_init(&tmpfs->used_bytes, used_bytes);
	atomic_init(&tmpfs->n_files, n_files);
	return r;
}

static void memory_freep(struct mafs_memory **memory)
{
	if (*memory)
		tmpfs_ops.free(*memory);
}

int tmpfs_attach(const char *path, bool read_only, struct mafs_memory **ret,
		 struct mafs_fault *fault)
{
	_cleanup_(memory_freep) struct mafs_memory *memory = NULL;
	struct tmpfs *tmpfs;
	int r;

	tmpfs = malloc(sizeof(*tmpfs));
	if (!tmpfs)
		return -ENOMEM;
	*tmpfs = (struct tmpfs){
		.base.ops = &tmpfs_ops,
		.base.kind = "tmpfs",
		.base.media.ops = &tmpfs_media_ops,
		.read_only = read_only,
		.dir_fd = -1,
		.data_fd = -1,
		.region_fds = { -1, -1, -1 },
	};
	memory = &tmpfs->base;

	r = open_dir(path, &tmpfs->dir_fd, fault);
	if (r < 0)
		return r;
	r = open_parts(tmpfs);
	if (r == -ENOENT)
		return mafs_fault_set(fault, r, "%s holds no memory device",
				      path);
	if (r == 0)
		r = load_counters(tmpfs);
	if (r < 0)
		return mafs_fault_set(fault, r, "memory %s: %s", path,
				      strerror(-r));
	tmpfs->huge = may_be_huge(tmpfs->data_fd);
	*ret = take_ptr(memory);
	return 0;
}

/* ---- removing a directory's parts ---- */

static int remove_file(void *context, int bucket_fd, const char *name,
		       const struct stat *st)
{
	return unlinkat(bucket_fd, name, 0) < 0 && errno != ENOENT ? -errno : 0;
}

static void remove_data(int dir_fd)
{
	struct tmpfs tmpfs = { 0 };
	_cleanup_close_ int fd =
		openat(dir_fd, TMPFS_DATA,
		       O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	char name[3];

	if (fd < 0)
		return;
	tmpfs.data_fd = fd;
	tmpfs_walk(&tmpfs, false, remove_file, NULL);
	for (unsigned int i = 0; i < TMPFS_N_BUCKETS; i++) {
		snprintf(name, sizeof(name), "%02x", i);
		unlinkat(fd, name, AT_REMOVEDIR);
	}
	unlinkat(dir_fd, TMPFS_DATA, AT_REMOVEDIR);
}

/* Only names that are ours: the path may be wrong. */
static void remove_parts(int dir_fd)
{
	for (int i = 0; i < MAFS_N_REGIONS; i++)
		unlinkat(dir_fd, tmpfs_region_names[i], 0);
	remove_data(dir_fd);
	unlinkat(dir_fd, TMPFS_RESERVE, 0);
	unlinkat(dir_fd, TMPFS_LIMIT, 0);
}

/* ---- making ---- */

static int make_regions(int dir_fd)
{
	int fd;

	/* From the last to the first: the superblock says that all is there. */
	for (int i = MAFS_N_REGIONS - 1; i >= 0; i--) {
		fd = openat(dir_fd, tmpfs_region_names[i],
			    O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
		if (fd < 0)
			return -errno;
		close(fd);
	}
	return 0;
}

static int make_data_dir(int dir_fd)
{
	_cleanup_close_ int fd = -1;

	if (mkdirat(dir_fd, TMPFS_DATA, 0700) < 0 && errno != EEXIST)
		return -errno;
	fd = openat(dir_fd, TMPFS_DATA,
		    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	return tmpfs_make_buckets(fd);
}

static int make_directory(const char *path, const struct mafs_memory_spec *spec,
			  struct mafs_fault *fault)
{
	_cleanup_close_ int fd = -1;
	int r;

	if (*spec->mpol || *spec->huge)
		return mafs_fault_set(fault, -EPERM,
				      "memory options mpol= and huge= need "
				      "root");
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return mafs_fault_set(fault, -errno, "memory %s: %m", path);
	r = open_dir(path, &fd, fault);
	if (r < 0)
		return r;
	/* What an earlier attempt, or half a removal, has left. */
	remove_parts(fd);
	r = make_data_dir(fd);
	if (r == 0)
		r = tmpfs_limit_store(fd, spec->size_bytes);
	if (r == 0)
		r = tmpfs_fill_reserve(fd);
	if (r < 0)
		return mafs_fault_set(fault, r, "memory %s: %s", path,
				      strerror(-r));
	return 0;
}

static bool is_whole(const char *path)
{
	_cleanup_close_ int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

	return fd >= 0 && faccessat(fd, SUPERBLOCK, F_OK, 0) == 0;
}

int tmpfs_make(const char *path, const struct mafs_memory_spec *spec,
	       struct mafs_memory **ret, struct mafs_fault *fault)
{
	bool mounts = mafs_have_capability(CAP_SYS_ADMIN);
	_cleanup_close_ int fd = -1;
	int r;

	if (!spec->size_bytes)
		return mafs_fault_set(fault, -EINVAL, "memory of size 0");
	if (is_whole(path))
		return mafs_fault_set(fault, -EEXIST,
				      "%s holds a memory device already", path);
	r = mounts ? tmpfs_unmount(path, fault) : 0;
	if (r == 0)
		r = mounts ? tmpfs_mount(path, spec, fault) :
			     make_directory(path, spec, fault);
	if (r < 0)
		return r;

	r = open_dir(path, &fd, fault);
	if (r < 0)
		return r;
	r = make_regions(fd);
	if (r < 0)
		return mafs_fault_set(fault, r, "memory %s: %s", path,
				      strerror(-r));
	return tmpfs_attach(path, false, ret, fault);
}

/* ---- destroying ---- */

int tmpfs_destroy(const char *path, struct mafs_fault *fault)
{
	_cleanup_close_ int fd = -1;
	int r;

	if (access(path, F_OK) < 0 && errno == ENOENT)
		return 0;
	r = open_dir(path, &fd, fault);
	if (r < 0)
		return r;
	if (faccessat(fd, TMPFS_LIMIT, F_OK, 0) == 0) {
		remove_parts(fd);
	} else {
		unlinkat(fd, SUPERBLOCK, 0);
		mafs_closep(&fd);
		r = tmpfs_unmount(path, fault);
		if (r < 0)
			return r;
	}
	if (rmdir(path) < 0 && errno != ENOENT)
		return mafs_fault_set(fault, -errno, "cannot remove %s: %m",
				      path);
	return 0;
}
