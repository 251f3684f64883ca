/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tmpfs device: one file per allocation, named by its own UUID in one of
 * 256 directories (which keeps threads that create apart), with the identity
 * of its file as an xattr. Size, times and holes of a file of N are those of
 * its allocation: they survive the daemon with the bytes.
 *
 * Root has tmpfs mounts of its own (tmpfs_mount.c). Without CAP_SYS_ADMIN the
 * same files stand in a 0700 directory of our own on somebody's tmpfs, marked
 * by the file "limit", and we count the bytes (tmpfs_limit.c). There the
 * identity needs a kernel with user.* on tmpfs (6.6); before, it is left out.
 */
#include "tmpfs.h"

#include <errno.h>
#include <fcntl.h>
#include <mafs/log.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>

#define XATTR_ROOT "trusted.mafs.id"
#define XATTR_USER "user.mafs.id"

/* "ab/abcdef01-...": bucket and name. */
#define NAME_LEN (3 + MAFS_UUID_TEXT_LEN)

static void name_of(const struct mafs_uuid *tag, char ret[static NAME_LEN])
{
	mafs_uuid_to_text(tag, ret + 3);
	ret[0] = ret[3];
	ret[1] = ret[4];
	ret[2] = '/';
}

static int name_of_map(const struct mafs_map *map, char ret[static NAME_LEN])
{
	if (map->n_extents != 1)
		return -EINVAL;
	name_of(&map->extents[0].device_uuid, ret);
	return 0;
}

static struct mafs_memory_file *new_file(struct mafs_memory *memory, int fd)
{
	struct tmpfs_file *file = malloc(sizeof(*file));

	if (!file)
		return NULL;
	*file = (struct tmpfs_file){ .base.memory = memory, .fd = fd };
	return &file->base;
}

static int set_id(const struct tmpfs *tmpfs, int fd, const void *id,
		  size_t id_len)
{
	const char *name = tmpfs->limited ? XATTR_USER : XATTR_ROOT;

	if (!id_len || fsetxattr(fd, name, id, id_len, XATTR_CREATE) == 0)
		return 0;
	return tmpfs->limited && errno == EOPNOTSUPP ? 0 : -errno;
}

static int make_map(const struct mafs_uuid *tag, struct mafs_map *ret)
{
	/* The device keeps the length with the file; 1 for the map's sake. */
	const struct mafs_extent extent = {
		.device_uuid = *tag,
		.length_bytes = 1,
	};

	return mafs_map_append(ret, &extent);
}

static int tmpfs_create(struct mafs_memory *memory, const void *id,
			size_t id_len, struct mafs_map *ret_map,
			struct mafs_memory_file **ret)
{
	struct tmpfs *tmpfs = tmpfs_of(memory);
	_cleanup_close_ int fd = -1;
	struct mafs_memory_file *file = NULL;
	struct mafs_map map = { 0 };
	struct mafs_uuid tag;
	char name[NAME_LEN];
	int r;

	if (tmpfs->read_only)
		return -EROFS;
	mafs_uuid_generate(&tag);
	name_of(&tag, name);
	fd = openat(tmpfs->data_fd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC,
		    0600);
	if (fd < 0)
		return -errno;
	r = set_id(tmpfs, fd, id, id_len);
	if (r == 0)
		r = make_map(&tag, &map);
	if (r == 0 && !(file = new_file(memory, fd)))
		r = -ENOMEM;
	if (r < 0) {
		mafs_map_done(&map);
		unlinkat(tmpfs->data_fd, name, 0);
		return r;
	}

	take_fd(fd);
	atomic_fetch_add(&tmpfs->n_files, 1);
	*ret_map = map;
	*ret = file;
	return 0;
}

static int tmpfs_open(struct mafs_memory *memory, const struct mafs_map *map,
		      bool writable, struct mafs_memory_file **ret)
{
	const struct tmpfs *tmpfs = tmpfs_of(memory);
	_cleanup_close_ int fd = -1;
	struct mafs_memory_file *file;
	char name[NAME_LEN];
	struct stat st;
	int r;

	if (writable && tmpfs->read_only)
		return -EROFS;
	r = name_of_map(map, name);
	if (r < 0)
		return r;
	fd = openat(tmpfs->data_fd, name,
		    (writable ? O_RDWR : O_RDONLY) | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	file = new_file(memory, fd);
	if (!file)
		return -ENOMEM;
	take_fd(fd);
	tmpfs_file_of(file)->size_bytes = (uint64_t)st.st_size;
	tmpfs_file_of(file)->sparse = st.st_blocks * 512 < st.st_size;
	*ret = file;
	return 0;
}

static void tmpfs_close(struct mafs_memory_file *file)
{
	if (!file)
		return;
	close(tmpfs_file_of(file)->fd);
	free(tmpfs_file_of(file));
}

static int tmpfs_remove(struct mafs_memory *memory, const struct mafs_map *map)
{
	struct tmpfs *tmpfs = tmpfs_of(memory);
	char name[NAME_LEN];
	struct stat st = { 0 };
	int r;

	if (tmpfs->read_only)
		return -EROFS;
	r = name_of_map(map, name);
	if (r < 0)
		return r;
	if (tmpfs->limited &&
	    fstatat(tmpfs->data_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (unlinkat(tmpfs->data_fd, name, 0) < 0)
		return errno == ENOENT ? 0 : -errno;
	atomic_fetch_sub(&tmpfs->n_files, 1);
	/* The counter's rule is in tmpfs_limit.c. */
	atomic_fetch_sub(&tmpfs->used_bytes, (uint64_t)st.st_blocks * 512);
	return 0;
}

static int tmpfs_backing_fd(struct mafs_memory *memory,
			    const struct mafs_map *map)
{
	char name[NAME_LEN];
	int r = name_of_map(map, name);

	if (r < 0)
		return r;
	r = openat(tmpfs_of(memory)->data_fd, name,
		   O_PATH | O_NOFOLLOW | O_CLOEXEC);
	return r < 0 ? -errno : r;
}

static int tmpfs_extents(struct mafs_memory *memory, const struct mafs_map *map,
			 struct mafs_map *ret)
{
	struct mafs_extent extent = { 0 };
	struct mafs_map found = { 0 };
	char name[NAME_LEN];
	struct stat st;
	int r = name_of_map(map, name);

	if (r < 0)
		return r;
	if (fstatat(tmpfs_of(memory)->data_fd, name, &st, AT_SYMLINK_NOFOLLOW) <
	    0)
		return -errno;
	extent.device_uuid = map->extents[0].device_uuid;
	extent.length_bytes = (uint64_t)st.st_size;
	if (st.st_size > 0)
		r = mafs_map_append(&found, &extent);
	if (r == 0)
		*ret = found;
	return r;
}

static int tmpfs_format(struct mafs_memory *memory, struct mafs_superblock *sb,
			struct mafs_fault *fault)
{
	struct mafs_memory_usage usage;
	int r = memory->ops->usage(memory, &usage);

	if (r < 0)
		return r;
	sb->device_size_bytes = usage.size_bytes;
	return mafs_log_format(&memory->media, sb, fault);
}

static int tmpfs_usage(struct mafs_memory *memory,
		       struct mafs_memory_usage *ret)
{
	struct tmpfs *tmpfs = tmpfs_of(memory);
	struct mafs_memory_usage usage = {
		.size_bytes = tmpfs->size_bytes,
		.used_bytes = atomic_load(&tmpfs->used_bytes),
		.n_files = atomic_load(&tmpfs->n_files),
	};
	struct statvfs fs;
	int r = 0;

	/* Beside a running daemon only the files tell. */
	if (tmpfs->read_only)
		r = tmpfs_count(tmpfs, &usage.used_bytes, &usage.n_files);
	if (r < 0)
		return r;
	if (!tmpfs->limited) {
		if (fstatvfs(tmpfs->data_fd, &fs) < 0)
			return -errno;
		usage.size_bytes = (uint64_t)fs.f_blocks * fs.f_frsize;
		usage.used_bytes =
			(uint64_t)(fs.f_blocks - fs.f_bfree) * fs.f_frsize;
	}
	*ret = usage;
	return 0;
}

static void tmpfs_free(struct mafs_memory *memory)
{
	struct tmpfs *tmpfs;

	if (!memory)
		return;
	tmpfs = tmpfs_of(memory);
	for (int i = 0; i < MAFS_N_REGIONS; i++)
		mafs_closep(&tmpfs->region_fds[i]);
	mafs_closep(&tmpfs->data_fd);
	mafs_closep(&tmpfs->dir_fd);
	free(tmpfs);
}

const struct mafs_memory_ops tmpfs_ops = {
	.kernel_serves = true,
	.format = tmpfs_format,
	.create = tmpfs_create,
	.open = tmpfs_open,
	.close = tmpfs_close,
	.remove = tmpfs_remove,
	.pread = tmpfs_pread,
	.pwrite = tmpfs_pwrite,
	.truncate = tmpfs_truncate,
	.allocate = tmpfs_allocate,
	.seek = tmpfs_seek,
	.stat = tmpfs_stat,
	.set_times = tmpfs_set_times,
	.extents = tmpfs_extents,
	.backing_fd = tmpfs_backing_fd,
	.lease_fd = tmpfs_lease_fd,
	.usage = tmpfs_usage,
	.visit = tmpfs_visit,
	.free = tmpfs_free,
};
