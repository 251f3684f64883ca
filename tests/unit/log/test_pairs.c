// SPDX-License-Identifier: Apache-2.0
/*
 * Files that come and go for ever: the log of 8 MiB, two slots of 4, is never
 * full and never grows, and says at the end what is there. A hundred thousand
 * pairs of create and unlink; ten million with MAFS_TEST_LONG=1.
 */
#include <errno.h>
#include <mafs/device.h>
#include <mafs/names.h>
#include <mafs/replay.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MIB (1ULL << 20)
#define SLOT_BYTES (4 * MIB)
#define N_FILES 300U /* at a time */
#define FIRST_ID 2U

/* Of the volume of lib/log and lib/names alone. */
struct volume {
	struct mafs_device *device;
	struct mafs_log *log;
	struct mafs_names *names;
	uint64_t n_checkpoints, longest;
};

/* Replays what is there and opens the log behind it. */
static void open_log(struct volume *v)
{
	struct mafs_fault fault = MAFS_FAULT_INIT;
	struct mafs_log_position end;
	struct mafs_superblock sb;

	assert_int_equal(
		mafs_superblock_read(&v->device->media, &sb, NULL, &fault), 0);
	assert_int_equal(mafs_device_alloc_begin(v->device, &sb, &fault), 0);
	assert_int_equal(mafs_names_new(&v->names), 0);
	if (mafs_replay(&v->device->media, &mafs_names_replay_ops, v->names,
			&sb, &end, &fault) < 0)
		fail_msg("%s", fault.what);
	assert_int_equal(mafs_log_open(&v->device->media, &sb, &end, &v->log,
				       &fault),
			 0);
}

static void close_log(struct volume *v)
{
	mafs_log_close(v->log);
	mafs_names_free(v->names);
}

static void begin(struct volume *v)
{
	const struct mafs_device_spec spec = {
		.kind = MAFS_DEVICE_MEMFD,
		.size_bytes = 64 * MIB,
	};
	struct mafs_device_format format = { .log_bytes = SLOT_BYTES };
	struct mafs_fault fault = MAFS_FAULT_INIT;

	*v = (struct volume){};
	mafs_uuid_generate(&format.fs_uuid);
	if (mafs_device_open(&spec, true, false, false, &v->device, &fault) ||
	    mafs_device_format(v->device, &format, &fault))
		fail_msg("%s", fault.what);
	open_log(v);
}

static void end(struct volume *v)
{
	close_log(v);
	mafs_device_close(v->device);
}

/* The table first: a checkpoint must not miss it. */
static void append(struct volume *v, const struct mafs_entry *entries, size_t n)
{
	struct mafs_fault fault = MAFS_FAULT_INIT;

	for (size_t i = 0; i < n; i++)
		if (mafs_names_apply(v->names, &entries[i], &fault) < 0)
			fail_msg("%s", fault.what);
	if (mafs_log_append(v->log, entries, n, NULL) < 0)
		fail_msg("the log is full or broken");
}

static void set_name(struct mafs_entry *entry, enum mafs_omf_type type,
		     uint64_t id)
{
	*entry = (struct mafs_entry){
		.type = type,
		.name = { .parent = MAFS_OMF_ROOT_ID, .id = id },
	};
	(void)snprintf(entry->name.name, sizeof(entry->name.name), "file-%llu",
		       (unsigned long long)id);
}

static void create(struct volume *v, uint64_t id)
{
	struct mafs_entry entries[2];

	entries[0] = (struct mafs_entry){
		.type = MAFS_OMF_NODE,
		.node = { .id = id, .mode = S_IFREG | 0644 },
	};
	set_name(&entries[1], MAFS_OMF_NAME, id);
	append(v, entries, 2);
}

static void remove_file(struct volume *v, uint64_t id)
{
	struct mafs_entry entry;

	set_name(&entry, MAFS_OMF_UNNAME, id);
	append(v, &entry, 1);
	assert_true(mafs_names_drop(v->names, mafs_names_node(v->names, id)));
}

static int give_live(void *context, mafs_log_emit_fn *emit, void *emit_context)
{
	struct volume *v = context;
	uint64_t cursor = 0;
	int r;

	do {
		r = mafs_names_emit(v->names, &cursor, 100, emit, emit_context);
	} while (r > 0);
	return r;
}

static void tend(struct volume *v)
{
	struct mafs_fault fault = MAFS_FAULT_INIT;

	if (mafs_log_length(v->log) > v->longest)
		v->longest = mafs_log_length(v->log);
	if (!mafs_log_wants_checkpoint(v->log))
		return;
	if (mafs_log_checkpoint(v->log, give_live, v, &fault))
		fail_msg("%s", fault.what);
	v->n_checkpoints++;
}

static void check_files(struct volume *v, uint64_t first, uint64_t behind)
{
	char name[32];

	assert_int_equal(mafs_names_count(v->names), 1 + behind - first);
	for (uint64_t id = first; id < behind; id++) {
		(void)snprintf(name, sizeof(name), "file-%llu",
			       (unsigned long long)id);
		assert_non_null(mafs_names_lookup(
			v->names, mafs_names_node(v->names, MAFS_OMF_ROOT_ID),
			name));
	}
}

static uint64_t n_pairs(void)
{
	const char *is_long = getenv("MAFS_TEST_LONG");

	return is_long && !strcmp(is_long, "1") ? 10000000 : 100000;
}

static void test_pairs_of_create_and_unlink_never_fill_the_log(void **state)
{
	uint64_t behind = FIRST_ID + n_pairs(), id;
	struct volume v;

	begin(&v);
	for (id = FIRST_ID; id < behind; id++) {
		create(&v, id);
		if (id >= FIRST_ID + N_FILES)
			remove_file(&v, id - N_FILES);
		tend(&v);
	}
	/* It went round and stayed in its first segments. */
	assert_true(v.n_checkpoints > 5);
	assert_true(v.longest <= SLOT_BYTES);
	assert_int_equal(mafs_device_log_bytes(v.device), 0);
	check_files(&v, id - N_FILES, behind);
	close_log(&v);
	open_log(&v);
	mafs_names_settle(v.names, NULL, NULL);
	check_files(&v, id - N_FILES, behind);
	print_message("log: pairs=%llu checkpoints=%llu longest=%llu KiB\n",
		      (unsigned long long)n_pairs(),
		      (unsigned long long)v.n_checkpoints,
		      (unsigned long long)(v.longest >> 10));
	end(&v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			test_pairs_of_create_and_unlink_never_fill_the_log),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
