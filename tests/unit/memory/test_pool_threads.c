// SPDX-License-Identifier: Apache-2.0
/*
 * Files made, checked and given back by several threads, on two devices, while
 * the log of the first grows and is cut.
 *
 * ctest: labels=tsan
 */
#include "device_fixture.h"

#include <errno.h>
#include <mafs/log.h>
#include <mafs/pool.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#define UNIT 4096U
#define ROUNDS 300

struct work {
	struct mafs_pool *pool;
	uint32_t seed;
	const char *wrong; /* of this thread */
	atomic_bool *stop;
};

static uint32_t next_random(uint32_t *seed)
{
	*seed = *seed * 1664525U + 1013904223U;
	return *seed >> 8;
}

static bool is_all(const uint8_t *bytes, uint8_t value, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (bytes[i] != value)
			return false;
	return true;
}

/* One file, from its making to its end. */
static const char *one_file(struct work *work, struct mafs_layout *layout,
			    uint8_t *bytes, size_t len)
{
	uint8_t value = (uint8_t)work->seed;
	struct mafs_layout added, removed;

	if (mafs_pool_fill(work->pool, layout, 0, len, &added))
		return NULL; /* full for the moment */
	mafs_layout_done(&added);
	memset(bytes, value, len);
	if (mafs_pool_write(work->pool, layout, bytes, len, 0) ||
	    mafs_pool_flush(work->pool, layout, 0, len))
		return "write";
	memset(bytes, 0, len);
	if (mafs_pool_read(work->pool, layout, bytes, len, 0) ||
	    !is_all(bytes, value, len))
		return "read";
	if (mafs_pool_cut(work->pool, layout, 0, UINT64_MAX, &removed))
		return "cut";
	mafs_pool_give(work->pool, &removed, value % 2);
	mafs_layout_done(&removed);
	return NULL;
}

static void *make_files(void *context)
{
	struct work *work = context;
	size_t max = 40 * UNIT;
	_cleanup_free_ uint8_t *bytes = malloc(max);

	for (int i = 0; i < ROUNDS && !work->wrong; i++) {
		_cleanup_(mafs_layout_done) struct mafs_layout layout = {};
		size_t len = 1 + next_random(&work->seed) % max;

		work->wrong = one_file(work, &layout, bytes, len);
		if (i % 8 == 0 && mafs_pool_settle(work->pool))
			work->wrong = "settle";
	}
	return NULL;
}

static void *grow_log(void *context)
{
	struct work *work = context;
	struct mafs_media *media = &mafs_pool_device(work->pool, 0)->media;
	const uint8_t bytes[1000] = { 1 };

	while (!atomic_load(work->stop) && !work->wrong) {
		for (uint64_t at = 0; at < 300000; at += sizeof(bytes)) {
			int err = media->ops->write(media, MAFS_REGION_LOG_A,
						    at, bytes, sizeof(bytes));

			if (err && err != -ENOSPC)
				work->wrong = "log";
		}
		if (media->ops->truncate(media, MAFS_REGION_LOG_A, 0))
			work->wrong = "truncate";
	}
	return NULL;
}

static void *look(void *context)
{
	struct work *work = context;

	while (!atomic_load(work->stop)) {
		struct mafs_pool_usage usage;

		mafs_pool_usage(work->pool, &usage);
		if (usage.free_bytes + usage.log_bytes > usage.size_bytes)
			work->wrong = "usage";
		(void)mafs_pool_has_log_room(work->pool);
	}
	return NULL;
}

static void test_threads_share_the_pool(void **state)
{
	void *(*const bodies[])(void *) = { make_files, make_files, make_files,
					    grow_log, look };
	pthread_t threads[MAFS_ARRAY_SIZE(bodies)];
	struct work works[MAFS_ARRAY_SIZE(bodies)];
	struct mafs_pool_usage before, after;
	atomic_bool stop = false;
	struct mafs_pool *pool;

	assert_int_equal(mafs_pool_new(&pool), 0);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(mafs_pool_add(pool, t_device(2 * T_MIB, i)),
				 0);
	mafs_pool_usage(pool, &before);
	for (size_t i = 0; i < MAFS_ARRAY_SIZE(bodies); i++) {
		works[i] = (struct work){ .pool = pool,
					  .seed = (uint32_t)i + 1,
					  .stop = &stop };
		assert_int_equal(pthread_create(&threads[i], NULL, bodies[i],
						&works[i]),
				 0);
	}
	for (size_t i = 0; i < MAFS_ARRAY_SIZE(bodies); i++) {
		if (i == 3)
			atomic_store(&stop, true);
		pthread_join(threads[i], NULL);
	}
	for (size_t i = 0; i < MAFS_ARRAY_SIZE(bodies); i++)
		if (works[i].wrong)
			fail_msg("thread %zu: %s", i, works[i].wrong);
	assert_int_equal(mafs_pool_settle(pool), 0);
	mafs_pool_usage(pool, &after);
	assert_int_equal(after.free_bytes, before.free_bytes);
	mafs_pool_free(pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_threads_share_the_pool),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
