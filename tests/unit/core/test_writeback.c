// SPDX-License-Identifier: Apache-2.0
/* What goes down to N, in which order, and what happens when it does not. */
#include "core_fixture.h"

#include <core/copy_down.h>

/* ---- a tier that counts and fails ---- */

#define N_CALLS_MAX 4096

static struct {
	pthread_mutex_t lock;
	uint64_t written_bytes, zeroed_bytes; /* under lock */
	size_t n_calls; /* under lock */
	char calls[N_CALLS_MAX]; /* W Z T t S F D A; under lock */
	char fail_call; /* under lock */
	int fail_error, n_skips, n_fails; /* under lock */
	/* Called once, in the middle of a write. */
	void (*in_write)(void *context);
	void *in_write_context;
	struct mafsd *d;
	uint64_t id; /* its state in the hot table is looked at */
	bool clean_before_end; /* was logged `clean` while still at it */
} tier;

static int note_call(char call, uint64_t written, uint64_t zeroed)
{
	void (*in_write)(void *context) = NULL;
	struct mafs_hot *hot;
	int r = 0;

	if (tier.id) {
		mafs_guard(&tier.d->journal.lock);
		hot = mafs_hot_find(tier.d->journal.table, tier.id);
		if (!hot || hot->state != MAFS_HOT_WRITING)
			tier.clean_before_end = true;
	}
	pthread_mutex_lock(&tier.lock);
	if (tier.fail_call == call && tier.n_skips > 0) {
		tier.n_skips--;
	} else if (tier.fail_call == call && tier.n_fails > 0) {
		tier.n_fails--;
		r = tier.fail_error;
	}
	if (r == 0 && call != 's' && tier.n_calls < N_CALLS_MAX - 1) {
		tier.calls[tier.n_calls++] = call;
		tier.written_bytes += written;
		tier.zeroed_bytes += zeroed;
	}
	if (call == 'W') {
		in_write = tier.in_write;
		tier.in_write = NULL;
	}
	pthread_mutex_unlock(&tier.lock);
	if (in_write)
		in_write(tier.in_write_context);
	return r;
}

static ssize_t counted_pread(int fd, void *bytes, size_t len, uint64_t offset)
{
	return mafs_tier_disk.pread(fd, bytes, len, offset);
}

static int counted_pwrite(int fd, const void *bytes, size_t len,
			  uint64_t offset)
{
	int r = note_call('W', len, 0);

	return r < 0 ? r : mafs_tier_disk.pwrite(fd, bytes, len, offset);
}

static int counted_zero(int fd, uint64_t offset, uint64_t len)
{
	int r = note_call('Z', 0, len);

	return r < 0 ? r : mafs_tier_disk.zero(fd, offset, len);
}

static int counted_truncate(int fd, uint64_t size_bytes)
{
	int r = note_call('T', 0, 0);

	return r < 0 ? r : mafs_tier_disk.truncate(fd, size_bytes);
}

static int counted_set_times(int fd, const struct timespec times[2])
{
	int r = note_call('t', 0, 0);

	return r < 0 ? r : mafs_tier_disk.set_times(fd, times);
}

static int counted_flush(int fd, bool data_only)
{
	int r = note_call(data_only ? 'D' : 'F', 0, 0);

	return r < 0 ? r : mafs_tier_disk.flush(fd, data_only);
}

static int counted_settle(int fd)
{
	int r = note_call('S', 0, 0);

	return r < 0 ? r : mafs_tier_disk.settle(fd);
}

static int counted_flush_all(int fd)
{
	int r = note_call('A', 0, 0);

	return r < 0 ? r : mafs_tier_disk.flush_all(fd);
}

static int counted_stat(int fd, struct stat *ret)
{
	int r = note_call('s', 0, 0);

	return r < 0 ? r : mafs_tier_disk.stat(fd, ret);
}

static int uncounted_statvfs(int fd, struct statvfs *ret)
{
	return mafs_tier_disk.statvfs(fd, ret);
}

static const struct mafs_tier_ops counted_tier = {
	.kind = "counted",
	.pread = counted_pread,
	.pwrite = counted_pwrite,
	.zero = counted_zero,
	.truncate = counted_truncate,
	.set_times = counted_set_times,
	.flush = counted_flush,
	.settle = counted_settle,
	.flush_all = counted_flush_all,
	.stat = counted_stat,
	.statvfs = uncounted_statvfs,
};

static void forget_calls(void)
{
	mafs_guard(&tier.lock);

	memset(tier.calls, 0, sizeof(tier.calls));
	tier.n_calls = 0;
	tier.written_bytes = tier.zeroed_bytes = 0;
}

static size_t n_calls_of(char call)
{
	size_t n = 0;
	mafs_guard(&tier.lock);

	for (size_t i = 0; i < tier.n_calls; i++)
		n += tier.calls[i] == call;
	return n;
}

static void fail_next(char call, int error, int n)
{
	mafs_guard(&tier.lock);

	tier.fail_call = call;
	tier.fail_error = error;
	tier.n_skips = 0;
	tier.n_fails = n;
}

static void start(struct core *c)
{
	memset(&tier, 0, sizeof(tier));
	pthread_mutex_init(&tier.lock, NULL);
	core_start_on(c, &counted_tier);
	tier.d = c->d;
}

/* Open by copy, @size bytes of it in memory and on N alike. */
static struct mafsd_open *open_clean(struct core *c, const char *name,
				     size_t size, uint64_t *ret_nodeid)
{
	struct mafsd_open *open = core_create(c, name, O_RDWR, ret_nodeid);

	core_write_pattern(c, open, 0, size, 1);
	core_fsync(c, open);
	must_be(core_file(c, *ret_nodeid)->state, MAFSD_CLEAN);
	must(core_same_as_n(c, open, name));
	forget_calls();
	return open;
}

static void punch(struct core *c, struct mafsd_open *open, int mode,
		  uint64_t offset, uint64_t len)
{
	must_be(mafsd_fallocate(c->d, &t_root, open, mode, offset, len, true),
		0);
}

/* ---- only what is dirty ---- */

static void test_only_dirty_bytes_go_down(void **state)
{
	struct core *c = *state;
	struct mafsd_open *open;
	uint64_t nodeid;

	start(c);
	open = open_clean(c, "f", 8 * MIB, &nodeid);
	core_write_pattern(c, open, MIB + 100, 4096, 7);
	core_write_pattern(c, open, 5 * MIB, 10, 9);
	core_write_pattern(c, open, MIB + 200, 4096, 11); /* overlaps */
	assert_int_equal(c->d->dirty_bytes, 4196 + 10);
	core_fsync(c, open);
	assert_int_equal(tier.written_bytes, 4196 + 10);
	assert_int_equal(tier.zeroed_bytes, 0);
	assert_int_equal(c->d->dirty_bytes, 0);
	assert_true(core_same_as_n(c, open, "f"));
	mafsd_release(c->d, open);
	core_stop(c);
}

static void test_clean_file_is_not_written_again(void **state)
{
	struct core *c = *state;
	struct mafsd_open *open;
	uint64_t nodeid;

	start(c);
	open = open_clean(c, "f", MIB, &nodeid);
	core_fsync(c, open);
	must_be(mafsd_sync(c->d, NULL), 0);
	mafsd_release(c->d, open);
	core_stop(c);
	assert_int_equal(tier.written_bytes, 0);
}

static void test_holes_of_new_file_stay_holes(void **state)
{
	struct core *c = *state;
	struct mafsd_open *open;
	struct stat st;

	start(c);
	open = core_create(c, "f", O_RDWR, NULL);
	core_write_pattern(c, open, 30 * MIB, 4096, 1);
	core_fsync(c, open);
	assert_int_equal(tier.written_bytes, 4096);
	assert_int_equal(n_size(c, "f"), 30 * MIB + 4096);
	must_be(stat(t_path(c->n, "f"), &st), 0);
	assert_true(st.st_blocks < 128);
	assert_true(core_same_as_n(c, open, "f"));
	mafsd_release(c->d, open);
	core_stop(c);
}

static void test_file_scattered_all_over_goes_down_whole(void **state)
{
	struct core *c = *state;
	struct mafsd_open *open;
	uint64_t nodeid;

	start(c);
	open = open_clean(c, "f", 8 * MIB, &nodeid);
	/* More places than are noted exactly. */
	for (uint64_t at = 0; at < 8 * MIB; at += 512)
		core_write(c, open, "x", 1, at);
	core_fsync(c, open);
	assert_true(tier.written_bytes <= 8 * MIB);
	assert_true(core_same_as_n(c, open, "f"));
	mafsd_release(c->d, open);
	core_stop(c);
}

static void test_writer_beside_readers_of_memory_goes_down(void **state)
{
	struct core *c = *state;
	struct mafsd_open *reader, *writer;
	uint64_t nodeid;

	start(c);
	n_write_pattern(c, "f", MIB);
	nodeid = core_lookup(c, "f");
	core_pull(c, "f");
	reader = core_open(c, nodeid, O_RDONLY);
	writer = core_open(c, nodeid, O_RDWR);
	core_write_pattern(c, writer, 1000, 5000, 3);
	core_fsync(c, writer);
	assert_true(core_same_as_n(c, reader, "f"));
	mafsd_release(c->d, writer);
	mafsd_release(c->d, reader);
	core_stop(c);
}

/* ---- shrink, grow, holes ---- */

static void test_shrunk_and_grown_file_has_zeros_in_between(void **state)
{
	struct core *c = *state;
	struct mafsd_open *open;
	uint64_t nodeid;

	start(c);
	open = open_clean(c, "f", 4 * MIB, &nodeid);
	core_resize(c, nodeid, MIB + 123);
	core_resize(c, nodeid, 3 * MIB);
	core_write_pattern(c, open, 2 * MIB, 100, 5);
	core_fsync(c, open);
	assert_int_equal(n_size(c, "f"), 3 * MIB);
	assert_int_equal(tier.written_bytes, 4096 - 123 + 4096);
	assert_true(core_same_as_n(c, open, "f"));
	mafsd_release(c->d, open);
	core_stop(c);
}

static void test_grown_file_is_grown_on_disk(void **state)
{
	struct core *c = *state;
	struct mafsd_open *open;
	uint64_t nodeid;

	start(c);
	open = open_clean(c, "f", 1000, &nodeid);
	core_resize(c, nodeid, 5 * MIB);
	core_fsync(c, open);
	assert_int_equal(n_size(c, "f"), 5 * MIB);
	assert_true(core_same_as_n(c, open, "f"));
	mafsd_release(c->d, open);
	core_stop(c);
}

static void test_punched_and_zeroed_ranges_read_as_zeros_on_disk(void **state)
{
	struct core *c = *state;
	struct mafsd_open *open;
	uint64_t nodeid;

	start(c);
	open = open_clean(c, "f", 2 * MIB, &nodeid);
	punch(c, open, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 5000,
	      100000);
	punch(c, open, FALLOC_FL_ZERO_RANGE, 2 * MIB - 300, 1000);
	core_fsync(c, open);
	assert_int_equal(n_size(c, "f"), 2 * MIB + 700);
	assert_true(core_same_as_n(c, open, "f"));
	mafsd_release(c->d, open);
	core_stop(c);
}

static void test_zeroing_that_disk_has_no_room_for_changes_nothing(void **state)
{
	struct core *c = *state;
	struct mafsd_open *open;

	start(c);
	open = core_create(c, "f", O_RDWR, NULL);
	core_write_text(c, open, "kept");
	assert_true(mafsd_fallocate(c->d, &t_root, open,
				    FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE,
				    0, UINT64_C(1) << 50, true) < 0);
	core_fsync(c, open);
	assert_true(n_holds(c, "f", "kept"));
	mafsd_release(c->d, open);
	core_stop(c);
}

static void
test_truncated_file_is_as_long_as_what_was_written_then(void **state)
{
	struct core *c = *state;
	struct mafsd_open *open;
	uint64_t nodeid;

	start(c);
	n_write_pattern(c, "f", 3 * MIB);
	nodeid = core_lookup(c, "f");
	open = core_open(c, nodeid, O_RDWR | O_TRUNC);
	core_write_pattern(c, open, 100000, 500, 2);
	core_fsync(c, open);
	assert_true(core_same_as_n(c, open, "f"));
	mafsd_release(c->d, open);
	core_stop(c);
}

static void test_random_changes_end_alike_on_disk(void **state)
{
	struct core *c = *state;
	unsigned int seed = 20261;
	struct mafsd_open *open;
	uint64_t nodeid;

	start(c);
	open = open_clean(c, "f", MIB, &nodeid);
	for (int i = 0; i < 600; i++) {
		uint64_t at = (uint64_t)rand_r(&seed) % (2 * MIB);
		size_t len = 1 + (size_t)rand_r(&seed) % 20000;

		switch (rand_r(&seed) % 8) {
		case 0:
			core_resize(c, nodeid, at);
			break;
		case 1:
			punch(c, open,
			      FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at,
			      len);
			break;
		case 2:
			punch(c, open, FALLOC_FL_ZERO_RANGE, at, len);
			break;
		case 3:
			punch(c, open,
			      rand_r(&seed) % 2 ? FALLOC_FL_KEEP_SIZE : 0, at,
			      len);
			break;
		case 4:
			if (rand_r(&seed) % 2)
				fail_next("WZTtFD"[rand_r(&seed) % 6], -EIO, 1);
			if (mafsd_fsync(c->d, open, rand_r(&seed) % 2) == 0)
				must(core_same_as_n(c, open, "f"));
			fail_next(0, 0, 0);
			break;
		default:
			core_write_pattern(c, open, at, len, (uint8_t)i);
		}
	}
	mafsd_flush(c->d, open);
	core_fsync(c, open);
	assert_true(core_same_as_n(c, open, "f"));
	mafsd_release(c->d, open);
	core_stop(c);
}

/* ---- order ---- */

static void test_cut_comes_after_a_flush_and_clean_after_the_last(void **state)
{
	struct core *c = *state;
	struct mafsd_open *open;
	uint64_t nodeid;

	start(c);
	n_write_pattern(c, "f", MIB);
	nodeid = core_lookup(c, "f");
	open = core_open(c, nodeid, O_RDWR | O_TRUNC);
	core_write_text(c, open, "short");
	tier.id = core_file(c, nodeid)->id;
	core_fsync(c, open);
	assert_string_equal(tier.calls, "WDTtF");
	assert_false(tier.clean_before_end);
	assert_int_equal(core_file(c, nodeid)->state, MAFSD_CLEAN);
	tier.id = 0;
	mafsd_release(c->d, open);
	core_stop(c);
}

static void test_file_that_keeps_its_size_is_flushed_once(void **state)
{
	struct core *c = *state;
	struct mafsd_open *open;
	uint64_t nodeid;

	start(c);
	open = open_clean(c, "f", 8192, &nodeid);
	core_write(c, open, "x", 1, 0);
	core_fsync(c, open);
	assert_string_equal(tier.calls, "WtF");
	mafsd_release(c->d, open);
	core_stop(c);
}

static void test_fdatasync_leaves_times_to_the_disk(void **state)
{
	struct core *c = *state;
	struct mafsd_open *open;
	uint64_t nodeid;

	start(c);
	open = open_clean(c, "f", 8192, &nodeid);
	core_write(c, open, "x", 1, 0);
	must_be(mafsd_fsync(c->d, open, true), 0);
	assert_string_equal(tier.calls, "WtD");
	assert_int_equal(core_file(c, nodeid)->state, MAFSD_CLEAN);
	/* Nothing is dirty, but what was left is asked for now. */
	must_be(mafsd_fsync(c->d, open, false), 0);
	assert_string_equal(tier.calls, "WtDF");
	mafsd_release(c->d, open);
	core_stop(c);
}

static void test_fdatasync_of_a_new_file_flushes_its_mark(void **state)
{
	struct core *c = *state;
	struct mafsd_open *open;

	start(c);
	open = core_create(c, "f", O_RDWR, NULL);
	core_write(c, open, "x", 1, 0);
	must_be(mafsd_fsync(c->d, open, true), 0);
	assert_non_null(strchr(tier.calls, 'F'));
	mafsd_release(c->d, open);
	core_stop(c);
}

static void test_many_files_share_one_flush(void **state)
{
	struct core *c = *state;
	struct mafsd_open *open;
	char name[16];

	start(c);
	for (int i = 0; i < 20; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		open = core_create(c, name, O_WRONLY, NULL);
		core_write_text(c, open, name);
		mafsd_release(c->d, open);
	}
	must_be(mafsd_sync(c->d, NULL), 0);
	/* The second makes durable that they are not awaited any more, the
	 * third what programs wrote to N past us. */
	assert_int_equal(n_calls_of('A'), 3);
	assert_int_equal(n_calls_of('F'), 0);
	assert_int_equal(c->d->n_dirty, 0);
	assert_true(n_holds(c, "f7", "f7"));
	core_stop(c);
}

static void test_shared_flush_that_fails_leaves_all_dirty(void **state)
{
	struct core *c = *state;
	struct mafsd_open *open;
	char name[16];

	start(c);
	for (int i = 0; i < 20; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		open = core_create(c, name, O_WRONLY, NULL);
		core_write_text(c, open, name);
		mafsd_release(c->d, open);
	}
	fail_next('A', -EIO, 1);
	must_be(mafsd_sync(c->d, NULL), -EIO);
	assert_int_equal(c->d->n_dirty, 20);
	forget_calls();
	must_be(mafsd_sync(c->d, NULL), 0);
	assert_int_equal(n_calls_of('W'), 20);
	core_stop(c);
}

static void test_times_on_disk_are_those_that_were_shown(void **state)
{
	struct core *c = *state;
	struct mafsd_open *open;
	struct stat before, after, n;
	bool is_volatile;
	uint64_t nodeid;

	start(c);
	open = core_create(c, "f", O_WRONLY, &nodeid);
	core_write_text(c, open, "x");
	must_be(mafsd_getattr(c->d, nodeid, &before, &is_volatile), 0);
	usleep(30000);
	core_fsync(c, open);
	must_be(stat(t_path(c->n, "f"), &n), 0);
	must_be(mafsd_getattr(c->d, nodeid, &after, &is_volatile), 0);
	assert_memory_equal(&n.st_mtim, &before.st_mtim, sizeof(n.st_mtim));
	assert_memory_equal(&after.st_mtim, &before.st_mtim, sizeof(n.st_mtim));
	assert_memory_equal(&after.st_ctim, &before.st_ctim, sizeof(n.st_ctim));
	mafsd_release(c->d, open);
	core_stop(c);
}

/* ---- errors ---- */

static void test_failed_write_back_is_kept_and_tried_again(void **state)
{
	static const char calls[] = "WTtF";

	for (size_t i = 0; i < sizeof(calls) - 1; i++) {
		struct core *c = *state;
		struct mafsd_open *open;
		struct mafsd_dirty *troubles = NULL;
		size_t n_troubles = 0;
		uint64_t nodeid;

		start(c);
		n_write_pattern(c, "f", 64 * KIB);
		nodeid = core_lookup(c, "f");
		open = core_open(c, nodeid, O_RDWR | O_TRUNC);
		core_write_text(c, open, "kept");
		mafsd_release(c->d, open);
		fail_next(calls[i], -EIO, 1);
		must_be(mafsd_sync(c->d, NULL), -EIO);
		assert_int_equal(c->d->n_dirty, 1);
		assert_true(core_holds(c, nodeid, "kept"));

		must_be(mafsd_dirty_list(c->d, true, SIZE_MAX, &troubles,
					 &n_troubles),
			0);
		assert_int_equal(n_troubles, 1);
		assert_int_equal(troubles[0].error, EIO);
		assert_int_equal(troubles[0].n_attempts, 1);
		mafsd_dirty_list_free(troubles, n_troubles);

		must_be(mafsd_sync(c->d, NULL), 0);
		assert_int_equal(c->d->n_dirty, 0);
		assert_true(n_holds(c, "f", "kept"));
		must_be(mafsd_dirty_list(c->d, true, SIZE_MAX, &troubles,
					 &n_troubles),
			0);
		assert_int_equal(n_troubles, 0);
		mafsd_dirty_list_free(troubles, n_troubles);
		core_stop(c);
	}
}

static void test_write_back_whose_stat_fails_is_tried_again(void **state)
{
	struct core *c = *state;
	struct mafsd_open *open;
	uint64_t nodeid;
	int r;

	start(c);
	open = open_clean(c, "f", 4096, &nodeid);
	for (int n_skips = 0; n_skips < 4; n_skips++) {
		core_write_pattern(c, open, 0, 4096, (uint8_t)n_skips);
		fail_next('s', -EIO, 1);
		tier.n_skips = n_skips;
		r = mafsd_sync(c->d, NULL);
		must(r == -EIO || tier.n_fails == 1);
		fail_next(0, 0, 0);
		must_be(mafsd_sync(c->d, NULL), 0);
		must_be(core_file(c, nodeid)->state, MAFSD_CLEAN);
		must(core_same_as_n(c, open, "f"));
	}
	mafsd_release(c->d, open);
	core_stop(c);
}

static void test_failed_range_is_written_again(void **state)
{
	struct core *c = *state;
	struct mafsd_open *open;
	uint64_t nodeid;

	start(c);
	open = open_clean(c, "f", 4 * MIB, &nodeid);
	core_write_pattern(c, open, MIB, 1000, 5);
	core_write_pattern(c, open, 2 * MIB, 1000, 5);
	fail_next('F', -EIO, 1);
	must_be(mafsd_fsync(c->d, open, false), -EIO);
	assert_int_equal(c->d->dirty_bytes, 2000);
	forget_calls();
	core_fsync(c, open);
	assert_int_equal(tier.written_bytes, 2000);
	assert_true(core_same_as_n(c, open, "f"));
	mafsd_release(c->d, open);
	core_stop(c);
}

static void test_error_is_reported_once_for_each_open(void **state)
{
	struct core *c = *state;
	struct mafsd_open *first, *second, *later;
	uint64_t nodeid;

	start(c);
	first = core_create(c, "f", O_WRONLY, &nodeid);
	second = core_open(c, nodeid, O_RDWR);
	core_write_text(c, first, "x");
	must_be(mafsd_flush(c->d, first), 0);
	fail_next('W', -EDQUOT, 1);
	must_be(mafsd_sync(c->d, NULL), -EDQUOT);
	later = core_open(c, nodeid, O_RDWR);
	must_be(mafsd_flush(c->d, first), -EDQUOT);
	must_be(mafsd_flush(c->d, first), 0);
	must_be(mafsd_flush(c->d, later), 0);
	must_be(mafsd_flush(c->d, second), -EDQUOT);
	must_be(mafsd_flush(c->d, second), 0);
	mafsd_release(c->d, first);
	mafsd_release(c->d, second);
	mafsd_release(c->d, later);
	core_stop(c);
}

static void test_error_that_fsync_told_is_not_told_again(void **state)
{
	struct core *c = *state;
	struct mafsd_open *open, *other;
	uint64_t nodeid;

	start(c);
	open = core_create(c, "f", O_WRONLY, &nodeid);
	other = core_open(c, nodeid, O_WRONLY);
	core_write_text(c, open, "x");
	fail_next('W', -EIO, 1);
	must_be(mafsd_fsync(c->d, open, false), -EIO);
	must_be(mafsd_flush(c->d, open), 0);
	must_be(mafsd_flush(c->d, other), -EIO);
	mafsd_release(c->d, open);
	mafsd_release(c->d, other);
	core_stop(c);
}

static void test_stop_refuses_while_bytes_cannot_go_down(void **state)
{
	struct core *c = *state;
	struct mafs_fault fault = MAFS_FAULT_INIT;
	struct mafsd_open *open;

	start(c);
	open = core_create(c, "f", O_WRONLY, NULL);
	core_write_text(c, open, "kept");
	mafsd_release(c->d, open);
	fail_next('W', -ENOSPC, 100);
	must_be(mafsd_stop(c->d, &fault), -ENOSPC);
	mafsd_free(c->d);
	c->d = NULL;
	assert_int_equal(n_size(c, "f"), 0);

	/* The session stayed open: the next one has them. */
	core_start(c);
	core_stop(c);
	assert_true(n_holds(c, "f", "kept"));
}

/* ---- a log that cannot be stored to ---- */

static struct mafs_media_ops broken_media;

static int fail_media_write(struct mafs_media *media, enum mafs_region region,
			    uint64_t offset, const void *bytes, size_t len)
{
	(void)media, (void)region, (void)offset, (void)bytes, (void)len;
	return -EIO;
}

static void break_log(void *context)
{
	struct core *c = context;

	broken_media = *c->d->memory->media.ops;
	broken_media.write = fail_media_write;
	c->d->memory->media.ops = &broken_media;
}

/* Stop says what it is, and the next daemon has the bytes. */
static void stop_with_broken_log(struct core *c)
{
	struct mafs_fault fault = MAFS_FAULT_INIT;

	must_be(mafsd_stop(c->d, &fault), -EIO);
	must_be(c->d->n_dirty, 1);
	mafsd_free(c->d);
	c->d = NULL;
	core_start(c);
	core_stop(c);
	must(n_holds(c, "f", "kept"));
}

static void test_stop_refuses_while_the_log_is_broken(void **state)
{
	struct core *c = *state;
	struct mafsd_dirty *troubles = NULL;
	struct mafsd_open *open;
	size_t n_troubles = 0;

	start(c);
	open = core_create(c, "f", O_WRONLY, NULL);
	core_write_text(c, open, "kept");
	break_log(c);
	must_be(mafsd_sync(c->d, NULL), -EIO);
	must_be(mafsd_fsync(c->d, open, false), -EIO);
	mafsd_release(c->d, open);
	must_be(mafsd_dirty_list(c->d, true, SIZE_MAX, &troubles, &n_troubles),
		0);
	mafsd_dirty_list_free(troubles, n_troubles);
	must_be(n_troubles, 1);
	stop_with_broken_log(c);
}

static void test_file_is_not_clean_before_the_log_says_so(void **state)
{
	struct core *c = *state;
	struct mafsd_open *open;
	uint64_t nodeid;

	start(c);
	open = core_create(c, "f", O_WRONLY, &nodeid);
	core_write_text(c, open, "kept");
	tier.in_write_context = c;
	tier.in_write = break_log; /* `writing` is stored, `clean` is not */
	must_be(mafsd_sync(c->d, NULL), -EIO);
	must(mafsd_is_dirty(core_file(c, nodeid)));
	must_be(mafs_hot_find(c->d->journal.table, core_file(c, nodeid)->id)
			->state,
		MAFS_HOT_WRITING);
	mafsd_release(c->d, open);
	stop_with_broken_log(c);
}

static void test_copy_stays_that_the_log_could_not_drop(void **state)
{
	struct core *c = *state;
	struct mafs_fault fault = MAFS_FAULT_INIT;
	struct mafs_hot *hot;
	uint64_t nodeid;

	start(c);
	n_write(c, "f", "kept");
	nodeid = core_lookup(c, "f");
	core_pull(c, "f");
	break_log(c);
	must_be(mafsd_evict(c->d, mafsd_inode_by_id(c->d, nodeid), true), -EIO);
	hot = mafs_hot_find(c->d->journal.table, core_file(c, nodeid)->id);
	must(hot && hot->claimed);
	must(core_holds(c, nodeid, "kept"));
	must_be(mafsd_stop(c->d, &fault), 0);
	mafsd_free(c->d);
	c->d = NULL;
}

/* ---- beside other requests ---- */

struct meanwhile {
	struct core *c;
	struct mafsd_open *open;
	uint64_t nodeid;
};

static void write_meanwhile(void *context)
{
	struct meanwhile *m = context;

	core_write_pattern(m->c, m->open, 100, 50, 77);
}

static void cut_meanwhile(void *context)
{
	struct meanwhile *m = context;

	core_resize(m->c, m->nodeid, 10);
	core_resize(m->c, m->nodeid, 30000);
}

static void unlink_meanwhile(void *context)
{
	struct meanwhile *m = context;

	must_be(mafsd_unlink(m->c->d, MAFSD_ROOT_ID, "f"), 0);
}

static void test_write_during_write_back_leaves_the_file_dirty(void **state)
{
	struct core *c = *state;
	struct meanwhile m = { .c = c };

	start(c);
	m.open = open_clean(c, "f", MIB, &m.nodeid);
	core_write_pattern(c, m.open, 0, 4096, 9);
	tier.in_write_context = &m;
	tier.in_write = write_meanwhile;
	core_fsync(c, m.open);
	assert_true(mafsd_is_dirty(core_file(c, m.nodeid)));
	assert_int_equal(c->d->n_dirty, 1);
	assert_int_equal(c->d->dirty_bytes, 50);
	forget_calls();
	core_fsync(c, m.open);
	assert_int_equal(tier.written_bytes, 50);
	assert_int_equal(core_file(c, m.nodeid)->state, MAFSD_CLEAN);
	assert_true(core_same_as_n(c, m.open, "f"));
	mafsd_release(c->d, m.open);
	core_stop(c);
}

static bool is_dirty(struct mafsd_file *file)
{
	mafs_guard(&file->inode->lock);

	return mafsd_is_dirty(file);
}

static int64_t is_due_in_ms(struct mafsd_file *file)
{
	mafs_guard(&file->inode->lock);

	return file->due_ms - mafsd_now_ms();
}

/* What is being rewritten is not brought down half before its time. */
static void test_file_that_is_open_for_writing_is_tried_late(void **state)
{
	struct core *c = *state;
	struct meanwhile m = { .c = c };

	core_option(c, "writeback_after", "10s");
	core_option(c, "writeback_most", "1h");
	start(c);
	m.open = open_clean(c, "f", MIB, &m.nodeid);
	core_write_pattern(c, m.open, 0, 4096, 9);
	tier.in_write_context = &m;
	tier.in_write = write_meanwhile;
	core_fsync(c, m.open);
	must(is_due_in_ms(core_file(c, m.nodeid)) > 60000);
	mafsd_release(c->d, m.open);
	must(is_due_in_ms(core_file(c, m.nodeid)) <= 10000);
	core_stop(c);
}

static const struct mafs_memory_ops *real_memory;

static ssize_t pwrite_after_sync(struct mafs_memory_file *file,
				 const void *bytes, size_t len, uint64_t offset)
{
	must_be(mafsd_sync(tier.d, NULL), 0);
	return real_memory->pwrite(file, bytes, len, offset);
}

static void test_write_back_during_a_write_leaves_the_file_dirty(void **state)
{
	struct core *c = *state;
	struct mafs_memory_ops slow;
	struct mafsd_open *open;
	uint64_t nodeid;

	start(c);
	open = open_clean(c, "f", MIB, &nodeid);
	real_memory = c->d->memory->ops;
	slow = *real_memory;
	slow.pwrite = pwrite_after_sync;
	c->d->memory->ops = &slow;
	core_write_pattern(c, open, 0, 4096, 9);
	c->d->memory->ops = real_memory;
	assert_true(mafsd_is_dirty(core_file(c, nodeid)));
	assert_int_equal(c->d->n_dirty, 1);
	mafsd_release(c->d, open);
	core_stop(c);
	assert_int_equal(tier.written_bytes, 4096);
}

static void *sync_all(void *argument)
{
	struct core *c = argument;

	mafsd_thread_enter();
	must_be(mafsd_sync(c->d, NULL), 0);
	return NULL;
}

/* Who truncates it then would do so on N if N's file were in use. */
static void test_file_that_is_clean_is_not_in_use_on_disk(void **state)
{
	enum mafs_use use = MAFS_USE_SOME;
	struct core *c = *state;
	struct mafsd_inode *inode;
	struct mafsd_open *open;
	pthread_t thread;
	uint64_t nodeid;
	bool clean;

	start(c);
	mafsd_release(c->d, core_create(c, "f", O_RDWR, &nodeid));
	inode = mafsd_inode_by_id(c->d, nodeid);
	t_no_jump = true;
	for (int i = 0; i < 300; i++) {
		open = core_open(c, nodeid, O_RDWR | O_TRUNC);
		core_write_text(c, open, "text");
		mafsd_release(c->d, open);
		must_be(pthread_create(&thread, NULL, sync_all, c), 0);
		do {
			pthread_mutex_lock(&inode->lock);
			clean = inode->file->state == MAFSD_CLEAN;
			if (clean)
				use = mafsd_n_use(c->d, inode, false);
			pthread_mutex_unlock(&inode->lock);
		} while (!clean);
		pthread_join(thread, NULL);
		must_be(use, MAFS_USE_NONE);
	}
	t_no_jump = false;
	core_stop(c);
}

/* As a rename does for a moment. */
static void hold(struct mafsd_file *file, unsigned int n)
{
	mafs_guard(&file->inode->lock);

	file->n_stores += n;
}

static void test_write_back_that_was_held_off_is_tried_soon(void **state)
{
	struct core *c = *state;
	struct mafsd_open *open;
	struct mafsd_file *file;
	uint64_t nodeid;

	start(c);
	open = open_clean(c, "f", MIB, &nodeid);
	file = core_file(c, nodeid);
	core_write_pattern(c, open, 0, 4096, 9);
	mafsd_release(c->d, open);
	hold(file, 1);
	must_be(mafsd_sync(c->d, NULL), 0);
	must(is_dirty(file));
	must(is_due_in_ms(file) < 1000);
	hold(file, -1U);
	for (int i = 0; i < 1000 && is_dirty(file); i++)
		usleep(10000);
	must(!is_dirty(file));
	core_stop(c);
}

static void test_cut_during_write_back_reaches_the_disk(void **state)
{
	struct core *c = *state;
	struct meanwhile m = { .c = c };

	start(c);
	m.open = open_clean(c, "f", MIB, &m.nodeid);
	core_write_pattern(c, m.open, 20000, 4096, 9);
	tier.in_write_context = &m;
	tier.in_write = cut_meanwhile;
	core_fsync(c, m.open);
	assert_true(mafsd_is_dirty(core_file(c, m.nodeid)));
	core_fsync(c, m.open);
	assert_int_equal(n_size(c, "f"), 30000);
	assert_true(core_same_as_n(c, m.open, "f"));
	mafsd_release(c->d, m.open);
	core_stop(c);
}

static void
test_file_unlinked_before_its_write_back_opens_it_is_no_error(void **state)
{
	struct core *c = *state;
	struct mafsd_inode *inode;
	struct mafsd_copy copy;
	uint64_t nodeid;
	int r;

	start(c);
	mafsd_release(c->d, open_clean(c, "f", MIB, &nodeid));
	mafsd_release(c->d, core_open(c, nodeid, O_RDWR | O_TRUNC));
	inode = mafsd_inode_by_id(c->d, nodeid);
	must_be(mafsd_copy_begin(c->d, inode, true, false, &copy), 1);
	must_be(mafsd_unlink(c->d, MAFSD_ROOT_ID, "f"), 0);
	r = mafsd_copy_bytes(c->d, &copy);
	assert_int_equal(r, -ESTALE);
	must_be(mafsd_copy_end(c->d, &copy, r, true), 0);
	assert_int_equal(c->d->n_hot, 0);
	mafsd_forget(c->d, nodeid, 1);
	core_stop(c);
}

static void test_unlink_during_write_back_frees_the_memory(void **state)
{
	struct core *c = *state;
	struct meanwhile m = { .c = c };
	struct mafs_memory_usage usage;

	start(c);
	m.open = open_clean(c, "f", MIB, &m.nodeid);
	core_write_pattern(c, m.open, 0, 4096, 9);
	mafsd_release(c->d, m.open);
	tier.in_write_context = &m;
	tier.in_write = unlink_meanwhile;
	must_be(mafsd_sync(c->d, NULL), 0);
	assert_int_equal(c->d->n_dirty, 0);
	assert_int_equal(c->d->n_hot, 0);
	must_be(c->d->memory->ops->usage(c->d->memory, &usage), 0);
	assert_int_equal(usage.n_files, 0);
	mafsd_forget(c->d, m.nodeid, 1);
	core_stop(c);
}

/* ---- sync, beside the write-back thread ---- */

static atomic_bool go_on;

static void hold_write(void *context)
{
	(void)context;
	while (!go_on)
		usleep(1000);
}

static bool is_in_write(void)
{
	mafs_guard(&tier.lock);

	return !tier.in_write;
}

static void *sync_main(void *context)
{
	int *ret = context;

	*ret = mafsd_sync(tier.d, NULL);
	return NULL;
}

static bool sync_has_begun(struct core *c)
{
	mafs_guard(&c->d->queue_lock);

	return c->d->n_syncs > 0;
}

/* The write-back thread is in the middle of "f" when a sync begins. */
static pthread_t sync_beside_thread(struct core *c, int *ret)
{
	struct mafsd_open *open;
	pthread_t thread;

	core_option(c, "writeback_after", "0");
	start(c);
	go_on = false;
	tier.in_write = hold_write;
	open = core_create(c, "f", O_WRONLY, NULL);
	core_write_text(c, open, "precious");
	mafsd_release(c->d, open);
	mafsd_write_back_kick(c->d);
	while (!is_in_write())
		usleep(1000);
	must_be(pthread_create(&thread, NULL, sync_main, ret), 0);
	while (!sync_has_begun(c))
		usleep(1000);
	return thread;
}

static void test_sync_waits_for_what_the_thread_has_in_hand(void **state)
{
	struct core *c = *state;
	struct mafsd_open *later;
	pthread_t thread;
	int r = 1, r_join;

	thread = sync_beside_thread(c, &r);
	later = core_create(c, "later", O_WRONLY, NULL);
	core_write_text(c, later, "x");
	usleep(50000);
	r_join = pthread_tryjoin_np(thread, NULL);
	go_on = true;
	must_be(r_join, EBUSY);
	pthread_join(thread, NULL);
	must_be(r, 0);
	must(n_holds(c, "f", "precious"));
	mafsd_release(c->d, later);
	core_stop(c);
}

static void test_sync_tells_what_failed_in_the_threads_hands(void **state)
{
	struct core *c = *state;
	pthread_t thread;
	int r = 1;

	thread = sync_beside_thread(c, &r);
	fail_next('F', -EIO, 2); /* there, and tried again by the sync */
	go_on = true;
	pthread_join(thread, NULL);
	must_be(r, -EIO);
	must_be(mafsd_sync(c->d, NULL), 0);
	core_stop(c);
}

static void test_sync_ends_while_a_mapped_file_stays_dirty(void **state)
{
	struct core *c = *state;
	struct mafsd_open *reader, *writer;
	uint64_t nodeid;

	start(c);
	n_write(c, "f", "0123456789");
	nodeid = core_lookup(c, "f");
	core_pull(c, "f");
	reader = core_open(c, nodeid, O_RDONLY);
	writer = core_open(c, nodeid, O_RDWR);
	must_be(mafsd_sync(c->d, NULL), 0);
	must_be(n_calls_of('W'), 1);
	must_be(c->d->n_dirty, 1);
	mafsd_release(c->d, writer);
	mafsd_release(c->d, reader);
	core_stop(c);
}

static void wait_for_write(void)
{
	for (int i = 0; i < 1000 && n_calls_of('W') == 0; i++)
		usleep(10000);
}

static void test_urgency_does_not_write_a_mapped_file_again(void **state)
{
	struct core *c = *state;
	struct mafsd_open *reader, *writer;
	uint64_t nodeid;

	start(c);
	n_write(c, "f", "0123456789");
	nodeid = core_lookup(c, "f");
	core_pull(c, "f");
	reader = core_open(c, nodeid, O_RDONLY);
	writer = core_open(c, nodeid, O_RDWR);
	for (int i = 0; i < 5; i++) {
		mafsd_write_back_kick(c->d);
		wait_for_write();
		usleep(20000);
	}
	must_be(n_calls_of('W'), 1);
	mafsd_release(c->d, writer);
	mafsd_release(c->d, reader);
	core_stop(c);
}

static void test_nobody_waits_for_bytes_of_an_unlinked_file(void **state)
{
	struct core *c = *state;
	struct mafsd_open *open, *other;
	uint64_t nodeid;

	start(c);
	open = core_create(c, "f", O_RDWR, &nodeid);
	core_write_pattern(c, open, 0, 12 * MIB, 1);
	must_be(c->d->dirty_bytes, 12 * MIB);
	must_be(mafsd_unlink(c->d, MAFSD_ROOT_ID, "f"), 0);
	core_write_pattern(c, open, 12 * MIB, 8 * MIB, 1);
	must_be(c->d->dirty_bytes, 0);
	must_be(c->d->n_dirty, 0);
	other = core_create(c, "other", O_WRONLY, NULL);
	must_be(other->file->on_n, false);
	core_write_text(c, other, "x");
	must_be(c->d->dirty_bytes, 1);
	mafsd_release(c->d, other);
	mafsd_release(c->d, open);
	mafsd_forget(c->d, nodeid, 1);
	core_stop(c);
	must_be(n_calls_of('W'), 1);
}

static void test_room_is_reserved_for_holes_of_the_file_on_disk(void **state)
{
	struct core *c = *state;
	struct mafsd_open *open;
	uint64_t nodeid;

	start(c);
	open = open_clean(c, "f", 4 * MIB, &nodeid);
	core_write_pattern(c, open, MIB, MIB, 2);
	must_be(core_file(c, nodeid)->reserved_bytes, 0); /* has its blocks */
	core_resize(c, nodeid, 16 * MIB);
	core_fsync(c, open);
	core_write_pattern(c, open, 8 * MIB, 4 * MIB, 1);
	must_be(core_file(c, nodeid)->reserved_bytes, 4 * MIB);
	mafsd_release(c->d, open);
	core_stop(c);
}

/* ---- memory full ---- */

static void test_file_larger_than_memory_goes_on_at_disk(void **state)
{
	struct core *c = *state;
	struct mafsd_open *open;
	uint64_t nodeid;

	c->options.memory.size_bytes = 8 * MIB;
	start(c);
	open = core_create(c, "f", O_RDWR, &nodeid);
	for (uint64_t at = 0; at < 24 * MIB; at += 256 * KIB)
		core_write_pattern(c, open, at, 256 * KIB, 1);
	assert_int_equal(c->d->n_spilled, 1);
	assert_true(core_file(c, nodeid)->on_n);
	assert_true(core_same_as_n(c, open, "f"));
	mafsd_release(c->d, open);
	core_stop(c);
	assert_int_equal(n_size(c, "f"), 24 * MIB);
}

static void test_unlinked_file_larger_than_memory_goes_on_at_disk(void **state)
{
	struct core *c = *state;
	struct mafsd_open *open;
	uint64_t nodeid;
	uint8_t byte;

	c->options.memory.size_bytes = 8 * MIB;
	start(c);
	open = core_create(c, "f", O_RDWR, &nodeid);
	must_be(mafsd_unlink(c->d, MAFSD_ROOT_ID, "f"), 0);
	for (uint64_t at = 0; at < 24 * MIB; at += 256 * KIB) {
		byte = (uint8_t)(at / (256 * KIB) + 1);
		core_write(c, open, &byte, 1, at);
		core_write_pattern(c, open, at + 1, 256 * KIB - 1, 1);
	}
	assert_int_equal(c->d->n_spilled, 1);
	for (uint64_t at = 0; at < 24 * MIB; at += 256 * KIB) {
		must_be(core_read(c, open, &byte, 1, at), 1);
		assert_int_equal(byte, at / (256 * KIB) + 1);
	}
	mafsd_release(c->d, open);
	mafsd_forget(c->d, nodeid, 1);
	core_stop(c);
}

static void test_spill_that_fails_keeps_what_is_there(void **state)
{
	struct core *c = *state;
	uint8_t *bytes = calloc(1, 16 * MIB);
	struct mafsd_open *open;
	uint64_t nodeid;
	ssize_t n;

	c->options.memory.size_bytes = 8 * MIB;
	start(c);
	open = core_create(c, "f", O_RDWR, &nodeid);
	core_write_pattern(c, open, 0, 4 * MIB, 1);
	fail_next('W', -EIO, 100);
	n = mafsd_write(c->d, &t_root, open, bytes, 16 * MIB, 4 * MIB, 0, false,
			true);
	assert_true(n > 0 && n < (ssize_t)(16 * MIB));
	assert_true(mafsd_is_dirty(core_file(c, nodeid)));
	fail_next(0, 0, 0);
	core_fsync(c, open);
	assert_true(core_same_as_n(c, open, "f"));
	assert_int_equal(n_size(c, "f"), 4 * MIB + (uint64_t)n);
	mafsd_release(c->d, open);
	core_stop(c);
	free(bytes);
}

static atomic_uint_fast64_t used_bytes;

/* Something is always freed, and somebody else is always faster. */
static int contended_usage(struct mafs_memory *memory,
			   struct mafs_memory_usage *ret)
{
	int r = real_memory->usage(memory, ret);

	ret->used_bytes = atomic_fetch_sub(&used_bytes, 4096) - 4096;
	return r;
}

static ssize_t contended_pwrite(struct mafs_memory_file *file,
				const void *bytes, size_t len, uint64_t offset)
{
	return -ENOSPC;
}

static void test_writer_that_never_gets_memory_goes_on_at_disk(void **state)
{
	struct core *c = *state;
	struct mafs_memory_ops contended;
	struct mafsd_open *open, *other;
	uint64_t nodeid;

	start(c);
	n_write(c, "other", "clean");
	core_pull(c, "other");
	other = core_open(c, core_lookup(c, "other"), O_RDONLY);
	open = core_create(c, "f", O_RDWR, &nodeid);
	real_memory = c->d->memory->ops;
	contended = *real_memory;
	contended.usage = contended_usage;
	contended.pwrite = contended_pwrite;
	used_bytes = 64 * MIB;
	c->d->memory->ops = &contended;
	core_write_text(c, open, "on disk");
	c->d->memory->ops = real_memory;
	assert_true(core_file(c, nodeid)->on_n);
	mafsd_release(c->d, other);
	mafsd_release(c->d, open);
	core_stop(c);
	assert_true(n_holds(c, "f", "on disk"));
}

/* Not dirty any more, nor in memory. */
static void must_spill(struct core *c, uint64_t nodeid)
{
	must_be(mafsd_spill(c->d, mafsd_inode_by_id(c->d, nodeid)), 0);
	assert_true(core_file(c, nodeid)->on_n);
}

static void test_file_mapped_by_a_writer_does_not_spill(void **state)
{
	struct core *c = *state;
	struct mafsd_open *reader, *writer;
	uint64_t nodeid;
	int fd;

	start(c);
	n_write(c, "f", "0123456789");
	nodeid = core_lookup(c, "f");
	core_pull(c, "f");
	reader = core_open(c, nodeid, O_RDONLY);
	writer = core_open(c, nodeid, O_RDWR);
	fd = kernel_reopen(&c->kernel, writer->backing_id, O_RDWR);
	mafsd_release(c->d, reader);
	mafsd_release(c->d, writer);

	writer = core_open(c, nodeid, O_RDWR);
	assert_int_equal(writer->file->path, MAFSD_C);
	must_be(mafsd_spill(c->d, mafsd_inode_by_id(c->d, nodeid)), -ENOSPC);
	must_be(pwrite(fd, "ABC", 3, 0), 3);
	close(fd);
	core_fsync(c, writer);
	mafsd_release(c->d, writer);
	core_stop(c);
	assert_true(n_holds(c, "f", "ABC3456789"));
}

static void test_file_mapped_by_a_reader_spills_when_it_is_not(void **state)
{
	struct core *c = *state;
	struct mafsd_open *open;
	uint64_t nodeid;
	int fd;

	start(c);
	open = core_create(c, "f", O_RDWR, &nodeid);
	core_write_pattern(c, open, 0, MIB, 1);
	mafsd_release(c->d, open);
	core_file(c, nodeid)->last_write_open_ms = 0; /* long ago */
	open = core_open(c, nodeid, O_RDONLY);
	fd = kernel_reopen(&c->kernel, open->backing_id, O_RDONLY);
	mafsd_release(c->d, open);

	open = core_open(c, nodeid, O_RDWR);
	must_be(mafsd_spill(c->d, mafsd_inode_by_id(c->d, nodeid)), -ENOSPC);
	assert_true(mafsd_in_memory(core_file(c, nodeid)));
	close(fd);
	must_spill(c, nodeid);
	assert_true(core_same_as_n(c, open, "f"));
	mafsd_release(c->d, open);
	core_stop(c);
}

static void set_times_meanwhile(void *context)
{
	struct meanwhile *m = context;
	struct stat attr = { .st_mtim.tv_sec = 1000000000 }, st;
	bool is_volatile;

	must_be(mafsd_setattr(m->c->d, &t_root, m->nodeid, &attr,
			      MAFSD_SET_MTIME, true, &st, &is_volatile),
		0);
}

static void test_times_set_during_a_spill_are_kept(void **state)
{
	struct core *c = *state;
	struct meanwhile m = { .c = c };
	struct stat st;

	start(c);
	m.open = core_create(c, "f", O_RDWR, &m.nodeid);
	core_write_pattern(c, m.open, 0, MIB, 1);
	tier.in_write_context = &m;
	tier.in_write = set_times_meanwhile;
	must_spill(c, m.nodeid);
	must_be(stat(t_path(c->n, "f"), &st), 0);
	assert_int_equal(st.st_mtim.tv_sec, 1000000000);
	mafsd_release(c->d, m.open);
	core_stop(c);
}

struct syncing {
	struct core *c;
	struct mafsd_open *open;
	pthread_t thread;
	size_t n_flushes; /* before its reply */
};

static void *fsync_main(void *argument)
{
	struct syncing *s = argument;

	mafsd_thread_enter();
	must_be(mafsd_fsync(s->c->d, s->open, false), 0);
	s->n_flushes = n_calls_of('F');
	return NULL;
}

static void fsync_meanwhile(void *context)
{
	struct syncing *s = context;

	must_be(pthread_create(&s->thread, NULL, fsync_main, s), 0);
	usleep(20000); /* it waits by now for the spill's copy to end */
}

/* Which of the two goes on first after the copy is chance. */
static void test_fsync_during_a_spill_flushes_what_went_down(void **state)
{
	struct core *c = *state;
	struct syncing s = { .c = c };
	uint64_t nodeid;
	char name[16];

	start(c);
	for (int i = 0; i < 16; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		s.open = core_create(c, name, O_RDWR, &nodeid);
		core_write_pattern(c, s.open, 0, MIB, 1);
		forget_calls();
		tier.in_write_context = &s;
		tier.in_write = fsync_meanwhile;
		must_spill(c, nodeid);
		pthread_join(s.thread, NULL);
		assert_true(s.n_flushes > 0);
		mafsd_release(c->d, s.open);
	}
	core_stop(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CORE_TEST(test_only_dirty_bytes_go_down),
		CORE_TEST(test_clean_file_is_not_written_again),
		CORE_TEST(test_holes_of_new_file_stay_holes),
		CORE_TEST(test_file_scattered_all_over_goes_down_whole),
		CORE_TEST(test_writer_beside_readers_of_memory_goes_down),
		CORE_TEST(test_shrunk_and_grown_file_has_zeros_in_between),
		CORE_TEST(test_grown_file_is_grown_on_disk),
		CORE_TEST(test_punched_and_zeroed_ranges_read_as_zeros_on_disk),
		CORE_TEST(
			test_zeroing_that_disk_has_no_room_for_changes_nothing),
		CORE_TEST(
			test_truncated_file_is_as_long_as_what_was_written_then),
		CORE_TEST(test_random_changes_end_alike_on_disk),
		CORE_TEST(
			test_cut_comes_after_a_flush_and_clean_after_the_last),
		CORE_TEST(test_file_that_keeps_its_size_is_flushed_once),
		CORE_TEST(test_fdatasync_leaves_times_to_the_disk),
		CORE_TEST(test_fdatasync_of_a_new_file_flushes_its_mark),
		CORE_TEST(test_many_files_share_one_flush),
		CORE_TEST(test_shared_flush_that_fails_leaves_all_dirty),
		CORE_TEST(test_times_on_disk_are_those_that_were_shown),
		CORE_TEST(test_failed_write_back_is_kept_and_tried_again),
		CORE_TEST(test_write_back_whose_stat_fails_is_tried_again),
		CORE_TEST(test_failed_range_is_written_again),
		CORE_TEST(test_error_is_reported_once_for_each_open),
		CORE_TEST(test_error_that_fsync_told_is_not_told_again),
		CORE_TEST(test_stop_refuses_while_bytes_cannot_go_down),
		CORE_TEST(test_stop_refuses_while_the_log_is_broken),
		CORE_TEST(test_file_is_not_clean_before_the_log_says_so),
		CORE_TEST(test_copy_stays_that_the_log_could_not_drop),
		CORE_TEST(test_write_during_write_back_leaves_the_file_dirty),
		CORE_TEST(test_file_that_is_open_for_writing_is_tried_late),
		CORE_TEST(test_write_back_during_a_write_leaves_the_file_dirty),
		CORE_TEST(test_file_that_is_clean_is_not_in_use_on_disk),
		CORE_TEST(test_write_back_that_was_held_off_is_tried_soon),
		CORE_TEST(test_cut_during_write_back_reaches_the_disk),
		CORE_TEST(
			test_file_unlinked_before_its_write_back_opens_it_is_no_error),
		CORE_TEST(test_unlink_during_write_back_frees_the_memory),
		CORE_TEST(test_sync_waits_for_what_the_thread_has_in_hand),
		CORE_TEST(test_sync_tells_what_failed_in_the_threads_hands),
		CORE_TEST(test_sync_ends_while_a_mapped_file_stays_dirty),
		CORE_TEST(test_urgency_does_not_write_a_mapped_file_again),
		CORE_TEST(test_nobody_waits_for_bytes_of_an_unlinked_file),
		CORE_TEST(test_room_is_reserved_for_holes_of_the_file_on_disk),
		CORE_TEST(test_file_larger_than_memory_goes_on_at_disk),
		CORE_TEST(
			test_unlinked_file_larger_than_memory_goes_on_at_disk),
		CORE_TEST(test_spill_that_fails_keeps_what_is_there),
		CORE_TEST(test_writer_that_never_gets_memory_goes_on_at_disk),
		CORE_TEST(test_file_mapped_by_a_writer_does_not_spill),
		CORE_TEST(test_file_mapped_by_a_reader_spills_when_it_is_not),
		CORE_TEST(test_times_set_during_a_spill_are_kept),
		CORE_TEST(test_fsync_during_a_spill_flushes_what_went_down),
	};
	int r = t_become_private();

	return r ? r : cmocka_run_group_tests(tests, NULL, NULL);
}
