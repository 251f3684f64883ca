// SPDX-License-Identifier: Apache-2.0
/*
 * The same while the log is checkpointed and grows: requests come between any
 * two pieces of the checkpoint.
 *
 * ctest: labels=crash wrap=mafs_device_open,mafs_memory_session_open
 */
#include "requests.h"

#include <linux/fs.h>

#define SIZE (1024 * KIB)

static struct stops stops;

static struct stops *begin(void)
{
	stops_begin(&stops, 1, SIZE);
	return &stops;
}

static void make_tree(struct stops *s)
{
	static const char *const names[] = { "f0", "f1", "d/f2", "d/f3",
					     "e/f4" };

	DO(s, v_mkdir, "d");
	DO(s, v_mkdir, "e");
	DO(s, v_mkdir, "e/g");
	for (size_t i = 0; i < MAFS_ARRAY_SIZE(names); i++) {
		DO(s, v_create, 0, names[i]);
		append(s, 0, i, 0, 3000 + 4000 * i);
		DO_SYNC(s, v_close, 0);
	}
	DO(s, v_setxattr, "d", "user.a", "value", 5);
	DO(s, v_symlink, "target", "e/link");
}

static void test_a_checkpoint_says_the_same(void **state)
{
	struct stops *s = begin();

	make_tree(s);
	checkpoint(s, NULL);
	DO(s, v_remove, "f0", false);
	checkpoint(s, NULL);
	DO(s, v_create, 0, "new");
	DO_SYNC(s, v_close, 0);
	stops_end(s, "checkpoint");
}

static void change_something(struct stops *s, unsigned int piece)
{
	switch (piece) {
	case 0:
		DO(s, v_rename, "f0", "e/f0", 0);
		break;
	case 1:
		DO(s, v_remove, "f1", false);
		break;
	case 2:
		DO(s, v_create, 0, "f1");
		append(s, 0, 17, 0, 6000);
		DO_SYNC(s, v_close, 0);
		break;
	case 3:
		DO(s, v_rename, "e", "d/e", 0);
		break;
	case 4:
		truncate_to(s, "d/f3", 5000);
		break;
	case 5:
		DO(s, v_open, 0, "d/f3", O_RDWR);
		append(s, 0, 18, 5000, 20000);
		DO_SYNC(s, v_close, 0);
		break;
	case 6:
		DO(s, v_link, "d/f2", "f0");
		DO(s, v_remove, "d/f2", false);
		break;
	case 7:
		DO(s, v_removexattr, "d", "user.a");
		DO(s, v_rename, "d/e/g", "g", 0);
		DO(s, v_rename, "d/e", "g/e", 0);
		break;
	case 8:
		DO(s, v_rename, "f0", "f1", RENAME_EXCHANGE);
		DO(s, v_rename, "d/f3", "f0", 0);
		break;
	case 9:
		DO(s, v_remove, "d", true);
		DO(s, v_mkdir, "d");
		break;
	}
}

static void test_changes_beside_a_checkpoint_are_kept(void **state)
{
	struct stops *s = begin();

	make_tree(s);
	checkpoint(s, change_something);
	DO(s, v_mkdir, "behind");
	checkpoint(s, NULL);
	stops_end(s, "beside checkpoint");
}

static void test_what_had_no_name_in_a_checkpoint_may_get_one(void **state)
{
	struct stops *s = begin();

	DO(s, v_tmpfile, 0);
	append(s, 0, 1, 0, 9000);
	checkpoint(s, NULL);
	DO(s, v_link_id, s->v->file_ids[0], "f");
	DO_SYNC(s, v_close, 0);
	stops_end(s, "nameless in checkpoint");
}

static void test_what_is_open_in_a_checkpoint_may_go(void **state)
{
	struct stops *s = begin();

	DO(s, v_create, 0, "f");
	append(s, 0, 1, 0, 9000);
	DO(s, v_remove, "f", false);
	checkpoint(s, NULL);
	append(s, 0, 1, 9000, 9000);
	DO(s, v_close, 0);
	must_be(mafs_pool_settle(s->v->m->pool), 0);
	/* Its extents are another's now. */
	DO(s, v_create, 0, "g");
	append(s, 0, 2, 0, 200000);
	DO_SYNC(s, v_close, 0);
	checkpoint(s, NULL);
	stops_end(s, "open in checkpoint");
}

/* ---- segments ---- */

static void test_the_log_grows_and_shrinks(void **state)
{
	static const char value[30000] = "value";
	struct stops *s = begin();

	DO(s, v_create, 0, "f");
	append(s, 0, 1, 0, 9000);
	DO_SYNC(s, v_close, 0);
	for (int i = 0; i < 4; i++)
		DO(s, v_setxattr, "f", "user.a", value, sizeof(value) - i);
	DO(s, v_setxattr, "f", "user.b", value, sizeof(value));
	DO(s, v_setxattr, "f", "user.c", value, sizeof(value));
	must(mafs_device_log_bytes(mafs_pool_device(s->v->m->pool, 0)) > 0);
	checkpoint(s, NULL);
	DO(s, v_removexattr, "f", "user.a");
	DO(s, v_removexattr, "f", "user.b");
	DO(s, v_removexattr, "f", "user.c");
	checkpoint(s, NULL);
	must_be(mafs_device_log_bytes(mafs_pool_device(s->v->m->pool, 0)), 0);
	stops_end(s, "segments");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_checkpoint_says_the_same),
		cmocka_unit_test(test_changes_beside_a_checkpoint_are_kept),
		cmocka_unit_test(
			test_what_had_no_name_in_a_checkpoint_may_get_one),
		cmocka_unit_test(test_what_is_open_in_a_checkpoint_may_go),
		cmocka_unit_test(test_the_log_grows_and_shrinks),
	};

	keep_pages();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
