// SPDX-License-Identifier: Apache-2.0
/*
 * What a power cut leaves: memory is gone, N's log has kept the order of its
 * changes. Here N loses nothing that it was told; what it was not told yet, the
 * marks must say.
 */
#include "core_fixture.h"

#include <sys/resource.h>

#include <dirent.h>
#include <sys/xattr.h>

#define PENDING "trusted.mafs.pending"

/* ---- N's marks ---- */

static bool is_pending(struct core *c, const char *name)
{
	return lgetxattr(t_path(c->n, name), PENDING, NULL, 0) >= 0;
}

static unsigned int n_kept(struct core *c)
{
	DIR *dir = opendir(t_path(c->n, ".mafs/replaced"));
	struct dirent *entry;
	unsigned int n = 0;

	must(dir != NULL);
	while ((entry = readdir(dir)))
		n += entry->d_name[0] != '.';
	closedir(dir);
	return n;
}

/* ---- in the middle of things ---- */

static struct core *hooked_core;
static void (*in_pwrite)(struct core *c), (*in_flush)(struct core *c);
static bool settle_fails;
static unsigned int n_settled;

static void call_once(void (**hook)(struct core *c))
{
	void (*function)(struct core * c) = *hook;

	*hook = NULL;
	if (function)
		function(hooked_core);
}

static int hooked_pwrite(int fd, const void *bytes, size_t len, uint64_t offset)
{
	call_once(&in_pwrite);
	return mafs_tier_disk.pwrite(fd, bytes, len, offset);
}

static int hooked_flush(int fd, bool data_only)
{
	call_once(&in_flush);
	return mafs_tier_disk.flush(fd, data_only);
}

static int hooked_settle(int fd)
{
	if (settle_fails) {
		settle_fails = false;
		return -EIO;
	}
	n_settled++;
	return mafs_tier_disk.settle(fd);
}

static void hook(struct core *c)
{
	static struct mafs_tier_ops hooked;

	hooked = mafs_tier_disk;
	hooked.pwrite = hooked_pwrite;
	hooked.flush = hooked_flush;
	hooked.settle = hooked_settle;
	c->d->tier = &hooked;
	hooked_core = c;
}

/* ---- the cut ---- */

static void lose_memory(struct core *c)
{
	struct mafs_volume_ref ref = { .n_fd = -1 };
	struct mafs_fault fault = MAFS_FAULT_INIT;

	must_be(mafs_volume_find(c->n, &ref, &fault), 0);
	must_be(mafs_memory_destroy(ref.memory_path, &fault), 0);
	mafs_volume_ref_done(&ref);
}

static void cut(struct core *c, void (*work)(struct core *c))
{
	core_killed(c, work);
	lose_memory(c);
	core_start(c);
}

static void wait_for_scan(struct core *c)
{
	while (atomic_load(&c->d->pending.scanning))
		usleep(1000);
}

static void write_closed(struct core *c, const char *name, const char *text)
{
	struct mafsd_open *open = core_create(c, name, O_RDWR, NULL);

	core_write_text(c, open, text);
	mafsd_release(c->d, open);
}

static void rename_to(struct core *c, const char *name, const char *new_name,
		      unsigned int flags)
{
	must_be(mafsd_rename(c->d, MAFSD_ROOT_ID, name, MAFSD_ROOT_ID, new_name,
			     flags),
		0);
}

static void replace(struct core *c, const char *name, const char *text)
{
	write_closed(c, "tmp", text);
	rename_to(c, "tmp", name, 0);
}

/* ---- pending ---- */

static void test_new_file_is_marked_until_it_is_down(void **state)
{
	struct core *c = *state;
	struct mafsd_open *open;

	core_start(c);
	open = core_create(c, "f", O_WRONLY, NULL);
	core_write_text(c, open, "bytes");
	assert_true(is_pending(c, "f"));
	core_fsync(c, open);
	assert_false(is_pending(c, "f"));
	mafsd_release(c->d, open);
	core_stop(c);
}

static void test_file_that_stays_empty_is_not_marked(void **state)
{
	struct core *c = *state;

	core_start(c);
	mafsd_release(c->d, core_create(c, "f", O_WRONLY, NULL));
	assert_false(is_pending(c, "f"));
	core_stop(c);
}

static void test_emptied_file_is_not_marked(void **state)
{
	struct core *c = *state;
	struct mafsd_open *open;

	n_write(c, "f", "old");
	core_start(c);
	open = core_open(c, core_lookup(c, "f"), O_WRONLY | O_TRUNC);
	core_write_text(c, open, "new");
	assert_false(is_pending(c, "f"));
	mafsd_release(c->d, open);
	core_stop(c);
}

static void test_spilled_file_is_not_marked(void **state)
{
	struct core *c = *state;
	struct mafsd_open *open;
	uint64_t nodeid;

	core_start(c);
	open = core_create(c, "f", O_WRONLY, &nodeid);
	core_write_text(c, open, "bytes");
	must_be(mafsd_spill(c->d, mafsd_inode_by_id(c->d, nodeid)), 0);
	assert_false(is_pending(c, "f"));
	mafsd_release(c->d, open);
	core_stop(c);
}

static void test_mark_is_not_seen_through_the_mount(void **state)
{
	struct core *c = *state;
	struct mafsd_open *open;
	char list[256];
	uint64_t nodeid;

	core_start(c);
	open = core_create(c, "f", O_WRONLY, &nodeid);
	core_write_text(c, open, "bytes");
	must(is_pending(c, "f"));
	assert_int_equal(
		mafsd_listxattr(c->d, &t_root, nodeid, list, sizeof(list)), 0);
	assert_int_equal(mafsd_getxattr(c->d, nodeid, PENDING, list,
					sizeof(list)),
			 -ENODATA);
	mafsd_release(c->d, open);
	core_stop(c);
}

static void do_three(struct core *c)
{
	struct mafsd_entry dir, file;
	struct mafsd_open *open = NULL;

	write_closed(c, "lost", "never down");
	write_closed(c, "down", "written back");
	must_be(mafsd_write_back(
			c->d, mafsd_inode_by_id(c->d, core_lookup(c, "down")),
			true),
		0);
	must_be(mafsd_mkdir(c->d, &t_root, MAFSD_ROOT_ID, "d", 0755, &dir), 0);
	must_be(mafsd_create(c->d, &t_root, dir.nodeid, "a\nb", 0644, O_WRONLY,
			     &file, &open),
		0);
	core_write_text(c, open, "never down either");
}

static bool lists(char *const *paths, size_t n, const char *path)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(paths[i], path))
			return true;
	return false;
}

static void test_power_cut_lists_what_was_never_down(void **state)
{
	struct core *c = *state;
	char *paths[8] = { 0 };

	cut(c, do_three);
	wait_for_scan(c);
	assert_int_equal(mafsd_pending_list(c->d, paths, 8), 2);
	assert_true(lists(paths, 2, "/lost"));
	assert_true(lists(paths, 2, "/d/a\\012b"));
	free(paths[0]);
	free(paths[1]);
	assert_false(is_pending(c, "lost"));
	core_stop(c);
	/* It is there until somebody has seen it. */
	core_start(c);
	assert_int_equal(mafsd_pending_list(c->d, NULL, 0), 2);
	core_stop(c);
}

static void
test_what_is_planted_for_the_list_does_not_stop_the_scan(void **state)
{
	struct core *c = *state;

	core_killed(c, do_three);
	lose_memory(c);
	must_be(mkfifo(t_path(c->n, ".mafs/pending.new"), 0600), 0);
	core_start(c);
	wait_for_scan(c);
	core_stop(c);
	assert_true(n_exists(c, ".mafs/pending"));
}

static void test_scan_that_found_no_descriptors_is_made_again(void **state)
{
	struct core *c = *state;
	struct mafs_fault fault = MAFS_FAULT_INIT;
	struct rlimit limit, low;
	int fd;

	must_be(mkdir(t_path(c->n, "sub"), 0755), 0);
	core_killed(c, do_three);
	lose_memory(c);
	must_be(mafsd_start(&c->options, &c->d, &fault), 0);
	mafsd_thread_enter();
	fd = dup(c->d->n_fd);
	close(fd);
	must_be(getrlimit(RLIMIT_NOFILE, &limit), 0);
	low = limit;
	low.rlim_cur = (rlim_t)fd + 2; /* the list, and N */
	must_be(setrlimit(RLIMIT_NOFILE, &low), 0);
	must_be(mafsd_pending_start(c->d), 0);
	wait_for_scan(c);
	mafsd_pending_stop(c->d);
	must_be(setrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_false(n_exists(c, ".mafs/pending"));
	assert_true(n_exists(c, ".mafs/pending.new"));
	must_be(mafsd_run(c->d, &fault), 0);
	core_stop(c);
	core_start(c);
	wait_for_scan(c);
	core_stop(c);
	assert_true(n_exists(c, ".mafs/pending"));
}

static void test_scan_is_due_before_the_session_is_told(void **state)
{
	struct core *c = *state;
	struct mafs_fault fault = MAFS_FAULT_INIT;
	char session[PATH_MAX];

	core_killed(c, do_three);
	lose_memory(c);
	must_be(mafsd_start(&c->options, &c->d, &fault), 0);
	strcpy(session, t_path(c->n, ".mafs/session.new"));
	must_be(mkdir(session, 0700), 0); /* it cannot be stored */
	must(mafsd_run(c->d, &fault) < 0);
	must_be(rmdir(session), 0);
	assert_true(n_exists(c, ".mafs/pending.new"));
	mafsd_free(c->d);
	core_start(c);
	wait_for_scan(c);
	core_stop(c);
	assert_true(n_exists(c, ".mafs/pending"));
}

/* One line of what the killed daemon has told. */
static void edit_session(struct core *c, const char *key, const char *value)
{
	char command[512];

	snprintf(command, sizeof(command),
		 "grep -q '^%s:' %s/.mafs/session && "
		 "sed -i 's|^%s:.*|%s: %s|' %s/.mafs/session",
		 key, c->n, key, key, value, c->n);
	must_be(system(command), 0);
}

static void must_not_start(struct core *c, int wanted, const char *what)
{
	struct mafs_fault fault = MAFS_FAULT_INIT;

	must_be(mafsd_start(&c->options, &c->d, &fault), wanted);
	assert_non_null(strstr(fault.what, what));
}

static void test_memory_that_is_elsewhere_is_not_held_to_be_lost(void **state)
{
	struct core *c = *state;
	char elsewhere[PATH_MAX];

	core_killed(c, do_three);
	lose_memory(c);
	strcpy(elsewhere, t_path(c->place, "elsewhere"));
	must_be(mkdir(elsewhere, 0700), 0);
	edit_session(c, "runtime_dir", elsewhere);
	must_not_start(c, -EBUSY, elsewhere);
	must_be(rmdir(elsewhere), 0);
	core_start(c);
	assert_true(c->d->lost_memory);
	core_stop(c);
}

static void test_memory_of_another_session_is_not_taken(void **state)
{
	struct core *c = *state;

	core_killed(c, do_three);
	edit_session(c, "memory_uuid", "01234567-89ab-4def-8123-456789abcdef");
	must_not_start(c, -EUCLEAN, "session");
	lose_memory(c);
}

static void do_create(struct core *c)
{
	write_closed(c, "f", "bytes");
}

static void do_create_empty(struct core *c)
{
	core_create(c, "f", O_WRONLY, NULL);
}

static void test_kill_leaves_no_mark_on_an_empty_file(void **state)
{
	struct core *c = *state;

	core_killed(c, do_create_empty);
	core_start(c);
	must_be(mafsd_recover_all(c->d), 0);
	core_stop(c);
	assert_false(is_pending(c, "f"));
}

static void test_kill_lists_nothing(void **state)
{
	struct core *c = *state;

	core_killed(c, do_create);
	core_start(c);
	must_be(mafsd_recover_all(c->d), 0);
	assert_false(atomic_load(&c->d->pending.scanning));
	core_stop(c);
	assert_false(is_pending(c, "f"));
	assert_true(n_holds(c, "f", "bytes"));
}

/* ---- replaced ---- */

static void test_victim_is_kept_until_the_new_bytes_are_down(void **state)
{
	struct core *c = *state;
	struct mafsd_open *open;

	n_write(c, "f", "old");
	core_start(c);
	core_lookup(c, "f");
	replace(c, "f", "new");
	assert_int_equal(n_kept(c), 1);
	assert_int_equal(n_size(c, "f"), 0);
	open = core_open(c, core_lookup(c, "f"), O_RDONLY);
	core_fsync(c, open);
	mafsd_release(c->d, open);
	assert_int_equal(n_kept(c), 0);
	assert_true(n_holds(c, "f", "new"));
	core_stop(c);
}

static void test_rename_that_fails_keeps_nothing(void **state)
{
	struct core *c = *state;
	struct mafsd_entry dir;

	core_start(c);
	must_be(mafsd_mkdir(c->d, &t_root, MAFSD_ROOT_ID, "d", 0755, &dir), 0);
	write_closed(c, "f", "new");
	assert_int_equal(mafsd_rename(c->d, MAFSD_ROOT_ID, "f", MAFSD_ROOT_ID,
				      "d", 0),
			 -EISDIR);
	assert_int_equal(n_kept(c), 0);
	core_stop(c);
}

static void test_clean_file_replaces_without_link(void **state)
{
	struct core *c = *state;

	n_write(c, "f", "old");
	n_write(c, "g", "new");
	core_start(c);
	core_lookup(c, "f");
	core_lookup(c, "g");
	rename_to(c, "g", "f", 0);
	assert_int_equal(n_kept(c), 0);
	core_stop(c);
}

static void test_kept_link_is_not_counted(void **state)
{
	struct core *c = *state;
	struct mafsd_entry entry;
	bool is_volatile;
	struct stat st;
	uint64_t nodeid;

	n_write(c, "f", "old");
	core_start(c);
	nodeid = core_lookup(c, "f");
	must_be(mafsd_link(c->d, nodeid, MAFSD_ROOT_ID, "g", &entry), 0);
	replace(c, "f", "new");
	must_be(n_kept(c), 1);
	must_be(mafsd_getattr(c->d, nodeid, &st, &is_volatile), 0);
	assert_int_equal(st.st_nlink, 1);
	must_be(mafsd_lookup(c->d, MAFSD_ROOT_ID, "g", &entry), 0);
	assert_int_equal(entry.st.st_nlink, 1);
	must_be(mafsd_sync(c->d, NULL), 0);
	must_be(n_kept(c), 0);
	must_be(mafsd_getattr(c->d, nodeid, &st, &is_volatile), 0);
	assert_int_equal(st.st_nlink, 1);
	assert_int_equal(lgetxattr(t_path(c->n, "g"), "trusted.mafs.replaced",
				   NULL, 0),
			 -1);
	core_stop(c);
}

static void do_replace(struct core *c)
{
	core_lookup(c, "f");
	replace(c, "f", "new");
}

static void do_replace_thrice(struct core *c)
{
	core_lookup(c, "f");
	replace(c, "f", "first");
	replace(c, "f", "second");
	replace(c, "f", "third");
	must_be(n_kept(c), 3);
}

static void do_replace_and_move(struct core *c)
{
	do_replace(c);
	rename_to(c, "f", "g", 0);
}

static void do_replace_durably(struct core *c)
{
	do_replace(c);
	must_be(mafsd_sync(c->d, NULL), 0);
}

static void do_exchange(struct core *c)
{
	core_lookup(c, "f");
	write_closed(c, "g", "new");
	rename_to(c, "g", "f", RENAME_EXCHANGE);
}

static void test_cut_gives_back_what_was_replaced(void **state)
{
	struct core *c = *state;

	n_write(c, "f", "old");
	cut(c, do_replace);
	assert_true(n_holds(c, "f", "old"));
	assert_int_equal(c->d->n_given_back, 1);
	assert_int_equal(n_kept(c), 0);
	assert_true(core_holds(c, core_lookup(c, "f"), "old"));
	core_stop(c);
	assert_false(n_exists(c, "tmp"));
}

static void test_cut_unwinds_a_chain(void **state)
{
	struct core *c = *state;

	n_write(c, "f", "old");
	cut(c, do_replace_thrice);
	assert_true(n_holds(c, "f", "old"));
	assert_int_equal(n_kept(c), 0);
	core_stop(c);
}

static void test_cut_leaves_a_name_that_moved_on(void **state)
{
	struct core *c = *state;

	n_write(c, "f", "old");
	cut(c, do_replace_and_move);
	assert_false(n_exists(c, "f"));
	assert_int_equal(n_size(c, "g"), 0);
	assert_int_equal(n_kept(c), 0);
	core_stop(c);
}

static void test_cut_leaves_what_is_down(void **state)
{
	struct core *c = *state;

	n_write(c, "f", "old");
	cut(c, do_replace_durably);
	assert_true(n_holds(c, "f", "new"));
	assert_int_equal(c->d->n_given_back, 0);
	core_stop(c);
}

static void test_cut_after_exchange_has_both_whole(void **state)
{
	struct core *c = *state;

	n_write(c, "f", "old");
	cut(c, do_exchange);
	assert_true(n_holds(c, "f", "new"));
	assert_true(n_holds(c, "g", "old"));
	core_stop(c);
}

static void test_part_of_the_new_bytes_is_kept_in_lost_and_found(void **state)
{
	struct core *c = *state;

	n_write(c, "f", "old");
	core_killed(c, do_replace);
	lose_memory(c);
	n_write(c, "f", "ne"); /* so far write-back had come */
	core_start(c);
	assert_true(n_holds(c, "f", "old"));
	assert_true(n_holds(c, ".mafs/lost+found/f.mafs-conflict-1", "ne"));
	core_stop(c);
}

static void test_kill_goes_on_waiting(void **state)
{
	struct core *c = *state;

	n_write(c, "f", "old");
	core_killed(c, do_replace_thrice);
	core_start(c);
	must_be(mafsd_recover_all(c->d), 0);
	core_stop(c);
	assert_true(n_holds(c, "f", "third"));
	assert_int_equal(n_kept(c), 0);
}

static void test_unlinked_file_awaits_nothing(void **state)
{
	struct core *c = *state;

	n_write(c, "f", "old");
	core_start(c);
	core_lookup(c, "f");
	replace(c, "f", "new");
	must_be(mafsd_unlink(c->d, MAFSD_ROOT_ID, "f"), 0);
	assert_int_equal(n_kept(c), 0);
	core_stop(c);
	assert_false(n_exists(c, "f"));
}

/* The names, not only the bytes, are below. */
static void fsync_root(struct core *c)
{
	struct mafsd_dir *dir;

	must_be(mafsd_opendir(c->d, MAFSD_ROOT_ID, &dir), 0);
	must_be(mafsd_fsyncdir(c->d, dir, false), 0);
	mafsd_closedir(dir);
}

static void rename_tmp(struct core *c)
{
	rename_to(c, "tmp", "f", 0);
}

static void test_spill_brings_down_what_a_rename_awaits(void **state)
{
	struct core *c = *state;
	struct mafsd_open *open;
	uint64_t nodeid;

	n_write(c, "f", "old");
	core_start(c);
	hook(c);
	core_lookup(c, "f");
	open = core_create(c, "tmp", O_RDWR, &nodeid);
	core_write_text(c, open, "new");
	in_pwrite = rename_tmp;
	must_be(mafsd_spill(c->d, mafsd_inode_by_id(c->d, nodeid)), 0);
	assert_int_equal(n_kept(c), 0);
	mafsd_release(c->d, open);
	core_stop(c);
	core_start(c);
	assert_true(n_holds(c, "f", "new"));
	core_stop(c);
}

/* Also without a mark: a rename under way may be about to hang on them. */
static void test_spill_settles_what_a_rename_may_await(void **state)
{
	struct core *c = *state;
	struct mafsd_open *open;
	uint64_t nodeid;

	n_write(c, "tmp", "long since here");
	core_start(c);
	hook(c);
	nodeid = core_lookup(c, "tmp");
	open = core_open(c, nodeid, O_RDWR | O_TRUNC);
	core_write_text(c, open, "new");
	n_settled = 0;
	must_be(mafsd_spill(c->d, mafsd_inode_by_id(c->d, nodeid)), 0);
	assert_int_equal(n_settled, 1);
	mafsd_release(c->d, open);
	core_stop(c);
	assert_true(n_holds(c, "tmp", "new"));
}

static void
test_link_left_behind_changes_nothing_after_a_clean_end(void **state)
{
	struct core *c = *state;
	char from[PATH_MAX];

	n_write(c, "f", "new");
	n_write(c, "g", "old");
	core_start(c);
	core_stop(c);
	strcpy(from, t_path(c->n, "g"));
	must_be(link(from, t_path(c->n, ".mafs/replaced/7")), 0);
	core_start(c);
	assert_int_equal(n_kept(c), 0);
	assert_true(n_holds(c, "f", "new"));
	assert_true(n_holds(c, "g", "old"));
	core_stop(c);
}

static void come_and_go(struct core *c)
{
	mafsd_recover_stop(c->d);
}

static void test_kill_and_cut_unwind_a_chain(void **state)
{
	struct core *c = *state;

	n_write(c, "f", "old");
	core_killed(c, do_replace_thrice);
	cut(c, come_and_go);
	assert_true(n_holds(c, "f", "old"));
	core_stop(c);
}

static void do_append_to_fsynced(struct core *c)
{
	struct mafsd_open *open = core_create(c, "tmp", O_RDWR, NULL);

	core_lookup(c, "f");
	core_write_text(c, open, "fsynced");
	core_fsync(c, open);
	core_write(c, open, "+", 1, 7);
	rename_tmp(c);
	fsync_root(c);
}

static void test_cut_keeps_what_was_fsynced_before_the_rename(void **state)
{
	struct core *c = *state;

	n_write(c, "f", "old");
	cut(c, do_append_to_fsynced);
	assert_true(n_holds(c, "f", "fsynced"));
	core_stop(c);
}

static void do_fsync_beside_rename(struct core *c)
{
	struct mafsd_open *open = core_create(c, "tmp", O_RDWR, NULL);

	hook(c);
	core_lookup(c, "f");
	core_write_text(c, open, "fsynced");
	in_flush = rename_tmp;
	core_fsync(c, open);
	fsync_root(c);
}

static void test_cut_keeps_what_was_fsynced_beside_the_rename(void **state)
{
	struct core *c = *state;

	n_write(c, "f", "old");
	cut(c, do_fsync_beside_rename);
	assert_true(n_holds(c, "f", "fsynced"));
	core_stop(c);
}

static void test_odd_entries_beside_the_links_do_not_matter(void **state)
{
	struct core *c = *state;

	n_write(c, "f", "old");
	core_killed(c, do_replace);
	n_write(c, ".mafs/replaced/01", "");
	must_be(mkdir(t_path(c->n, ".mafs/replaced/17"), 0700), 0);
	core_killed(c, come_and_go);
	lose_memory(c);
	core_start(c);
	assert_true(n_holds(c, "f", "old"));
	core_stop(c);
	assert_true(n_exists(c, ".mafs/replaced/01"));
	assert_true(n_exists(c, ".mafs/replaced/17"));
}

static void do_backup(struct core *c)
{
	do_replace(c);
	rename_to(c, "f", "f.bak", 0);
	replace(c, "f", "newer");
}

static void test_what_has_no_name_to_go_back_to_is_kept(void **state)
{
	struct core *c = *state;

	n_write(c, "f", "old");
	cut(c, do_backup);
	assert_true(n_holds(c, ".mafs/lost+found/f.mafs-conflict-1", "old"));
	assert_int_equal(n_kept(c), 0);
	core_stop(c);
}

static void do_replace_a_linked_one(struct core *c)
{
	struct mafsd_entry entry;
	struct mafsd_open *open;
	uint64_t nodeid;

	core_lookup(c, "f");
	open = core_create(c, "tmp", O_RDWR, &nodeid);
	core_write_text(c, open, "first");
	must_be(mafsd_link(c->d, nodeid, MAFSD_ROOT_ID, "g", &entry), 0);
	rename_tmp(c);
	replace(c, "f", "second");
	core_fsync(c, open);
	fsync_root(c);
}

static void test_victim_with_another_name_goes_its_own_way(void **state)
{
	struct core *c = *state;

	n_write(c, "f", "old");
	cut(c, do_replace_a_linked_one);
	assert_true(n_holds(c, "f", "first"));
	assert_true(n_holds(c, "g", "first"));
	core_stop(c);
}

static void replace_again(struct core *c)
{
	replace(c, "f", "second");
}

static void do_fail_between(struct core *c)
{
	do_replace(c);
	hook(c);
	in_pwrite = replace_again;
	settle_fails = true;
	mafsd_write_back(c->d, mafsd_inode_by_id(c->d, core_lookup(c, "f")),
			 true);
}

static void
test_failed_write_back_of_a_replaced_one_breaks_no_chain(void **state)
{
	struct core *c = *state;

	n_write(c, "f", "old");
	cut(c, do_fail_between);
	assert_true(n_holds(c, "f", "old"));
	core_stop(c);
}

static void test_rename_over_a_symlink_is_for_the_pool(void **state)
{
	struct core *c = *state;

	must_be(symlink("nowhere", t_path(c->n, "f")), 0);
	core_start(c);
	core_lookup(c, "f");
	write_closed(c, "tmp", "new");
	assert_int_equal(mafsd_try_rename(c->d, MAFSD_ROOT_ID, "tmp",
					  MAFSD_ROOT_ID, "f", 0, false),
			 MAFSD_WOULD_BLOCK);
	assert_int_equal(n_size(c, "tmp"), 0);
	rename_tmp(c);
	assert_true(n_holds(c, "f", "new"));
	core_stop(c);
}

static void do_replace_often(struct core *c)
{
	char text[16];

	core_lookup(c, "f");
	for (int i = 0; i < 100; i++) {
		snprintf(text, sizeof(text), "%d", i);
		replace(c, "f", text);
		must(n_kept(c) <= 16);
	}
}

static void test_chain_of_replacements_is_bounded(void **state)
{
	struct core *c = *state;
	char text[16] = "";
	int fd;

	n_write(c, "f", "old");
	cut(c, do_replace_often);
	fd = n_open(c, "f", O_RDONLY);
	must(read(fd, text, sizeof(text) - 1) > 0);
	close(fd);
	assert_true(atoi(text) >= 100 - 17);
	core_stop(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CORE_TEST(test_new_file_is_marked_until_it_is_down),
		CORE_TEST(test_file_that_stays_empty_is_not_marked),
		CORE_TEST(test_emptied_file_is_not_marked),
		CORE_TEST(test_spilled_file_is_not_marked),
		CORE_TEST(test_mark_is_not_seen_through_the_mount),
		CORE_TEST(test_power_cut_lists_what_was_never_down),
		CORE_TEST(test_memory_that_is_elsewhere_is_not_held_to_be_lost),
		CORE_TEST(test_memory_of_another_session_is_not_taken),
		CORE_TEST(test_scan_is_due_before_the_session_is_told),
		CORE_TEST(test_scan_that_found_no_descriptors_is_made_again),
		CORE_TEST(
			test_what_is_planted_for_the_list_does_not_stop_the_scan),
		CORE_TEST(test_kill_leaves_no_mark_on_an_empty_file),
		CORE_TEST(test_kill_lists_nothing),
		CORE_TEST(test_victim_is_kept_until_the_new_bytes_are_down),
		CORE_TEST(test_rename_that_fails_keeps_nothing),
		CORE_TEST(test_clean_file_replaces_without_link),
		CORE_TEST(test_kept_link_is_not_counted),
		CORE_TEST(test_cut_gives_back_what_was_replaced),
		CORE_TEST(test_cut_unwinds_a_chain),
		CORE_TEST(test_cut_leaves_a_name_that_moved_on),
		CORE_TEST(test_cut_leaves_what_is_down),
		CORE_TEST(test_cut_after_exchange_has_both_whole),
		CORE_TEST(test_part_of_the_new_bytes_is_kept_in_lost_and_found),
		CORE_TEST(test_kill_goes_on_waiting),
		CORE_TEST(test_unlinked_file_awaits_nothing),
		CORE_TEST(test_spill_brings_down_what_a_rename_awaits),
		CORE_TEST(test_spill_settles_what_a_rename_may_await),
		CORE_TEST(
			test_link_left_behind_changes_nothing_after_a_clean_end),
		CORE_TEST(test_kill_and_cut_unwind_a_chain),
		CORE_TEST(test_cut_keeps_what_was_fsynced_before_the_rename),
		CORE_TEST(test_cut_keeps_what_was_fsynced_beside_the_rename),
		CORE_TEST(test_odd_entries_beside_the_links_do_not_matter),
		CORE_TEST(test_what_has_no_name_to_go_back_to_is_kept),
		CORE_TEST(test_victim_with_another_name_goes_its_own_way),
		CORE_TEST(
			test_failed_write_back_of_a_replaced_one_breaks_no_chain),
		CORE_TEST(test_rename_over_a_symlink_is_for_the_pool),
		CORE_TEST(test_chain_of_replacements_is_bounded),
	};
	int r = t_become_private();

	return r ? r : cmocka_run_group_tests(tests, NULL, NULL);
}
