// SPDX-License-Identifier: Apache-2.0
/*
 * Many threads on few names, beside checkpoints, syncs and the tender. A byte
 * that is read is zero or its own file's, whatever was freed and taken again
 * meanwhile; at the end the space adds up.
 *
 * Each thread reads and writes a part of every file of its own: who overwrites
 * what another one reads has both in one buffer, as on any file system.
 *
 * The kernel forgets an inode only when no request names it. Other than by the
 * kernel, changes of names in one directory come side by side.
 *
 * MAFS_SECONDS: how long.
 *
 * ctest: labels=tsan wrap=mafs_device_open,mafs_memory_session_open
 */
#include "seen.h"

#include <linux/falloc.h>
#include <linux/fs.h>
#include <time.h>

#define N_THREADS 6
#define N_DIRS 2
#define N_NAMES 8
#define STRIPE (64 * KIB)
#define FILE_MAX_BYTES (N_THREADS * STRIPE)

static struct mafsm *m;
static uint64_t dirs[N_DIRS]; /* ids; looked up as long as it runs */
static atomic_bool done;
static atomic_uint n_requests, n_faults;

struct worker {
	unsigned int seed, index;
	uint8_t bytes[STRIPE];
};

#define allow(r, ...)                                                        \
	do {                                                                 \
		const int allowed_[] = { 0, -ENOENT, -EEXIST, __VA_ARGS__ }; \
		check_allowed(r, #r, allowed_, MAFS_ARRAY_SIZE(allowed_));   \
	} while (0)

/* No jump out of a thread. */
static void check_allowed(long long r, const char *what, const int *allowed,
			  size_t n)
{
	atomic_fetch_add(&n_requests, 1);
	if (r >= 0)
		return;
	for (size_t i = 0; i < n; i++)
		if (r == allowed[i])
			return;
	fprintf(stderr, "%s: %s\n", what, strerror((int)-r));
	atomic_fetch_add(&n_faults, 1);
}

static unsigned int dice(struct worker *w, unsigned int n)
{
	return (unsigned int)rand_r(&w->seed) % n;
}

/* A part of the worker's stripe. */
static uint64_t any_range(struct worker *w, size_t *ret_len)
{
	uint64_t at = dice(w, STRIPE);

	*ret_len = 1 + dice(w, dice(w, 2) ? 100 : STRIPE);
	if (*ret_len > STRIPE - at)
		*ret_len = STRIPE - at;
	return w->index * STRIPE + at;
}

static uint8_t byte_of(uint64_t nodeid)
{
	return (uint8_t)(1 + nodeid % 250);
}

/* ---- requests on an open file ---- */

static void check_read(struct worker *w, struct mafsd_open *open,
		       uint64_t nodeid)
{
	size_t len;
	uint64_t at = any_range(w, &len);
	ssize_t n = mafsm_read_bytes(&m->fs, open, w->bytes, len, at);

	allow(n, 0);
	for (ssize_t i = 0; i < n; i++) {
		if (!w->bytes[i] || w->bytes[i] == byte_of(nodeid))
			continue;
		fprintf(stderr, "byte 0x%02x in inode %llu\n", w->bytes[i],
			(unsigned long long)nodeid);
		atomic_fetch_add(&n_faults, 1);
		return;
	}
}

static void write_some(struct worker *w, struct mafsd_open *open,
		       uint64_t nodeid)
{
	size_t len;
	uint64_t at = any_range(w, &len);

	memset(w->bytes, byte_of(nodeid), len);
	allow(mafsm_write_bytes(&m->fs, &caller, open, w->bytes, len, at,
				dice(w, 4) ? 0 : O_DSYNC, dice(w, 8) == 0,
				true),
	      -ENOSPC);
}

static void fallocate_some(struct worker *w, struct mafsd_open *open)
{
	const int keep = FALLOC_FL_KEEP_SIZE;
	const int modes[] = { 0, keep, keep | FALLOC_FL_PUNCH_HOLE,
			      FALLOC_FL_ZERO_RANGE };

	allow(mafsm_fallocate(&m->fs, &caller, open,
			      modes[dice(w, MAFS_ARRAY_SIZE(modes))],
			      dice(w, FILE_MAX_BYTES), 1 + dice(w, 60000),
			      true),
	      -ENOSPC);
}

static void use_open(struct worker *w, struct mafsd_open *open, uint64_t nodeid)
{
	for (int i = 0; i < 4; i++) {
		switch (dice(w, 7)) {
		case 0:
		case 1:
			write_some(w, open, nodeid);
			break;
		case 2:
			fallocate_some(w, open);
			break;
		case 3:
			allow(mafsm_fsync(&m->fs, open, false), 0);
			break;
		case 4:
			allow(mafsm_lseek(&m->fs, open, dice(w, FILE_MAX_BYTES),
					  SEEK_DATA),
			      -ENXIO);
			break;
		default:
			check_read(w, open, nodeid);
		}
	}
	allow(mafsm_flush(&m->fs, open), 0);
	mafsm_release(&m->fs, open);
}

/* ---- requests on names ---- */

static void any_name(struct worker *w, uint64_t *ret_dir, char ret[8])
{
	*ret_dir = dirs[dice(w, N_DIRS)];
	snprintf(ret, 8, "f%u", dice(w, N_NAMES));
}

static void make_one(struct worker *w, uint64_t dir, const char *name)
{
	struct mafsd_open *open = NULL;
	struct mafsd_entry entry, link;
	bool nameless = dice(w, 5) == 0;
	int r;

	r = nameless ? mafsm_tmpfile(&m->fs, &caller, dir, 0600, O_RDWR, &entry,
				     &open) :
		       mafsm_create(&m->fs, &caller, dir, name, 0644, O_RDWR,
				    &entry, &open);
	allow(r, -ENOSPC);
	if (r < 0)
		return;
	use_open(w, open, entry.nodeid);
	if (nameless && dice(w, 2)) {
		r = mafsm_link(&m->fs, entry.nodeid, dir, name, &link);
		allow(r, -ENOSPC);
		if (r == 0)
			mafsm_forget(&m->fs, link.nodeid, 1);
	}
	mafsm_forget(&m->fs, entry.nodeid, 1);
}

static void change_attributes(struct worker *w, uint64_t nodeid)
{
	const struct stat attr = { .st_mode = S_IFREG | dice(w, 01000),
				   .st_size = dice(w, FILE_MAX_BYTES),
				   .st_mtim = { dice(w, 1000), 0 } };
	const int sets[] = { MAFSD_SET_MODE, MAFSD_SET_SIZE, MAFSD_SET_MTIME,
			     MAFSD_SET_MODE | MAFSD_SET_SIZE };
	struct stat st;
	bool is_volatile;
	char value[300];

	allow(mafsm_setattr(&m->fs, &caller, nodeid, &attr,
			    sets[dice(w, MAFS_ARRAY_SIZE(sets))], true, &st,
			    &is_volatile),
	      -ENOSPC);
	allow(mafsm_getattr(&m->fs, nodeid, &st, &is_volatile), 0);
	memset(value, 'x', sizeof(value));
	if (dice(w, 3) == 0)
		allow(mafsm_setxattr(&m->fs, &caller, NULL, 0, nodeid, "user.a",
				     value, dice(w, sizeof(value)), 0),
		      -ENOSPC);
	else
		allow(mafsm_removexattr(&m->fs, nodeid, "user.a"), -ENODATA);
	allow(mafsm_getxattr(&m->fs, nodeid, "user.mafs.extents", NULL, 0), 0);
	allow(mafsm_listxattr(&m->fs, &caller, nodeid, NULL, 0), 0);
}

static void list_one(uint64_t dir)
{
	struct mafsd_dir *open;
	const char *name;
	struct stat st;
	off_t at = 0;

	allow(mafsm_opendir(&m->fs, dir, &open), 0);
	while (mafsm_readdir(&m->fs, open, at, &name, &st, &at) == 1)
		;
	mafsm_closedir(&m->fs, open);
}

static void request(struct worker *w)
{
	char name[8], to[8];
	uint64_t dir, to_dir;
	struct mafsd_open *open;
	struct mafsd_entry entry, known;
	bool knows;
	int r;

	any_name(w, &dir, name);
	any_name(w, &to_dir, to);
	r = mafsm_lookup(&m->fs, dir, name, &entry);
	allow(r, 0);
	if (r < 0) {
		make_one(w, dir, name);
		return;
	}
	knows = mafsm_lookup(&m->fs, to_dir, to, &known) == 0;
	switch (dice(w, 8)) {
	case 0:
		allow(mafsm_unlink(&m->fs, dir, name), 0);
		break;
	case 1:
		allow(mafsm_rename(&m->fs, dir, name, to_dir, to,
				   dice(w, 2) ? RENAME_EXCHANGE : 0, true),
		      0);
		break;
	case 2:
		change_attributes(w, entry.nodeid);
		break;
	case 3:
		list_one(dir);
		break;
	default:
		r = mafsm_open(&m->fs, &caller, entry.nodeid,
			       O_RDWR | (dice(w, 6) ? 0 : O_TRUNC), true,
			       &open);
		allow(r, 0);
		if (r == 0)
			use_open(w, open, entry.nodeid);
	}
	if (knows)
		mafsm_forget(&m->fs, known.nodeid, 1);
	mafsm_forget(&m->fs, entry.nodeid, 1);
}

static void *work(void *argument)
{
	struct worker *w = argument;

	while (!atomic_load(&done))
		request(w);
	return NULL;
}

/* What people ask, and checkpoints one after the other. */
static void *ask(void *argument)
{
	while (!atomic_load(&done)) {
		struct mafsm_status status;
		struct statvfs st;

		mafsm_status(m, &status);
		allow(mafsm_statfs(&m->fs, &st), 0);
		allow(mafsm_sync(m), 0);
		mafsm_checkpoint(m, NULL);
	}
	return NULL;
}

static void check_end(uint64_t head)
{
	struct vol v = { .m = m, .n_devices = 1 };
	struct seen *seen = v_see(&v);

	v_check_space(&v, seen, head, 0);
	seen_free(seen);
}

static void test_many_threads_beside_checkpoints(void **state)
{
	static const struct mafsm_options options = {
		.source = "memfd:8M",
		.mountpoint = "/",
	};
	static struct worker workers[N_THREADS];
	const char *seconds = getenv("MAFS_SECONDS");
	pthread_t threads[N_THREADS], asker;
	struct mafs_fault fault = MAFS_FAULT_INIT;
	struct vol v = { .n_devices = 1 };
	uint64_t head, log_bytes;

	must_work(mafsm_start(&options, &m, &fault), &fault);
	v.m = m;
	head = v_used(&v, &log_bytes);
	for (int i = 0; i < N_DIRS; i++) {
		struct mafsd_entry entry;
		char name[16];

		snprintf(name, sizeof(name), "d%d", i);
		must_be(mafsm_mkdir(&m->fs, &caller, MAFSD_ROOT_ID, name, 0755,
				    &entry),
			0);
		dirs[i] = entry.nodeid;
	}
	must_be(mafsm_tend_start(m), 0);
	must_be(pthread_create(&asker, NULL, ask, NULL), 0);
	for (unsigned int i = 0; i < N_THREADS; i++) {
		workers[i].seed = i + 1;
		workers[i].index = i;
		must_be(pthread_create(&threads[i], NULL, work, &workers[i]),
			0);
	}
	sleep(seconds ? (unsigned int)atoi(seconds) : 5);
	atomic_store(&done, true);
	for (int i = 0; i < N_THREADS; i++)
		pthread_join(threads[i], NULL);
	pthread_join(asker, NULL);
	mafsm_tend_stop(m);
	print_message("memvol: requests=%u\n", atomic_load(&n_requests));
	must_be(atomic_load(&n_faults), 0);
	check_end(head);
	must_be(mafsm_stop(m), 0);
	mafsm_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_many_threads_beside_checkpoints),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
