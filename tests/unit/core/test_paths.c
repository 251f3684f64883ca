// SPDX-License-Identifier: Apache-2.0
/* Which data path an open gets, and that the kernel accepts every mix. */
#include "core_fixture.h"

#include <core/names.h>
#include <core/path.h>
#include <sys/resource.h>

/* ---- what an open got ---- */

/* M, D, X, C or K, by what the kernel would be told. */
static char letter_of(struct core *c, const struct mafsd_open *open)
{
	struct stat st, n_st;
	bool is_n;
	int fd;

	if (!open->passthrough)
		return open->direct_io ? 'C' : 'K';
	fd = kernel_reopen(&c->kernel, open->backing_id, O_RDONLY);
	must_be(fstat(fd, &st), 0);
	must_be(stat(c->n, &n_st), 0);
	close(fd);
	is_n = st.st_dev == n_st.st_dev;
	if (open->direct_io)
		return is_n ? '?' : 'X';
	return is_n ? 'D' : 'M';
}

static char open_letter(struct core *c, uint64_t nodeid, int flags,
			struct mafsd_open **ret)
{
	*ret = core_open(c, nodeid, flags);
	return letter_of(c, *ret);
}

/* Opens, says what it got, releases. */
static char path_of(struct core *c, uint64_t nodeid, int flags)
{
	struct mafsd_open *open;
	char letter = open_letter(c, nodeid, flags, &open);

	mafsd_release(c->d, open);
	return letter;
}

/* ---- files in every state ---- */

static uint64_t make_cold(struct core *c, const char *name)
{
	n_write_pattern(c, name, 64 * KIB);
	return core_lookup(c, name);
}

static uint64_t make_hot(struct core *c, const char *name)
{
	uint64_t nodeid = make_cold(c, name);

	core_pull(c, name);
	must_be(core_file(c, nodeid)->state, MAFSD_CLEAN);
	usleep(30000); /* N's times are those of another tick */
	return nodeid;
}

/* Written, closed, and long enough ago not to be "still written". */
static uint64_t make_dirty(struct core *c, const char *name)
{
	struct mafsd_open *open;
	uint64_t nodeid;

	open = core_create(c, name, O_WRONLY, &nodeid);
	core_write_pattern(c, open, 0, 64 * KIB, 1);
	mafsd_release(c->d, open);
	core_file(c, nodeid)->last_write_open_ms = 0;
	return nodeid;
}

/* ---- the table ---- */

static void test_reader_of_hot_file_is_passed_to_memory(void **state)
{
	struct core *c = *state;

	core_start(c);
	assert_int_equal(path_of(c, make_hot(c, "f"), O_RDONLY), 'M');
	core_stop(c);
}

static void test_reader_of_hot_file_with_holes_is_copied(void **state)
{
	struct core *c = *state;

	core_start(c);
	close(n_open(c, "f", O_WRONLY | O_CREAT));
	must_be(truncate(t_path(c->n, "f"), 1 << 20), 0);
	core_pull(c, "f");
	assert_int_equal(path_of(c, core_lookup(c, "f"), O_RDONLY), 'C');
	core_stop(c);
}

static void
test_reader_of_file_with_a_gap_is_copied_until_it_is_full(void **state)
{
	struct core *c = *state;
	struct mafsd_open *open;
	uint64_t nodeid;

	core_start(c);
	open = core_create(c, "f", O_WRONLY, &nodeid);
	core_write_pattern(c, open, 0, 64 * KIB, 1);
	core_write_pattern(c, open, 128 * KIB, 64 * KIB, 1);
	core_fsync(c, open);
	mafsd_release(c->d, open);
	assert_int_equal(path_of(c, nodeid, O_RDONLY), 'C');
	open = core_open(c, nodeid, O_WRONLY | O_TRUNC);
	core_write_pattern(c, open, 64 * KIB, 64 * KIB, 1);
	core_write_pattern(c, open, 0, 64 * KIB, 1);
	core_fsync(c, open);
	mafsd_release(c->d, open);
	assert_int_equal(path_of(c, nodeid, O_RDONLY), 'M');
	core_stop(c);
}

static void test_reader_of_cold_file_is_passed_to_disk(void **state)
{
	struct core *c = *state;

	core_start(c);
	assert_int_equal(path_of(c, make_cold(c, "f"), O_RDONLY), 'D');
	core_stop(c);
}

static void test_new_file_is_written_by_copy_into_memory(void **state)
{
	struct core *c = *state;
	struct mafsd_open *open;
	uint64_t nodeid;

	core_start(c);
	open = core_create(c, "f", O_RDWR, &nodeid);
	assert_int_equal(letter_of(c, open), 'C');
	core_write_text(c, open, "new");
	assert_int_equal(core_file(c, nodeid)->state, MAFSD_DIRTY);
	assert_int_equal(n_size(c, "f"), 0);
	mafsd_release(c->d, open);
	core_stop(c);
	assert_true(n_holds(c, "f", "new"));
}

static void
test_truncated_cold_file_is_written_by_copy_and_n_waits(void **state)
{
	struct core *c = *state;
	struct mafsd_open *open;

	core_start(c);
	assert_int_equal(open_letter(c, make_cold(c, "f"), O_WRONLY | O_TRUNC,
				     &open),
			 'C');
	assert_int_equal(n_size(c, "f"), 64 * KIB);
	core_write_text(c, open, "short");
	assert_int_equal(n_size(c, "f"), 64 * KIB);
	core_fsync(c, open);
	assert_true(n_holds(c, "f", "short"));
	mafsd_release(c->d, open);
	core_stop(c);
}

static void test_truncated_hot_file_is_written_by_copy(void **state)
{
	struct core *c = *state;
	struct mafsd_open *open;

	core_start(c);
	assert_int_equal(
		open_letter(c, make_hot(c, "f"), O_RDWR | O_TRUNC, &open), 'C');
	assert_int_equal(n_size(c, "f"), 64 * KIB);
	core_write_text(c, open, "short");
	mafsd_release(c->d, open);
	core_stop(c);
	assert_true(n_holds(c, "f", "short"));
}

static void
test_file_truncated_to_nothing_is_so_on_disk_after_close(void **state)
{
	struct core *c = *state;
	struct mafsd_open *open;
	int i;

	core_start(c);
	assert_int_equal(open_letter(c, make_cold(c, "f"), O_WRONLY | O_TRUNC,
				     &open),
			 'C');
	mafsd_release(c->d, open);
	mafsd_write_back_kick(c->d);
	for (i = 0; n_size(c, "f") > 0 && i < 500; i++)
		usleep(10000);
	assert_int_equal(n_size(c, "f"), 0);
	core_stop(c);
}

static void test_writer_of_cold_file_is_passed_to_disk(void **state)
{
	struct core *c = *state;
	uint64_t nodeid;

	core_start(c);
	nodeid = make_cold(c, "f");
	assert_int_equal(path_of(c, nodeid, O_WRONLY), 'D');
	assert_int_equal(path_of(c, nodeid, O_RDWR | O_APPEND), 'D');
	core_stop(c);
}

static void
test_writer_of_hot_file_is_passed_to_disk_and_copy_is_stale(void **state)
{
	struct core *c = *state;
	struct mafsd_open *open;
	uint64_t nodeid;
	char bytes[5];
	int fd;

	core_start(c);
	nodeid = make_hot(c, "f");
	assert_int_equal(open_letter(c, nodeid, O_RDWR, &open), 'D');
	assert_true(core_file(c, nodeid)->stale);
	fd = kernel_reopen(&c->kernel, open->backing_id, O_RDWR);
	must_be(pwrite(fd, "fresh", 5, 0), 5);
	close(fd);
	mafsd_release(c->d, open);

	/* What memory has is never seen again. */
	assert_int_equal(open_letter(c, nodeid, O_RDONLY, &open), 'D');
	must_be(core_read(c, open, bytes, 5, 0), 5);
	assert_memory_equal(bytes, "fresh", 5);
	mafsd_release(c->d, open);
	core_stop(c);
}

static void test_stale_copy_that_nobody_changed_is_used_again(void **state)
{
	struct core *c = *state;
	uint64_t nodeid;

	core_start(c);
	nodeid = make_hot(c, "f");
	assert_int_equal(path_of(c, nodeid, O_WRONLY), 'D');
	assert_int_equal(path_of(c, nodeid, O_RDONLY), 'M');
	core_stop(c);
}

/* Between the reply to an open and the kernel's own of N's file nobody seems
 * to use it. */
static void test_pull_leaves_the_stale_copy_of_an_open_file_stale(void **state)
{
	struct core *c = *state;
	struct mafsd_open *open;
	uint64_t nodeid, n_moved, n_kept;
	char bytes[8];
	int fd;

	core_start(c);
	nodeid = make_hot(c, "f");
	open = core_open(c, nodeid, O_WRONLY);
	must(open->passthrough && core_file(c, nodeid)->stale);
	must_be(t_pull(c->d, "f", &n_moved, &n_kept, NULL), 0);
	assert_int_equal(n_kept, 1);
	fd = kernel_reopen(&c->kernel, open->backing_id, O_WRONLY);
	must_be(pwrite(fd, "fresh", 5, 0), 5);
	close(fd);
	mafsd_release(c->d, open);

	core_pull(c, "f");
	assert_int_equal(open_letter(c, nodeid, O_RDONLY, &open), 'M');
	must_be(core_read(c, open, bytes, 5, 0), 5);
	assert_memory_equal(bytes, "fresh", 5);
	mafsd_release(c->d, open);
	core_stop(c);
}

/* An unlink that N has seen and we have not when the promotion begins. */
static struct core *t_unlinking;
static struct mafsd_victim t_victim;

static ssize_t pread_after_unlink(int fd, void *bytes, size_t len,
				  uint64_t offset)
{
	mafsd_victim_finish(t_unlinking->d, &t_victim, true);
	return mafs_tier_disk.pread(fd, bytes, len, offset);
}

static void test_what_is_unlinked_meanwhile_is_not_promoted(void **state)
{
	struct core *c = *state;
	struct mafs_tier_ops tier = mafs_tier_disk;
	struct mafsd_inode *inode;

	tier.pread = pread_after_unlink;
	core_start_on(c, &tier);
	inode = mafsd_inode_by_id(c->d, make_cold(c, "f"));
	t_unlinking = c;
	must_be(mafsd_victim_prepare(c->d, c->d->root_inode, c->d->n_fd, "f",
				     &t_victim),
		0);
	must_be(unlink(t_path(c->n, "f")), 0);
	assert_int_equal(mafsd_promote(c->d, inode, true, NULL), -ESTALE);
	assert_null(t_victim.inode);
	assert_null(inode->file);
	assert_int_equal(c->d->n_hot, 0);
	core_stop(c);
}

static void test_times_are_told_apart_after_two_ticks(void **state)
{
	static const struct {
		struct timespec then, now;
		bool may_share;
	} cases[] = {
		{ { 100, 500000000 }, { 100, 500000000 }, true },
		{ { 100, 500000000 }, { 100, 519999999 }, true },
		{ { 100, 500000000 }, { 100, 520000000 }, false },
		{ { 100, 990000000 }, { 101, 9999999 }, true },
		{ { 100, 990000000 }, { 101, 10000000 }, false },
		{ { 100, 999999999 }, { 102, 0 }, false },
		{ { 101, 0 }, { 100, 999999999 }, true }, /* in the future */
		{ { 1LL << 40, 0 }, { 100, 0 }, true },
	};

	(void)state;
	for (size_t i = 0; i < MAFS_ARRAY_SIZE(cases); i++)
		assert_int_equal(mafsd_may_share_tick(&cases[i].then,
						      &cases[i].now),
				 cases[i].may_share);
}

static void test_times_stay_when_an_open_makes_the_file_dirty(void **state)
{
	const struct timespec old[2] = { { 1000000000, 0 }, { 1000000000, 0 } };
	struct core *c = *state;
	struct mafsd_open *reader, *writer;
	bool is_volatile;
	uint64_t nodeid;
	struct stat st;

	core_start(c);
	n_write(c, "f", "old");
	must_be(utimensat(AT_FDCWD, t_path(c->n, "f"), old, 0), 0);
	core_pull(c, "f");
	nodeid = core_lookup(c, "f");
	reader = core_open(c, nodeid, O_RDONLY);
	assert_int_equal(open_letter(c, nodeid, O_RDWR, &writer), 'X');
	must_be(mafsd_getattr(c->d, nodeid, &st, &is_volatile), 0);
	assert_int_equal(st.st_mtim.tv_sec, 1000000000);
	mafsd_release(c->d, writer);
	mafsd_release(c->d, reader);
	core_stop(c);
	must_be(stat(t_path(c->n, "f"), &st), 0);
	assert_int_equal(st.st_mtim.tv_sec, 1000000000);
}

static void
test_stale_copy_stays_unused_while_file_on_disk_is_in_use(void **state)
{
	struct core *c = *state;
	struct mafsd_open *open;
	uint64_t nodeid;
	int mapped;

	core_start(c);
	nodeid = make_hot(c, "f");
	assert_int_equal(open_letter(c, nodeid, O_RDWR, &open), 'D');
	mapped = kernel_reopen(&c->kernel, open->backing_id, O_RDWR);
	mafsd_release(c->d, open);
	assert_int_equal(path_of(c, nodeid, O_RDONLY), 'D');
	close(mapped);
	assert_int_equal(path_of(c, nodeid, O_RDONLY), 'M');
	core_stop(c);
}

static void test_truncating_what_is_in_use_on_disk_cuts_it_there(void **state)
{
	struct core *c = *state;
	uint64_t nodeid;
	int user;

	core_start(c);
	nodeid = make_cold(c, "f");
	user = n_open(c, "f", O_RDONLY);
	assert_int_equal(path_of(c, nodeid, O_WRONLY | O_TRUNC), 'D');
	assert_int_equal(n_size(c, "f"), 0);
	close(user);
	core_stop(c);
}

static void test_writer_of_hot_file_whose_memory_is_in_use_gets_x(void **state)
{
	struct core *c = *state;
	struct mafsd_open *open;
	char bytes[4] = "";
	uint64_t nodeid;
	int mapped;

	core_start(c);
	nodeid = make_hot(c, "f");
	assert_int_equal(open_letter(c, nodeid, O_RDONLY, &open), 'M');
	mapped = kernel_reopen(&c->kernel, open->backing_id, O_RDONLY);
	mafsd_release(c->d, open);

	assert_int_equal(open_letter(c, nodeid, O_RDWR, &open), 'X');
	core_write(c, open, "seen", 4, 0);
	must_be(pread(mapped, bytes, 4, 0), 4);
	assert_memory_equal(bytes, "seen", 4);
	mafsd_release(c->d, open);
	close(mapped);
	core_stop(c);
}

static void test_truncating_hot_file_whose_memory_is_in_use_gets_x(void **state)
{
	struct core *c = *state;
	struct mafsd_open *open;
	uint64_t nodeid;
	struct stat st;
	int mapped;

	core_start(c);
	nodeid = make_hot(c, "f");
	open = core_open(c, nodeid, O_RDONLY);
	mapped = kernel_reopen(&c->kernel, open->backing_id, O_RDONLY);
	mafsd_release(c->d, open);
	assert_int_equal(open_letter(c, nodeid, O_RDWR | O_TRUNC, &open), 'X');
	must_be(fstat(mapped, &st), 0);
	assert_int_equal(st.st_size, 0);
	mafsd_release(c->d, open);
	close(mapped);
	core_stop(c);
	assert_int_equal(n_size(c, "f"), 0);
}

static void test_writer_of_dirty_file_is_copied_into_memory(void **state)
{
	struct core *c = *state;
	struct mafsd_open *open;
	uint64_t nodeid;

	core_start(c);
	nodeid = make_dirty(c, "f");
	assert_int_equal(open_letter(c, nodeid, O_WRONLY, &open), 'C');
	core_write(c, open, "a", 1, 10);
	assert_int_equal(n_size(c, "f"), 0);
	mafsd_release(c->d, open);
	assert_int_equal(path_of(c, nodeid, O_RDWR | O_APPEND), 'C');
	core_stop(c);
}

static void test_truncating_dirty_file_cuts_memory_alone(void **state)
{
	struct core *c = *state;
	struct mafsd_open *open;
	uint64_t nodeid;
	struct stat st;
	bool is_volatile;

	core_start(c);
	nodeid = make_dirty(c, "f");
	must_be(mafsd_sync(c->d, NULL), 0);
	open = core_open(c, nodeid, O_RDONLY);
	mafsd_release(c->d, open);
	nodeid = make_dirty(c, "g");
	assert_int_equal(open_letter(c, nodeid, O_WRONLY | O_TRUNC, &open),
			 'C');
	must_be(mafsd_getattr(c->d, nodeid, &st, &is_volatile), 0);
	assert_int_equal(st.st_size, 0);
	mafsd_release(c->d, open);
	core_stop(c);
	assert_int_equal(n_size(c, "g"), 0);
}

static void test_reader_of_dirty_file_is_passed_to_memory(void **state)
{
	struct core *c = *state;

	core_start(c);
	assert_int_equal(path_of(c, make_dirty(c, "f"), O_RDONLY), 'M');
	core_stop(c);
}

static void test_file_that_keeps_being_written_is_read_by_copy(void **state)
{
	struct core *c = *state;
	struct mafsd_open *open;
	uint64_t nodeid;

	core_start(c);
	nodeid = make_dirty(c, "log");
	assert_int_equal(path_of(c, nodeid, O_WRONLY | O_APPEND), 'C');
	assert_int_equal(open_letter(c, nodeid, O_RDONLY, &open), 'C');
	/* So its writer is not pinned to memory. */
	assert_int_equal(path_of(c, nodeid, O_WRONLY | O_APPEND), 'C');
	mafsd_release(c->d, open);
	core_stop(c);
}

static void test_open_with_o_sync_is_not_in_memory(void **state)
{
	struct core *c = *state;
	struct mafsd_open *open;

	core_start(c);
	open = core_create(c, "new", O_WRONLY | O_SYNC, NULL);
	assert_int_equal(letter_of(c, open), 'D');
	mafsd_release(c->d, open);
	assert_int_equal(path_of(c, make_cold(c, "cold"), O_WRONLY | O_DSYNC),
			 'D');
	assert_int_equal(path_of(c, make_hot(c, "hot"), O_RDWR | O_SYNC), 'D');
	assert_int_equal(
		path_of(c, make_hot(c, "cut"), O_RDWR | O_SYNC | O_TRUNC), 'D');
	assert_int_equal(n_size(c, "cut"), 0);
	core_stop(c);
}

static void
test_write_with_o_sync_by_copy_is_on_disk_before_the_reply(void **state)
{
	struct core *c = *state;
	struct mafsd_open *open;
	uint64_t nodeid;

	core_start(c);
	nodeid = make_dirty(c, "f");
	open = core_open(c, nodeid, O_WRONLY | O_TRUNC);
	must_be(mafsd_write(c->d, &t_root, open, "now", 3, 0, O_DSYNC, false,
			    false),
		MAFSD_WOULD_BLOCK);
	must_be(mafsd_write(c->d, &t_root, open, "now", 3, 0, O_DSYNC, false,
			    true),
		3);
	assert_true(n_holds(c, "f", "now"));
	mafsd_release(c->d, open);
	core_stop(c);
}

/* ---- joining ---- */

static const int later_flags[] = {
	O_RDONLY,         O_WRONLY,        O_RDWR, O_WRONLY | O_APPEND,
	O_RDWR | O_TRUNC, O_RDWR | O_SYNC,
};

static void join(struct core *c, uint64_t nodeid, struct mafsd_open *first,
		 char reader, char writer)
{
	struct mafsd_open *later[MAFS_ARRAY_SIZE(later_flags)];
	size_t i;

	for (i = 0; i < MAFS_ARRAY_SIZE(later_flags); i++) {
		bool writes = (later_flags[i] & O_ACCMODE) != O_RDONLY;

		assert_int_equal(open_letter(c, nodeid, later_flags[i],
					     &later[i]),
				 writes ? writer : reader);
		assert_int_equal(later[i]->backing_id, first->backing_id);
	}
	/* The first to come goes first; the path stays. */
	mafsd_release(c->d, first);
	for (i = 0; i < MAFS_ARRAY_SIZE(later_flags); i++) {
		assert_int_equal(path_of(c, nodeid, O_RDONLY), reader);
		mafsd_release(c->d, later[i]);
	}
}

static void test_open_as_m_is_joined_by_m_and_x(void **state)
{
	struct core *c = *state;
	struct mafsd_open *open;
	uint64_t nodeid;

	core_start(c);
	nodeid = make_hot(c, "f");
	assert_int_equal(open_letter(c, nodeid, O_RDONLY, &open), 'M');
	join(c, nodeid, open, 'M', 'X');
	core_stop(c);
}

static void test_open_as_d_is_joined_by_d(void **state)
{
	struct core *c = *state;
	struct mafsd_open *open;
	uint64_t nodeid;

	core_start(c);
	nodeid = make_cold(c, "f");
	assert_int_equal(open_letter(c, nodeid, O_RDONLY, &open), 'D');
	join(c, nodeid, open, 'D', 'D');
	core_stop(c);
}

static void test_open_as_c_is_joined_by_c(void **state)
{
	struct core *c = *state;
	struct mafsd_open *open;
	uint64_t nodeid;

	core_start(c);
	open = core_create(c, "f", O_WRONLY, &nodeid);
	join(c, nodeid, open, 'C', 'C');
	core_stop(c);
}

/* kernel's fuse_file_io_open(): what may be open beside what. */
static bool kernel_accepts(char open_now, char next)
{
	switch (open_now) {
	case 'M':
	case 'X':
		return next == 'M' || next == 'X';
	case 'D':
		return next == 'D';
	default:
		return next == 'C' || next == 'K';
	}
}

static uint64_t make_any(struct core *c, unsigned int which, const char *name)
{
	switch (which) {
	case 0:
		return make_cold(c, name);
	case 1:
		return make_hot(c, name);
	case 2:
		return make_dirty(c, name);
	default:
		n_write(c, name, "");
		return core_lookup(c, name);
	}
}

static void mix_all(struct core *c)
{
	size_t n = MAFS_ARRAY_SIZE(later_flags);
	struct mafsd_open *open[3];
	char letter[3], name[32];

	for (size_t i = 0; i < 4 * n * n * n; i++) {
		const int flags[] = { later_flags[i % n],
				      later_flags[i / n % n],
				      later_flags[i / n / n % n] };
		uint64_t nodeid;

		snprintf(name, sizeof(name), "f%zu", i);
		nodeid = make_any(c, (unsigned int)(i / n / n / n), name);
		for (size_t k = 0; k < 3; k++)
			letter[k] = open_letter(c, nodeid, flags[k], &open[k]);
		assert_true(kernel_accepts(letter[0], letter[1]));
		assert_true(kernel_accepts(letter[0], letter[2]));
		assert_true(kernel_accepts(letter[1], letter[2]));
		for (size_t k = 0; k < 3; k++)
			mafsd_release(c->d, open[k]);
		must_be(mafsd_unlink(c->d, MAFSD_ROOT_ID, name), 0);
	}
}

static void test_kernel_accepts_every_mix(void **state)
{
	struct core *c = *state;

	core_start(c);
	mix_all(c);
	core_stop(c);
}

static void test_kernel_accepts_every_mix_without_passthrough(void **state)
{
	struct core *c = *state;

	c->kernel.forbids = true;
	core_start(c);
	mix_all(c);
	core_stop(c);
}

static void test_without_passthrough_readers_use_the_page_cache(void **state)
{
	struct core *c = *state;
	struct mafsd_open *open;
	uint64_t nodeid;

	c->kernel.forbids = true;
	core_start(c);
	nodeid = make_cold(c, "cold");
	assert_int_equal(open_letter(c, nodeid, O_RDONLY, &open), 'K');
	mafsd_release(c->d, open);
	assert_int_equal(open_letter(c, nodeid, O_RDONLY, &open), 'K');
	assert_true(open->keep_cache);
	assert_int_equal(path_of(c, nodeid, O_WRONLY), 'C');
	mafsd_release(c->d, open);
	assert_int_equal(path_of(c, make_hot(c, "hot"), O_RDONLY), 'K');

	/* What was written since is not what the page cache has. */
	open = core_open(c, nodeid, O_WRONLY);
	core_write(c, open, "x", 1, 0);
	mafsd_release(c->d, open);
	assert_int_equal(open_letter(c, nodeid, O_RDONLY, &open), 'K');
	assert_false(open->keep_cache);
	mafsd_release(c->d, open);
	core_stop(c);
}

/* Before Linux 6.6 C neither goes with K nor can be mapped shared. */
static void
test_where_direct_io_cannot_be_mapped_writers_use_the_page_cache(void **state)
{
	struct core *c = *state;
	struct mafsd_open *open;
	uint64_t nodeid;

	c->kernel.forbids = true;
	core_start(c);
	c->d->fs.page_cache_only = true;
	open = core_create(c, "new", O_RDWR, &nodeid);
	assert_int_equal(letter_of(c, open), 'K');
	assert_int_equal(path_of(c, nodeid, O_RDONLY), 'K');
	mafsd_release(c->d, open);
	assert_int_equal(path_of(c, make_cold(c, "cold"), O_RDWR), 'K');
	assert_int_equal(path_of(c, make_hot(c, "hot"), O_RDWR), 'K');
	assert_int_equal(path_of(c, nodeid, O_WRONLY | O_TRUNC), 'K');
	core_stop(c);
}

/* ---- backing ids ---- */

static void test_backing_id_lives_until_the_last_release(void **state)
{
	struct core *c = *state;
	struct mafsd_open *first, *second;
	uint64_t nodeid;

	core_start(c);
	nodeid = make_cold(c, "f");
	first = core_open(c, nodeid, O_RDONLY);
	second = core_open(c, nodeid, O_RDWR);
	assert_int_equal(first->backing_id, second->backing_id);
	assert_int_equal(kernel_n_backings(&c->kernel), 1);
	mafsd_release(c->d, first);
	assert_int_equal(kernel_n_backings(&c->kernel), 1);
	mafsd_release(c->d, second);
	assert_int_equal(kernel_n_backings(&c->kernel), 0);
	core_stop(c);
}

static void test_failed_open_has_changed_nothing(void **state)
{
	struct core *c = *state;
	struct mafsd_open *open = NULL;
	uint64_t nodeid;
	int user;

	core_start(c);
	nodeid = make_cold(c, "f");
	user = n_open(c, "f", O_RDONLY);
	c->kernel.fail_next = -ENOMEM;
	must_be(mafsd_open(c->d, &t_root, nodeid, O_RDWR | O_TRUNC, true,
			   &open),
		-ENOMEM);
	assert_int_equal(n_size(c, "f"), 64 * KIB);
	assert_int_equal(c->d->n_open, 0);
	assert_int_equal(kernel_n_backings(&c->kernel), 0);
	close(user);
	/* Another may choose anew. */
	assert_int_equal(path_of(c, nodeid, O_RDWR | O_TRUNC), 'C');
	core_stop(c);
}

static void test_unlinked_open_file_is_kept_until_its_release(void **state)
{
	struct core *c = *state;
	struct mafsd_open *c_open, *m_open;
	uint64_t c_id, m_id;
	char bytes[4];

	core_start(c);
	m_id = make_hot(c, "m");
	assert_int_equal(open_letter(c, m_id, O_RDONLY, &m_open), 'M');
	c_open = core_create(c, "c", O_RDWR, &c_id);
	core_write_text(c, c_open, "kept");
	must_be(mafsd_unlink(c->d, MAFSD_ROOT_ID, "m"), 0);
	must_be(mafsd_unlink(c->d, MAFSD_ROOT_ID, "c"), 0);
	mafsd_forget(c->d, m_id, 1);

	must_be(core_read(c, c_open, bytes, 4, 0), 4);
	assert_memory_equal(bytes, "kept", 4);
	core_fsync(c, c_open);
	core_resize(c, c_id, 2);
	must_be(core_read(c, c_open, bytes, 4, 0), 2);
	must_be(core_read(c, m_open, bytes, 4, 0), 4);
	mafsd_release(c->d, m_open);
	mafsd_release(c->d, c_open);
	mafsd_forget(c->d, c_id, 1);
	assert_int_equal(kernel_n_backings(&c->kernel), 0);
	assert_int_equal(c->d->n_hot, 0);
	core_stop(c);
}

static void
test_attributes_are_invalidated_after_passthrough_writers(void **state)
{
	struct core *c = *state;
	struct mafsd_open *open;
	bool is_volatile = false;
	uint64_t nodeid;
	struct stat st;

	core_start(c);
	nodeid = make_cold(c, "f");
	assert_int_equal(path_of(c, nodeid, O_RDONLY), 'D');
	assert_int_equal(c->kernel.n_invals, 0);
	assert_int_equal(open_letter(c, nodeid, O_RDWR, &open), 'D');
	must_be(mafsd_getattr(c->d, nodeid, &st, &is_volatile), 0);
	assert_true(is_volatile);
	mafsd_release(c->d, open);
	assert_int_equal(c->kernel.n_invals, 1);
	must_be(mafsd_getattr(c->d, nodeid, &st, &is_volatile), 0);
	assert_false(is_volatile);
	core_stop(c);
}

static void test_file_without_a_name_is_pinned_or_refused(void **state)
{
	struct core *c = *state;
	struct rlimit limit, tight;
	struct mafsd_entry entry;
	struct mafsd_open *open;
	int n_made = 0;
	bool pinned = true;

	c->kernel.forbids = true; /* nothing else keeps it */
	core_start(c);
	must_be(getrlimit(RLIMIT_NOFILE, &limit), 0);
	tight = limit;
	for (tight.rlim_cur = 3; n_made < 3; tight.rlim_cur++) {
		setrlimit(RLIMIT_NOFILE, &tight);
		if (mafsd_tmpfile(c->d, &t_root, MAFSD_ROOT_ID, 0600, O_RDWR,
				  &entry, &open) < 0)
			continue;
		n_made++;
		pinned &= open->file->pin_fd >= 0;
		mafsd_release(c->d, open);
		mafsd_forget(c->d, entry.nodeid, 1);
	}
	setrlimit(RLIMIT_NOFILE, &limit);
	assert_true(pinned);
	core_stop(c);
}

static void test_tmpfile_has_the_umask_of_who_made_it(void **state)
{
	const struct mafsd_caller caller = { .umask = 027 };
	struct core *c = *state;
	struct mafsd_open *open;
	struct mafsd_entry entry;
	mode_t before = umask(0);

	core_start(c);
	for (int root = 0; root < 2; root++) {
		c->d->root = root;
		must_be(mafsd_tmpfile(c->d, &caller, MAFSD_ROOT_ID, 0666,
				      O_RDWR, &entry, &open),
			0);
		assert_int_equal(entry.st.st_mode & 07777, 0640);
		assert_int_equal(umask(0), 0);
		mafsd_release(c->d, open);
		mafsd_forget(c->d, entry.nodeid, 1);
	}
	core_stop(c);
	umask(before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CORE_TEST(test_tmpfile_has_the_umask_of_who_made_it),
		CORE_TEST(test_reader_of_hot_file_is_passed_to_memory),
		CORE_TEST(test_reader_of_hot_file_with_holes_is_copied),
		CORE_TEST(
			test_reader_of_file_with_a_gap_is_copied_until_it_is_full),
		CORE_TEST(test_reader_of_cold_file_is_passed_to_disk),
		CORE_TEST(test_new_file_is_written_by_copy_into_memory),
		CORE_TEST(
			test_truncated_cold_file_is_written_by_copy_and_n_waits),
		CORE_TEST(test_truncated_hot_file_is_written_by_copy),
		CORE_TEST(
			test_file_truncated_to_nothing_is_so_on_disk_after_close),
		CORE_TEST(test_writer_of_cold_file_is_passed_to_disk),
		CORE_TEST(
			test_writer_of_hot_file_is_passed_to_disk_and_copy_is_stale),
		CORE_TEST(test_stale_copy_that_nobody_changed_is_used_again),
		CORE_TEST(
			test_pull_leaves_the_stale_copy_of_an_open_file_stale),
		CORE_TEST(test_what_is_unlinked_meanwhile_is_not_promoted),
		CORE_TEST(test_times_are_told_apart_after_two_ticks),
		CORE_TEST(test_times_stay_when_an_open_makes_the_file_dirty),
		CORE_TEST(
			test_stale_copy_stays_unused_while_file_on_disk_is_in_use),
		CORE_TEST(test_truncating_what_is_in_use_on_disk_cuts_it_there),
		CORE_TEST(
			test_writer_of_hot_file_whose_memory_is_in_use_gets_x),
		CORE_TEST(
			test_truncating_hot_file_whose_memory_is_in_use_gets_x),
		CORE_TEST(test_writer_of_dirty_file_is_copied_into_memory),
		CORE_TEST(test_truncating_dirty_file_cuts_memory_alone),
		CORE_TEST(test_reader_of_dirty_file_is_passed_to_memory),
		CORE_TEST(test_file_that_keeps_being_written_is_read_by_copy),
		CORE_TEST(test_open_with_o_sync_is_not_in_memory),
		CORE_TEST(
			test_write_with_o_sync_by_copy_is_on_disk_before_the_reply),
		CORE_TEST(test_open_as_m_is_joined_by_m_and_x),
		CORE_TEST(test_open_as_d_is_joined_by_d),
		CORE_TEST(test_open_as_c_is_joined_by_c),
		CORE_TEST(
			test_where_direct_io_cannot_be_mapped_writers_use_the_page_cache),
		CORE_TEST(test_kernel_accepts_every_mix),
		CORE_TEST(test_kernel_accepts_every_mix_without_passthrough),
		CORE_TEST(test_without_passthrough_readers_use_the_page_cache),
		CORE_TEST(test_backing_id_lives_until_the_last_release),
		CORE_TEST(test_failed_open_has_changed_nothing),
		CORE_TEST(test_unlinked_open_file_is_kept_until_its_release),
		CORE_TEST(test_file_without_a_name_is_pinned_or_refused),
		CORE_TEST(
			test_attributes_are_invalidated_after_passthrough_writers),
	};
	int r = t_become_private();

	return r ? r : cmocka_run_group_tests(tests, NULL, NULL);
}
