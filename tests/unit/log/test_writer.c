// SPDX-License-Identifier: Apache-2.0
#include "log_fixture.h"
#include "media_memory.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void test_appended_entries_are_read_back(void **state)
{
	_cleanup_media_memory_ struct media_memory *memory =
		media_memory_new(0);
	struct mafs_log *log;

	t_log_format(&memory->media, 0);
	log = t_log_open(&memory->media);
	for (uint64_t id = 1; id <= 100; id++)
		assert_int_equal(t_append(log, id), 0);
	{
		_cleanup_replayed_ struct t_replayed replayed =
			t_replay(&memory->media);

		assert_int_equal(replayed.result, 0);
		assert_int_equal(replayed.tail, MAFS_LOG_TAIL_CLEAN);
		assert_int_equal(replayed.n_ids, 100);
		assert_int_equal(replayed.end.seq, 100);
	}
	mafs_log_close(log);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_appended_entries_are_read_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
