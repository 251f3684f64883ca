// SPDX-License-Identifier: Apache-2.0
/* What a daemon finds that was killed before it wrote back. */
#include "core_fixture.h"

#include <core/names.h>
#include <dirent.h>
#include <dlfcn.h>
#include <linux/capability.h>
#include <poll.h>
#include <sys/syscall.h>

/* ---- a program that renames what recovery walks ---- */

static struct core *walked; /* once */

static void on_end_of_directory(struct core *c, const char *name)
{
	const char *other = *name == 'p' ? "q/sub" : "p/sub";
	char from[PATH_MAX], to[8];

	walked = NULL;
	strcpy(from, t_path(c->n, other));
	snprintf(to, sizeof(to), "%s/sub2", name);
	must_be(rename(from, t_path(c->n, to)), 0);
}

struct dirent *readdir(DIR *stream)
{
	static struct dirent *(*real)(DIR * stream);
	char link[MAFSD_PROC_LEN], path[PATH_MAX];
	struct dirent *entry;
	ssize_t len;

	if (!real)
		real = dlsym(RTLD_NEXT, "readdir");
	entry = real(stream);
	if (entry || !walked)
		return entry;
	mafsd_proc_path(dirfd(stream), link);
	len = readlink(link, path, sizeof(path) - 1);
	path[len < 0 ? 0 : len] = '\0';
	if (len >= 2 &&
	    (!strcmp(path + len - 2, "/p") || !strcmp(path + len - 2, "/q")))
		on_end_of_directory(walked, path + len - 1);
	errno = 0;
	return NULL;
}

/* Of this thread. */
static void lose_right_to_handles(void)
{
	struct __user_cap_header_struct head = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[2];

	must_be(syscall(SYS_capget, &head, data), 0);
	data[0].effective &= ~(1U << CAP_DAC_READ_SEARCH);
	must_be(syscall(SYS_capset, &head, data), 0);
}

/* ---- what the killed one did; in a child ---- */

static void write_closed(struct core *c, const char *name, const char *text)
{
	struct mafsd_open *open = core_create(c, name, O_RDWR, NULL);

	core_write_text(c, open, text);
	mafsd_release(c->d, open);
}

static void rewrite(struct core *c, const char *name, const char *text)
{
	struct mafsd_open *open =
		core_open(c, core_lookup(c, name), O_WRONLY | O_TRUNC);

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

static uint64_t n_memory_files(struct core *c)
{
	struct mafs_memory_usage usage;

	must_be(c->d->memory->ops->usage(c->d->memory, &usage), 0);
	return usage.n_files;
}

static void do_write(struct core *c)
{
	write_closed(c, "f", "written");
	must_be(n_size(c, "f"), 0);
}

static void do_write_open(struct core *c)
{
	struct mafsd_open *open = core_create(c, "f", O_RDWR, NULL);

	core_write_text(c, open, "written");
}

static void do_rewrite(struct core *c)
{
	rewrite(c, "f", "rewritten");
}

static void do_rename(struct core *c)
{
	struct mafsd_entry entry;

	write_closed(c, "f", "renamed");
	must_be(mafsd_mkdir(c->d, &t_root, MAFSD_ROOT_ID, "d", 0755, &entry),
		0);
	must_be(mafsd_rename(c->d, MAFSD_ROOT_ID, "f", entry.nodeid, "g", 0),
		0);
	rename_to(c, "d", "e", 0);
}

static void do_replace(struct core *c)
{
	write_closed(c, "f", "old");
	write_closed(c, "f.new", "new");
	rename_to(c, "f.new", "f", 0);
}

static void do_exchange(struct core *c)
{
	write_closed(c, "a", "first a");
	write_closed(c, "b", "first b");
	rename_to(c, "a", "b", RENAME_EXCHANGE);
}

static void do_unlink_open(struct core *c)
{
	struct mafsd_open *open = core_create(c, "f", O_RDWR, NULL);

	core_write_text(c, open, "unwanted");
	must_be(mafsd_unlink(c->d, MAFSD_ROOT_ID, "f"), 0);
}

static void do_write_unlinked(struct core *c)
{
	struct mafsd_open *open = core_create(c, "f", O_RDWR, NULL);

	must_be(mafsd_unlink(c->d, MAFSD_ROOT_ID, "f"), 0);
	core_write_text(c, open, "unwanted");
}

static void do_write_unlinked_again(struct core *c)
{
	struct mafsd_open *open = core_create(c, "f", O_RDWR, NULL);

	core_write_text(c, open, "written back");
	core_fsync(c, open);
	must_be(mafsd_unlink(c->d, MAFSD_ROOT_ID, "f"), 0);
	core_write_text(c, open, "unwanted");
}

/* Written back between the intent and an unlink that N refused. */
static struct mafsd_open *refuse_unlink(struct core *c)
{
	struct mafsd_open *open = core_create(c, "f", O_RDWR, NULL);
	struct mafsd_inode *inode = open->file->inode;

	core_write_text(c, open, "written back");
	must_be(mafsd_journal_id(c->d, MAFS_OMF_DROP_INTENT, open->file->id),
		0);
	open->file->drop_intent = true;
	core_fsync(c, open);
	pthread_mutex_lock(&inode->lock);
	must_be(mafsd_intent_take_back(c->d, inode), 0);
	pthread_mutex_unlock(&inode->lock);
	return open;
}

static void do_write_after_refused_unlink(struct core *c)
{
	core_write_text(c, refuse_unlink(c), "wanted");
}

static void do_unlink_after_refused_unlink(struct core *c)
{
	core_write_text(c, refuse_unlink(c), "unwanted");
	must_be(mafsd_unlink(c->d, MAFSD_ROOT_ID, "f"), 0);
}

static void do_link(struct core *c)
{
	struct mafsd_entry entry;

	write_closed(c, "f", "linked");
	must_be(mafsd_link(c->d, core_lookup(c, "f"), MAFSD_ROOT_ID, "g",
			   &entry),
		0);
	must_be(mafsd_unlink(c->d, MAFSD_ROOT_ID, "f"), 0);
}

/* N's file gets blocks, and so another mtime. */
static void do_allocate(struct core *c)
{
	struct mafsd_open *open =
		core_open(c, core_lookup(c, "f"), O_RDWR | O_TRUNC);

	core_write_text(c, open, "allocated");
	must_be(mafsd_fallocate(c->d, &t_root, open, FALLOC_FL_KEEP_SIZE, 0,
				MIB, true),
		0);
	core_write(c, open, "A", 1, 0);
}

/* Killed between the intent and the unlink. */
static void do_intend(struct core *c)
{
	write_closed(c, "f", "still here");
	must_be(mafsd_journal_id(c->d, MAFS_OMF_DROP_INTENT,
				 core_file(c, core_lookup(c, "f"))->id),
		0);
}

static void do_write_in_dir(struct core *c)
{
	struct mafsd_open *open = NULL;
	struct mafsd_entry dir, file;

	must_be(mafsd_mkdir(c->d, &t_root, MAFSD_ROOT_ID, "d", 0755, &dir), 0);
	must_be(mafsd_create(c->d, &t_root, dir.nodeid, "f", 0644, O_WRONLY,
			     &file, &open),
		0);
	core_write_text(c, open, "homeless");
	mafsd_release(c->d, open);
}

static void do_write_in_two(struct core *c)
{
	static const char *const dirs[] = { "p", "q" };

	for (size_t i = 0; i < MAFS_ARRAY_SIZE(dirs); i++) {
		struct mafsd_entry dir, sub, file;
		struct mafsd_open *open = NULL;

		must_be(mafsd_mkdir(c->d, &t_root, MAFSD_ROOT_ID, dirs[i], 0755,
				    &dir),
			0);
		must_be(mafsd_mkdir(c->d, &t_root, dir.nodeid, "sub", 0755,
				    &sub),
			0);
		must_be(mafsd_create(c->d, &t_root, sub.nodeid, "f", 0644,
				     O_WRONLY, &file, &open),
			0);
		core_write_text(c, open, "somewhere");
		mafsd_release(c->d, open);
	}
}

static void do_pull(struct core *c)
{
	core_pull(c, "f");
	must_be(n_memory_files(c), 1);
}

static int die_in_write(int fd, const void *bytes, size_t len, uint64_t offset)
{
	must_be(mafs_tier_disk.pwrite(fd, bytes, len / 2, offset), 0);
	core_die();
}

static int die_in_set_times(int fd, const struct timespec times[2])
{
	core_die();
}

static int die_in_flush(int fd, bool data_only)
{
	core_die();
}

static void do_die(struct core *c, const struct mafs_tier_ops *tier)
{
	rewrite(c, "f", "rewritten");
	c->d->tier = tier;
	mafsd_sync(c->d, NULL);
	must(!"reached");
}

static void do_die_in_write(struct core *c)
{
	static struct mafs_tier_ops tier;

	tier = mafs_tier_disk;
	tier.pwrite = die_in_write;
	do_die(c, &tier);
}

static void do_die_in_set_times(struct core *c)
{
	static struct mafs_tier_ops tier;

	tier = mafs_tier_disk;
	tier.set_times = die_in_set_times;
	do_die(c, &tier);
}

static void do_die_in_flush(struct core *c)
{
	static struct mafs_tier_ops tier;

	tier = mafs_tier_disk;
	tier.flush = die_in_flush;
	do_die(c, &tier);
}

static void do_many(struct core *c)
{
	char name[16];

	for (int i = 0; i < 300; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		write_closed(c, name, name);
	}
}

static void do_nothing(struct core *c)
{
}

/* ---- found again ---- */

static void recover(struct core *c)
{
	mafsd_recover_stop(c->d);
	must_be(mafsd_recover_all(c->d), 0);
}

static void test_dirty_file_comes_back(void **state)
{
	struct core *c = *state;
	struct stat st;
	bool is_volatile;

	core_killed(c, do_write);
	assert_int_equal(n_size(c, "f"), 0);
	core_start(c);
	must_be(mafsd_getattr(c->d, core_lookup(c, "f"), &st, &is_volatile), 0);
	assert_int_equal(st.st_size, strlen("written"));
	assert_true(core_holds(c, core_lookup(c, "f"), "written"));
	assert_int_equal(c->d->n_recovered, 1);
	core_stop(c);
	assert_true(n_holds(c, "f", "written"));
}

static void test_file_that_was_open_comes_back(void **state)
{
	struct core *c = *state;

	core_killed(c, do_write_open);
	core_start(c);
	core_stop(c);
	assert_true(n_holds(c, "f", "written"));
}

static void test_dirty_files_come_back_that_nobody_asks_for(void **state)
{
	struct core *c = *state;
	char name[16];

	core_killed(c, do_many);
	core_start(c);
	core_stop(c);
	for (int i = 0; i < 300; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		assert_true(n_holds(c, name, name));
	}
	assert_false(n_exists(c, ".mafs/lost+found"));
}

static void test_killed_twice_it_still_comes_back(void **state)
{
	struct core *c = *state;

	core_killed(c, do_write);
	core_killed(c, do_nothing);
	core_killed(c, recover);
	core_start(c);
	core_stop(c);
	assert_true(n_holds(c, "f", "written"));
}

static void test_rewritten_file_comes_back_without_conflict(void **state)
{
	struct core *c = *state;

	n_write(c, "f", "an older and longer text");
	core_killed(c, do_rewrite);
	assert_true(n_holds(c, "f", "an older and longer text"));
	core_start(c);
	recover(c);
	assert_int_equal(c->d->n_conflicts, 0);
	core_stop(c);
	assert_true(n_holds(c, "f", "rewritten"));
	assert_false(n_exists(c, "f.mafs-conflict-1"));
}

static void test_allocated_file_comes_back_without_conflict(void **state)
{
	struct core *c = *state;

	n_write(c, "f", "old");
	core_killed(c, do_allocate);
	core_start(c);
	recover(c);
	assert_int_equal(c->d->n_conflicts, 0);
	core_stop(c);
	assert_true(n_holds(c, "f", "Allocated"));
}

static void test_renamed_file_comes_back(void **state)
{
	struct core *c = *state;

	core_killed(c, do_rename);
	core_start(c);
	core_stop(c);
	assert_true(n_holds(c, "e/g", "renamed"));
	assert_false(n_exists(c, "f"));
}

static void test_file_renamed_while_away_comes_back(void **state)
{
	struct core *c = *state;
	char from[PATH_MAX];

	core_killed(c, do_write);
	strcpy(from, t_path(c->n, "f"));
	must_be(rename(from, t_path(c->n, "elsewhere")), 0);
	core_start(c);
	recover(c);
	assert_int_equal(c->d->n_lost_found + c->d->n_conflicts, 0);
	core_stop(c);
	assert_true(n_holds(c, "elsewhere", "written"));
	assert_false(n_exists(c, "f"));
}

static void test_replaced_file_is_gone_and_the_new_one_is_back(void **state)
{
	struct core *c = *state;

	core_killed(c, do_replace);
	core_start(c);
	recover(c);
	assert_int_equal(n_memory_files(c), 1);
	assert_int_equal(c->d->n_lost_found + c->d->n_conflicts, 0);
	core_stop(c);
	assert_true(n_holds(c, "f", "new"));
	assert_false(n_exists(c, "f.new"));
}

static void test_exchanged_files_come_back_exchanged(void **state)
{
	struct core *c = *state;

	core_killed(c, do_exchange);
	core_start(c);
	core_stop(c);
	assert_true(n_holds(c, "a", "first b"));
	assert_true(n_holds(c, "b", "first a"));
}

static void test_linked_file_comes_back_under_its_other_name(void **state)
{
	struct core *c = *state;

	core_killed(c, do_link);
	core_start(c);
	core_stop(c);
	assert_true(n_holds(c, "g", "linked"));
	assert_false(n_exists(c, "f"));
}

static void goes_for_good(struct core *c, void (*work)(struct core *c))
{
	core_killed(c, work);
	core_start(c);
	recover(c);
	assert_int_equal(n_memory_files(c), 0);
	assert_int_equal(c->d->n_lost_found + c->d->n_conflicts, 0);
	core_stop(c);
	assert_false(n_exists(c, "f"));
	assert_false(n_exists(c, ".mafs/lost+found/f"));
}

static void test_unlinked_file_goes(void **state)
{
	goes_for_good(*state, do_unlink_open);
}

static void test_what_was_written_after_the_unlink_goes(void **state)
{
	goes_for_good(*state, do_write_unlinked);
	goes_for_good(*state, do_write_unlinked_again);
}

static void test_file_goes_whose_unlink_was_refused_before(void **state)
{
	goes_for_good(*state, do_unlink_after_refused_unlink);
}

static void test_what_was_written_after_a_refused_unlink_stays(void **state)
{
	struct core *c = *state;

	core_killed(c, do_write_after_refused_unlink);
	must_be(unlink(t_path(c->n, "f")), 0);
	core_start(c);
	core_stop(c);
	assert_true(n_holds(c, "f", "wantedn back"));
}

static void test_intent_without_unlink_loses_nothing(void **state)
{
	struct core *c = *state;

	core_killed(c, do_intend);
	core_start(c);
	assert_true(core_holds(c, core_lookup(c, "f"), "still here"));
	core_stop(c);
	assert_true(n_holds(c, "f", "still here"));
}

static void test_file_removed_while_away_is_made_again(void **state)
{
	struct core *c = *state;

	core_killed(c, do_write_in_dir);
	must_be(unlink(t_path(c->n, "d/f")), 0);
	core_start(c);
	recover(c);
	core_stop(c);
	assert_true(n_holds(c, "d/f", "homeless"));
}

static void test_file_whose_name_was_taken_is_kept_beside_it(void **state)
{
	struct core *c = *state;

	core_killed(c, do_write_in_dir);
	must_be(unlink(t_path(c->n, "d/f")), 0);
	n_write(c, "d/g", "keeps the inode number");
	n_write(c, "d/f", "somebody else's");
	core_start(c);
	recover(c);
	core_stop(c);
	assert_true(n_holds(c, "d/f", "somebody else's"));
	assert_true(n_holds(c, "d/f.mafs-conflict-1", "homeless"));
}

static void test_file_without_directory_is_in_lost_and_found(void **state)
{
	struct core *c = *state;

	core_killed(c, do_write_in_dir);
	must_be(unlink(t_path(c->n, "d/f")), 0);
	must_be(rmdir(t_path(c->n, "d")), 0);
	core_start(c);
	recover(c);
	assert_int_equal(c->d->n_lost_found, 1);
	assert_int_equal(n_memory_files(c), 0);
	core_stop(c);
	assert_true(n_holds(c, ".mafs/lost+found/f", "homeless"));
}

static void walk_while_renamed(struct core *c)
{
	struct mafs_fault fault = MAFS_FAULT_INIT;

	must_be(mafsd_start(&c->options, &c->d, &fault), 0);
	mafsd_connect(c->d, &kernel_ops, &c->kernel);
	lose_right_to_handles();
	walked = c;
	must_be(mafsd_recover_all(c->d), 0);
	must(!walked);
	must_be(c->d->n_lost_found + c->d->n_conflicts, 0);
	must_be(c->d->n_recovered, 2);
	core_die();
}

static void test_file_moved_during_the_walk_is_not_nameless(void **state)
{
	struct core *c = *state;
	pid_t child;
	int status;

	core_killed(c, do_write_in_two);
	child = fork();
	if (child == 0) {
		t_no_jump = true;
		walk_while_renamed(c);
	}
	must_be(waitpid(child, &status, 0), child);
	must_be(status, SIGKILL);
	core_start(c);
	core_stop(c);
	assert_false(n_exists(c, ".mafs/lost+found"));
}

static void test_link_for_lost_and_found_leads_nowhere(void **state)
{
	struct core *c = *state;

	core_killed(c, do_write_in_dir);
	must_be(unlink(t_path(c->n, "d/f")), 0);
	must_be(rmdir(t_path(c->n, "d")), 0);
	must_be(symlink(c->mnt, t_path(c->n, ".mafs/lost+found")), 0);
	core_start(c);
	mafsd_recover_stop(c->d);
	assert_int_equal(c->d->n_lost_found, 0);
	assert_int_not_equal(access(t_path(c->mnt, "f"), F_OK), 0);
	must_be(unlink(t_path(c->n, ".mafs/lost+found")), 0);
	core_stop(c);
	assert_true(n_holds(c, ".mafs/lost+found/f", "homeless"));
}

static void test_file_changed_while_away_is_in_conflict(void **state)
{
	struct core *c = *state;

	n_write(c, "f", "first");
	core_killed(c, do_rewrite);
	n_write(c, "f", "changed on disk");
	core_start(c);
	recover(c);
	assert_int_equal(c->d->n_conflicts, 1);
	assert_true(core_holds(c, core_lookup(c, "f"), "changed on disk"));
	core_stop(c);
	assert_true(n_holds(c, "f", "changed on disk"));
	assert_true(n_holds(c, "f.mafs-conflict-1", "rewritten"));
}

static void give_to(struct core *c, const char *name, uid_t uid, mode_t mode)
{
	must_be(chown(t_path(c->n, name), uid, uid), 0);
	must_be(chmod(t_path(c->n, name), mode), 0);
}

static void assert_whose(struct core *c, const char *name, uid_t uid,
			 mode_t mode)
{
	struct stat st;

	must_be(stat(t_path(c->n, name), &st), 0);
	assert_int_equal(st.st_uid, uid);
	assert_int_equal(st.st_mode & 07777, mode);
}

static void do_write_and_rename(struct core *c)
{
	write_closed(c, "f.tmp", "secret");
	rename_to(c, "f.tmp", "f", 0);
}

static void test_conflict_is_named_and_owned_as_the_file_is_now(void **state)
{
	struct core *c = *state;

	core_killed(c, do_write_and_rename);
	n_write(c, "f", "changed on disk");
	give_to(c, "f", 1001, 0600);
	n_write(c, "f.tmp", "somebody else's");
	give_to(c, "f.tmp", 1000, 0644);
	core_start(c);
	core_stop(c);
	assert_true(n_holds(c, "f.mafs-conflict-1", "secret"));
	assert_whose(c, "f.mafs-conflict-1", 1001, 0600);
	assert_false(n_exists(c, "f.tmp.mafs-conflict-1"));
}

static void test_nameless_file_is_not_given_to_who_took_its_name(void **state)
{
	struct core *c = *state;

	core_killed(c, do_write_in_dir);
	must_be(unlink(t_path(c->n, "d/f")), 0);
	n_write(c, "d/g", "keeps the inode number");
	n_write(c, "d/f", "somebody else's");
	give_to(c, "d/f", 1000, 0644);
	core_start(c);
	core_stop(c);
	assert_true(n_holds(c, "d/f.mafs-conflict-1", "homeless"));
	assert_whose(c, "d/f.mafs-conflict-1", 0, 0600);
}

static int full_pwrite(int fd, const void *bytes, size_t len, uint64_t offset)
{
	return -ENOSPC;
}

/* Looked at all that was left, on a full disk that then has room again. */
static void start_on_full_disk(struct core *c)
{
	static struct mafs_tier_ops full;

	full = mafs_tier_disk;
	full.pwrite = full_pwrite;
	core_start_on(c, &full);
	mafsd_recover_stop(c->d);
}

static void killed_with_conflict(struct core *c)
{
	n_write(c, "f", "first");
	core_killed(c, do_rewrite);
	n_write(c, "f", "changed on disk");
}

static void test_conflict_that_found_no_room_is_kept_at_the_end(void **state)
{
	struct core *c = *state;

	killed_with_conflict(c);
	start_on_full_disk(c);
	assert_true(core_holds(c, core_lookup(c, "f"), "changed on disk"));
	assert_false(n_exists(c, "f.mafs-conflict-1"));
	c->d->tier = &mafs_tier_disk;
	core_stop(c);
	assert_true(n_holds(c, "f", "changed on disk"));
	assert_true(n_holds(c, "f.mafs-conflict-1", "rewritten"));
}

static void
test_homeless_file_that_found_no_room_is_made_at_the_end(void **state)
{
	struct core *c = *state;

	core_killed(c, do_write);
	must_be(unlink(t_path(c->n, "f")), 0);
	start_on_full_disk(c);
	c->d->tier = &mafs_tier_disk;
	core_stop(c);
	assert_true(n_holds(c, "f", "written"));
}

static int no_open(struct mafs_memory *memory, const struct mafs_map *map,
		   bool writable, struct mafs_memory_file **ret)
{
	return -EIO;
}

static off_t no_seek(struct mafs_memory_file *file, off_t offset, int whence)
{
	return -EIO;
}

static ssize_t no_bytes(struct mafs_memory_file *file, void *bytes, size_t len,
			uint64_t offset)
{
	return 0;
}

static void test_no_home_is_made_of_bytes_that_cannot_be_read(void **state)
{
	struct mafs_fault fault = MAFS_FAULT_INIT;
	const struct mafs_memory_ops *whole;
	struct mafs_memory_ops broken[3];
	struct core *c = *state;

	core_killed(c, do_write);
	must_be(unlink(t_path(c->n, "f")), 0);
	must_be(mafsd_start(&c->options, &c->d, &fault), 0);
	mafsd_thread_enter();
	mafsd_connect(c->d, &kernel_ops, &c->kernel);
	whole = c->d->memory->ops;
	for (size_t i = 0; i < MAFS_ARRAY_SIZE(broken); i++)
		broken[i] = *whole;
	broken[0].open = no_open;
	broken[1].seek = no_seek;
	broken[2].pread = no_bytes;
	for (size_t i = 0; i < MAFS_ARRAY_SIZE(broken); i++) {
		c->d->memory->ops = &broken[i];
		must_be(mafsd_recover_all(c->d), -EIO);
		assert_false(n_exists(c, "f"));
	}
	c->d->memory->ops = whole;
	must_be(mafsd_run(c->d, &fault), 0);
	core_stop(c);
	assert_true(n_holds(c, "f", "written"));
}

static void test_stop_refuses_while_a_conflict_finds_no_room(void **state)
{
	struct core *c = *state;
	struct mafs_fault fault = MAFS_FAULT_INIT;

	killed_with_conflict(c);
	start_on_full_disk(c);
	must_be(mafsd_stop(c->d, &fault), -ENOSPC);
	mafsd_free(c->d);
	c->d = NULL;

	core_start(c);
	core_stop(c);
	assert_true(n_holds(c, "f.mafs-conflict-1", "rewritten"));
}

/* A `map` of the same file would supersede the copy. */
static void test_file_whose_conflict_waits_stays_at_disk(void **state)
{
	struct core *c = *state;
	struct mafs_fault fault = MAFS_FAULT_INIT;
	uint64_t nodeid, n_moved = 0, n_kept = 0;
	struct mafsd_open *open;

	killed_with_conflict(c);
	start_on_full_disk(c);
	nodeid = core_lookup(c, "f");
	c->d->tier = &mafs_tier_disk;
	must_be(t_pull(c->d, "f", &n_moved, &n_kept, &fault), 0);
	assert_int_equal(n_moved, 0);
	open = core_open(c, nodeid, O_RDWR | O_TRUNC);
	assert_int_equal(open->file->path, MAFSD_D);
	mafsd_release(c->d, open);
	core_stop(c);
	assert_true(n_holds(c, "f.mafs-conflict-1", "rewritten"));
	assert_int_equal(n_size(c, "f"), 0);
}

static void test_owner_and_mode_changed_while_away_are_no_conflict(void **state)
{
	struct core *c = *state;

	n_write(c, "f", "first");
	core_killed(c, do_rewrite);
	must_be(chmod(t_path(c->n, "f"), 0640), 0);
	core_start(c);
	recover(c);
	assert_int_equal(c->d->n_conflicts, 0);
	core_stop(c);
	assert_true(n_holds(c, "f", "rewritten"));
}

static void test_killed_in_write_back_memory_wins(void **state)
{
	void (*const work[])(struct core *) = {
		do_die_in_write,
		do_die_in_set_times,
		do_die_in_flush,
	};
	struct core *c = *state;

	for (size_t i = 0; i < MAFS_ARRAY_SIZE(work); i++) {
		n_write(c, "f", "an older and longer text");
		core_killed(c, work[i]);
		core_start(c);
		recover(c);
		assert_int_equal(c->d->n_conflicts, 0);
		core_stop(c);
		assert_true(n_holds(c, "f", "rewritten"));
	}
}

static void test_clean_copy_is_used_again(void **state)
{
	struct core *c = *state;
	struct mafsd_open *open;

	n_write(c, "f", "on disk");
	core_killed(c, do_pull);
	core_start(c);
	open = core_open(c, core_lookup(c, "f"), O_RDONLY);
	assert_true(open->passthrough);
	assert_int_equal(open->file->path, MAFSD_M);
	mafsd_release(c->d, open);
	core_stop(c);
}

static void test_clean_copy_of_changed_file_goes(void **state)
{
	struct core *c = *state;

	n_write(c, "f", "on disk");
	core_killed(c, do_pull);
	n_write(c, "f", "changed");
	core_start(c);
	assert_true(core_holds(c, core_lookup(c, "f"), "changed"));
	assert_int_equal(n_memory_files(c), 0);
	core_stop(c);
	assert_true(n_holds(c, "f", "changed"));
}

static int survivor[2]; /* a pipe: it lives until something comes */

/* A program that the kernel let write the memory file outlives the daemon. */
static void do_leave_survivor(struct core *c)
{
	struct mafsd_open *open;
	int fd, ready[2];
	char byte;

	core_pull(c, "f");
	open = core_open(c, core_lookup(c, "f"), O_RDONLY);
	must_be(open->file->path, MAFSD_M);
	fd = kernel_reopen(&c->kernel, open->backing_id, O_RDWR);
	must_be(pipe(ready), 0);
	if (fork() > 0) {
		/* The daemon's lock is held until it has closed that too. */
		close(ready[1]);
		must_be(read(ready[0], &byte, 1), 0);
		return;
	}
	must_be(dup2(fd, 0), 0);
	must_be(dup2(survivor[0], 1), 1);
	must_be(pwrite(0, "by prog", 7, 0), 7);
	close_range(3, ~0U, 0);
	must_be(read(1, &byte, 1), 1);
	close(0);
	_exit(0);
}

static void end_survivor(void)
{
	struct pollfd gone = { .fd = survivor[1] };

	must_be(write(survivor[1], "x", 1), 1);
	must_be(poll(&gone, 1, 10000), 1); /* POLLERR: no readers */
	close(survivor[1]);
}

static void test_file_that_a_survivor_writes_is_dirty(void **state)
{
	struct core *c = *state;
	uint64_t nodeid;

	must_be(pipe(survivor), 0);
	n_write(c, "f", "on disk");
	core_killed(c, do_leave_survivor);
	close(survivor[0]);
	core_start(c);
	nodeid = core_lookup(c, "f");
	assert_true(core_holds(c, nodeid, "by prog"));
	assert_true(mafsd_is_dirty(core_file(c, nodeid)));
	/* It stays so until the program is gone. */
	must_be(mafsd_sync(c->d, NULL), 0);
	assert_true(mafsd_is_dirty(core_file(c, nodeid)));
	end_survivor();
	core_stop(c);
	assert_true(n_holds(c, "f", "by prog"));
}

static void test_survivor_counts_where_nothing_passes_through_now(void **state)
{
	struct core *c = *state;
	uint64_t nodeid;

	must_be(pipe(survivor), 0);
	n_write(c, "f", "on disk");
	core_killed(c, do_leave_survivor);
	close(survivor[0]);
	c->kernel.forbids = true;
	core_start(c);
	assert_false(c->d->pass_m);
	nodeid = core_lookup(c, "f");
	assert_true(core_holds(c, nodeid, "by prog"));
	must_be(mafsd_sync(c->d, NULL), 0);
	assert_true(mafsd_is_dirty(core_file(c, nodeid)));
	end_survivor();
	core_stop(c);
	assert_true(n_holds(c, "f", "by prog"));
}

/* A program that the kernel let write the memory file, unseen. */
static void do_store_unseen(struct core *c)
{
	struct mafsd_open *open;
	int fd;

	core_pull(c, "f");
	open = core_open(c, core_lookup(c, "f"), O_RDONLY);
	fd = kernel_reopen(&c->kernel, open->backing_id, O_RDWR);
	must_be(pwrite(fd, "by prog", 7, 0), 7);
}

static const struct mafs_memory_ops *real_memory;
static int n_busy;

/* As if a program were there when the core first looks, and gone then. */
static int busy_open(struct mafs_memory *memory, const struct mafs_map *map,
		     bool writable, struct mafs_memory_file **ret)
{
	return n_busy-- > 0 ? -EBUSY :
			      real_memory->open(memory, map, writable, ret);
}

static void test_truncate_keeps_what_a_survivor_wrote(void **state)
{
	struct core *c = *state;
	struct mafs_memory_ops busy;
	uint64_t nodeid;

	n_write(c, "f", "on disk");
	core_killed(c, do_store_unseen);
	core_start(c);
	nodeid = core_lookup(c, "f");
	real_memory = c->d->memory->ops;
	busy = *real_memory;
	busy.open = busy_open;
	n_busy = 1;
	c->d->memory->ops = &busy;
	core_resize(c, nodeid, 3);
	c->d->memory->ops = real_memory;
	core_stop(c);
	assert_true(n_holds(c, "f", "by "));
}

static void test_clean_end_leaves_nothing_to_find(void **state)
{
	struct core *c = *state;

	core_start(c);
	do_write(c);
	core_stop(c);
	core_start(c);
	assert_int_equal(c->d->journal.n_unclaimed, 0);
	assert_int_equal(n_memory_files(c), 0);
	core_stop(c);
	assert_true(n_holds(c, "f", "written"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CORE_TEST(test_dirty_file_comes_back),
		CORE_TEST(test_file_that_was_open_comes_back),
		CORE_TEST(test_dirty_files_come_back_that_nobody_asks_for),
		CORE_TEST(test_killed_twice_it_still_comes_back),
		CORE_TEST(test_rewritten_file_comes_back_without_conflict),
		CORE_TEST(test_allocated_file_comes_back_without_conflict),
		CORE_TEST(test_renamed_file_comes_back),
		CORE_TEST(test_file_renamed_while_away_comes_back),
		CORE_TEST(test_replaced_file_is_gone_and_the_new_one_is_back),
		CORE_TEST(test_exchanged_files_come_back_exchanged),
		CORE_TEST(test_linked_file_comes_back_under_its_other_name),
		CORE_TEST(test_unlinked_file_goes),
		CORE_TEST(test_what_was_written_after_the_unlink_goes),
		CORE_TEST(test_file_goes_whose_unlink_was_refused_before),
		CORE_TEST(test_what_was_written_after_a_refused_unlink_stays),
		CORE_TEST(test_intent_without_unlink_loses_nothing),
		CORE_TEST(test_file_removed_while_away_is_made_again),
		CORE_TEST(test_file_whose_name_was_taken_is_kept_beside_it),
		CORE_TEST(test_file_without_directory_is_in_lost_and_found),
		CORE_TEST(test_file_moved_during_the_walk_is_not_nameless),
		CORE_TEST(test_link_for_lost_and_found_leads_nowhere),
		CORE_TEST(test_file_changed_while_away_is_in_conflict),
		CORE_TEST(test_conflict_is_named_and_owned_as_the_file_is_now),
		CORE_TEST(test_nameless_file_is_not_given_to_who_took_its_name),
		CORE_TEST(test_conflict_that_found_no_room_is_kept_at_the_end),
		CORE_TEST(
			test_homeless_file_that_found_no_room_is_made_at_the_end),
		CORE_TEST(test_no_home_is_made_of_bytes_that_cannot_be_read),
		CORE_TEST(test_stop_refuses_while_a_conflict_finds_no_room),
		CORE_TEST(test_file_whose_conflict_waits_stays_at_disk),
		CORE_TEST(
			test_owner_and_mode_changed_while_away_are_no_conflict),
		CORE_TEST(test_killed_in_write_back_memory_wins),
		CORE_TEST(test_clean_copy_is_used_again),
		CORE_TEST(test_clean_copy_of_changed_file_goes),
		CORE_TEST(test_file_that_a_survivor_writes_is_dirty),
		CORE_TEST(
			test_survivor_counts_where_nothing_passes_through_now),
		CORE_TEST(test_truncate_keeps_what_a_survivor_wrote),
		CORE_TEST(test_clean_end_leaves_nothing_to_find),
	};
	int r = t_become_private();

	return r ? r : cmocka_run_group_tests(tests, NULL, NULL);
}
