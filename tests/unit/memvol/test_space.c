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

#define N_PIECES 600000U /* more than a record of the log holds */

/* Refused with a word of its own; the file stays as the log has it. */
static void test_change_of_too_many_extents_is_efbig(void **state)
{
	struct vol *v = v_new(1, SIZE);
	struct mafsm_inode *inode;
	struct mafs_layout kept;

	must_be(v_create(v, 0, "f"), 0);
	must_be(v_write(v, 0, 0, "bytes", 5), 0);
	inode = mafsm_inode(v->m, v->file_ids[0]);
	kept = inode->layout;
	inode->layout = (struct mafs_layout){
		.runs = calloc(N_PIECES, sizeof(*kept.runs)),
		.n_runs = N_PIECES,
		.capacity = N_PIECES,
	};
	must(inode->layout.runs);
	for (uint64_t i = 0; i < N_PIECES; i++)
		inode->layout.runs[i] = (struct mafs_run){
			.file_offset = i * 4096,
			.offset = (N_PIECES - i) * 8192,
			.length = 4096,
		};
	must_be(mafsm_log_layout(v->m, inode, N_PIECES * 4096ULL, false),
		-EFBIG);
	mafs_layout_done(&inode->layout);
	inode->layout = kept;
	must_be(inode->node->size_bytes, 5);
	must_be(v_write(v, 0, 5, "more", 4), 0);
	must_be(v_close(v, 0), 0);
	v_free(v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_was_removed_makes_room_at_once),
		cmocka_unit_test(test_change_of_too_many_extents_is_efbig),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
