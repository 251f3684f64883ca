// SPDX-License-Identifier: Apache-2.0
/*
 * The note in a volume's memory directory that says which mapped device its
 * memory is on:
 *
 *	KIND:PATH
 *	UUID of the volume
 *
 * Replaced as a whole; it goes with a reboot, as the directory does.
 */
#include "extents.h"

#include <errno.h>
#include <fcntl.h>
#include <mafs/buffer.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define NOTE "device"
#define NOTE_NEW "device.new"
#define NOTE_MAX (PATH_MAX + 64)

static int open_dir(const char *path, int *ret)
{
	_cleanup_close_ int fd = -1;
	struct stat st;

	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return errno == ENOTDIR ? -ENOENT : -errno;
	/* Below /dev/shm anybody may have made it before us. */
	if (st.st_uid != geteuid() || (st.st_mode & (S_IWGRP | S_IWOTH)))
		return -EPERM;
	*ret = take_fd(fd);
	return 0;
}

static int store(int dir_fd, const struct extents_note *note)
{
	_cleanup_close_ int fd = -1;
	char uuid[MAFS_UUID_TEXT_LEN];

	mafs_uuid_to_text(&note->fs_uuid, uuid);
	unlinkat(dir_fd, NOTE_NEW, 0);
	fd = openat(dir_fd, NOTE_NEW, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
		    0600);
	if (fd < 0 ||
	    dprintf(fd, "%s:%s\n%s\n",
		    mafs_device_kind_to_text(note->spec.kind), note->spec.path,
		    uuid) < 0 ||
	    renameat(dir_fd, NOTE_NEW, dir_fd, NOTE) < 0)
		return -errno;
	return 0;
}

int extents_note_store(const char *path, const struct extents_note *note,
		       struct mafs_fault *fault)
{
	_cleanup_close_ int dir_fd = -1;
	int r = open_dir(path, &dir_fd);

	if (r == 0)
		r = store(dir_fd, note);
	return r < 0 ? mafs_fault_set(fault, r, "memory %.300s: %s", path,
				      strerror(-r)) :
		       0;
}

static int read_note(const char *path, char text[static NOTE_MAX])
{
	_cleanup_close_ int dir_fd = -1, fd = -1;
	ssize_t n;
	int r = open_dir(path, &dir_fd);

	if (r < 0)
		return r;
	fd = openat(dir_fd, NOTE, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = mafs_pread_full(fd, text, NOTE_MAX - 1, 0);
	if (n < 0)
		return (int)n;
	text[n] = '\0';
	return 0;
}

static int parse(char *text, struct extents_note *ret)
{
	char *rest = text, *spec = strsep(&rest, "\n"),
	     *uuid = strsep(&rest, "\n"), *kind = strsep(&spec, ":");

	if (!spec || *spec != '/' || !uuid || !rest ||
	    mafs_uuid_parse(uuid, &ret->fs_uuid) < 0)
		return -EUCLEAN;
	if (!strcmp(kind, "file"))
		ret->spec.kind = MAFS_DEVICE_FILE;
	else if (!strcmp(kind, "dax"))
		ret->spec.kind = MAFS_DEVICE_DAX;
	else
		return -EUCLEAN;
	ret->spec.path = strdup(spec);
	return ret->spec.path ? 0 : -ENOMEM;
}

int extents_note_load(const char *path, struct extents_note *ret,
		      struct mafs_fault *fault)
{
	struct extents_note note = { .spec.forgets = true };
	char text[NOTE_MAX];
	int r = read_note(path, text);

	if (r == 0)
		r = parse(text, &note);
	if (r < 0)
		return mafs_fault_set(fault, r,
				      "memory %.300s: its note \"" NOTE
				      "\": %s",
				      path, strerror(-r));
	*ret = note;
	return 0;
}

void extents_note_remove(const char *path)
{
	_cleanup_close_ int dir_fd = -1;

	if (open_dir(path, &dir_fd) == 0)
		unlinkat(dir_fd, NOTE, 0);
}
