// SPDX-License-Identifier: Apache-2.0
/* N is also changed past the mount: what is told of, what is kept, and what a
 * daemon leaves that is killed on the way. */
#include "core_fixture.h"

#include <poll.h>

static struct {
	unsigned int n_flushes, kill_at_flush, kill_at_write;
	unsigned int fail_at_flush;
	void (*at_flush)(struct core *c); /* once */
	struct core *c;
	struct mafsd_open *open;
} tier;

static int deadly_flush(int fd, bool data_only)
{
	tier.n_flushes++;
	if (tier.n_flushes == tier.kill_at_flush)
		core_die();
	if (tier.n_flushes == tier.fail_at_flush)
		return -EIO;
	if (tier.at_flush)
		take_ptr(tier.at_flush)(tier.c);
	return mafs_tier_disk.flush(fd, data_only);
}

static int deadly_pwrite(int fd, const void *bytes, size_t len, uint64_t offset)
{
	if (tier.kill_at_write)
		core_die();
	return mafs_tier_disk.pwrite(fd, bytes, len, offset);
}

static const struct mafs_tier_ops *deadly_tier(void)
{
	static struct mafs_tier_ops ops;

	ops = mafs_tier_disk;
	ops.flush = deadly_flush;
	ops.pwrite = deadly_pwrite;
	return &ops;
}

static int setup(void **state)
{
	int r = core_setup(state);

	memset(&tier, 0, sizeof(tier));
	tier.c = *state;
	core_option(*state, "shared_dir", "on");
	return r;
}

/* What another process does: our own is not told of. */
static void stranger(struct core *c, void (*work)(struct core *c))
{
	pid_t child = fork();
	int status;

	if (child == 0) {
		t_no_jump = true;
		work(c);
		_exit(0);
	}
	must_be(waitpid(child, &status, 0), child);
	must_be(status, 0);
}

static void edit(struct core *c)
{
	n_write(c, "f", "theirs, and longer");
}

static void remove_f(struct core *c)
{
	must_be(unlink(t_path(c->n, "f")), 0);
}

static void need_watch(struct core *c)
{
	if (!c->d->shared.watched)
		skip(); /* said by the daemon: no right, or no fanotify */
}

/* Beside the file; where no directory can be opened by its handle the copy
 * goes to lost+found. */
static void need_handles(void)
{
	if (geteuid() != 0)
		skip();
}

static uint64_t make_clean(struct core *c)
{
	uint64_t nodeid;
	struct mafsd_open *open = core_create(c, "f", O_RDWR, &nodeid);

	core_write_text(c, open, "ours");
	mafsd_release(c->d, open);
	must_be(mafsd_sync(c->d, NULL), 0);
	return nodeid;
}

static uint64_t make_dirty(struct core *c)
{
	uint64_t nodeid = make_clean(c);
	struct mafsd_open *open = core_open(c, nodeid, O_RDWR | O_TRUNC);

	core_write_text(c, open, "newer");
	mafsd_release(c->d, open);
	return nodeid;
}

static bool becomes_stale(struct core *c, uint64_t nodeid)
{
	struct mafsd_inode *inode = mafsd_inode_by_id(c->d, nodeid);
	bool stale = false;

	for (int i = 0; i < 1000 && !stale; i++) {
		pthread_mutex_lock(&inode->lock);
		stale = !inode->file || inode->file->stale;
		pthread_mutex_unlock(&inode->lock);
		poll(NULL, 0, 5);
	}
	return stale;
}

static void test_clean_copy_of_edited_file_becomes_stale(void **state)
{
	struct core *c = *state;
	uint64_t nodeid;

	core_start(c);
	need_watch(c);
	nodeid = make_clean(c);
	stranger(c, edit);
	must(becomes_stale(c, nodeid));
	must(core_holds(c, nodeid, "theirs, and longer"));
	core_stop(c);
}

static void test_edit_shows_at_the_next_open_without_being_told(void **state)
{
	struct core *c = *state;
	uint64_t nodeid;

	core_start(c);
	nodeid = make_clean(c);
	edit(c);
	must(core_holds(c, nodeid, "theirs, and longer"));
	core_stop(c);
}

static void test_bytes_of_a_removed_file_leave_memory(void **state)
{
	struct core *c = *state;

	core_start(c);
	need_watch(c);
	make_dirty(c);
	stranger(c, remove_f);
	for (int i = 0; i < 1000 && c->d->n_dirty; i++)
		poll(NULL, 0, 5);
	must_be(c->d->n_dirty, 0);
	core_stop(c);
	must(!n_exists(c, "f"));
}

/* Its bytes are down, and not flushed: what comes now is newer. */
static void test_edit_while_a_file_is_flushed_shows(void **state)
{
	struct core *c = *state;
	uint64_t nodeid;

	core_start_on(c, deadly_tier());
	nodeid = make_dirty(c);
	tier.at_flush = edit;
	must_be(mafsd_sync(c->d, NULL), 0);
	must(!tier.at_flush);
	must(core_holds(c, nodeid, "theirs, and longer"));
	must_be(mafsd_sync(c->d, NULL), 0);
	must(n_holds(c, "f", "theirs, and longer"));
	core_stop(c);
}

static void store(struct core *c)
{
	core_write_text(c, tier.open, "newest");
}

/* A file that is never clean, as programs write to it all the time. */
static void test_edit_between_two_write_backs_is_kept(void **state)
{
	struct core *c = *state;
	uint64_t nodeid;

	need_handles();
	core_start_on(c, deadly_tier());
	nodeid = make_clean(c);
	tier.open = core_open(c, nodeid, O_RDWR | O_TRUNC);
	core_write_text(c, tier.open, "newer");
	tier.at_flush = store;
	must_be(mafsd_sync(c->d, NULL), 0);
	must_be(c->d->n_dirty, 1);
	edit(c);
	must_be(mafsd_sync(c->d, NULL), 0);
	mafsd_release(c->d, tier.open);
	core_stop(c);
	must(n_holds(c, "f", "newest"));
	must(n_holds(c, "f.mafs-conflict-1", "theirs, and longer"));
	must(!n_exists(c, "f.mafs-conflict-2"));
}

static void test_conflict_that_cannot_be_kept_is_tried_again(void **state)
{
	struct core *c = *state;

	need_handles();
	core_start_on(c, deadly_tier());
	make_dirty(c);
	edit(c);
	tier.n_flushes = 0;
	tier.fail_at_flush = 1;
	must_be(mafsd_sync(c->d, NULL), -EIO);
	must(n_holds(c, "f", "theirs, and longer"));
	must(!n_exists(c, "f.mafs-conflict-1"));
	must_be(mafsd_sync(c->d, NULL), 0);
	must(n_holds(c, "f", "newer"));
	must(n_holds(c, "f.mafs-conflict-1", "theirs, and longer"));
	must_be(c->d->n_conflicts, 1);
	core_stop(c);
}

static void sync_after_edit(struct core *c)
{
	c->d->tier = deadly_tier();
	make_dirty(c);
	edit(c);
	tier.n_flushes = 0;
	if (!tier.kill_at_write)
		tier.kill_at_flush = 2; /* of the directory */
	mafsd_sync(c->d, NULL);
	_exit(1);
}

/* Before `map`: recovery has the conflict again, and keeps both. */
static void test_killed_before_the_log_knows_of_the_copy(void **state)
{
	struct core *c = *state;

	need_handles();
	core_killed(c, sync_after_edit);
	core_start(c);
	must_be(mafsd_recover_all(c->d), 0);
	core_stop(c);
	must(n_holds(c, "f", "theirs, and longer"));
	must(n_holds(c, "f.mafs-conflict-1", "theirs, and longer"));
	must(n_holds(c, "f.mafs-conflict-2", "newer"));
}

static void arm_write_and_sync(struct core *c)
{
	make_dirty(c);
	edit(c);
	c->d->tier = deadly_tier();
	tier.kill_at_write = 1;
	mafsd_sync(c->d, NULL);
	_exit(1);
}

/* After it: the write-back goes on. */
static void test_killed_after_the_log_knows_of_the_copy(void **state)
{
	struct core *c = *state;

	need_handles();
	core_killed(c, arm_write_and_sync);
	core_start(c);
	must_be(mafsd_recover_all(c->d), 0);
	core_stop(c);
	must(n_holds(c, "f", "newer"));
	must(n_holds(c, "f.mafs-conflict-1", "theirs, and longer"));
	must(!n_exists(c, "f.mafs-conflict-2"));
}

#define SHARED_TEST(function) \
	cmocka_unit_test_setup_teardown(function, setup, core_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		SHARED_TEST(test_clean_copy_of_edited_file_becomes_stale),
		SHARED_TEST(
			test_edit_shows_at_the_next_open_without_being_told),
		SHARED_TEST(test_bytes_of_a_removed_file_leave_memory),
		SHARED_TEST(test_edit_while_a_file_is_flushed_shows),
		SHARED_TEST(test_edit_between_two_write_backs_is_kept),
		SHARED_TEST(test_conflict_that_cannot_be_kept_is_tried_again),
		SHARED_TEST(test_killed_before_the_log_knows_of_the_copy),
		SHARED_TEST(test_killed_after_the_log_knows_of_the_copy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
