// SPDX-License-Identifier: Apache-2.0
/* A device whose table somebody changed: an error with a word, or what its
 * checksums vouch for; never a byte that is another file's or another place's. */
#include "lib/memory/extents.h"
#include "memory_fixture.h"

#include <endian.h>

#define N_RANDOM 3000
#define N_RUNS 20

struct hostile {
	struct device *d;
	struct mafs_map small, many; /* one run; lists of runs */
	uint64_t slot; /* of the small one */
};

static uint64_t slot_of(const struct mafs_map *map)
{
	uint64_t offset;

	memcpy(&offset, map->extents[0].device_uuid.bytes + 8, 8);
	return be64toh(offset);
}

static int setup(void **state)
{
	struct hostile *h = calloc(1, sizeof(*h));
	struct mafs_memory_file *file;

	h->d = device_make_mapped("file", 1 << 20);
	file = create(h->d, &h->small);
	store(file, 0, 5000);
	h->d->memory->ops->close(file);
	file = create(h->d, &h->many);
	for (uint64_t i = 0; i < N_RUNS; i++)
		store(file, i * 8192, 4096);
	h->d->memory->ops->close(file);
	h->slot = slot_of(&h->small);
	*state = h;
	return 0;
}

static int teardown(void **state)
{
	struct hostile *h = *state;

	mafs_map_done(&h->small);
	mafs_map_done(&h->many);
	device_free(h->d);
	free(h);
	return 0;
}

static struct mafs_omf_memory_file *slot_at(struct hostile *h, uint64_t offset)
{
	return (void *)extents_at(extents_of(h->d->memory), offset);
}

/* The state that counts. */
static struct mafs_omf_file_state *state_at(struct hostile *h, uint64_t offset)
{
	struct mafs_omf_memory_file *file = slot_at(h, offset);

	return le32toh(file->states[0].generation) >
			       le32toh(file->states[1].generation) ?
		       &file->states[0] :
		       &file->states[1];
}

/* With checksums that are right: of one run of the small file. */
static void seal(struct hostile *h, uint64_t file_offset, uint64_t offset,
		 uint64_t length)
{
	struct mafs_omf_memory_file *file = slot_at(h, h->slot);
	struct mafs_omf_file_state *s = state_at(h, h->slot);
	struct mafs_run run = { .file_offset = file_offset,
				.offset = offset,
				.length = length };
	struct content content = { .layout = { .runs = &run, .n_runs = 1 } };

	file->runs[0] = omf_run_encode(&run);
	s->last_length = htole64(length);
	s->runs_crc = htole32(content_runs_crc(&content));
	s->crc = htole32(omf_state_crc(&h->small.extents[0].device_uuid, s));
}

static void seal_state(struct hostile *h, const struct mafs_map *map)
{
	struct mafs_omf_file_state *s = state_at(h, slot_of(map));

	s->crc = htole32(omf_state_crc(&map->extents[0].device_uuid, s));
}

static void attach_fails(struct hostile *h, const char *said)
{
	struct mafs_fault fault = MAFS_FAULT_INIT;
	int r;

	h->d->memory->ops->free(h->d->memory);
	h->d->memory = NULL;
	r = mafs_memory_attach(h->d->path, false, &h->d->memory, &fault);
	assert_true(r == -EUCLEAN || r == -EBADMSG || r == -EEXIST ||
		    r == -ERANGE);
	if (!strstr(fault.what, said))
		fail_msg("%s", fault.what);
}

static void test_run_behind_the_device_is_refused(void **state)
{
	struct hostile *h = *state;

	seal(h, 0, 1 << 20, 4096);
	attach_fails(h, "runs");
}

static void test_run_without_end_is_refused(void **state)
{
	struct hostile *h = *state;

	seal(h, UINT64_MAX - 4095, 512 << 10, 4096);
	attach_fails(h, "runs");
}

static void test_run_of_half_units_is_refused(void **state)
{
	struct hostile *h = *state;

	seal(h, 0, (512 << 10) + 8, 4096);
	attach_fails(h, "runs");
}

static void test_run_over_the_log_is_refused(void **state)
{
	struct hostile *h = *state;

	seal(h, 0, 16 << 10, 4096);
	attach_fails(h, "device");
}

static void test_units_of_two_files_are_refused(void **state)
{
	struct hostile *h = *state;
	struct mafs_map extents;

	assert_int_equal(h->d->memory->ops->extents(h->d->memory, &h->many,
						    &extents),
			 0);
	seal(h, 0, extents.extents[4].offset_bytes, 4096);
	mafs_map_done(&extents);
	attach_fails(h, "device");
}

static void test_more_runs_than_there_are_is_refused(void **state)
{
	struct hostile *h = *state;

	state_at(h, h->slot)->n_runs = htole32(UINT32_MAX);
	seal_state(h, &h->small);
	attach_fails(h, "runs");
}

static void test_list_that_is_none_is_refused(void **state)
{
	struct hostile *h = *state;

	state_at(h, slot_of(&h->many))->list = htole64(UINT64_MAX - 4095);
	seal_state(h, &h->many);
	attach_fails(h, "runs");
}

static void test_list_that_leads_to_itself_is_refused(void **state)
{
	struct hostile *h = *state;
	struct mafs_omf_file_state *s = state_at(h, slot_of(&h->many));
	uint64_t list = le64toh(s->list);
	struct mafs_omf_run_list *head =
		(void *)extents_at(extents_of(h->d->memory), list);

	head->next = htole64(list);
	s->n_runs = htole32(1000);
	seal_state(h, &h->many);
	attach_fails(h, "runs");
}

static void test_size_without_end_is_refused(void **state)
{
	struct hostile *h = *state;

	for (int i = 0; i < 2; i++) {
		slot_at(h, h->slot)->states[i].size = htole64(UINT64_MAX);
		slot_at(h, h->slot)->states[i].crc =
			htole32(omf_state_crc(&h->small.extents[0].device_uuid,
					      &slot_at(h, h->slot)->states[i]));
	}
	attach_fails(h, "states");
}

static void test_tag_of_no_slot_is_no_file(void **state)
{
	struct hostile *h = *state;
	const struct mafs_memory_ops *ops = h->d->memory->ops;
	struct mafs_memory_file *file;
	uint64_t offset;

	for (uint64_t i = 0; i < 70; i++) {
		offset = htobe64(i < 64 ? UINT64_C(1) << i : h->slot + i);
		memcpy(h->small.extents[0].device_uuid.bytes + 8, &offset, 8);
		assert_int_equal(ops->open(h->d->memory, &h->small, false,
					   &file),
				 -ENOENT);
		assert_int_equal(ops->remove(h->d->memory, &h->small), 0);
	}
}

static int read_all(void *context, const struct mafs_map *map, const void *id,
		    size_t id_len, const struct stat *st)
{
	struct mafs_memory *memory = context;
	struct mafs_memory_file *file;
	char bytes[256];

	if (memory->ops->open(memory, map, false, &file) < 0)
		return 0;
	for (off_t at = 0; at < st->st_size && at < 1 << 20; at += 4096)
		memory->ops->pread(file, bytes, sizeof(bytes), (uint64_t)at);
	memory->ops->close(file);
	return 0;
}

static void test_any_bytes_do_no_harm(void **state)
{
	struct hostile *h = *state;
	struct mafs_memory *memory;
	unsigned int seed = 7;
	int fd = open(h->d->spec.path, O_RDWR), n_refused = 0;
	struct mafs_memory_usage usage;
	uint8_t was[8], now[8];

	assert_true(fd >= 0);
	h->d->memory->ops->free(h->d->memory);
	h->d->memory = NULL;
	for (int i = 0; i < N_RANDOM; i++) {
		off_t at = rand_r(&seed) % (400 << 10) & ~7;
		size_t len = 1 + (size_t)rand_r(&seed) % 8;

		/* Most of them where something stands. */
		if (i % 4)
			at = (off_t)h->slot + rand_r(&seed) % 2048;
		assert_int_equal(pread(fd, was, len, at), len);
		for (size_t b = 0; b < len; b++)
			now[b] = (uint8_t)rand_r(&seed);
		assert_int_equal(pwrite(fd, now, len, at), len);
		for (int read_only = 0; read_only < 2; read_only++) {
			if (mafs_memory_attach(h->d->path, read_only, &memory,
					       NULL) < 0) {
				n_refused++;
				continue;
			}
			memory->ops->visit(memory, MAFS_VISIT_IDS, read_all,
					   memory);
			memory->ops->usage(memory, &usage);
			memory->ops->free(memory);
		}
		assert_int_equal(pwrite(fd, was, len, at), len);
	}
	close(fd);
	assert_true(n_refused > N_RANDOM / 10);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_run_behind_the_device_is_refused),
		T(test_run_without_end_is_refused),
		T(test_run_of_half_units_is_refused),
		T(test_run_over_the_log_is_refused),
		T(test_units_of_two_files_are_refused),
		T(test_more_runs_than_there_are_is_refused),
		T(test_list_that_is_none_is_refused),
		T(test_list_that_leads_to_itself_is_refused),
		T(test_size_without_end_is_refused),
		T(test_tag_of_no_slot_is_no_file),
		T(test_any_bytes_do_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
