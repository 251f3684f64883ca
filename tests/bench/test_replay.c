// SPDX-License-Identifier: Apache-2.0
/* ctest: labels=long timeout=1800 */
/*
 * How fast a memory volume's log becomes a shadow and is checked: logs of ten
 * thousand to a million entries on a file of a tmpfs, the shadow on a tmpfs,
 * each by the command as people run it. Prints the table of docs/benchmarks.md.
 *
 * An entry in eight is `extents`; the others are half `node`, half `name`.
 */
#include "memvol_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <mafs/cleanup.h>
#include <setjmp.h>
#include <spawn.h>
#include <stdarg.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#include <cmocka.h>

#define FILES_PER_DIR 100U
#define FILES_PER_APPEND 500U
#define N_ROUNDS 3

extern char **environ;

/* ---- making ---- */

/* A volume whose names and maps are not kept, as only its log is wanted. */
struct maker {
	struct mafs_memory_volume *volume;
	struct mafs_entry *entries; /* of one append */
	size_t n_entries;
	uint64_t id, dir, n_files, n_logged, free_at;
};

static struct mafs_entry *next_entry(struct maker *maker,
				     enum mafs_omf_type type)
{
	struct mafs_entry *entry = &maker->entries[maker->n_entries++];

	memset(entry, 0, sizeof(*entry));
	entry->type = type;
	return entry;
}

static void append(struct maker *maker)
{
	if (maker->n_entries &&
	    mafs_log_append(maker->volume->log, maker->entries,
			    maker->n_entries, NULL))
		fail_msg("the log cannot be written");
	for (size_t i = 0; i < maker->n_entries; i++)
		mafs_entry_done(&maker->entries[i]);
	maker->n_logged += maker->n_entries;
	maker->n_entries = 0;
}

static void log_name(struct maker *maker, uint64_t parent, uint64_t id,
		     uint32_t mode, const char *kind)
{
	struct mafs_entry *entry = next_entry(maker, MAFS_OMF_NODE);
	const struct timespec now = { 1700000000 + (time_t)id, 123456789 };

	entry->node = (struct mafs_entry_node){
		.id = id,
		.mode = mode,
		.uid = 1000,
		.gid = 1000,
		.parent = S_ISDIR(mode) ? parent : 0,
		.atime = now,
		.mtime = now,
		.ctime = now,
		.btime = now,
	};
	entry = next_entry(maker, MAFS_OMF_NAME);
	entry->name.parent = parent;
	entry->name.id = id;
	(void)snprintf(entry->name.name, sizeof(entry->name.name), "%s-%llu",
		       kind, (unsigned long long)id);
}

static void log_extent(struct maker *maker, uint64_t id)
{
	struct mafs_entry *entry = next_entry(maker, MAFS_OMF_EXTENTS);
	struct mafs_extent *extent = calloc(1, sizeof(*extent));

	assert_non_null(extent);
	*extent = (struct mafs_extent){
		.device_uuid = mafs_pool_device(maker->volume->pool, 0)->uuid,
		.offset_bytes = maker->free_at,
		.length_bytes = 4096,
	};
	maker->free_at += 4096;
	entry->extents.id = id;
	entry->extents.size_bytes = 4000;
	entry->extents.map = (struct mafs_map){ extent, 1 };
}

static void log_file(struct maker *maker)
{
	if (maker->n_files % FILES_PER_DIR == 0) {
		maker->dir = maker->id++;
		log_name(maker, MAFS_OMF_ROOT_ID, maker->dir, S_IFDIR | 0755,
			 "dir");
	}
	log_name(maker, maker->dir, maker->id, S_IFREG | 0644, "file");
	if (maker->n_files++ % 7 < 2)
		log_extent(maker, maker->id);
	maker->id++;
}

/* Bytes for the log in front of those for the files. */
static uint64_t log_bytes(uint64_t n_entries)
{
	return 4 * T_MIB + n_entries * 220;
}

static char *make_volume(const char *path, uint64_t n_entries)
{
	struct mafs_device_format format = {
		.alloc_unit_bytes = 4096,
		.log_bytes = log_bytes(n_entries) & ~4095ULL,
	};
	struct mafs_device_spec spec = {
		.kind = MAFS_DEVICE_FILE,
		.path = (char *)path,
		.size_bytes = 5 * log_bytes(n_entries) + n_entries / 4 * 4096,
	};
	struct mafs_fault fault = MAFS_FAULT_INIT;
	struct mafs_device *device;
	char *text;

	mafs_uuid_generate(&format.fs_uuid);
	spec.size_bytes &= ~4095ULL;
	if (mafs_device_open(&spec, true, false, true, &device, &fault) ||
	    mafs_device_format(device, &format, &fault) ||
	    mafs_device_spec_absolute(path, &text, &fault))
		fail_msg("%s", fault.what);
	mafs_device_close(device);
	return text;
}

/* Return: files in it. */
static uint64_t make_log(const char *path, uint64_t n_entries)
{
	_cleanup_free_ char *spec = make_volume(path, n_entries);
	struct maker maker = {
		.volume = t_memvol_open(spec, false),
		.entries =
			calloc(8 * FILES_PER_APPEND, sizeof(struct mafs_entry)),
		.id = 2,
	};

	assert_non_null(maker.entries);
	maker.free_at =
		(MAFS_OMF_SEGMENTS_OFFSET + 2 * log_bytes(n_entries) + 65536) &
		~4095ULL;
	while (maker.n_logged + maker.n_entries < n_entries) {
		log_file(&maker);
		if (maker.n_entries >= FILES_PER_APPEND)
			append(&maker);
	}
	append(&maker);
	free(maker.entries);
	mafs_memory_volume_close(maker.volume);
	return maker.n_files;
}

/* ---- measuring ---- */

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static double time_of(char *const *argv)
{
	posix_spawn_file_actions_t actions;
	double begin = seconds();
	int status;
	pid_t pid;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null",
					 O_WRONLY, 0);
	assert_int_equal(
		posix_spawnp(&pid, argv[0], &actions, NULL, argv, environ), 0);
	posix_spawn_file_actions_destroy(&actions);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	return seconds() - begin;
}

struct rates {
	double files_per_s, entries_per_s;
};

static struct rates measure(uint64_t n_entries)
{
	char place[T_PLACE_LEN] = "/dev/shm/mafs-replay-XXXXXX";
	double logplay = 0, fsck = 0;
	struct rates rates;
	char path[128], shadow[128];
	uint64_t n_files;

	assert_non_null(mkdtemp(place));
	(void)snprintf(path, sizeof(path), "%s/volume", place);
	(void)snprintf(shadow, sizeof(shadow), "%s/shadow", place);
	n_files = make_log(path, n_entries);
	for (int round = 0; round < N_ROUNDS; round++) {
		char *play[] = { (char *)"mafs",
				 (char *)"logplay",
				 (char *)"--shadow",
				 shadow,
				 path,
				 NULL };
		char *check[] = { (char *)"mafs", (char *)"fsck", path, NULL };
		double took = time_of(play);

		if (!round || took < logplay)
			logplay = took;
		t_place_remove(shadow);
		took = time_of(check);
		if (!round || took < fsck)
			fsck = took;
	}
	t_place_remove(place);
	rates.files_per_s = (double)n_files / logplay;
	rates.entries_per_s = (double)n_entries / fsck;
	printf("%9llu %9llu %8.2f %11.0f %8.2f %13.0f\n",
	       (unsigned long long)n_entries, (unsigned long long)n_files,
	       logplay, rates.files_per_s, fsck, rates.entries_per_s);
	return rates;
}

static void test_a_million_entries_are_replayed_and_checked(void **state)
{
	struct rates few, many;

	puts("  entries     files  logplay     files/s     fsck     entries/s");
	measure(10000);
	few = measure(100000);
	many = measure(1000000);
	/* Linear but for what the caches still hold of a tenth. */
	assert_true(many.files_per_s > few.files_per_s / 2);
	assert_true(many.entries_per_s > few.entries_per_s / 2);
	assert_true(many.files_per_s >= 80000);
	assert_true(many.entries_per_s >= 1000000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			test_a_million_entries_are_replayed_and_checked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
