// SPDX-License-Identifier: Apache-2.0
/*
 * Killed at each store to the mapping, whole or half done: whoever attaches
 * then finds each file as it was before the call or as it is behind it, and no
 * unit in use twice. ctest: wrap=mafs_guarded_copy,mafs_guarded_zero,mafs_guarded_store
 */
#include "lib/memory/extents.h"
#include "memory_fixture.h"

#include <mafs/mapping.h>

#define SIZE_MAX_BYTES (3 << 20)
#define UNIT 4096

int __real_mafs_guarded_copy(void *to, const void *from, size_t len);
int __real_mafs_guarded_zero(void *to, size_t len);
int __real_mafs_guarded_store(uint64_t *to, uint64_t value);
int __wrap_mafs_guarded_copy(void *to, const void *from, size_t len);
int __wrap_mafs_guarded_zero(void *to, size_t len);
int __wrap_mafs_guarded_store(uint64_t *to, uint64_t value);

/* A file as it should be. */
struct model {
	bool exists;
	size_t size;
	uint8_t bytes[SIZE_MAX_BYTES];
};

static struct {
	struct device *device;
	bool armed;
	struct mafs_map map; /* of the file that changes */
	struct model before, after;
	char place[2 * T_PLACE_LEN], copy[2 * T_PLACE_LEN];
	unsigned int n_stops;
	unsigned int one_of; /* so many stores is a stop; 0: each */
	unsigned int seed;
} killed;

static void copy_device(void)
{
	static uint8_t bytes[1 << 20];
	int from = open(killed.device->spec.path, O_RDONLY);
	int to = open(killed.copy, O_WRONLY | O_CREAT, 0600);
	ssize_t n;
	off_t at = 0;

	assert_true(from >= 0 && to >= 0);
	while ((n = pread(from, bytes, sizeof(bytes), at)) > 0) {
		assert_int_equal(pwrite(to, bytes, (size_t)n, at), n);
		at += n;
	}
	close(from);
	close(to);
}

static void check_bytes(struct mafs_memory_file *file)
{
	const struct model *before = &killed.before, *after = &killed.after;
	static uint8_t bytes[SIZE_MAX_BYTES];
	size_t size = (size_t)stat_of(file).st_size;

	assert_true((before->exists && size == before->size) ||
		    (after->exists && size == after->size));
	assert_int_equal(file->memory->ops->pread(file, bytes, size, 0), size);
	for (size_t i = 0; i < size; i++)
		if (!(i < before->size && bytes[i] == before->bytes[i]) &&
		    !(i < after->size && bytes[i] == after->bytes[i]))
			fail_msg("byte %zu of %zu is %02x", i, size, bytes[i]);
}

static int see_empty(void *context, const struct mafs_map *map, const void *id,
		     size_t id_len, const struct stat *st)
{
	assert_int_equal(st->st_size, 0);
	assert_int_equal(id_len, 8);
	assert_memory_equal(id, "identity", 8);
	return 0;
}

/* What a new daemon sees. */
static void look(void)
{
	struct mafs_fault fault = MAFS_FAULT_INIT;
	struct mafs_memory_file *file;
	struct mafs_memory *memory;
	int r;

	if (killed.one_of && (unsigned int)rand_r(&killed.seed) % killed.one_of)
		return;
	killed.armed = false;
	killed.n_stops++;
	copy_device();
	if (mafs_memory_attach(killed.place, false, &memory, &fault) < 0)
		fail_msg("stop %u: %s", killed.n_stops, fault.what);
	/* Made by the call that was killed: it is there and empty, or not. */
	if (!killed.map.n_extents) {
		assert_int_equal(memory->ops->visit(memory, MAFS_VISIT_IDS,
						    see_empty, NULL),
				 0);
		memory->ops->free(memory);
		killed.armed = true;
		return;
	}
	r = memory->ops->open(memory, &killed.map, false, &file);
	if (r < 0) {
		assert_int_equal(r, -ENOENT);
		assert_true(!killed.before.exists || !killed.after.exists);
	} else {
		check_bytes(file);
		memory->ops->close(file);
	}
	memory->ops->free(memory);
	killed.armed = true;
}

static bool is_on_device(const void *at)
{
	const struct extents *e = extents_of(killed.device->memory);
	const struct mafs_device *device = &e->mapped->base;

	return (uintptr_t)at - (uintptr_t)device->base < device->size_bytes;
}

int __wrap_mafs_guarded_copy(void *to, const void *from, size_t len)
{
	size_t half = len / 2 & ~(size_t)7;
	int r;

	/* What is read from the device goes elsewhere: no stop. */
	if (!killed.armed || !is_on_device(to))
		return __real_mafs_guarded_copy(to, from, len);
	if (half) {
		r = __real_mafs_guarded_copy(to, from, half);
		assert_int_equal(r, 0);
		look();
	}
	r = __real_mafs_guarded_copy(to, from, len);
	look();
	return r;
}

int __wrap_mafs_guarded_zero(void *to, size_t len)
{
	int r = __real_mafs_guarded_zero(to, len);

	if (killed.armed)
		look();
	return r;
}

int __wrap_mafs_guarded_store(uint64_t *to, uint64_t value)
{
	int r = __real_mafs_guarded_store(to, value);

	if (killed.armed)
		look();
	return r;
}

/* ---- calls, and what they should do ---- */

static void begin(void)
{
	killed.before = killed.after;
}

static void do_write(struct mafs_memory_file *file, size_t at, size_t len,
		     char byte)
{
	static char bytes[SIZE_MAX_BYTES];

	begin();
	memset(bytes, byte, len);
	if (at + len > killed.after.size) {
		if (at > killed.after.size)
			memset(killed.after.bytes + killed.after.size, 0,
			       at - killed.after.size);
		killed.after.size = at + len;
	}
	memset(killed.after.bytes + at, byte, len);
	killed.armed = true;
	assert_int_equal(file->memory->ops->pwrite(file, bytes, len, at), len);
	killed.armed = false;
}

static void do_truncate(struct mafs_memory_file *file, size_t size)
{
	begin();
	if (size > killed.after.size)
		memset(killed.after.bytes + killed.after.size, 0,
		       size - killed.after.size);
	killed.after.size = size;
	killed.armed = true;
	assert_int_equal(file->memory->ops->truncate(file, size), 0);
	killed.armed = false;
}

static void do_punch(struct mafs_memory_file *file, size_t at, size_t len)
{
	begin();
	if (at < killed.after.size)
		memset(killed.after.bytes + at, 0,
		       at + len < killed.after.size ? len :
						      killed.after.size - at);
	killed.armed = true;
	assert_int_equal(file->memory->ops->allocate(
				 file,
				 FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at,
				 len),
			 0);
	killed.armed = false;
}

static struct mafs_memory_file *do_create(void)
{
	struct mafs_memory *memory = killed.device->memory;
	struct mafs_memory_file *file;

	memset(&killed.before, 0, sizeof(killed.before));
	killed.after = killed.before;
	assert_int_equal(memory->ops->create(memory, "identity", 8, &killed.map,
					     &file),
			 0);
	killed.after.exists = true;
	begin();
	return file;
}

static void do_remove(void)
{
	struct mafs_memory *memory = killed.device->memory;

	begin();
	killed.after.exists = false;
	killed.armed = true;
	assert_int_equal(memory->ops->remove(memory, &killed.map), 0);
	killed.armed = false;
}

/* ---- */

static int setup_sized(void **state, uint64_t size_bytes)
{
	struct device *d = device_make_mapped("file", size_bytes);
	int fd;

	memset(&killed, 0, sizeof(killed));
	killed.device = d;
	snprintf(killed.place, sizeof(killed.place), "%s",
		 t_path(d->place, "next"));
	snprintf(killed.copy, sizeof(killed.copy), "%s",
		 t_path(d->place, "copy"));
	assert_int_equal(mkdir(killed.place, 0700), 0);
	fd = open(t_path(killed.place, "device"), O_WRONLY | O_CREAT, 0600);
	assert_true(fd >= 0);
	dprintf(fd, "file:%s\n11111111-1111-1111-1111-111111111111\n",
		killed.copy);
	close(fd);
	*state = d;
	return 0;
}

static int setup(void **state)
{
	return setup_sized(state, 1 << 20);
}

static int setup_large(void **state)
{
	return setup_sized(state, 8 << 20);
}

static int teardown(void **state)
{
	mafs_map_done(&killed.map);
	killed.device = NULL;
	device_free(*state);
	return 0;
}

static void test_every_store_leaves_the_old_or_the_new(void **state)
{
	struct device *d = *state;
	struct mafs_memory_file *file = do_create();

	do_write(file, 0, 100, 'a');
	do_write(file, 100, 5000, 'b');
	do_write(file, 50, 100, 'c');
	do_write(file, 20000, 3000, 'd');
	do_write(file, 10000, 2000, 'e'); /* into the hole */
	do_truncate(file, 21000);
	do_truncate(file, 30000);
	do_write(file, 29000, 8000, 'f');
	do_punch(file, 4096, 4096);
	do_punch(file, 0, 5);
	do_truncate(file, 3000);
	do_write(file, 3500, 10, 'g');
	do_truncate(file, 0);
	do_write(file, 0, 9000, 'h');
	do_remove();
	d->memory->ops->close(file);
	assert_true(killed.n_stops > 100);
}

static void test_so_with_many_runs(void **state)
{
	struct device *d = *state;
	struct mafs_memory_file *file = do_create();

	for (size_t i = 0; i < 20; i++)
		do_write(file, i * 8192, 4096, (char)('a' + i));
	do_punch(file, 8192, 4096);
	do_punch(file, 3 * 8192, 4096);
	do_write(file, 4096, 4096, 'X');
	do_truncate(file, 10 * 8192 + 100);
	do_truncate(file, 15 * 8192);
	do_write(file, 14 * 8192, 4096, 'Y');
	do_truncate(file, 2 * 8192);
	do_punch(file, 4096, 4096);
	for (size_t i = 2; i < 18; i++)
		do_write(file, i * 8192, 4096, (char)('A' + i));
	do_remove();
	d->memory->ops->close(file);
	assert_true(killed.n_stops > 100);
}

static void test_making_a_file_leaves_none_or_an_empty_one(void **state)
{
	struct device *d = *state;
	struct mafs_memory_file *file;

	killed.after.exists = true;
	killed.armed = true;
	assert_int_equal(d->memory->ops->create(d->memory, "identity", 8,
						&killed.map, &file),
			 0);
	killed.armed = false;
	d->memory->ops->close(file);
	assert_true(killed.n_stops > 2);
}

/* ---- many lists of runs ---- */

static size_t number(size_t limit)
{
	return (size_t)rand_r(&killed.seed) % limit;
}

/* Takes what was given back, and fills it. */
static void churn(struct mafs_memory_file *other)
{
	if (number(4) == 0)
		assert_int_equal(other->memory->ops->truncate(other, 0), 0);
	store(other, number(400) * UNIT, 1 + number(5 * UNIT));
}

static void do_any(struct mafs_memory_file *file)
{
	size_t at = number(SIZE_MAX_BYTES - 8 * UNIT);
	size_t size = killed.after.size;

	switch (number(12)) {
	case 0:
		do_truncate(file, size - size / 8);
		break;
	case 1:
		do_truncate(file, number(4) ? (size + at) / 2 : at);
		break;
	case 2:
	case 3:
	case 4:
	case 5:
		do_punch(file, at - at % UNIT, UNIT * (1 + number(2)));
		break;
	case 6:
		do_punch(file, at, 1 + number(6 * UNIT));
		break;
	case 7:
		if (size < at)
			at = size + number(3) * UNIT / 2;
		/* fall through */
	default:
		do_write(file, at, 1 + number(3 * UNIT),
			 (char)(1 + number(250)));
	}
}

static void make_run(struct mafs_memory_file *file, size_t at)
{
	store(file, at, UNIT);
	memset(killed.after.bytes + at, 'x', UNIT);
	killed.after.size = at + UNIT;
}

static void test_random_changes_of_many_runs(void **state)
{
	struct device *d = *state;
	struct mafs_map other_map = { 0 };
	struct mafs_memory_file *file, *other;
	uint64_t size = usage_of(d).size_bytes;

	killed.one_of = 15;
	file = do_create();
	other = create(d, &other_map);
	for (size_t i = 0; i < 370; i++)
		make_run(file, i * 2 * UNIT);
	for (int i = 0; i < 250; i++) {
		do_any(file);
		churn(other);
		if (number(20))
			continue;
		d->memory->ops->close(file);
		d->memory->ops->close(other);
		device_reattach(d, false);
		file = reopen(d, &killed.map, true);
		other = reopen(d, &other_map, true);
		begin();
		check_bytes(file);
		assert_int_equal(usage_of(d).used_bytes,
				 512 * (stat_of(file).st_blocks +
					stat_of(other).st_blocks));
	}
	do_remove();
	d->memory->ops->close(file);
	d->memory->ops->close(other);
	assert_int_equal(d->memory->ops->remove(d->memory, &other_map), 0);
	assert_int_equal(usage_of(d).used_bytes, 0);
	assert_int_equal(usage_of(d).size_bytes, size);
	mafs_map_done(&other_map);
	assert_true(killed.n_stops > 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			test_every_store_leaves_the_old_or_the_new, setup,
			teardown),
		cmocka_unit_test_setup_teardown(test_so_with_many_runs, setup,
						teardown),
		cmocka_unit_test_setup_teardown(
			test_making_a_file_leaves_none_or_an_empty_one, setup,
			teardown),
		cmocka_unit_test_setup_teardown(test_random_changes_of_many_runs,
						setup_large, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
