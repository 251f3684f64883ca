// SPDX-License-Identifier: Apache-2.0
/* The clock on the wall is set while the daemon waits: back by an hour, as the
 * daemon sees it. What waits must not wait for that hour. */
#include "core_fixture.h"

#include <poll.h>
#include <sys/syscall.h>

#define SOON_MS 10000

static atomic_bool set_back;

/* In place of the C library's: what is read now is an hour away by the clock
 * that the kernel waits by. */
int clock_gettime(clockid_t clock, struct timespec *ret)
{
	long r = syscall(SYS_clock_gettime, clock, ret);

	if (r == 0 && clock == CLOCK_REALTIME && atomic_load(&set_back))
		ret->tv_sec += 3600;
	return (int)r;
}

static int setup(void **state)
{
	int r = core_setup(state);

	atomic_store(&set_back, true);
	return r;
}

static int teardown(void **state)
{
	atomic_store(&set_back, false);
	return core_teardown(state);
}

static bool becomes(struct core *c, bool (*holds)(struct core *c))
{
	int64_t end = mafsd_now_ms() + SOON_MS;

	while (!holds(c) && mafsd_now_ms() < end)
		poll(NULL, 0, 5);
	return holds(c);
}

static void make_file(struct core *c, const char *text)
{
	struct mafsd_open *open = core_create(c, "f", O_RDWR, NULL);

	core_write_text(c, open, text);
	mafsd_release(c->d, open);
}

static bool is_down(struct core *c)
{
	return n_holds(c, "f", "bytes");
}

static void test_files_go_down_when_they_are_due(void **state)
{
	struct core *c = *state;

	core_option(c, "writeback_after", "100ms");
	core_start(c);
	poll(NULL, 0, 200); /* the thread waits */
	make_file(c, "bytes");
	must(becomes(c, is_down));
	core_stop(c);
}

static bool is_short(struct core *c)
{
	return atomic_load(&c->d->pressure.is_short);
}

static void test_pressure_is_looked_at(void **state)
{
	char path[3 * T_PLACE_LEN];
	struct core *c = *state;
	FILE *file;

	snprintf(path, sizeof(path), "%s/pressure", c->place);
	c->options.pressure_path = path;
	file = fopen(path, "we");
	must(file);
	fputs("some avg10=0.00 avg60=0.00 avg300=0.00 total=0\n", file);
	fclose(file);
	core_start(c);
	poll(NULL, 0, 200);
	file = fopen(path, "we");
	must(file);
	fputs("some avg10=50.00 avg60=0.00 avg300=0.00 total=0\n", file);
	fclose(file);
	must(becomes(c, is_short));
	core_stop(c);
}

static bool hangs;

static int hanging_statvfs(int fd, struct statvfs *ret)
{
	while (__atomic_load_n(&hangs, __ATOMIC_RELAXED))
		poll(NULL, 0, 5);
	return mafs_tier_disk.statvfs(fd, ret);
}

static void *end_hang(void *argument)
{
	poll(NULL, 0, SOON_MS / 2);
	__atomic_store_n(&hangs, false, __ATOMIC_RELAXED);
	return NULL;
}

static void test_disk_that_hangs_is_waited_for_a_moment(void **state)
{
	static struct mafs_tier_ops tier;
	struct core *c = *state;
	struct statvfs vfs;
	pthread_t thread;
	int64_t begun;

	tier = mafs_tier_disk;
	tier.statvfs = hanging_statvfs;
	core_start_on(c, &tier);
	__atomic_store_n(&hangs, true, __ATOMIC_RELAXED);
	must_be(pthread_create(&thread, NULL, end_hang, NULL), 0);
	begun = mafsd_now_ms();
	(void)mafsd_statfs(c->d, &vfs);
	must(mafsd_now_ms() - begun < SOON_MS / 4);
	must_be(pthread_join(thread, NULL), 0);
	core_stop(c);
}

#define CLOCK_TEST(function) \
	cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CLOCK_TEST(test_files_go_down_when_they_are_due),
		CLOCK_TEST(test_pressure_is_looked_at),
		CLOCK_TEST(test_disk_that_hangs_is_waited_for_a_moment),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
