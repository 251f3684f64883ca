// SPDX-License-Identifier: Apache-2.0
/* What people want of files and directories, and that it holds. */
#include "core_fixture.h"

#include <sys/xattr.h>

static void make_dir(struct core *c, const char *name)
{
	must_be(mkdir(t_path(c->n, name), 0755), 0);
}

static uint64_t lookup(struct core *c, uint64_t dir, const char *name)
{
	struct mafsd_entry entry;

	must_be(mafsd_lookup(c->d, dir, name, &entry), 0);
	return entry.nodeid;
}

static void set(struct core *c, const char *path, enum mafsd_policy policy)
{
	struct mafs_fault fault = MAFS_FAULT_INIT;
	uint64_t n_moved, n_kept;

	must_be(t_policy_set(c->d, path, policy, &n_moved, &n_kept, &fault), 0);
}

static enum mafsd_policy effective(struct core *c, const char *path)
{
	struct mafs_fault fault = MAFS_FAULT_INIT;
	struct mafsd_policy_info info;

	must_be(mafsd_policy_get(c->d, NULL, path, &info, &fault), 0);
	return info.effective;
}

static bool is_hot(struct core *c, const char *path)
{
	struct mafs_fault fault = MAFS_FAULT_INIT;
	struct mafsd_file_info info;
	bool hot;

	must_be(mafsd_file_info(c->d, NULL, path, &info, &fault), 0);
	hot = !strcmp(info.tier, "memory");
	mafs_map_done(&info.map);
	return hot;
}

static void wait_hot(struct core *c, const char *path)
{
	for (int i = 0; i < 1000 && !is_hot(c, path); i++)
		usleep(10000);
	must(is_hot(c, path));
}

static void read_once(struct core *c, uint64_t nodeid)
{
	mafsd_release(c->d, core_open(c, nodeid, O_RDONLY));
}

/* ---- what counts ---- */

static void test_policy_is_the_nearest_above(void **state)
{
	struct mafs_fault fault = MAFS_FAULT_INIT;
	struct mafsd_policy_info info;
	struct core *c = *state;

	make_dir(c, "a");
	make_dir(c, "a/b");
	n_write(c, "a/b/f", "1");
	core_start(c);
	must_be(effective(c, "a/b/f"), MAFSD_POLICY_TIERED);
	set(c, "a", MAFSD_POLICY_HOT);
	must_be(effective(c, "a/b/f"), MAFSD_POLICY_HOT);
	set(c, "a/b/f", MAFSD_POLICY_COLD);
	must_be(effective(c, "a/b/f"), MAFSD_POLICY_COLD);
	must_be(effective(c, "a/b"), MAFSD_POLICY_HOT);
	set(c, "a/b/f", MAFSD_POLICY_INHERIT);
	set(c, "a/b/f", MAFSD_POLICY_INHERIT); /* there is none: fine */
	must_be(mafsd_policy_get(c->d, NULL, "a/b/f", &info, &fault), 0);
	must_be(info.own, MAFSD_POLICY_INHERIT);
	must_be(info.effective, MAFSD_POLICY_HOT);
	assert_string_equal(info.from, "a");
	set(c, "", MAFSD_POLICY_COLD);
	must_be(effective(c, "a/b/f"), MAFSD_POLICY_HOT);
	must_be(effective(c, ""), MAFSD_POLICY_COLD);
	core_stop(c);
	core_start(c); /* N has it */
	must_be(effective(c, "a/b/f"), MAFSD_POLICY_HOT);
	core_stop(c);
}

static void test_moved_file_has_the_policy_of_its_new_place(void **state)
{
	struct core *c = *state;
	uint64_t a, b;

	make_dir(c, "a");
	make_dir(c, "b");
	n_write(c, "a/f", "1");
	core_start(c);
	a = core_lookup(c, "a");
	b = core_lookup(c, "b");
	set(c, "a", MAFSD_POLICY_PINNED);
	must(is_hot(c, "a/f"));
	must(mafsd_queue_pinned(c->d, NULL) == 4096);
	must_be(mafsd_rename(c->d, a, "f", b, "f", 0), 0);
	must_be(effective(c, "b/f"), MAFSD_POLICY_TIERED);
	must_be(mafsd_queue_pinned(c->d, NULL), 0);
	must_be(mafsd_rename(c->d, b, "f", a, "f", 0), 0);
	must(mafsd_queue_pinned(c->d, NULL) == 4096);
	/* A directory takes all below it along. */
	must_be(mafsd_mkdir(c->d, &t_root, b, "d", 0755,
			    &(struct mafsd_entry){ 0 }),
		0);
	must_be(mafsd_rename(c->d, a, "f", lookup(c, b, "d"), "f", 0), 0);
	set(c, "b", MAFSD_POLICY_PINNED);
	must_be(mafsd_rename(c->d, b, "d", MAFSD_ROOT_ID, "d", 0), 0);
	must_be(effective(c, "d/f"), MAFSD_POLICY_TIERED);
	must_be(mafsd_space_make_room(c->d, 1), 0);
	must(!is_hot(c, "d/f"));
	core_stop(c);
}

/* ---- pinned ---- */

static void test_pinned_file_comes_up_and_is_never_evicted(void **state)
{
	struct mafs_fault fault = MAFS_FAULT_INIT;
	uint64_t n_moved, n_kept, n = 0;
	struct core *c = *state;

	n_write_pattern(c, "f", MIB);
	n_write_pattern(c, "g", MIB);
	core_start(c);
	must_be(t_pin(c->d, "f", &n_moved, &n_kept, &fault), 0);
	must_be(n_moved, 1);
	must_be(n_kept, 0);
	core_pull(c, "g");
	must(is_hot(c, "f") && is_hot(c, "g"));
	must_be(mafsd_space_make_room(c->d, 64 * MIB), 0);
	must_be(mafsd_space_make_room(c->d, 64 * MIB), -ENOSPC);
	must(is_hot(c, "f") && !is_hot(c, "g"));
	/* Nor by hand. */
	must_be(t_push(c->d, "f", &n_moved, &n_kept, &fault), 0);
	must_be(n_kept, 1);
	must(is_hot(c, "f"));
	must_be(mafsd_unpin(c->d, NULL, "", &n, &fault), 0);
	must_be(n, 1);
	must_be(mafsd_space_make_room(c->d, 64 * MIB), 0);
	must(!is_hot(c, "f"));
	core_stop(c);
}

static void test_pinned_file_is_pinned_for_the_next_daemon(void **state)
{
	struct core *c = *state;

	n_write_pattern(c, "f", MIB);
	core_start(c);
	set(c, "f", MAFSD_POLICY_PINNED);
	core_stop(c);
	core_start(c);
	must(!is_hot(c, "f"));
	read_once(c, core_lookup(c, "f"));
	wait_hot(c, "f");
	must_be(mafsd_space_make_room(c->d, 64 * MIB), -ENOSPC);
	must(is_hot(c, "f"));
	core_stop(c);
}

static void pin_and_pull(struct core *c)
{
	set(c, "f", MAFSD_POLICY_PINNED);
	must(is_hot(c, "f"));
}

static void test_pinned_file_outlives_a_killed_daemon(void **state)
{
	struct core *c = *state;

	n_write_pattern(c, "f", MIB);
	core_killed(c, pin_and_pull);
	core_start(c);
	(void)core_lookup(c, "f");
	must(is_hot(c, "f"));
	must_be(mafsd_space_make_room(c->d, 64 * MIB), -ENOSPC);
	must(is_hot(c, "f"));
	must(mafsd_queue_pinned(c->d, NULL) == MIB);
	core_stop(c);
}

static void test_pinning_more_than_memory_holds_changes_nothing(void **state)
{
	struct mafs_fault fault = MAFS_FAULT_INIT;
	uint64_t n_moved = 0, n_kept = 0;
	struct core *c = *state;

	make_dir(c, "a");
	make_dir(c, "b");
	n_write_pattern(c, "a/f", 30 * MIB);
	n_write_pattern(c, "b/f", 30 * MIB);
	n_write_pattern(c, "b/g", 10 * MIB);
	core_start(c);
	set(c, "a", MAFSD_POLICY_PINNED);
	must_be(t_pin(c->d, "b", &n_moved, &n_kept, &fault), -ENOSPC);
	assert_non_null(strstr(fault.what, "nothing was changed"));
	must_be(effective(c, "b"), MAFSD_POLICY_TIERED);
	must(!is_hot(c, "b/f") && !is_hot(c, "b/g"));
	must(getxattr(t_path(c->n, "b"), "trusted.mafs.policy", NULL, 0) < 0);
	/* What is below with a policy of its own does not count. */
	set(c, "b/f", MAFSD_POLICY_COLD);
	set(c, "b", MAFSD_POLICY_PINNED);
	must(!is_hot(c, "b/f") && is_hot(c, "b/g"));
	must(mafsd_queue_pinned(c->d, NULL) == 40 * MIB);
	core_stop(c);
}

static void test_unpin_names_the_directory_that_is_pinned(void **state)
{
	struct mafs_fault fault = MAFS_FAULT_INIT;
	struct core *c = *state;
	uint64_t n;

	make_dir(c, "a");
	n_write(c, "a/f", "1");
	core_start(c);
	set(c, "a", MAFSD_POLICY_PINNED);
	must_be(mafsd_unpin(c->d, NULL, "a/f", &n, &fault), -EBUSY);
	assert_non_null(strstr(fault.what, "/a "));
	must_be(mafsd_unpin(c->d, NULL, "a", &n, &fault), 0);
	must_be(effective(c, "a/f"), MAFSD_POLICY_TIERED);
	core_stop(c);
}

static void test_pinned_file_written_at_n_comes_up_again(void **state)
{
	struct mafsd_open *open;
	struct core *c = *state;
	uint64_t f;
	int fd;

	n_write(c, "f", "old text");
	core_start(c);
	if (!c->d->pass_n)
		skip(); /* then it is written in memory */
	f = core_lookup(c, "f");
	set(c, "f", MAFSD_POLICY_PINNED);
	usleep(30000); /* a write shows in N's times */
	open = core_open(c, f, O_WRONLY);
	must(open->passthrough);
	fd = kernel_reopen(&c->kernel, open->backing_id, O_WRONLY);
	must_be(pwrite(fd, "new", 3, 0), 3);
	close(fd);
	mafsd_release(c->d, open);
	wait_hot(c, "f");
	must(core_holds(c, f, "new text"));
	core_stop(c);
}

/* ---- hot and cold ---- */

static void test_hot_file_comes_up_at_its_first_read(void **state)
{
	struct core *c = *state;

	make_dir(c, "a");
	n_write(c, "a/f", "1");
	n_write(c, "g", "1");
	core_start(c);
	set(c, "a", MAFSD_POLICY_HOT);
	read_once(c, core_lookup(c, "g"));
	read_once(c, lookup(c, core_lookup(c, "a"), "f"));
	wait_hot(c, "a/f");
	must(!is_hot(c, "g"));
	must_be(mafsd_space_make_room(c->d, 1), 0); /* not pinned */
	must(!is_hot(c, "a/f"));
	core_stop(c);
}

static void test_cold_file_is_never_in_memory(void **state)
{
	struct mafs_fault fault = MAFS_FAULT_INIT;
	uint64_t n_moved, n_kept, cold;
	struct mafsd_open *open;
	struct mafsd_entry entry;
	struct core *c = *state;

	make_dir(c, "cold");
	n_write(c, "cold/f", "1");
	core_option(c, "promote", "1h");
	core_start(c);
	core_pull(c, "cold");
	must(is_hot(c, "cold/f"));
	set(c, "cold", MAFSD_POLICY_COLD);
	must(!is_hot(c, "cold/f")); /* at once */
	cold = core_lookup(c, "cold");
	for (int i = 0; i < 3; i++)
		read_once(c, lookup(c, cold, "f"));
	must_be(t_pull(c->d, "cold", &n_moved, &n_kept, &fault), 0);
	must_be(n_kept, 1);
	must(!is_hot(c, "cold/f"));
	/* New files, and emptied ones. */
	must_be(mafsd_create(c->d, &t_root, cold, "new", 0644, O_WRONLY, &entry,
			     &open),
		0);
	must(open->passthrough || open->file->on_n);
	mafsd_release(c->d, open);
	must(!is_hot(c, "cold/new"));
	open = core_open(c, lookup(c, cold, "f"), O_WRONLY | O_TRUNC);
	must(open->passthrough || open->file->on_n);
	must_be(n_size(c, "cold/f"), 0);
	mafsd_release(c->d, open);
	must_be(c->d->n_hot, 0);
	core_stop(c);
}

/* ---- the xattr ---- */

static void test_xattr_is_set_by_the_owner_alone(void **state)
{
	static const struct mafsd_caller owner = { .uid = 1000, .gid = 1000 };
	static const struct mafsd_caller other = { .uid = 1001, .gid = 1000 };
	struct core *c = *state;
	char value[64];
	uint64_t f;

	if (geteuid() != 0)
		skip();
	n_write(c, "f", "1");
	must_be(chown(t_path(c->n, "f"), 1000, 1000), 0);
	core_start(c);
	f = core_lookup(c, "f");
	must_be(mafsd_policy_setxattr(c->d, &other, f, "hot", 3, 0), -EPERM);
	must_be(mafsd_policy_setxattr(c->d, &owner, f, "warm", 4, 0), -EINVAL);
	must_be(mafsd_policy_setxattr(c->d, &owner, f, "", 0, 0), -EINVAL);
	must_be(mafsd_policy_setxattr(c->d, &owner, f, "inherit", 7, 0),
		-EINVAL);
	must_be(mafsd_getxattr(c->d, f, MAFSD_POLICY_XATTR, value, 64), 6);
	assert_memory_equal(value, "tiered", 6);
	must_be(mafsd_policy_setxattr(c->d, &owner, f, "hot", 3, 0), 0);
	must_be(mafsd_getxattr(c->d, f, MAFSD_POLICY_XATTR, value, 64), 3);
	must_be(mafsd_policy_setxattr(c->d, &owner, f, "cold", 4, XATTR_CREATE),
		-EEXIST);
	must_be(mafsd_listxattr(c->d, &t_root, f, value, 64), 0);
	must_be(mafsd_policy_setxattr(c->d, &other, f, NULL, 0, 0), -EPERM);
	must_be(mafsd_policy_setxattr(c->d, &owner, f, NULL, 0, 0), 0);
	must_be(mafsd_policy_setxattr(c->d, &owner, f, NULL, 0, 0), -ENODATA);
	must_be(effective(c, "f"), MAFSD_POLICY_TIERED);
	must_be(mafsd_setxattr(c->d, &owner, NULL, 0, f, "user.mafs.tier", "x",
			       1, 0),
		-EPERM);
	core_stop(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CORE_TEST(test_policy_is_the_nearest_above),
		CORE_TEST(test_moved_file_has_the_policy_of_its_new_place),
		CORE_TEST(test_pinned_file_comes_up_and_is_never_evicted),
		CORE_TEST(test_pinned_file_is_pinned_for_the_next_daemon),
		CORE_TEST(test_pinned_file_outlives_a_killed_daemon),
		CORE_TEST(test_pinning_more_than_memory_holds_changes_nothing),
		CORE_TEST(test_unpin_names_the_directory_that_is_pinned),
		CORE_TEST(test_pinned_file_written_at_n_comes_up_again),
		CORE_TEST(test_hot_file_comes_up_at_its_first_read),
		CORE_TEST(test_cold_file_is_never_in_memory),
		CORE_TEST(test_xattr_is_set_by_the_owner_alone),
	};

	return cmocka_run_group_tests_name("core.policy", tests, NULL, NULL);
}
