// SPDX-License-Identifier: Apache-2.0
/* What a directory holds, remembered. */
#include "crash.h"

#include <dirent.h>
#include <limits.h>
#include <mafs/cleanup.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct seen_file *seen_add(struct seen *seen, const char *path)
{
	seen->files = reallocarray(seen->files, seen->n_files + 1,
				   sizeof(*seen->files));
	if (!seen->files)
		abort();
	seen->files[seen->n_files] = (struct seen_file){ .path = strdup(path) };
	return &seen->files[seen->n_files++];
}

static void read_bytes(int dirfd, const char *name, struct seen_file *file)
{
	_cleanup_close_ int fd = -1;
	ssize_t n;

	file->bytes = calloc(1, file->size + 1);
	if (!file->bytes)
		abort();
	if (S_ISLNK(file->mode)) {
		n = readlinkat(dirfd, name, (char *)file->bytes, file->size);
	} else {
		fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC);
		n = pread(fd, file->bytes, file->size, 0);
	}
	if (n != (ssize_t)file->size)
		abort();
}

static void read_dir(int fd, const char *path, struct seen *seen)
{
	DIR *dir = fdopendir(fd);
	struct seen_file *file;
	struct dirent *entry;
	char child[PATH_MAX];
	struct stat st;

	while (dir && (entry = readdir(dir))) {
		if (!strcmp(entry->d_name, ".") ||
		    !strcmp(entry->d_name, "..") ||
		    !strcmp(entry->d_name, ".mafs"))
			continue;
		if (fstatat(fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			abort();
		snprintf(child, sizeof(child), "%s%s%s", path, *path ? "/" : "",
			 entry->d_name);
		file = seen_add(seen, child);
		file->mode = st.st_mode;
		file->n_links = st.st_nlink;
		file->size = (uint64_t)st.st_size;
		if (S_ISDIR(st.st_mode))
			read_dir(openat(fd, entry->d_name,
					O_RDONLY | O_DIRECTORY | O_CLOEXEC),
				 child, seen);
		else
			read_bytes(fd, entry->d_name, file);
	}
	if (!dir)
		abort();
	closedir(dir);
}

void seen_read(const char *root, struct seen *ret)
{
	*ret = (struct seen){ 0 };
	read_dir(open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC), "", ret);
}
