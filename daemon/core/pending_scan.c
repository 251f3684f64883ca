/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a power cut took: a thread of idle priority walks N for the marks of
 * earlier sessions (pending.c), and lists the files in N/.mafs/pending, a path
 * a line. The list stays until somebody removes it or the next one comes; the
 * marks go once it is durable. A list that is not whole yet has another name:
 * while it is there, the next daemon looks again.
 */
#include "intern.h"

#include <fts.h>
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

/* By an earlier session than ours? */
static bool is_marked(struct mafsd *d, const char *path)
{
	char value[24] = "";
	ssize_t n = lgetxattr(path, mafsd_pending_xattr(d), value,
			      sizeof(value) - 1);

	return n > 0 && strtoull(value, NULL, 10) < d->volume->session.number;
}

static bool is_hidden(const FTSENT *entry)
{
	return entry->fts_level == 1 &&
	       !strcmp(entry->fts_name, MAFS_VOLUME_DIR);
}

/* @list: each marked file is noted in it; NULL: its mark is removed. */
static void meet(struct mafsd *d, const char *path, size_t root_len, FILE *list)
{
	if (!is_marked(d, path))
		return;
	if (!list) {
		lremovexattr(path, mafsd_pending_xattr(d));
		return;
	}
	put_path(list, path + root_len);
	atomic_fetch_add(&d->pending.n_listed, 1);
}

static int walk(struct mafsd *d, FILE *list)
{
	char root[MAFSD_PROC_LEN + 2];
	char *roots[] = { root, NULL };
	FTSENT *entry;
	int r = 0;
	FTS *fts;

	/* With the slash the link itself is not what is walked. */
	mafsd_proc_path(d->n_fd, root);
	strcat(root, "/");
	fts = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR | FTS_XDEV, NULL);
	if (!fts)
		return -errno;
	while (r == 0 && (entry = fts_read(fts))) {
		if (atomic_load(&d->pending.stop))
			r = -ECANCELED;
		else if (entry->fts_info == FTS_D && is_hidden(entry))
			fts_set(fts, entry, FTS_SKIP);
		if (entry->fts_info != FTS_F)
			continue;
		meet(d, entry->fts_path, strlen(root) - 1, list);
		atomic_fetch_add(&d->pending.n_seen, 1);
	}
	fts_close(fts);
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
