// SPDX-License-Identifier: Apache-2.0
/*
 * Reads a shadow into names: what a directory tree of descriptors says is a
 * volume, whoever wrote it. Nothing outside of the directory is looked at, and
 * no link is followed.
 */
#include "shadow_load.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <mafs/cleanup.h>
#include <mafs/descriptor.h>
#include <mafs/longpath.h>
#include <mafs/platform.h>
#include <string.h>
#include <sys/stat.h>

/* Ids of those that have none; a log never gives out so many. */
#define FIRST_FREE_ID (1ULL << 62)

static void loading_done(struct shadow_loading *loading)
{
	for (size_t i = 0; i < loading->n_dirs; i++)
		free(loading->dirs[i].path);
	free(loading->dirs);
	free(loading->given);
	mafs_buffer_done(&loading->text);
	mafs_closep(&loading->root_fd);
	mafs_memory_volume_close(loading->volume);
}

/* ---- files of the shadow ---- */

int shadow_load_text(struct shadow_loading *loading, int dir_fd,
		     const char *name, const char *shown,
		     struct mafs_fault *fault)
{
	_cleanup_close_ int fd = mafs_open_beneath(
		dir_fd, name, O_RDONLY | O_NONBLOCK | O_CLOEXEC, 0);
	struct stat st;
	ssize_t len = fd;
	int r = 0;

	if (fd == -ENOENT)
		return fd;
	if (fd >= 0 && fstat(fd, &st) < 0)
		len = -errno;
	if (len >= 0 && (!S_ISREG(st.st_mode) ||
			 st.st_size > (off_t)MAFS_DESCRIPTOR_MAX_BYTES))
		len = -EINVAL;
	loading->text.len = 0;
	if (len >= 0)
		r = mafs_buffer_reserve(&loading->text, (size_t)st.st_size + 1);
	if (r < 0)
		return r;
	if (len >= 0)
		len = mafs_pread_full(fd, loading->text.bytes,
				      (size_t)st.st_size, 0);
	if (len < 0)
		return mafs_fault_set(fault, (int)len, "%.300s: %s", shown,
				      strerror((int)-len));
	loading->text.len = (size_t)len;
	return 0;
}

static int load_descriptor(struct shadow_loading *loading, int dir_fd,
			   const char *name, const char *shown,
			   struct mafs_node_descriptor *ret,
			   struct mafs_fault *fault)
{
	struct mafs_fault why = MAFS_FAULT_INIT;
	int r;

	r = shadow_load_text(loading, dir_fd, name, shown, fault);
	if (r < 0)
		return r;
	r = mafs_node_descriptor_from_text(loading->text.bytes,
					   loading->text.len, loading->given,
					   loading->n_given, ret, &why);
	return r < 0 && r != -ENOMEM ?
		       mafs_fault_set(fault, r, "%.200s: %.180s", shown,
				      why.what) :
		       r;
}

/* What an inode of the shadow itself says. */
static void describe_stat(const struct stat *st,
			  struct mafs_node_descriptor *ret)
{
	*ret = (struct mafs_node_descriptor){
		.n_links = 1,
		.mode = st->st_mode,
		.owner = st->st_uid,
		.group = st->st_gid,
		.rdev = S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode) ?
				st->st_rdev :
				0,
		.atime = st->st_atim,
		.mtime = st->st_mtim,
		.ctime = st->st_ctim,
		.btime = st->st_ctim,
	};
}

static int describe_link(int dir_fd, const char *name, const struct stat *st,
			 struct mafs_node_descriptor *ret)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(dir_fd, name, target, sizeof(target));

	if (n <= 0 || n == sizeof(target))
		return n < 0 ? -errno : -EINVAL;
	describe_stat(st, ret);
	ret->target = strndup(target, (size_t)n);
	return ret->target ? 0 : -ENOMEM;
}

/* ---- directories ---- */

/* Takes @path over, also when it fails. */
static int add_dir(struct shadow_loading *loading, char *path, uint64_t id)
{
	size_t capacity = loading->dirs_capacity ? 2 * loading->dirs_capacity :
						   64;
	struct shadow_loading_dir *dirs;

	if (loading->n_dirs == loading->dirs_capacity) {
		dirs = reallocarray(loading->dirs, capacity, sizeof(*dirs));
		if (!dirs) {
			free(path);
			return -ENOMEM;
		}
		loading->dirs = dirs;
		loading->dirs_capacity = capacity;
	}
	loading->dirs[loading->n_dirs++] =
		(struct shadow_loading_dir){ path, id };
	return 0;
}

/* What @file in it says of a directory, or else its own inode. */
static int describe_directory(struct shadow_loading *loading, int fd,
			      const char *file, const char *shown,
			      struct mafs_node_descriptor *ret,
			      struct mafs_fault *fault)
{
	_cleanup_free_ char *path = NULL;
	struct stat st;
	int r;

	if (asprintf(&path, "%s/%s", shown, file) < 0) {
		path = NULL;
		return -ENOMEM;
	}
	r = load_descriptor(loading, fd, file, path, ret, fault);
	if (r == -ENOENT) {
		if (fstat(fd, &st) < 0)
			return -errno;
		describe_stat(&st, ret);
		return 0;
	}
	if (r == 0 && !S_ISDIR(ret->mode))
		return mafs_fault_set(fault, -EINVAL,
				      "%.300s: not of a directory", path);
	return r;
}

static int load_subdirectory(struct shadow_loading *loading, int dir_fd,
			     const char *shown_name, const char *name,
			     uint64_t parent, char **path,
			     struct mafs_fault *fault)
{
	_cleanup_(mafs_node_descriptor_done) struct mafs_node_descriptor
		descriptor = {};
	_cleanup_close_ int fd = mafs_open_beneath(
		dir_fd, shown_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	int r;

	if (fd < 0)
		return mafs_fault_set(fault, fd, "%.300s: %s", *path,
				      strerror(-fd));
	r = describe_directory(loading, fd, MAFS_SHADOW_DOT, *path, &descriptor,
			       fault);
	if (r == 0)
		r = shadow_load_name(loading, parent, name, &descriptor, *path,
				     fault);
	return r < 0 ? r : add_dir(loading, take_ptr(*path), descriptor.id);
}

static int load_other(struct shadow_loading *loading, int dir_fd,
		      const char *shown_name, const struct stat *st,
		      const char *path, struct mafs_node_descriptor *ret,
		      struct mafs_fault *fault)
{
	int r;

	if (S_ISREG(st->st_mode)) {
		r = load_descriptor(loading, dir_fd, shown_name, path, ret,
				    fault);
		if (r == 0 && S_ISDIR(ret->mode))
			return mafs_fault_set(
				fault, -EINVAL,
				"%.300s: a directory's descriptor "
				"stands in it, as " MAFS_SHADOW_DOT,
				path);
		return r;
	}
	if (!S_ISLNK(st->st_mode)) {
		describe_stat(st, ret);
		return 0;
	}
	r = describe_link(dir_fd, shown_name, st, ret);
	return r < 0 ? mafs_fault_set(fault, r, "%.300s: %s", path,
				      strerror(-r)) :
		       0;
}

static int load_entry(struct shadow_loading *loading, int dir_fd,
		      const struct shadow_loading_dir *dir,
		      const char *shown_name, struct mafs_fault *fault)
{
	_cleanup_(mafs_node_descriptor_done) struct mafs_node_descriptor
		descriptor = {};
	_cleanup_free_ char *path = NULL;
	char name[MAFS_NAME_MAX + 1];
	struct stat st;
	int r;

	if (!mafs_names_shadow_name_of(shown_name, name))
		return 0;
	if (asprintf(&path, "%s/%s", dir->path, shown_name) < 0) {
		path = NULL;
		return -ENOMEM;
	}
	if (fstatat(dir_fd, shown_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return mafs_fault_set(fault, -errno, "%.300s: %s", path,
				      strerror(errno));
	if (S_ISDIR(st.st_mode))
		return load_subdirectory(loading, dir_fd, shown_name, name,
					 dir->id, &path, fault);
	r = load_other(loading, dir_fd, shown_name, &st, path, &descriptor,
		       fault);
	return r < 0 ? r :
		       shadow_load_name(loading, dir->id, name, &descriptor,
					path, fault);
}

static int load_directory(struct shadow_loading *loading,
			  const struct shadow_loading_dir *dir,
			  struct mafs_fault *fault)
{
	_cleanup_closedir_ DIR *stream = NULL;
	_cleanup_close_ int fd = mafs_open_longpath(loading->root_fd, dir->path,
						    O_RDONLY | O_DIRECTORY);
	struct dirent *entry;
	int r = fd < 0 ? fd : 0;

	if (fd >= 0) {
		stream = fdopendir(fd);
		if (stream)
			fd = -1; /* the stream's */
		else
			r = -errno;
	}
	if (r < 0)
		return mafs_fault_set(fault, r, "%.300s: %s", dir->path,
				      strerror(-r));
	while (r == 0 && (errno = 0, entry = readdir(stream)))
		if (strcmp(entry->d_name, ".") != 0 &&
		    strcmp(entry->d_name, "..") != 0)
			r = load_entry(loading, dirfd(stream), dir,
				       entry->d_name, fault);
	return r < 0 ? r : -errno;
}

/* ---- the whole ---- */

static int load_root(struct shadow_loading *loading, struct mafs_fault *fault)
{
	_cleanup_(mafs_node_descriptor_done) struct mafs_node_descriptor
		descriptor = {};
	char *path = strdup("");
	int r;

	r = path ? add_dir(loading, path, MAFS_OMF_ROOT_ID) : -ENOMEM;
	if (r == 0)
		r = describe_directory(loading, loading->root_fd,
				       MAFS_SHADOW_DOT "/" ROOT_FILE, "",
				       &descriptor, fault);
	if (r < 0)
		return r;
	descriptor.id = MAFS_OMF_ROOT_ID;
	return shadow_load_node(loading, 0, &descriptor, "/", fault);
}

static int load_names(struct shadow_loading *loading, struct mafs_fault *fault)
{
	int r = mafs_names_new(&loading->volume->names);

	if (r == 0)
		r = load_root(loading, fault);
	for (size_t i = 0; r == 0 && i < loading->n_dirs; i++) {
		/* The list grows under it. */
		const struct shadow_loading_dir dir = loading->dirs[i];

		r = load_directory(loading, &dir, fault);
	}
	return r;
}

/* Whose it is; a tree without a stamp is a volume by itself. */
static int load_stamp(struct shadow_loading *loading, const char *dir,
		      struct mafs_fault *fault)
{
	struct mafs_memory_volume *volume = loading->volume;
	struct mafs_shadow_stamp stamp = {};
	int r;

	volume->is_client = true;
	volume->source = realpath(dir, NULL);
	if (!volume->source)
		return mafs_fault_set(fault, -errno, "%.300s: %s", dir,
				      strerror(errno));
	r = mafs_shadow_stamp_read(loading->root_fd, &stamp, fault);
	if (r == -ENOENT) {
		mafs_uuid_generate(&volume->uuid);
		return 0;
	}
	if (r == 0 && !stamp.generation)
		return mafs_fault_set(fault, -EINVAL,
				      "%.300s: its first filling did not end; "
				      "run mafs logplay again",
				      dir);
	volume->uuid = stamp.volume;
	volume->sb.fs_uuid = stamp.volume;
	volume->sb.generation = stamp.generation;
	volume->end.seq = stamp.seq;
	return r;
}

static int load(struct shadow_loading *loading, const char *dir,
		const char *const *devices, size_t n_devices,
		struct mafs_fault *fault)
{
	int r;

	loading->volume = calloc(1, sizeof(*loading->volume));
	if (!loading->volume)
		return -ENOMEM;
	loading->root_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (loading->root_fd < 0)
		return mafs_fault_set(fault, -errno, "%.300s: %s", dir,
				      strerror(errno));
	r = load_stamp(loading, dir, fault);
	if (r == 0)
		r = shadow_load_devices(loading, devices, n_devices, fault);
	return r < 0 ? r : load_names(loading, fault);
}

int mafs_names_shadow_load(const char *dir, const char *const *devices,
			   size_t n_devices, struct mafs_memory_volume **ret,
			   struct mafs_fault *fault)
{
	_cleanup_(loading_done) struct shadow_loading loading = {
		.root_fd = -1,
		.next_id = FIRST_FREE_ID,
	};
	int r = load(&loading, dir, devices, n_devices, fault);

	if (r == 0)
		*ret = take_ptr(loading.volume);
	return r;
}
