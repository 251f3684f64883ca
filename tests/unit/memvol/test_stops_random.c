// SPDX-License-Identifier: Apache-2.0
/*
 * Random requests on few names, checkpoints between and beside them, each
 * stopped everywhere. MAFS_TEST_SEED: that one alone; MAFS_TEST_LONG: many.
 *
 * ctest: labels=crash wrap=mafs_device_open,mafs_memory_session_open
 */
#include "requests.h"

#include <linux/fs.h>

#define SIZE (1024 * KIB)
#define N_ROUNDS 24
#define N_SEEDS 4
#define N_SEEDS_LONG 100
#define FILE_MAX_BYTES 30000U

static struct stops stops;
static unsigned int dice_state;

static unsigned int dice(unsigned int n)
{
	dice_state = dice_state * 1664525U + 1013904223U;
	return (dice_state >> 8) % n;
}

static const char *any_name(void)
{
	static const char *const names[] = { "a",   "b",   "d",    "d/a",
					     "d/b", "d/e", "e",    "e/a",
					     "e/b", "e/d", "d/e/a" };

	return names[dice(MAFS_ARRAY_SIZE(names))];
}

enum found {
	NO_PARENT,
	FREE,
	FILE_THERE,
	DIR_THERE,
};

static enum found find(struct stops *s, const char *path)
{
	struct mafsd_entry entry = { .nodeid = MAFSD_ROOT_ID };
	const char *slash;
	char name[16];
	int r;

	do {
		slash = strchr(path, '/');
		snprintf(name, sizeof(name), "%.*s",
			 slash ? (int)(slash - path) : 15, path);
		r = mafsm_lookup(&s->v->m->fs, entry.nodeid, name, &entry);
		if (r == 0)
			v_keep(s->v, entry.nodeid);
		if (slash && (r < 0 || !S_ISDIR(entry.st.st_mode)))
			r = NO_PARENT;
		else if (!slash && r == 0)
			r = S_ISDIR(entry.st.st_mode) ? DIR_THERE : FILE_THERE;
		else if (!slash)
			r = FREE;
		else
			path = slash + 1;
	} while (slash && path == slash + 1);
	v_forget(s->v);
	return (enum found)r;
}

/* What a kernel would have refused, too, is no failure. */
static int allow(int r)
{
	return r == -ENOTEMPTY || r == -EINVAL || r == -ENOTDIR ||
			       r == -EISDIR ?
		       0 :
		       r;
}

static void write_some(struct stops *s)
{
	uint64_t id = s->v->file_ids[0], size = content_of(s, id)->size;
	uint64_t offset = dice(3) ? size : dice((unsigned int)size + 5000);
	size_t len = 1 + dice(9000);

	if (offset + len > FILE_MAX_BYTES)
		offset = dice(FILE_MAX_BYTES - 9000);
	if (offset < size)
		write_within(s, 0, dice(200), offset, len);
	else
		append(s, 0, dice(200), offset, len);
}

static void change_bytes(struct stops *s)
{
	const int keep = FALLOC_FL_KEEP_SIZE;
	const int modes[] = { 0, keep, keep | FALLOC_FL_PUNCH_HOLE,
			      FALLOC_FL_ZERO_RANGE,
			      keep | FALLOC_FL_ZERO_RANGE };

	for (unsigned int n = dice(3); n; n--)
		write_some(s);
	if (dice(3) == 0) {
		/* What is zeroed in place may be so in part. */
		s->loose[s->v->file_ids[0]] = true;
		allocate(s, 0, modes[dice(MAFS_ARRAY_SIZE(modes))],
			 dice(FILE_MAX_BYTES - 9000), 1 + dice(9000));
	}
	if (dice(2))
		DO_SYNC(s, v_fsync, 0);
	DO_SYNC(s, v_close, 0);
}

static void change_file(struct stops *s, const char *path)
{
	const struct stat attr = { .st_mode = dice(01000) };

	switch (dice(6)) {
	case 0:
		truncate_to(s, path, dice(FILE_MAX_BYTES));
		break;
	case 1:
		DO(s, v_setattr, path, &attr, MAFSD_SET_MODE);
		break;
	case 2:
		DO(s, v_setxattr, path, "user.a", "some bytes", dice(10));
		break;
	default:
		DO(s, v_open, 0, path, O_RDWR);
		change_bytes(s);
	}
}

static void make(struct stops *s, const char *path)
{
	switch (dice(4)) {
	case 0:
		DO(s, v_mkdir, path);
		return;
	case 1:
		DO(s, v_tmpfile, 0);
		break;
	default:
		DO(s, v_create, 0, path);
	}
	(void)content_of(s, s->v->file_ids[0]);
	change_bytes(s);
}

static void move(struct stops *s, const char *path)
{
	const char *to = any_name();
	enum found found = find(s, to);
	unsigned int flags = dice(3) == 0 ? RENAME_EXCHANGE : 0;

	if (found == NO_PARENT)
		return;
	if (found == FREE)
		flags = dice(2) ? RENAME_NOREPLACE : 0;
	stops_before(s, "rename");
	stops_after(s, allow(v_rename(s->v, path, to, flags)));
}

static void remove_name(struct stops *s, const char *path, bool dir)
{
	stops_before(s, "remove");
	stops_after(s, allow(v_remove(s->v, path, dir)));
}

static void request(struct stops *s)
{
	const char *path = any_name(), *to = any_name();
	enum found found = find(s, path);

	if (found == NO_PARENT)
		return;
	if (found == FREE)
		make(s, path);
	else if (dice(4) == 0)
		move(s, path);
	else if (dice(4) == 0)
		remove_name(s, path, found == DIR_THERE);
	else if (found == FILE_THERE && dice(5) == 0 && find(s, to) == FREE)
		DO(s, v_link, path, to);
	else if (found == FILE_THERE)
		change_file(s, path);
}

static void perhaps_request(struct stops *s, unsigned int piece)
{
	if (dice(3) == 0)
		request(s);
	s->what = "checkpoint";
}

static void play(unsigned int seed)
{
	struct stops *s = &stops;
	char name[32];

	dice_state = seed;
	stops_begin(s, 1, SIZE);
	s->seed = seed;
	for (int round = 0; round < N_ROUNDS; round++) {
		switch (dice(12)) {
		case 0:
			checkpoint(s, perhaps_request);
			break;
		case 1:
			s->what = "umount";
			v_umount(s->v);
			s->what = "mount";
			v_mount(s->v);
			break;
		case 2:
			must_be(mafs_pool_settle(s->v->m->pool), 0);
			break;
		default:
			request(s);
		}
	}
	snprintf(name, sizeof(name), "random seed=%u", seed);
	stops_end(s, name);
}

static void test_random_requests_survive_any_stop(void **state)
{
	const char *only = getenv("MAFS_TEST_SEED");
	const char *is_long = getenv("MAFS_TEST_LONG");
	unsigned int n = is_long && *is_long ? N_SEEDS_LONG : N_SEEDS;

	if (only) {
		play((unsigned int)strtoul(only, NULL, 10));
		return;
	}
	for (unsigned int seed = 1; seed <= n; seed++) {
		print_message("MAFS_TEST_SEED=%u\n", seed);
		play(seed);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_requests_survive_any_stop),
	};

	keep_pages();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
