/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Going through all allocations of a device, for salvage, fsck and counting.
 *
 * Nothing is opened: an open of a file breaks the lease of a daemon that is
 * just moving it. What vanishes meanwhile is left out.
 */
#include "tmpfs.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/xattr.h>

#define ID_MAX 512

/* Is it a file? *@ret: what it is, when it is not NULL. */
static bool is_file(int dir_fd, const struct dirent *entry, struct stat *ret)
{
	if (!ret)
		return entry->d_type == DT_REG;
	return fstatat(dir_fd, entry->d_name, ret, AT_SYMLINK_NOFOLLOW) == 0 &&
	       S_ISREG(ret->st_mode);
}

static int walk_bucket(int bucket_fd, bool with_stats, tmpfs_walk_fn *visit,
		       void *context)
{
	_cleanup_closedir_ DIR *bucket = NULL;
	_cleanup_close_ int fd = bucket_fd;
	struct stat st, *ret_st = with_stats ? &st : NULL;
	struct dirent *entry;
	int r;

	bucket = fdopendir(fd);
	if (!bucket)
		return -errno;
	take_fd(fd);
	while (errno = 0, (entry = readdir(bucket))) {
		if (!is_file(dirfd(bucket), entry, ret_st))
			continue;
		r = visit(context, dirfd(bucket), entry->d_name, ret_st);
		if (r < 0)
			return r;
	}
	return -errno;
}

int tmpfs_walk(const struct tmpfs *tmpfs, bool with_stats, tmpfs_walk_fn *visit,
	       void *context)
{
	char name[3];
	int fd, r;

	for (unsigned int i = 0; i < TMPFS_N_BUCKETS; i++) {
		snprintf(name, sizeof(name), "%02x", i);
		fd = openat(tmpfs->data_fd, name,
			    O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd < 0 && errno == ENOENT)
			continue; /* half removed */
		if (fd < 0)
			return -errno;
		r = walk_bucket(fd, with_stats, visit, context);
		if (r < 0)
			return r;
	}
	return 0;
}

struct visitor {
	enum mafs_visit what;
	int (*visit)(void *context, const struct mafs_map *map, const void *id,
		     size_t id_len, const struct stat *st);
	void *context;
};

/* There is no getxattrat() before Linux 6.13: by way of /proc. */
static size_t read_id(int bucket_fd, const char *name, uint8_t id[ID_MAX])
{
	char path[64 + MAFS_UUID_TEXT_LEN];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", bucket_fd, name);
	n = lgetxattr(path, "trusted.mafs.id", id, ID_MAX);
	if (n < 0)
		n = lgetxattr(path, "user.mafs.id", id, ID_MAX);
	return n < 0 ? 0 : (size_t)n;
}

static int visit_file(void *context, int bucket_fd, const char *name,
		      const struct stat *st)
{
	struct visitor *visitor = context;
	struct mafs_extent extent = {
		.length_bytes = st && st->st_size ? (uint64_t)st->st_size : 1,
	};
	struct mafs_map map = { .extents = &extent, .n_extents = 1 };
	uint8_t id[ID_MAX];
	size_t id_len = 0;

	if (mafs_uuid_parse(name, &extent.device_uuid) < 0)
		return 0;
	if (visitor->what == MAFS_VISIT_IDS)
		id_len = read_id(bucket_fd, name, id);
	return visitor->visit(visitor->context, &map, id, id_len, st);
}

int tmpfs_visit(struct mafs_memory *memory, enum mafs_visit what,
		int (*visit)(void *context, const struct mafs_map *map,
			     const void *id, size_t id_len,
			     const struct stat *st),
		void *context)
{
	struct visitor visitor = { .what = what,
				   .visit = visit,
				   .context = context };

	return tmpfs_walk(tmpfs_of(memory), what != MAFS_VISIT_TAGS, visit_file,
			  &visitor);
}
