/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a power cut took: a thread of idle priority walks N for the marks of
 * earlier sessions (pending.c), and lists the files in N/.mafs/pending, a path
 * a line. The list stays until somebody removes it or the next one comes; the
 * marks go once it is durable. A list that is not whole yet has another name:
 * while it is there, the next daemon looks again.
 */
#include "intern.h"

#include <dirent.h>
#include <inttypes.h>
#include <sched.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/xattr.h>

#define LIST "pending"
#define NEW_LIST "pending.new"
#define IOPRIO_WHO_PROCESS 1
#define IOPRIO_IDLE (3 << 13)

/* ---- the list ---- */

/* As in /proc/self/mountinfo: one line, whatever the name. */
static void put_path(FILE *list, const char *path)
{
	for (const char *c = path; *c; c++)
		if ((unsigned char)*c < ' ' || *c == '\\' || *c == 0x7f)
			fprintf(list, "\\%03o", (unsigned char)*c);
		else
			fputc(*c, list);
	fputc('\n', list);
}

static FILE *open_list(struct mafsd *d, const char *name, int flags)
{
	int fd = openat(d->volume->dot_fd, name,
			flags | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
	FILE *list = fd < 0 ? NULL : fdopen(fd, flags & O_CREAT ? "w" : "r");

	if (fd >= 0 && !list)
		close(fd);
	return list;
}

/* Whatever stands there goes: it is no list of ours that is whole. */
static FILE *make_list(struct mafsd *d)
{
	unlinkat(d->volume->dot_fd, NEW_LIST, 0);
	return open_list(d, NEW_LIST, O_WRONLY | O_CREAT | O_EXCL);
}

/* Whole and durable, or none when nothing is in it. */
static int publish(struct mafsd *d, FILE *list, uint64_t n)
{
	int dot = d->volume->dot_fd, r = 0;

	if (fflush(list) != 0 || fsync(fileno(list)) < 0)
		r = -errno;
	if (fclose(list) != 0 && r == 0)
		r = -errno;
	if (r < 0)
		return r;
	if (n && renameat(dot, NEW_LIST, dot, LIST) < 0)
		return -errno;
	if (!n) {
		unlinkat(dot, LIST, 0);
		unlinkat(dot, NEW_LIST, 0);
	}
	return d->tier->flush(dot, false);
}

size_t mafsd_pending_list(struct mafsd *d, char **ret, size_t n_max)
{
	_cleanup_free_ char *line = NULL;
	FILE *list = open_list(d, LIST, O_RDONLY);
	size_t n = 0, capacity = 0;
	ssize_t len;

	if (!list)
		return 0;
	while ((len = getline(&line, &capacity, list)) > 0) {
		line[len - 1] = '\0';
		if (n < n_max)
			ret[n] = strdup(line);
		n++;
	}
	fclose(list);
	return n;
}

/* ---- the walk ---- */

/**
 * struct dir - a directory on the way down
 * @stream: owned
 * @path_len: of its path, which ends the text of the walk's
 */
struct dir {
	DIR *stream;
	size_t path_len;
};

struct walk {
	struct mafsd *d;
	FILE *list; /* NULL: marks are removed */
	struct dir *dirs; /* owned; a stack, one a level */
	size_t n_dirs, capacity;
	char *path; /* owned; "/a/b" of the last */
};

static void walk_done(struct walk *walk)
{
	while (walk->n_dirs)
		closedir(walk->dirs[--walk->n_dirs].stream);
	free(walk->dirs);
	free(walk->path);
}

/* By an earlier session than ours? */
static bool is_marked(struct mafsd *d, const char *path)
{
	char value[24] = "";
	ssize_t n = getxattr(path, mafsd_pending_xattr(d), value,
			     sizeof(value) - 1);

	return n > 0 && strtoull(value, NULL, 10) < d->volume->session.number;
}

/* Takes @fd. */
static int push(struct walk *walk, int fd)
{
	struct dir *grown;
	DIR *stream;

	if (walk->n_dirs == walk->capacity) {
		size_t capacity = walk->capacity ? walk->capacity * 2 : 16;

		grown = reallocarray(walk->dirs, capacity, sizeof(*grown));
		if (!grown) {
			close(fd);
			return -ENOMEM;
		}
		walk->dirs = grown;
		walk->capacity = capacity;
	}
	stream = fdopendir(fd);
	if (!stream) {
		close(fd);
		return -errno;
	}
	walk->dirs[walk->n_dirs++] = (struct dir){
		.stream = stream,
		.path_len = strlen(walk->path),
	};
	return 0;
}

/* What is gone by now, or another than it was, is none of ours. */
static int absent(int r)
{
	return r == -ENOENT || r == -ENOTDIR || r == -ELOOP ? 0 : r;
}

static int meet_file(struct walk *walk, int dir_fd, const char *name)
{
	struct mafsd *d = walk->d;
	char path[MAFSD_PROC_LEN];
	_cleanup_close_ int fd =
		openat(dir_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return absent(-errno);
	atomic_fetch_add(&d->pending.n_seen, 1);
	mafsd_proc_path(fd, path);
	if (!is_marked(d, path))
		return 0;
	if (!walk->list) {
		removexattr(path, mafsd_pending_xattr(d));
		return 0;
	}
	put_path(walk->list, walk->path);
	atomic_fetch_add(&d->pending.n_listed, 1);
	return 0;
}

static int meet(struct walk *walk, const struct dirent *entry)
{
	struct dir *dir = &walk->dirs[walk->n_dirs - 1];
	int fd, at = dirfd(dir->stream);
	char *longer = NULL;
	struct stat st;

	if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..") ||
	    (walk->n_dirs == 1 && !strcmp(entry->d_name, MAFS_VOLUME_DIR)))
		return 0;
	if (fstatat(at, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return absent(-errno);
	if (asprintf(&longer, "%.*s/%s", (int)dir->path_len, walk->path,
		     entry->d_name) < 0)
		return -ENOMEM;
	free(walk->path);
	walk->path = longer;
	if (S_ISREG(st.st_mode))
		return meet_file(walk, at, entry->d_name);
	if (!S_ISDIR(st.st_mode) || st.st_dev != walk->d->n_dev)
		return 0;
	fd = openat(at, entry->d_name,
		    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? absent(-errno) : push(walk, fd);
}

/* By descriptor: whatever is swapped meanwhile, it stays in N. */
static int walk(struct mafsd *d, FILE *list)
{
	_cleanup_(walk_done) struct walk walk = {
		.d = d,
		.list = list,
		.path = strdup(""),
	};
	int fd = openat(d->n_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = fd < 0 ? -errno : 0;

	if (r == 0 && !walk.path) {
		close(fd);
		r = -ENOMEM;
	}
	if (r == 0)
		r = push(&walk, fd);
	while (r == 0 && walk.n_dirs) {
		DIR *stream = walk.dirs[walk.n_dirs - 1].stream;
		struct dirent *entry;

		errno = 0;
		entry = readdir(stream);
		if (atomic_load(&d->pending.stop)) {
			r = -ECANCELED;
		} else if (entry) {
			r = meet(&walk, entry);
		} else {
			r = -errno;
			closedir(stream);
			walk.n_dirs--;
		}
	}
	return r;
}

static int scan(struct mafsd *d)
{
	FILE *list = make_list(d);
	uint64_t n;
	int r;

	if (!list)
		return -errno;
	r = walk(d, list);
	if (r < 0) {
		fclose(list);
		return r;
	}
	n = atomic_load(&d->pending.n_listed);
	r = publish(d, list, n);
	if (r < 0 || !n)
		return r;
	mafs_warning("%s: %" PRIu64 " files were never written back before "
		     "the machine went down; they are listed in %s/%s",
		     d->options.source, n, MAFS_VOLUME_DIR, LIST);
	return walk(d, NULL);
}

static void *scan_main(void *argument)
{
	const struct sched_param param = { 0 };
	struct mafsd *d = argument;
	int r;

	mafsd_thread_enter();
	sched_setscheduler(0, SCHED_IDLE, &param);
	syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, IOPRIO_IDLE);
	r = scan(d);
	if (r < 0 && r != -ECANCELED)
		mafs_error("looking for files that were never written back: %s",
			   strerror(-r));
	atomic_store(&d->pending.scanning, false);
	return NULL;
}

int mafsd_pending_note(struct mafsd *d)
{
	FILE *list;

	if (d->options.read_only || !d->lost_memory)
		return 0;
	list = make_list(d);
	return list && fclose(list) == 0 ? 0 : -errno;
}

int mafsd_pending_start(struct mafsd *d)
{
	int r;

	if (d->options.read_only ||
	    (!d->lost_memory &&
	     faccessat(d->volume->dot_fd, NEW_LIST, F_OK, 0) < 0))
		return 0;
	atomic_store(&d->pending.scanning, true);
	r = pthread_create(&d->pending.thread, NULL, scan_main, d);
	d->pending.running = r == 0;
	return -r;
}

void mafsd_pending_stop(struct mafsd *d)
{
	if (!d->pending.running)
		return;
	atomic_store(&d->pending.stop, true);
	pthread_join(d->pending.thread, NULL);
	d->pending.running = false;
}
