// SPDX-License-Identifier: Apache-2.0
/*
 * Space of a memory volume that is full, without the tender's help.
 *
 * ctest: wrap=mafs_device_open,mafs_memory_session_open
 */
#include "seen.h"

#define SIZE (2048 * KIB)

static struct vol *fill(struct vol *v, const char *name)
{
	static const char bytes[64 * KIB] = "bytes";
	uint64_t at = 0;
	ssize_t n = 1;

	must_be(v_create(v, 0, name), 0);
	while (n > 0) {
		n = mafsm_write_bytes(&v->m->fs, &caller, v->files[0], bytes,
				      sizeof(bytes), at, 0, false, true);
		at += n > 0 ? (uint64_t)n : 0;
	}
	must_be(n, -ENOSPC);
	must_be(v_close(v, 0), 0);
	return v;
}

static void test_what_was_removed_makes_room_at_once(void **state)
{
	struct vol *v = v_new(1, SIZE);

	for (int i = 0; i < 3; i++) {
		fill(v, "full");
		must_be(v_create(v, 0, "more"), -ENOSPC);
		must_be(v_mkdir(v, "dir"), -ENOSPC);
		must_be(v_remove(v, "full", false), 0);
		must_be(v_create(v, 0, "more"), 0);
		must_be(v_close(v, 0), 0);
		must_be(v_remove(v, "more", false), 0);
	}
	v_free(v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_was_removed_makes_room_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
