// SPDX-License-Identifier: Apache-2.0
/* What is counted of the use of files, and which are known as the hottest. */
#include "core_fixture.h"

#define N_FILES 500
#define N_HOT 5

/* One more that each time another file is opened. */
static void use(struct core *c, const uint64_t *nodes, size_t n_rounds)
{
	for (size_t round = 0; round < n_rounds; round++)
		for (size_t i = 0; i < N_FILES; i++) {
			mafsd_release(c->d, core_open(c, nodes[i], O_RDONLY));
			/* f0 twice as often as f1, and so on. */
			for (size_t hot = 0; hot < N_HOT; hot++)
				if (i % (20U << hot) == 0)
					mafsd_release(c->d,
						      core_open(c, nodes[hot],
								O_RDONLY));
		}
}

struct seen {
	char paths[MAFSD_N_HOTTEST][16];
	double n_opens[MAFSD_N_HOTTEST];
	size_t n;
};

static int see(void *context, const char *path, double n_opens,
	       const struct mafsd_file_info *info)
{
	struct seen *seen = context;

	must(S_ISREG(info->st.st_mode));
	snprintf(seen->paths[seen->n], sizeof(seen->paths[0]), "%s", path);
	seen->n_opens[seen->n++] = n_opens;
	return 0;
}

static void test_most_opened_are_found_among_many(void **state)
{
	struct core *c = *state;
	static uint64_t nodes[N_FILES];
	struct seen seen = { .n = 0 };
	char name[16];

	core_start(c);
	for (size_t i = 0; i < N_FILES; i++) {
		snprintf(name, sizeof(name), "f%zu", i);
		n_write_pattern(c, name, 10);
		nodes[i] = core_lookup(c, name);
	}
	use(c, nodes, 20);
	must_be(mafsd_hottest(c->d, MAFSD_N_HOTTEST, see, &seen), 0);
	must(seen.n >= 2);
	/* 500 opens more than the others, and 260. */
	must_be(strcmp(seen.paths[0], "f0"), 0);
	must_be(strcmp(seen.paths[1], "f1"), 0);
	for (size_t i = 1; i < seen.n; i++)
		must(seen.n_opens[i] <= seen.n_opens[i - 1]);
	/* Never more than there were. */
	must(seen.n_opens[0] <= 520);
	seen.n = 0;
	must_be(mafsd_hottest(c->d, 1, see, &seen), 0);
	must_be(seen.n, 1);
	core_stop(c);
}

static void test_removed_files_are_the_hottest_no_more(void **state)
{
	struct core *c = *state;
	struct mafsd_open *open;
	struct seen seen = { .n = 0 };
	uint64_t node;

	core_start(c);
	open = core_create(c, "f", O_WRONLY, &node);
	mafsd_release(c->d, open);
	must_be(mafsd_unlink(c->d, MAFSD_ROOT_ID, "f"), 0);
	mafsd_forget(c->d, node, 1);
	must_be(mafsd_hottest(c->d, MAFSD_N_HOTTEST, see, &seen), 0);
	must_be(seen.n, 0);
	core_stop(c);
}

static void must_be_way(struct core *c, enum mafsd_way way, uint64_t n_opens,
			uint64_t n_open)
{
	struct mafsd_status status;

	mafsd_status(c->d, &status);
	must_be(status.ways[way].n_opens, n_opens);
	must_be(status.ways[way].n_open, n_open);
}

static void test_files_without_a_name_are_counted(void **state)
{
	struct core *c = *state;
	struct mafsd_entry entry;
	struct mafsd_open *open;
	enum mafsd_way way;

	core_start(c);
	way = c->d->pass_n ? MAFSD_WAY_D : MAFSD_WAY_C;
	must_be(mafsd_tmpfile(c->d, &t_root, MAFSD_ROOT_ID, 0600, O_RDWR,
			      &entry, &open),
		0);
	must_be_way(c, way, 1, 1);
	mafsd_release(c->d, open);
	must_be_way(c, way, 1, 0);
	mafsd_forget(c->d, entry.nodeid, 1);
	core_stop(c);
}

static void test_opens_and_bytes_are_counted_by_way(void **state)
{
	struct core *c = *state;
	struct mafsd_open *reader, *writer;
	struct mafsd_status status;
	char bytes[100];
	uint64_t node;

	core_start(c);
	n_write_pattern(c, "f", 1000);
	node = core_lookup(c, "f");
	reader = core_open(c, node, O_RDONLY);
	must_be_way(c, MAFSD_WAY_D, 1, 1);
	mafsd_release(c->d, reader);
	must_be_way(c, MAFSD_WAY_D, 1, 0);

	core_pull(c, "f");
	reader = core_open(c, node, O_RDONLY);
	must_be_way(c, MAFSD_WAY_M, 1, 1);
	writer = core_open(c, node, O_RDWR);
	must_be_way(c, MAFSD_WAY_X, 1, 1);
	core_write_pattern(c, writer, 0, 300, 1);
	must_be(mafsd_read(c->d, writer, bytes, 100, 0), 100);
	mafsd_release(c->d, writer);
	mafsd_release(c->d, reader);
	must_be_way(c, MAFSD_WAY_M, 1, 0);
	must_be_way(c, MAFSD_WAY_X, 1, 0);

	mafsd_status(c->d, &status);
	must_be(status.ways[MAFSD_WAY_X].written_bytes, 300);
	must_be(status.ways[MAFSD_WAY_X].read_bytes, 100);
	must_be(status.n_hits, 1);
	must_be(status.n_misses, 1);
	must_be(status.promoted_bytes, 1000);
	must_be(mafsd_sync(c->d, NULL), 0);
	mafsd_status(c->d, &status);
	must(status.written_back_bytes >= 300);
	core_stop(c);
}

static void test_dirty_files_are_listed_with_their_times(void **state)
{
	struct core *c = *state;
	struct mafsd_dirty *list = NULL;
	size_t n = 0;

	core_start(c);
	for (int i = 0; i < 5; i++) {
		char name[16];
		struct mafsd_open *open;

		snprintf(name, sizeof(name), "f%d", i);
		open = core_create(c, name, O_WRONLY, NULL);
		core_write_pattern(c, open, 0, 100, 1);
		mafsd_release(c->d, open);
	}
	must_be(mafsd_dirty_list(c->d, false, 3, &list, &n), 0);
	must_be(n, 3);
	must_be(strcmp(list[0].path, "f0"), 0);
	must_be(list[0].dirty_bytes, 100);
	must_be(list[0].error, 0);
	must(list[0].next_try_ms > 0);
	mafsd_dirty_list_free(list, n);
	must_be(mafsd_dirty_list(c->d, true, SIZE_MAX, &list, &n), 0);
	must_be(n, 0);
	mafsd_dirty_list_free(list, n);
	core_stop(c);
}

static void test_move_is_counted_before_and_tells_how_far_it_is(void **state)
{
	struct mafs_fault fault = MAFS_FAULT_INIT;
	struct core *c = *state;
	struct mafsd_progress progress = { 0 };

	core_start(c);
	must_be(mkdirat(c->d->n_fd, "d", 0755), 0);
	n_write_pattern(c, "d/a", 1000);
	n_write_pattern(c, "d/b", 24);
	must_be(mafsd_act(c->d, NULL, MAFSD_PULL, "d", true, &progress, &fault),
		0);
	must(progress.counted);
	must_be(progress.n_total, 2);
	must_be(progress.bytes_total, 1024);
	must_be(progress.n_moved, 2);
	must_be(mafsd_progress_bytes(&progress), 1024);
	/* There already: nothing to do. */
	progress = (struct mafsd_progress){ 0 };
	must_be(mafsd_act(c->d, NULL, MAFSD_PULL, "", true, &progress, &fault),
		0);
	must_be(progress.n_total, 0);
	must_be(progress.n_moved, 0);
	progress = (struct mafsd_progress){ 0 };
	must_be(mafsd_act(c->d, NULL, MAFSD_EVICT, "", true, &progress, &fault),
		0);
	must_be(progress.n_moved, 2);
	must_be(progress.bytes_moved, 1024);
	must_be(mafsd_act(c->d, NULL, MAFSD_PULL, "none", false, &progress,
			  &fault),
		-ENOENT);
	core_stop(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CORE_TEST(test_most_opened_are_found_among_many),
		CORE_TEST(test_removed_files_are_the_hottest_no_more),
		CORE_TEST(test_files_without_a_name_are_counted),
		CORE_TEST(test_opens_and_bytes_are_counted_by_way),
		CORE_TEST(test_dirty_files_are_listed_with_their_times),
		CORE_TEST(test_move_is_counted_before_and_tells_how_far_it_is),
	};

	return cmocka_run_group_tests_name("core.usage", tests, NULL, NULL);
}
