// SPDX-License-Identifier: Apache-2.0
/*
 * Stores within a file: their time is shown at once and logged by a sync, and a
 * sync waits for the one that has what it shall make persistent.
 *
 * ctest: labels=tsan wrap=mafs_device_open,mafs_memory_session_open
 */
#include "volume.h"

#include <pthread.h>

#define SIZE (1024 * KIB)
#define LEN 20000U

/* A file that is open, closed once and stored into since. */
static struct vol *begin(void)
{
	static const uint8_t bytes[LEN] = { 1 };
	struct vol *v = v_new(1, SIZE);

	must_be(v_create(v, 0, "f"), 0);
	must_be(v_write(v, 0, 0, bytes, LEN), 0);
	must_be(v_fsync(v, 0), 0);
	must_be(v_setattr(v, "f", &(struct stat){ .st_mtim = { 7, 8 } },
			  MAFSD_SET_MTIME),
		0);
	must_be(v_write(v, 0, 5000, bytes, 100), 0);
	return v;
}

static void end(struct vol *v)
{
	(void)v_close(v, 0);
	v_free(v);
}

static struct stat stat_of(struct vol *v)
{
	struct stat st;
	bool is_volatile;

	must_be(mafsm_getattr(&v->m->fs, v_find(v, "f"), &st, &is_volatile), 0);
	v_forget(v);
	return st;
}

/* What a mount finds that comes behind a kill. */
static struct stat logged_stat(struct vol *v)
{
	struct vol next = { .n_devices = 1 };
	struct stat st;

	next.lines[0] = device_lines_crash(v->lines[0], LINES_NONE, 1);
	v_mount(&next);
	st = stat_of(&next);
	mafsm_free(next.m);
	device_lines_free(next.lines[0]);
	return st;
}

static bool is_now(const struct timespec *t)
{
	return time(NULL) - t->tv_sec < 100;
}

static void test_time_of_a_store_is_shown_at_once(void **state)
{
	struct vol *v = begin();
	struct stat st = stat_of(v);

	must(is_now(&st.st_mtim));
	must(is_now(&st.st_ctim));
	st = logged_stat(v);
	must_be(st.st_mtim.tv_sec, 7);
	end(v);
}

static void test_sync_logs_the_time(void **state)
{
	struct vol *v = begin();
	struct stat shown = stat_of(v), logged;

	must_be(v_fsync(v, 0), 0);
	logged = logged_stat(v);
	must_be(logged.st_mtim.tv_sec, shown.st_mtim.tv_sec);
	must_be(logged.st_mtim.tv_nsec, shown.st_mtim.tv_nsec);
	must(is_now(&logged.st_ctim));
	end(v);
}

static void test_utimes_behind_a_store_counts(void **state)
{
	struct vol *v = begin();

	must_be(v_setattr(v, "f", &(struct stat){ .st_mtim = { 9, 1 } },
			  MAFSD_SET_MTIME),
		0);
	must_be(stat_of(v).st_mtim.tv_sec, 9);
	must_be(v_fsync(v, 0), 0);
	must_be(stat_of(v).st_mtim.tv_sec, 9);
	must_be(logged_stat(v).st_mtim.tv_sec, 9);
	end(v);
}

static void test_chmod_behind_a_store_keeps_its_time(void **state)
{
	struct vol *v = begin();
	struct stat before = stat_of(v), after;

	must_be(v_setattr(v, "f", &(struct stat){ .st_mode = 0600 },
			  MAFSD_SET_MODE),
		0);
	after = stat_of(v);
	must_be(after.st_mtim.tv_nsec, before.st_mtim.tv_nsec);
	must(after.st_ctim.tv_sec > before.st_ctim.tv_sec ||
	     after.st_ctim.tv_nsec > before.st_ctim.tv_nsec);
	end(v);
}

static void test_sync_brings_all_that_was_stored(void **state)
{
	static const uint64_t places[] = { 19999, 0, 8000, 4095 };
	struct vol *v = begin(), after = { .n_devices = 1 };
	uint8_t byte;

	for (size_t i = 0; i < MAFS_ARRAY_SIZE(places); i++)
		must_be(v_write(v, 0, places[i], "x", 1), 0);
	must_be(v_fsync(v, 0), 0);
	after.lines[0] = device_lines_crash(v->lines[0], LINES_NONE, 1);
	v_mount(&after);
	must_be(v_open(&after, 0, "f", O_RDONLY), 0);
	for (size_t i = 0; i < MAFS_ARRAY_SIZE(places); i++) {
		must_be(mafsm_read_bytes(&after.m->fs, after.files[0], &byte, 1,
					 places[i]),
			1);
		must_be(byte, 'x');
	}
	must_be(v_close(&after, 0), 0);
	mafsm_free(after.m);
	device_lines_free(after.lines[0]);
	end(v);
}

/* What a change that the log refused leaves: the layout is read anew. */
static void test_sync_reads_a_layout_that_is_not_there(void **state)
{
	struct vol *v = begin(), after = { .n_devices = 1 };
	struct mafsm_inode *inode = mafsm_inode(v->m, v->file_ids[0]);
	uint8_t byte;

	must_be(v_write(v, 0, 8000, "x", 1), 0);
	mafs_layout_done(&inode->layout);
	inode->loaded = false;
	must_be(v_fsync(v, 0), 0);
	after.lines[0] = device_lines_crash(v->lines[0], LINES_NONE, 1);
	v_mount(&after);
	must_be(v_open(&after, 0, "f", O_RDONLY), 0);
	must_be(mafsm_read_bytes(&after.m->fs, after.files[0], &byte, 1, 8000),
		1);
	must_be(byte, 'x');
	must_be(v_close(&after, 0), 0);
	mafsm_free(after.m);
	device_lines_free(after.lines[0]);
	end(v);
}

/* ---- a master that is taken over ---- */

/**
 * struct takeover - by another host
 * @was_there: the bytes had come to memory before
 */
struct takeover {
	struct mafs_device *other;
	uint8_t *memory;
	uint8_t bytes[500];
	bool was_there;
};

static bool is_there(const struct takeover *takeover)
{
	return memmem(takeover->memory, SIZE, takeover->bytes,
		      sizeof(takeover->bytes));
}

static void take_over(void *context)
{
	struct takeover *takeover = context;

	takeover->was_there = is_there(takeover);
	must_be(mafs_device_master_epoch_set(takeover->other, 1000), 0);
}

/* Before the @n-th of the master's looks and flushes. Return: was it before the
 * write's end? */
static bool write_taken_over(unsigned n, unsigned *n_stored)
{
	struct vol *v = v_new(1, SIZE);
	struct takeover takeover = {
		.memory = device_lines_memory(v->lines[0]),
	};
	bool called;
	int r;

	memset(takeover.bytes, 0x5A, sizeof(takeover.bytes));
	must_be(mafs_device_on_mapping(MAFS_DEVICE_FILE,
				       device_lines_host(v->lines[0]), false,
				       &takeover.other),
		0);
	must_be(v_create(v, 0, "f"), 0);
	device_lines_call_at(v->lines[0], n, take_over, &takeover);
	r = v_write(v, 0, 9000, takeover.bytes, sizeof(takeover.bytes));
	called = device_lines_called(v->lines[0]);
	device_lines_call_at(v->lines[0], 0, NULL, NULL);
	must(r == 0 || (r == -EIO && called));
	*n_stored += called && !takeover.was_there && is_there(&takeover);
	mafs_device_close(takeover.other);
	v_drop_files(v);
	mafsm_free(take_ptr(v->m));
	v_free(v);
	return called;
}

/* But for one that had begun: between the last look and the flush. */
static void test_master_that_was_taken_over_stores_no_bytes(void **state)
{
	unsigned n = 1, n_stored = 0;

	while (write_taken_over(n, &n_stored))
		n++;
	must(n > 6);
	print_message("fence: looks=%u stored=%u\n", n - 1, n_stored);
	must(n_stored <= 1);
}

/* ---- beside each other ---- */

/**
 * struct sync - one under way
 * @flushes, @may_flush: it is in the middle of it; it may go on
 */
struct sync {
	struct vol *v;
	atomic_bool flushes, may_flush, is_done;
};

static void pause_flush(void *context)
{
	struct sync *sync = context;

	sync->flushes = true;
	while (!sync->may_flush)
		usleep(1000);
}

static void *run_sync(void *context)
{
	struct sync *sync = context;

	must_be(v_fsync(sync->v, 0), 0);
	sync->is_done = true;
	return NULL;
}

static void test_sync_waits_for_the_one_that_flushes(void **state)
{
	struct vol *v = begin();
	struct sync first = { .v = v }, second = { .v = v };
	pthread_t threads[2];

	device_lines_call_at(v->lines[0], 1, pause_flush, &first);
	must_be(pthread_create(&threads[0], NULL, run_sync, &first), 0);
	while (!first.flushes)
		usleep(1000);
	must_be(pthread_create(&threads[1], NULL, run_sync, &second), 0);
	usleep(50000);
	must(!second.is_done);
	first.may_flush = true;
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	must(second.is_done);
	end(v);
}

#define N_WRITERS 3
#define N_ROUNDS 300

struct writer {
	struct vol *v;
	uint64_t offset;
};

static void *run_writer(void *context)
{
	struct writer *writer = context;
	struct vol *v = writer->v;
	struct stat st;
	bool is_volatile;

	for (int i = 0; i < N_ROUNDS; i++) {
		must_be(v_write(v, 0, writer->offset, "abc", 3), 0);
		must_be(mafsm_getattr(&v->m->fs, v->file_ids[0], &st,
				      &is_volatile),
			0);
		must(is_now(&st.st_mtim));
	}
	return NULL;
}

/* The lines want one thread: nobody flushes meanwhile. */
static void test_stores_beside_each_other_are_all_noted(void **state)
{
	struct vol *v = begin();
	struct writer writers[N_WRITERS];
	pthread_t threads[N_WRITERS];
	uint64_t id = v->file_ids[0];

	must_be(v_fsync(v, 0), 0);
	must(!mafsm_has_stored(mafsm_inode(v->m, id)));
	for (int i = 0; i < N_WRITERS; i++) {
		writers[i] = (struct writer){ v, (uint64_t)i * 4096 };
		must_be(pthread_create(&threads[i], NULL, run_writer,
				       &writers[i]),
			0);
	}
	for (int i = 0; i < N_WRITERS; i++)
		pthread_join(threads[i], NULL);
	must(mafsm_has_stored(mafsm_inode(v->m, id)));
	must_be(v_fsync(v, 0), 0);
	must(!mafsm_has_stored(mafsm_inode(v->m, id)));
	end(v);
}

#define T(name) cmocka_unit_test(name)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		T(test_time_of_a_store_is_shown_at_once),
		T(test_sync_logs_the_time),
		T(test_utimes_behind_a_store_counts),
		T(test_chmod_behind_a_store_keeps_its_time),
		T(test_sync_brings_all_that_was_stored),
		T(test_sync_reads_a_layout_that_is_not_there),
		T(test_master_that_was_taken_over_stores_no_bytes),
		T(test_sync_waits_for_the_one_that_flushes),
		T(test_stores_beside_each_other_are_all_noted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
