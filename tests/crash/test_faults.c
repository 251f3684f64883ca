// SPDX-License-Identifier: Apache-2.0
/*
 * ctest: labels=root
 *
 * Faults from below: a write-back that fails anywhere is reported once for
 * each open and in status, what it was to bring down is kept and tried again;
 * a tier that hangs keeps nobody from what is in memory. Memory that fails
 * refuses, and forgets nothing that it took.
 *
 *	inject: KIND errors=N reported=N: each told, kept, and got over
 */
#include <tests/unit/core/core_fixture.h>

#include "crash.h"
#include "fault_memory.h"
#include "fault_tier.h"

#include <limits.h>

#define SIZE 30000

static int faults_setup(void **state)
{
	fault_tier_reset();
	return core_setup(state);
}

static int faults_teardown(void **state)
{
	fault_tier_release();
	return core_teardown(state);
}

static void tell(const char *name, unsigned int n)
{
	printf("inject: %s errors=%u reported=%u\n", name, n, n);
	fflush(stdout);
}

/* ---- a tier that fails ---- */

struct fault {
	const char *name;
	enum fault_tier_call call;
	int error;
	bool is_short; /* half of the bytes were stored */
};

static const struct fault faults[] = {
	{ "EIO_in_write", FAULT_TIER_WRITE, EIO, false },
	{ "EIO_in_short_write", FAULT_TIER_WRITE, EIO, true },
	{ "ENOSPC_in_short_write", FAULT_TIER_WRITE, ENOSPC, true },
	{ "EDQUOT_in_write", FAULT_TIER_WRITE, EDQUOT, false },
	{ "EDQUOT_in_short_write", FAULT_TIER_WRITE, EDQUOT, true },
	{ "EROFS_in_write", FAULT_TIER_WRITE, EROFS, false },
	{ "EIO_in_zero", FAULT_TIER_ZERO, EIO, false },
	{ "EIO_in_truncate", FAULT_TIER_TRUNCATE, EIO, false },
	{ "EROFS_in_truncate", FAULT_TIER_TRUNCATE, EROFS, false },
	{ "EIO_in_times", FAULT_TIER_TIMES, EIO, false },
	{ "EIO_in_flush", FAULT_TIER_FLUSH, EIO, false },
	{ "EDQUOT_in_flush", FAULT_TIER_FLUSH, EDQUOT, false },
};

/* Longer on N, and with a hole where N has bytes: all calls are needed. */
static struct mafsd_open *make_dirty(struct core *c, const char *name)
{
	struct mafsd_open *open =
		core_open(c, core_lookup(c, name), O_RDWR | O_TRUNC);

	core_write_pattern(c, open, 0, 5000, 1);
	core_write_pattern(c, open, SIZE - 5000, 5000, 2);
	return open;
}

static void must_be_troubled(struct core *c, const char *name, int error,
			     unsigned int n_attempts)
{
	struct mafsd_dirty *troubles = NULL;
	size_t n = 0;

	must_be(mafsd_dirty_list(c->d, true, SIZE_MAX, &troubles, &n), 0);
	must_be(n, 1);
	must_be(strcmp(troubles[0].path, name), 0);
	must_be(troubles[0].error, error);
	must_be(troubles[0].n_attempts, n_attempts);
	must(troubles[0].dirty_bytes > 0);
	must(troubles[0].next_try_ms > 0);
	must(troubles[0].failing_ms <= troubles[0].age_ms);
	mafsd_dirty_list_free(troubles, n);
}

static void must_be_well(struct core *c)
{
	struct mafsd_dirty *troubles = NULL;
	size_t n = 1;

	must_be(mafsd_dirty_list(c->d, true, SIZE_MAX, &troubles, &n), 0);
	must_be(n, 0);
	mafsd_dirty_list_free(troubles, n);
}

static void fail_and_get_over(struct core *c, const struct fault *fault)
{
	struct mafsd_open *writer, *other, *later;
	uint8_t bytes[100];

	n_write_pattern(c, "f", 2 * SIZE);
	core_start_on(c, &fault_tier);
	writer = make_dirty(c, "f");
	other = core_open(c, core_lookup(c, "f"), O_RDONLY);
	fault_tier_write_short(fault->is_short);
	fault_tier_fail(fault->call, -fault->error, UINT_MAX);
	for (unsigned int i = 1; i <= 3; i++) {
		must_be(mafsd_sync(c->d, NULL), -fault->error);
		must_be_troubled(c, "f", fault->error, i);
	}
	later = core_open(c, core_lookup(c, "f"), O_RDWR);
	must_be(mafsd_flush(c->d, writer), -fault->error);
	must_be(mafsd_flush(c->d, writer), 0);
	must_be(mafsd_flush(c->d, other), -fault->error);
	must_be(mafsd_flush(c->d, other), 0);
	must_be(mafsd_flush(c->d, later), 0);
	must_be(core_read(c, other, bytes, sizeof(bytes), 0), sizeof(bytes));
	core_write_pattern(c, later, 100, 200, 3);

	fault_tier_reset();
	must_be(mafsd_fsync(c->d, writer, false), 0);
	must_be_well(c);
	must(core_same_as_n(c, writer, "f"));
	mafsd_release(c->d, later);
	mafsd_release(c->d, other);
	mafsd_release(c->d, writer);
	core_stop(c);
}

static void test_what_fails_below_is_told_kept_and_retried(void **state)
{
	const struct fault *fault = *state;
	void *core;

	faults_setup(&core);
	fail_and_get_over(core, fault);
	faults_teardown(&core);
	tell(fault->name, 3);
}

/* The kernel forgets after such an fsync what was not written: nothing may
 * count as clean that was written before it. */
static void eio_after_pwrite_before_fsync(void **state)
{
	struct core *c = *state;
	struct mafsd_open *open;

	core_start_on(c, &fault_tier);
	open = core_create(c, "f", O_RDWR, NULL);
	core_write_pattern(c, open, 0, SIZE, 1);
	fault_tier_fail(FAULT_TIER_FLUSH, -EIO, 1);
	must_be(mafsd_fsync(c->d, open, false), -EIO);
	must(fault_tier_n_calls(FAULT_TIER_WRITE) > 0);
	must_be_troubled(c, "f", EIO, 1);
	/* N's page cache lost it. */
	must_be(truncate(t_path(c->n, "f"), 0), 0);
	must_be(mafsd_fsync(c->d, open, false), 0);
	must_be_well(c);
	must_be(n_size(c, "f"), SIZE);
	must(core_same_as_n(c, open, "f"));
	mafsd_release(c->d, open);
	core_stop(c);
	tell("eio_after_pwrite_before_fsync", 1);
}

static void fail_to_write_back(struct core *c)
{
	struct mafsd_open *open = make_dirty(c, "f");

	mafsd_release(c->d, open);
	c->d->tier = &fault_tier;
	fault_tier_write_short(true);
	fault_tier_fail(FAULT_TIER_WRITE, -EIO, UINT_MAX);
	must_be(mafsd_sync(c->d, NULL), -EIO);
}

static void test_umount_keeps_what_it_cannot_write_back(void **state)
{
	struct mafs_fault fault = MAFS_FAULT_INIT;
	struct core *c = *state;

	n_write_pattern(c, "f", 2 * SIZE);
	core_start(c);
	fail_to_write_back(c);
	must_be(mafsd_stop(c->d, &fault), -EIO);
	must(strstr(fault.what, "could not be written back") != NULL);
	mafsd_free(take_ptr(c->d));
	fault_tier_reset();
	core_start(c);
	core_stop(c);
	must_be(n_size(c, "f"), SIZE);
	tell("umount_with_EIO", 1);
}

static void test_killed_in_trouble_nothing_is_lost(void **state)
{
	struct core *c = *state;

	n_write_pattern(c, "f", 2 * SIZE);
	core_killed(c, fail_to_write_back);
	core_start(c);
	mafsd_recover_stop(c->d);
	must_be(mafsd_recover_all(c->d), 0);
	must_be(c->d->n_conflicts, 0);
	core_stop(c);
	must_be(n_size(c, "f"), SIZE);
	tell("kill_with_EIO", 1);
}

/* ---- a disk that is full ---- */

static void enospc_at_write_not_after_close(void **state)
{
	static uint8_t bytes[1 << 16];
	struct core *c = *state;
	struct mafsd_open *open;
	uint64_t size = 0;
	ssize_t n;

	must_be(mount("t", c->n, "tmpfs", 0, "size=8m"), 0);
	core_start_on(c, &fault_tier);
	open = core_create(c, "f", O_RDWR, NULL);
	do {
		memset(bytes, (int)(size >> 16) + 1, sizeof(bytes));
		n = mafsd_write(c->d, &t_root, open, bytes, sizeof(bytes), size,
				0, false, true);
		size += n > 0 ? (uint64_t)n : 0;
	} while (n > 0);
	must_be(n, -ENOSPC);
	must(size > 4 * MIB && size < 8 * MIB);
	mafsd_release(c->d, open);
	core_stop(c);
	must_be(n_size(c, "f"), size);
	tell("enospc_at_write_not_after_close", 1);
}

/* ---- a tier that hangs ---- */

struct fsyncer {
	struct core *c;
	struct mafsd_open *open;
	int result;
};

static void *fsync_open(void *argument)
{
	struct fsyncer *f = argument;

	mafsd_thread_enter();
	f->result = mafsd_fsync(f->c->d, f->open, false);
	return NULL;
}

static void wait_until_it_hangs(void)
{
	while (fault_tier_n_hanging() == 0)
		usleep(1000);
}

/* All that needs no byte of N. */
static void use_while_it_hangs(struct core *c, struct mafsd_open *hot,
			       struct mafsd_open *dirty)
{
	struct mafsd_status status;
	struct mafsd_open *made;
	uint8_t bytes[4096];
	struct stat st;
	bool is_volatile;
	uint64_t nodeid;

	must_be(core_read(c, hot, bytes, sizeof(bytes), 0), sizeof(bytes));
	must_be(core_read(c, dirty, bytes, sizeof(bytes), 0), sizeof(bytes));
	core_write_pattern(c, dirty, 100, 1000, 7);
	made = core_create(c, "made", O_RDWR, &nodeid);
	core_write_pattern(c, made, 0, 5000, 1);
	must_be(mafsd_getattr(c->d, nodeid, &st, &is_volatile), 0);
	must_be(st.st_size, 5000);
	mafsd_release(c->d, made);
	must_be(mafsd_rename(c->d, MAFSD_ROOT_ID, "made", MAFSD_ROOT_ID,
			     "moved", 0),
		0);
	must_be(mafsd_unlink(c->d, MAFSD_ROOT_ID, "moved"), 0);
	mafsd_status(c->d, &status);
	must_be(status.n_dirty, 1);
	must_be_well(c);
}

static void hang_in(struct core *c, enum fault_tier_call call)
{
	struct mafsd_open *hot, *dirty;
	struct fsyncer fsyncer;
	pthread_t thread;

	n_write_pattern(c, "hot", SIZE);
	n_write_pattern(c, "f", 2 * SIZE);
	core_start_on(c, &fault_tier);
	core_pull(c, "hot");
	hot = core_open(c, core_lookup(c, "hot"), O_RDONLY);
	dirty = make_dirty(c, "f");
	fault_tier_hang(call);
	fsyncer = (struct fsyncer){ .c = c, .open = dirty, .result = 1 };
	t_no_jump = true;
	must_be(pthread_create(&thread, NULL, fsync_open, &fsyncer), 0);
	wait_until_it_hangs();
	use_while_it_hangs(c, hot, dirty);
	must_be(fsyncer.result, 1);
	fault_tier_release();
	pthread_join(thread, NULL);
	t_no_jump = false;
	must_be(fsyncer.result, 0);
	must_be(mafsd_fsync(c->d, dirty, false), 0);
	must(core_same_as_n(c, dirty, "f"));
	mafsd_release(c->d, dirty);
	mafsd_release(c->d, hot);
	core_stop(c);
}

static void test_hot_reads_go_on_when_a_write_hangs(void **state)
{
	hang_in(*state, FAULT_TIER_WRITE);
	tell("hang_in_write", 1);
}

static void test_hot_reads_go_on_when_a_flush_hangs(void **state)
{
	hang_in(*state, FAULT_TIER_FLUSH);
	tell("hang_in_flush", 1);
}

static void forget_room(struct core *c)
{
	mafs_guard(&c->d->space.lock);

	c->d->space.read_ms = INT64_MIN / 2;
}

/* What N had room for when it last answered. */
static void test_writes_go_on_when_statvfs_hangs(void **state)
{
	struct core *c = *state;
	struct mafsd_open *open;
	struct mafsd_status status;
	struct statvfs before, now;

	core_start_on(c, &fault_tier);
	open = core_create(c, "f", O_RDWR, NULL);
	core_write_pattern(c, open, 0, SIZE, 1);
	must_be(mafsd_statfs(c->d, &before), 0);
	fault_tier_hang(FAULT_TIER_STATVFS);
	alarm(10);
	for (uint64_t i = 1; i <= 50; i++) {
		forget_room(c);
		core_write_pattern(c, open, i * SIZE, SIZE, 2);
		must_be(mafsd_statfs(c->d, &now), 0);
		must_be(now.f_blocks, before.f_blocks);
		mafsd_status(c->d, &status);
	}
	must(fault_tier_n_hanging() <= 1);
	alarm(0);
	fault_tier_release();
	must_be(mafsd_fsync(c->d, open, false), 0);
	must_be(mafsd_statfs(c->d, &now), 0);
	must(core_same_as_n(c, open, "f"));
	mafsd_release(c->d, open);
	core_stop(c);
	tell("hang_in_statvfs", 1);
}

/* ---- memory that fails ---- */

static ssize_t try_write(struct core *c, struct mafsd_open *open, uint64_t at)
{
	return mafsd_write(c->d, &t_root, open, "new", 3, at, 0, false, true);
}

static void write_and_fail(struct core *c, enum fault_memory_call call)
{
	struct mafsd_open *open = core_create(c, "f", O_RDWR, NULL);

	core_write_text(c, open, "acknowledged");
	fault_memory_install(c->d->memory);
	fault_memory_fail(call, -EIO, UINT_MAX);
	if (call == FAULT_MEMORY_STORE) {
		must_be(try_write(c, open, 0), -EIO);
	} else {
		open = core_create(c, "g", O_RDWR, NULL);
		must_be(try_write(c, open, 0), -EIO);
	}
}

static void fail_store(struct core *c)
{
	write_and_fail(c, FAULT_MEMORY_STORE);
}

static void fail_create(struct core *c)
{
	write_and_fail(c, FAULT_MEMORY_CREATE);
}

static void fail_log(struct core *c)
{
	write_and_fail(c, FAULT_MEMORY_LOG);
}

static void test_memory_that_fails_refuses_and_keeps(void **state)
{
	void (*const work[])(struct core *) = {
		fail_store,
		fail_create,
		fail_log,
	};
	struct core *c = *state;

	for (size_t i = 0; i < MAFS_ARRAY_SIZE(work); i++) {
		core_killed(c, work[i]);
		core_start(c);
		core_stop(c);
		must(n_holds(c, "f", "acknowledged"));
		must_be(unlink(t_path(c->n, "f")), 0);
		if (work[i] != fail_store)
			must_be(unlink(t_path(c->n, "g")), 0);
	}
	tell("memory_with_EIO", MAFS_ARRAY_SIZE(work));
}

#define FAULT_TEST(function) \
	cmocka_unit_test_setup_teardown(function, faults_setup, faults_teardown)

static int run_faults(void)
{
	struct CMUnitTest tests[MAFS_ARRAY_SIZE(faults)];

	for (size_t i = 0; i < MAFS_ARRAY_SIZE(faults); i++)
		tests[i] = (struct CMUnitTest){
			.name = faults[i].name,
			.test_func =
				test_what_fails_below_is_told_kept_and_retried,
			.initial_state = (void *)&faults[i],
		};
	return _cmocka_run_group_tests("faults", tests, MAFS_ARRAY_SIZE(faults),
				       NULL, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FAULT_TEST(eio_after_pwrite_before_fsync),
		FAULT_TEST(test_umount_keeps_what_it_cannot_write_back),
		FAULT_TEST(test_killed_in_trouble_nothing_is_lost),
		FAULT_TEST(enospc_at_write_not_after_close),
		FAULT_TEST(test_hot_reads_go_on_when_a_write_hangs),
		FAULT_TEST(test_hot_reads_go_on_when_a_flush_hangs),
		FAULT_TEST(test_writes_go_on_when_statvfs_hangs),
		FAULT_TEST(test_memory_that_fails_refuses_and_keeps),
	};
	int r = t_become_private();

	if (r)
		return r;
	r = run_faults();
	return r + cmocka_run_group_tests(tests, NULL, NULL);
}
