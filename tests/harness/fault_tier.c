// SPDX-License-Identifier: Apache-2.0
/*
 * Every change is made at N at once, so that all see it, and noted in an arena
 * that outlives the process that made it. At a cut each file is put together
 * again: its content at the first change, all that was flushed, some of the
 * rest. A note is whole before it counts: the process may end at any
 * instruction.
 */
#include "fault_tier.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <mafs/cleanup.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define ARENA_BYTES ((size_t)256 << 20)
#define N_NOTES 4096U

/* ---- notes ---- */

enum note_kind {
	NOTE_FIRST,
	NOTE_WRITE,
	NOTE_ZERO,
	NOTE_TRUNCATE,
	NOTE_FLUSH
};

struct note {
	enum note_kind kind;
	ino_t ino; /* of NOTE_FLUSH 0: all */
	uint64_t offset, len; /* of NOTE_FIRST and NOTE_TRUNCATE len: size */
	uint8_t *bytes;
};

static struct arena {
	atomic_uint n_notes;
	atomic_size_t used;
	struct note notes[N_NOTES];
	uint8_t bytes[];
} * arena; /* NULL: nothing is noted */

void fault_tier_begin(void)
{
	arena = mmap(NULL, ARENA_BYTES, PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (arena == MAP_FAILED)
		abort();
}

static uint8_t *take_bytes(size_t len)
{
	size_t at = atomic_fetch_add(&arena->used, len);

	if (sizeof(*arena) + at + len > ARENA_BYTES)
		abort();
	return arena->bytes + at;
}

static void add_note(struct note note)
{
	if (arena->n_notes == N_NOTES)
		abort();
	arena->notes[arena->n_notes] = note;
	atomic_fetch_add(&arena->n_notes, 1);
}

static bool is_known(ino_t ino)
{
	for (unsigned int i = 0; i < arena->n_notes; i++)
		if (arena->notes[i].ino == ino)
			return true;
	return false;
}

/* Before a change: what is there counts as durable. @fd may be write-only. */
static void note_first(int fd, const struct stat *st)
{
	_cleanup_close_ int read_fd = -1;
	char path[32];
	struct note first = { .kind = NOTE_FIRST,
			      .ino = st->st_ino,
			      .len = (uint64_t)st->st_size };

	if (is_known(st->st_ino))
		return;
	first.bytes = take_bytes(first.len);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	read_fd = open(path, O_RDONLY | O_CLOEXEC);
	if (pread(read_fd, first.bytes, first.len, 0) != st->st_size)
		abort();
	add_note(first);
}

static void note_change(int fd, enum note_kind kind, uint64_t offset,
			uint64_t len, const void *bytes)
{
	struct note note = { .kind = kind, .offset = offset, .len = len };
	struct stat st;

	if (!arena)
		return;
	if (fstat(fd, &st) < 0)
		abort();
	note_first(fd, &st);
	note.ino = st.st_ino;
	if (bytes)
		note.bytes = memcpy(take_bytes(len), bytes, len);
	add_note(note);
}

static void note_flush(int fd, bool all)
{
	struct note note = { .kind = NOTE_FLUSH };
	struct stat st;

	if (!arena)
		return;
	if (fstat(fd, &st) < 0)
		abort();
	if (!all)
		note.ino = st.st_ino;
	add_note(note);
}

/* ---- the cut ---- */

struct image {
	uint8_t *bytes;
	uint64_t size;
};

static void resize(struct image *image, uint64_t size)
{
	image->bytes = realloc(image->bytes, size + 1);
	if (!image->bytes)
		abort();
	if (size > image->size)
		memset(image->bytes + image->size, 0, size - image->size);
	image->size = size;
}

static void apply(struct image *image, const struct note *note)
{
	uint64_t end = note->offset + note->len;

	switch (note->kind) {
	case NOTE_FIRST:
		resize(image, note->len);
		memcpy(image->bytes, note->bytes, note->len);
		break;
	case NOTE_WRITE:
		if (end > image->size)
			resize(image, end);
		memcpy(image->bytes + note->offset, note->bytes, note->len);
		break;
	case NOTE_ZERO:
		if (end > image->size)
			end = image->size;
		if (note->offset < end)
			memset(image->bytes + note->offset, 0,
			       end - note->offset);
		break;
	case NOTE_TRUNCATE:
		resize(image, note->len);
		break;
	case NOTE_FLUSH:
		break;
	}
}

static bool is_of(const struct note *note, ino_t ino)
{
	return note->ino == ino || (note->kind == NOTE_FLUSH && !note->ino);
}

static unsigned int cut_seed;

/* Of a store perhaps only the front. */
static void apply_torn(struct image *image, const struct note *note, bool tear)
{
	struct note torn = *note;

	if (tear && note->kind == NOTE_WRITE)
		torn.len = note->len / 2;
	apply(image, &torn);
}

/* About half of what was not flushed, some before what came before it. */
static void apply_some(struct image *image, ino_t ino, unsigned int from)
{
	const struct note *held = NULL;

	for (unsigned int i = from; i < arena->n_notes; i++) {
		const struct note *note = &arena->notes[i];
		int dice = rand_r(&cut_seed) >> 4;

		if (!is_of(note, ino) || dice & 1)
			continue;
		if (!held && dice & 2) {
			held = note;
			continue;
		}
		apply_torn(image, note, dice & 4);
		if (held)
			apply_torn(image, held, dice & 8);
		held = NULL;
	}
	if (held)
		apply_torn(image, held, false);
}

static int cut_one(const char *path, const struct stat *st, int type,
		   struct FTW *where)
{
	_cleanup_close_ int fd = -1;
	struct image image = { 0 };
	unsigned int durable = 0;

	if (type != FTW_F || !is_known(st->st_ino))
		return 0;
	for (unsigned int i = 0; i < arena->n_notes; i++)
		if (is_of(&arena->notes[i], st->st_ino) &&
		    (arena->notes[i].kind == NOTE_FLUSH ||
		     arena->notes[i].kind == NOTE_FIRST))
			durable = i + 1;
	for (unsigned int i = 0; i < durable; i++)
		if (is_of(&arena->notes[i], st->st_ino))
			apply(&image, &arena->notes[i]);
	apply_some(&image, st->st_ino, durable);
	fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
	if (fd < 0 || write(fd, image.bytes, image.size) != (ssize_t)image.size)
		abort();
	free(image.bytes);
	return 0;
}

void fault_tier_cut(const char *n, unsigned int seed)
{
	cut_seed = seed;
	if (nftw(n, cut_one, 16, FTW_PHYS) != 0)
		abort();
	munmap(arena, ARENA_BYTES);
	arena = NULL;
}

/* ---- failures ---- */

static struct {
	pthread_mutex_t lock;
	pthread_cond_t released;
	struct {
		int error;
		unsigned int n_fails, n_calls;
		bool hangs;
	} calls[FAULT_TIER_N_CALLS]; /* under lock */
	unsigned int n_hanging; /* under lock */
	bool is_short; /* under lock */
} fault = { .lock = PTHREAD_MUTEX_INITIALIZER,
	    .released = PTHREAD_COND_INITIALIZER };

/* Return: 0 or the error of this call. */
static int begin_call(enum fault_tier_call call)
{
	int error = 0;
	mafs_guard(&fault.lock);

	fault.calls[call].n_calls++;
	fault.n_hanging++;
	while (fault.calls[call].hangs)
		pthread_cond_wait(&fault.released, &fault.lock);
	fault.n_hanging--;
	if (fault.calls[call].n_fails > 0) {
		error = fault.calls[call].error;
		if (fault.calls[call].n_fails < UINT_MAX)
			fault.calls[call].n_fails--;
	}
	return error;
}

void fault_tier_reset(void)
{
	fault_tier_release();
	pthread_mutex_lock(&fault.lock);
	memset(fault.calls, 0, sizeof(fault.calls));
	fault.is_short = false;
	pthread_mutex_unlock(&fault.lock);
}

void fault_tier_fail(enum fault_tier_call call, int error, unsigned int n)
{
	mafs_guard(&fault.lock);

	fault.calls[call].error = error;
	fault.calls[call].n_fails = n;
}

void fault_tier_write_short(bool is_short)
{
	mafs_guard(&fault.lock);

	fault.is_short = is_short;
}

void fault_tier_hang(enum fault_tier_call call)
{
	mafs_guard(&fault.lock);

	fault.calls[call].hangs = true;
}

void fault_tier_release(void)
{
	mafs_guard(&fault.lock);

	for (int i = 0; i < FAULT_TIER_N_CALLS; i++)
		fault.calls[i].hangs = false;
	pthread_cond_broadcast(&fault.released);
}

unsigned int fault_tier_n_hanging(void)
{
	mafs_guard(&fault.lock);

	return fault.n_hanging;
}

unsigned int fault_tier_n_calls(enum fault_tier_call call)
{
	mafs_guard(&fault.lock);

	return fault.calls[call].n_calls;
}

static bool stores_half(void)
{
	mafs_guard(&fault.lock);

	return fault.is_short;
}

/* ---- the tier ---- */

static ssize_t fault_pread(int fd, void *bytes, size_t len, uint64_t offset)
{
	int r = begin_call(FAULT_TIER_READ);

	return r < 0 ? r : mafs_tier_disk.pread(fd, bytes, len, offset);
}

static int fault_pwrite(int fd, const void *bytes, size_t len, uint64_t offset)
{
	int r = begin_call(FAULT_TIER_WRITE), stored;

	if (r < 0 && !stores_half())
		return r;
	if (r < 0)
		len /= 2;
	note_change(fd, NOTE_WRITE, offset, len, bytes);
	stored = mafs_tier_disk.pwrite(fd, bytes, len, offset);
	return r < 0 ? r : stored;
}

static int fault_zero(int fd, uint64_t offset, uint64_t len)
{
	int r = begin_call(FAULT_TIER_ZERO);

	if (r < 0)
		return r;
	note_change(fd, NOTE_ZERO, offset, len, NULL);
	return mafs_tier_disk.zero(fd, offset, len);
}

static int fault_truncate(int fd, uint64_t size_bytes)
{
	int r = begin_call(FAULT_TIER_TRUNCATE);

	if (r < 0)
		return r;
	note_change(fd, NOTE_TRUNCATE, 0, size_bytes, NULL);
	return mafs_tier_disk.truncate(fd, size_bytes);
}

static int fault_set_times(int fd, const struct timespec times[2])
{
	int r = begin_call(FAULT_TIER_TIMES);

	return r < 0 ? r : mafs_tier_disk.set_times(fd, times);
}

static int fault_flush(int fd, bool data_only)
{
	int r = begin_call(FAULT_TIER_FLUSH);

	if (r == 0)
		r = mafs_tier_disk.flush(fd, data_only);
	if (r == 0)
		note_flush(fd, false);
	return r;
}

/* Names and xattrs are durable at once here, so what is settled is, too. */
static int fault_settle(int fd)
{
	int r = begin_call(FAULT_TIER_FLUSH);

	if (r == 0)
		r = mafs_tier_disk.settle(fd);
	if (r == 0)
		note_flush(fd, false);
	return r;
}

/* Names are durable at once here, and this comes before them. */
static int fault_flush_all(int fd)
{
	int r = begin_call(FAULT_TIER_FLUSH);

	if (r == 0)
		r = mafs_tier_disk.flush_all(fd);
	if (r == 0)
		note_flush(fd, true);
	return r;
}

static int fault_stat(int fd, struct stat *ret)
{
	return mafs_tier_disk.stat(fd, ret);
}

static int fault_statvfs(int fd, struct statvfs *ret)
{
	int r = begin_call(FAULT_TIER_STATVFS);

	return r < 0 ? r : mafs_tier_disk.statvfs(fd, ret);
}

const struct mafs_tier_ops fault_tier = {
	.kind = "fault",
	.pread = fault_pread,
	.pwrite = fault_pwrite,
	.zero = fault_zero,
	.truncate = fault_truncate,
	.set_times = fault_set_times,
	.settle = fault_settle,
	.flush = fault_flush,
	.flush_all = fault_flush_all,
	.stat = fault_stat,
	.statvfs = fault_statvfs,
};
