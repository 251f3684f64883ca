// SPDX-License-Identifier: Apache-2.0
/*
 * The last resort: one walk of N for all files that were not found otherwise.
 * Directory entries carry inode numbers, so that only files whose number is
 * sought are opened. At most one directory is open.
 */
#include "locate.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <mafs/cleanup.h>
#include <mafs/longpath.h>
#include <mafs/volume.h>
#include <string.h>
#include <sys/vfs.h>

struct walk {
	struct mafs_locator *locator;
	struct mafs_place **sought; /* owned; by inode number */
	size_t n_sought, n_found;
	char **dirs; /* owned; a stack of paths, "" is N */
	size_t n_dirs, capacity;
	bool stat_each; /* entries' numbers are not the files' */
	int error; /* the first: something was passed over */
};

static void walk_done(struct walk *walk)
{
	while (walk->n_dirs)
		free(walk->dirs[--walk->n_dirs]);
	free(walk->dirs);
	free(walk->sought);
}

static int push(struct walk *walk, const char *dir, const char *name)
{
	size_t capacity = walk->capacity ? walk->capacity * 2 : 64;
	char **grown;

	if (walk->n_dirs == walk->capacity) {
		grown = reallocarray(walk->dirs, capacity, sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		walk->dirs = grown;
		walk->capacity = capacity;
	}
	if (asprintf(&walk->dirs[walk->n_dirs], "%s%s%s", dir, *name ? "/" : "",
		     name) < 0)
		return -ENOMEM;
	walk->n_dirs++;
	return 0;
}

static int compare_ino(const void *a, const void *b)
{
	const struct mafs_place *const *x = a, *const *y = b;
	uint64_t left = (*x)->identity->ino, right = (*y)->identity->ino;

	return left < right ? -1 : left > right;
}

/* First place that seeks this inode number or a higher one. */
static size_t lower_bound(const struct walk *walk, uint64_t ino)
{
	size_t low = 0, high = walk->n_sought;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (walk->sought[middle]->identity->ino < ino)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static int try_file(struct walk *walk, const char *dir, const char *name,
		    uint64_t ino)
{
	for (size_t i = lower_bound(walk, ino);
	     i < walk->n_sought && walk->sought[i]->identity->ino == ino; i++) {
		char *path = NULL;
		int r;

		if (walk->sought[i]->path)
			continue;
		if (asprintf(&path, "%s/%s", dir, name) < 0)
			return -ENOMEM;
		r = mafs_locator_try(walk->locator, walk->sought[i], path);
		if (r < 0)
			return r;
		walk->n_found += r > 0;
	}
	return 0;
}

static void pass_over(struct walk *walk, int r)
{
	if (walk->error == 0 && !mafs_locator_is_absent(r))
		walk->error = r;
}

static int visit(struct walk *walk, const char *dir, int dir_fd,
		 const struct dirent *entry)
{
	unsigned char type = entry->d_type;
	uint64_t ino = entry->d_ino;
	struct stat st;

	if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
		return 0;
	if (!*dir && strcmp(entry->d_name, MAFS_VOLUME_DIR) == 0)
		return 0;
	if (type == DT_UNKNOWN || (type == DT_REG && walk->stat_each)) {
		if (fstatat(dir_fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) <
		    0) {
			pass_over(walk, -errno);
			return 0;
		}
		type = IFTODT(st.st_mode);
		ino = st.st_ino;
	}
	if (type == DT_DIR)
		return push(walk, dir, entry->d_name);
	if (type == DT_REG)
		return try_file(walk, dir, entry->d_name, ino);
	return 0;
}

/* What may not be read is passed over, and kept in mind. */
static int walk_dir(struct walk *walk, const char *dir)
{
	_cleanup_closedir_ DIR *stream = NULL;
	_cleanup_close_ int fd = -1;
	struct dirent *entry;
	int r;

	fd = mafs_open_longpath(walk->locator->fd, dir, O_RDONLY | O_DIRECTORY);
	if (fd < 0) {
		pass_over(walk, fd);
		return 0;
	}
	stream = fdopendir(fd);
	if (!stream)
		return -errno;
	fd = -1; /* the stream's */

	while (walk->n_found < walk->n_sought) {
		errno = 0;
		entry = readdir(stream);
		if (!entry) {
			pass_over(walk, errno ? -errno : -ENOENT);
			break;
		}
		r = visit(walk, dir, dirfd(stream), entry);
		if (r < 0)
			return r;
	}
	return 0;
}

static int collect(struct walk *walk, struct mafs_place *places,
		   size_t n_places)
{
	walk->sought = calloc(n_places, sizeof(struct mafs_place *));
	if (!walk->sought)
		return -ENOMEM;
	for (size_t i = 0; i < n_places; i++)
		if (!places[i].path && !places[i].gone &&
		    mafs_uuid_equal(&places[i].identity->fs_id,
				    walk->locator->fs_id))
			walk->sought[walk->n_sought++] = &places[i];
	qsort(walk->sought, walk->n_sought, sizeof(struct mafs_place *),
	      compare_ino);
	return 0;
}

int mafs_locator_walk(struct mafs_locator *locator, struct mafs_place *places,
		      size_t n_places)
{
	_cleanup_(walk_done) struct walk walk = { .locator = locator };
	struct statfs fs;
	int r;

	r = collect(&walk, places, n_places);
	if (r < 0)
		return r;
	walk.stat_each = fstatfs(locator->fd, &fs) < 0 ||
			 fs.f_type == OVERLAYFS_SUPER_MAGIC;
	r = push(&walk, "", "");
	while (r == 0 && walk.n_dirs && walk.n_found < walk.n_sought) {
		_cleanup_free_ char *dir = walk.dirs[--walk.n_dirs];

		r = walk_dir(&walk, dir);
	}
	for (size_t i = 0; i < walk.n_sought; i++)
		if (!walk.sought[i]->path && walk.error)
			walk.sought[i]->error = walk.error;
	return r;
}
