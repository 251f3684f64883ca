// SPDX-License-Identifier: Apache-2.0
/* Files that programs write past us: hot by policy, or by setting. */
#include "core_fixture.h"

#include <sys/mman.h>

#define CHUNK 4096

static void set_policy(struct core *c, enum mafsd_policy policy)
{
	const char *text = mafsd_policy_to_text(policy);

	must_be(mafsd_policy_setxattr(c->d, &t_root, MAFSD_ROOT_ID, text,
				      strlen(text), 0),
		0);
}

/* All of the volume is hot. */
static void start_hot(struct core *c)
{
	core_start(c);
	if (!c->d->pass_m)
		skip();
	set_policy(c, MAFSD_POLICY_HOT);
}

/* The program's side of an open that goes past us. */
static int program(struct core *c, const struct mafsd_open *open, int flags)
{
	must(open->passthrough && !open->direct_io);
	return kernel_reopen(&c->kernel, open->backing_id, flags);
}

static void store(int fd, uint64_t at, size_t len, int byte)
{
	uint8_t *bytes = malloc(len);

	memset(bytes, byte, len);
	must_be(pwrite(fd, bytes, len, (off_t)at), len);
	free(bytes);
}

/* Bytes that went down since the last call. */
static uint64_t went_down(struct core *c)
{
	static uint64_t before;
	uint64_t now = c->d->written_back_bytes, n = now - before;

	before = now;
	return n;
}

static void begin_again(struct core *c)
{
	(void)went_down(c);
}

static bool is_clean(struct core *c, uint64_t nodeid)
{
	return core_file(c, nodeid) &&
	       core_file(c, nodeid)->state == MAFSD_CLEAN;
}

static void write_back(struct core *c, uint64_t nodeid)
{
	must_be(mafsd_write_back(c->d, mafsd_inode_by_id(c->d, nodeid), true),
		0);
}

static bool same(struct core *c, uint64_t nodeid, const char *name)
{
	struct mafsd_open *open = core_open(c, nodeid, O_RDONLY);
	bool same = core_same_as_n(c, open, name);

	mafsd_release(c->d, open);
	return same;
}

/* ---- the path ---- */

static void test_writer_of_a_hot_file_goes_past_us(void **state)
{
	struct mafsd_open *reader, *writer, *sync;
	struct core *c = *state;
	uint64_t f;
	int fd;

	n_write_pattern(c, "f", MIB);
	start_hot(c);
	f = core_lookup(c, "f");
	writer = core_open(c, f, O_RDWR); /* it comes up before */
	fd = program(c, writer, O_RDWR);
	reader = core_open(c, f, O_RDONLY);
	must_be(reader->backing_id, writer->backing_id);
	must_be(core_file(c, f)->path, MAFSD_M);
	/* Who wants it on the disk before the reply writes through us. */
	sync = core_open(c, f, O_WRONLY | O_DSYNC);
	must(sync->passthrough && sync->direct_io);
	must_be(mafsd_write(c->d, &t_root, sync, "sync", 4, 8, O_DSYNC, false,
			    true),
		4);
	must(core_same_as_n(c, reader, "f"));
	store(fd, MIB, 10, 'x');
	close(fd);
	mafsd_release(c->d, sync);
	mafsd_release(c->d, writer);
	mafsd_release(c->d, reader);
	core_stop(c);
	must_be(n_size(c, "f"), MIB + 10);
}

static void test_new_and_emptied_files_begin_past_us(void **state)
{
	struct mafsd_open *open;
	struct core *c = *state;
	uint64_t f, g;
	int fd;

	n_write(c, "f", "old content");
	start_hot(c);
	open = core_create(c, "g", O_WRONLY, &g);
	fd = program(c, open, O_WRONLY);
	store(fd, 0, 3, 'g');
	close(fd);
	mafsd_release(c->d, open);
	f = core_lookup(c, "f");
	open = core_open(c, f, O_WRONLY | O_TRUNC);
	fd = program(c, open, O_WRONLY);
	must(n_holds(c, "f", "old content")); /* until it is written over */
	store(fd, 0, 2, 'f');
	close(fd);
	mafsd_release(c->d, open);
	must(core_holds(c, f, "ff"));
	write_back(c, f);
	write_back(c, g);
	must(is_clean(c, f) && is_clean(c, g));
	must(n_holds(c, "f", "ff") && n_holds(c, "g", "ggg"));
	core_stop(c);
}

static void test_sync_writer_is_never_in_memory(void **state)
{
	struct mafsd_open *open;
	struct core *c = *state;

	start_hot(c);
	open = core_create(c, "f", O_WRONLY | O_SYNC, NULL);
	must(open->file->on_n);
	mafsd_release(c->d, open);
	core_stop(c);
}

static void test_hot_file_that_does_not_fit_is_written_at_n(void **state)
{
	struct mafsd_open *open;
	struct core *c = *state;

	n_write_pattern(c, "f", 65 * MIB);
	start_hot(c);
	open = core_open(c, core_lookup(c, "f"), O_RDWR);
	must_be(open->file->path, MAFSD_D);
	mafsd_release(c->d, open);
	core_stop(c);
}

static void test_setting_sends_all_writers_past_us(void **state)
{
	struct mafsd_open *open;
	struct core *c = *state;
	uint64_t g;
	int fd;

	n_write(c, "f", "cold");
	n_write(c, "g", "in memory");
	core_option(c, "writes", "passthrough");
	core_start(c);
	if (!c->d->pass_m)
		skip();
	open = core_create(c, "new", O_WRONLY, NULL);
	close(program(c, open, O_WRONLY));
	mafsd_release(c->d, open);
	core_pull(c, "g");
	g = core_lookup(c, "g");
	open = core_open(c, g, O_RDWR);
	fd = program(c, open, O_RDWR);
	store(fd, 0, 1, 'I');
	close(fd);
	mafsd_release(c->d, open);
	/* What is on disk stays there: nobody said that it is hot. */
	open = core_open(c, core_lookup(c, "f"), O_RDWR);
	must_be(open->file->path, MAFSD_D);
	mafsd_release(c->d, open);
	must_be(mafsd_set(c->d, "writes", "copy", NULL), 0);
	open = core_open(c, g, O_RDWR);
	must_be(open->file->path, MAFSD_C);
	mafsd_release(c->d, open);
	core_stop(c);
	must(n_holds(c, "g", "In memory"));
}

/* ---- what goes down ---- */

static void test_only_changed_chunks_go_down(void **state)
{
	struct mafsd_open *open;
	struct core *c = *state;
	uint64_t f;
	int fd;

	n_write_pattern(c, "f", 8 * MIB + 100);
	start_hot(c);
	f = core_lookup(c, "f");
	open = core_open(c, f, O_RDWR);
	fd = program(c, open, O_RDWR);
	begin_again(c);
	core_fsync(c, open);
	must_be(went_down(c), 0);
	store(fd, 10 * CHUNK, CHUNK, 1);
	store(fd, 12 * CHUNK + 5, 1, 2);
	store(fd, 20 * CHUNK - 1, 2, 3);
	store(fd, 8 * MIB + 99, 1, 4);
	core_fsync(c, open);
	must_be(went_down(c), 4 * CHUNK + 100);
	must(core_same_as_n(c, open, "f"));
	core_fsync(c, open);
	must_be(went_down(c), 0);
	/* What is written with what was there is no change. */
	store(fd, 10 * CHUNK, CHUNK, 1);
	core_fsync(c, open);
	must_be(went_down(c), 0);
	close(fd);
	mafsd_release(c->d, open);
	write_back(c, f);
	must(is_clean(c, f));
	/* The next open knows it still. */
	open = core_open(c, f, O_RDWR);
	fd = program(c, open, O_RDWR);
	store(fd, 0, 1, 7);
	close(fd);
	mafsd_release(c->d, open);
	write_back(c, f);
	must_be(went_down(c), CHUNK);
	must(is_clean(c, f) && same(c, f, "f"));
	core_stop(c);
}

static void test_stores_through_a_mapping_are_found(void **state)
{
	struct mafsd_open *open;
	struct core *c = *state;
	uint8_t *bytes;
	uint64_t f;
	int fd;

	n_write_pattern(c, "f", MIB);
	start_hot(c);
	f = core_lookup(c, "f");
	open = core_open(c, f, O_RDWR);
	fd = program(c, open, O_RDWR);
	bytes = mmap(NULL, MIB, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	must(bytes != MAP_FAILED);
	close(fd);
	bytes[5 * CHUNK] ^= 1;
	mafsd_release(c->d, open); /* mapped on */
	begin_again(c);
	write_back(c, f);
	must_be(went_down(c), CHUNK);
	must(!is_clean(c, f));
	must_be(mafsd_evict(c->d, mafsd_inode_by_id(c->d, f), true), -EBUSY);
	bytes[7 * CHUNK] ^= 1;
	munmap(bytes, MIB);
	write_back(c, f);
	must_be(went_down(c), CHUNK);
	must(is_clean(c, f) && same(c, f, "f"));
	core_stop(c);
}

static void test_growth_cuts_and_holes_go_down(void **state)
{
	struct mafsd_open *open;
	struct core *c = *state;
	uint64_t f;
	int fd;

	n_write_pattern(c, "f", MIB);
	start_hot(c);
	f = core_lookup(c, "f");
	open = core_open(c, f, O_RDWR);
	fd = program(c, open, O_RDWR);
	begin_again(c);
	store(fd, 3 * MIB, 10, 'x'); /* with a hole before it */
	core_fsync(c, open);
	must_be(went_down(c), 10);
	must(core_same_as_n(c, open, "f"));
	core_resize(c, f, 10 * CHUNK + 1);
	core_fsync(c, open);
	must_be(went_down(c), 1); /* the last chunk is another */
	must(core_same_as_n(c, open, "f"));
	core_resize(c, f, MIB);
	core_fsync(c, open);
	must(core_same_as_n(c, open, "f"));
	must_be(mafsd_fallocate(c->d, &t_root, open,
				FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				CHUNK + 7, 3 * CHUNK, true),
		0);
	core_fsync(c, open);
	must(core_same_as_n(c, open, "f"));
	close(fd);
	mafsd_release(c->d, open);
	core_stop(c);
}

static void test_copy_writes_between_are_not_forgotten(void **state)
{
	struct mafsd_open *open;
	struct core *c = *state;
	uint64_t f;
	int fd;

	n_write_pattern(c, "f", MIB);
	start_hot(c);
	f = core_lookup(c, "f");
	open = core_open(c, f, O_RDWR);
	fd = program(c, open, O_RDWR);
	store(fd, 0, CHUNK, 'a');
	close(fd);
	mafsd_release(c->d, open);
	set_policy(c, MAFSD_POLICY_TIERED);
	open = core_open(c, f, O_RDWR); /* dirty: by copy */
	must_be(open->file->path, MAFSD_C);
	core_write_pattern(c, open, 3 * CHUNK + 1, 10, 'b');
	core_fsync(c, open);
	must(core_same_as_n(c, open, "f"));
	core_write_pattern(c, open, 0, CHUNK, 'c');
	mafsd_release(c->d, open);
	write_back(c, f);
	must(is_clean(c, f) && same(c, f, "f"));
	set_policy(c, MAFSD_POLICY_HOT);
	open = core_open(c, f, O_RDWR);
	fd = program(c, open, O_RDWR);
	store(fd, 0, CHUNK, 'a'); /* as it was when that was summed */
	close(fd);
	mafsd_release(c->d, open);
	write_back(c, f);
	must(is_clean(c, f) && same(c, f, "f"));
	core_stop(c);
}

static void test_cut_while_only_read_is_not_forgotten(void **state)
{
	struct mafsd_open *open, *reader;
	struct core *c = *state;
	uint64_t f;
	int fd;

	start_hot(c);
	open = core_create(c, "f", O_RDWR, &f);
	fd = program(c, open, O_RDWR);
	store(fd, 0, 4 * CHUNK, 'a');
	close(fd);
	mafsd_release(c->d, open);
	write_back(c, f);
	must(is_clean(c, f));
	reader = core_open(c, f, O_RDONLY); /* so it stays in memory */
	core_resize(c, f, CHUNK);
	core_resize(c, f, 4 * CHUNK);
	write_back(c, f);
	mafsd_release(c->d, reader);
	must(is_clean(c, f) && same(c, f, "f"));
	open = core_open(c, f, O_RDWR);
	fd = program(c, open, O_RDWR);
	store(fd, 0, 4 * CHUNK, 'a'); /* as it was when that was summed */
	close(fd);
	mafsd_release(c->d, open);
	write_back(c, f);
	must(is_clean(c, f) && same(c, f, "f"));
	core_stop(c);
}

/* ---- while it goes down ---- */

static struct {
	const struct mafs_memory_ops *real;
	struct core *c; /* NULL: nothing happens */
	uint64_t f;
} cutting;

/* What is read ends in the middle of a chunk: somebody cuts the file there,
 * and makes it as long as before. */
static ssize_t cutting_pread(struct mafs_memory_file *file, void *bytes,
			     size_t len, uint64_t offset)
{
	struct core *c = take_ptr(cutting.c);
	ssize_t n;

	if (c)
		core_resize(c, cutting.f, CHUNK + CHUNK / 2);
	n = cutting.real->pread(file, bytes, len, offset);
	if (c)
		core_resize(c, cutting.f, 3 * CHUNK);
	return n;
}

static void test_cut_while_it_goes_down_is_not_forgotten(void **state)
{
	static struct mafs_memory_ops ops;
	struct mafsd_open *open;
	struct core *c = *state;
	int fd;

	start_hot(c);
	cutting.real = c->d->memory->ops;
	ops = *cutting.real;
	ops.pread = cutting_pread;
	c->d->memory->ops = &ops;
	open = core_create(c, "f", O_RDWR, &cutting.f);
	fd = program(c, open, O_RDWR);
	store(fd, 0, 3 * CHUNK, 'x');
	cutting.c = c;
	write_back(c, cutting.f);
	must(!cutting.c);
	store(fd, CHUNK, CHUNK, 0); /* like what came behind the cut */
	core_fsync(c, open);
	must(core_same_as_n(c, open, "f"));
	close(fd);
	mafsd_release(c->d, open);
	core_stop(c);
}

/* ---- when it goes wrong ---- */

static atomic_int n_failures_left;
static char failing;

static int failing_pwrite(int fd, const void *bytes, size_t len,
			  uint64_t offset)
{
	if (failing == 'W' && atomic_fetch_sub(&n_failures_left, 1) == 1)
		return -EIO;
	return mafs_tier_disk.pwrite(fd, bytes, len, offset);
}

static int failing_flush(int fd, bool data_only)
{
	if (failing == 'F' && atomic_fetch_sub(&n_failures_left, 1) == 1)
		return -EIO;
	return mafs_tier_disk.flush(fd, data_only);
}

/* N has what a failed write-back has left, which nobody knows. */
static void fails_once(struct core *c, char call)
{
	struct mafs_tier_ops tier = mafs_tier_disk;
	struct mafsd_open *open;
	uint64_t f;
	int fd;

	tier.pwrite = failing_pwrite;
	tier.flush = failing_flush;
	failing = 0;
	n_write_pattern(c, "f", MIB);
	core_start_on(c, &tier);
	if (!c->d->pass_m)
		skip();
	set_policy(c, MAFSD_POLICY_HOT);
	f = core_lookup(c, "f");
	open = core_open(c, f, O_RDWR);
	fd = program(c, open, O_RDWR);
	store(fd, 0, CHUNK, 'a');
	store(fd, 2 * CHUNK, CHUNK, 'b');
	failing = call;
	n_failures_left = call == 'W' ? 2 : 1;
	must_be(mafsd_fsync(c->d, open, false), -EIO);
	failing = 0;
	begin_again(c);
	core_fsync(c, open);
	must_be(went_down(c), MIB);
	must(core_same_as_n(c, open, "f"));
	close(fd);
	mafsd_release(c->d, open);
	core_stop(c);
}

static void test_failed_write_leaves_nothing_known(void **state)
{
	fails_once(*state, 'W');
}

static void test_failed_flush_leaves_nothing_known(void **state)
{
	fails_once(*state, 'F');
}

static void write_past_us(struct core *c)
{
	struct mafsd_open *open;
	int fd;

	set_policy(c, MAFSD_POLICY_HOT);
	open = core_open(c, core_lookup(c, "f"), O_RDWR);
	fd = program(c, open, O_RDWR);
	store(fd, 3 * CHUNK, 1, 'x');
	core_fsync(c, open);
	store(fd, 5 * CHUNK, 1, 'y');
}

static void test_killed_daemon_leaves_it_dirty_in_whole(void **state)
{
	struct core *c = *state;
	uint64_t f;

	n_write_pattern(c, "f", MIB);
	core_killed(c, write_past_us);
	core_start(c);
	f = core_lookup(c, "f");
	must(mafsd_is_dirty(core_file(c, f)));
	must(core_file(c, f)->dirty_whole);
	begin_again(c);
	write_back(c, f);
	must_be(went_down(c), MIB);
	must(is_clean(c, f) && same(c, f, "f"));
	core_stop(c);
}

static void test_unlinked_while_written_past_us_goes(void **state)
{
	struct mafsd_open *open;
	struct core *c = *state;
	int fd;

	start_hot(c);
	open = core_create(c, "f", O_RDWR, NULL);
	fd = program(c, open, O_RDWR);
	must_be(mafsd_unlink(c->d, MAFSD_ROOT_ID, "f"), 0);
	store(fd, 0, MIB, 'x');
	close(fd);
	mafsd_release(c->d, open);
	must_be(c->d->n_hot, 0);
	must_be(c->d->raw_files ? 1 : 0, 0);
	core_stop(c);
}

/* ---- room, attributes ---- */

static void test_file_that_grows_has_room_ahead(void **state)
{
	struct mafs_memory_usage usage;
	struct mafsd_open *open;
	struct core *c = *state;
	uint64_t f;
	int fd;

	start_hot(c);
	open = core_create(c, "f", O_WRONLY, &f);
	fd = program(c, open, O_WRONLY);
	must_be(c->d->memory->ops->usage(c->d->memory, &usage), 0);
	must(usage.used_bytes >= 256 * KIB);
	for (int i = 0; i < 8; i++) {
		store(fd, (uint64_t)i * MIB, MIB, i);
		must(mafsd_raw_tend(c->d));
	}
	must_be(c->d->memory->ops->usage(c->d->memory, &usage), 0);
	must(usage.used_bytes >= 9 * MIB);
	/* Its blocks on N are reserved, though nobody told of the writes. */
	must(c->d->space.reserved_bytes >= 8 * MIB);
	must_be(c->d->dirty_bytes, 8 * MIB);
	close(fd);
	mafsd_release(c->d, open);
	must_be(c->d->memory->ops->usage(c->d->memory, &usage), 0);
	must(usage.used_bytes <= 8 * MIB + 64 * KIB);
	must(!mafsd_raw_tend(c->d));
	core_stop(c);
	must_be(n_size(c, "f"), 8 * MIB);
}

static void test_file_that_was_cut_has_room_ahead_again(void **state)
{
	struct mafs_memory_usage usage;
	struct mafsd_open *open;
	struct core *c = *state;
	uint64_t f;
	int fd;

	start_hot(c);
	open = core_create(c, "f", O_WRONLY, &f);
	fd = program(c, open, O_WRONLY);
	store(fd, 0, 16 * MIB, 'x');
	must(mafsd_raw_tend(c->d));
	core_resize(c, f, 0);
	must(mafsd_raw_tend(c->d));
	store(fd, 0, 2 * MIB, 'y');
	must(mafsd_raw_tend(c->d));
	must_be(c->d->memory->ops->usage(c->d->memory, &usage), 0);
	must(usage.used_bytes >= 4 * MIB);
	close(fd);
	mafsd_release(c->d, open);
	core_stop(c);
}

static void test_none_of_many_is_left_without_room(void **state)
{
	struct mafsd_open *opens[100];
	struct core *c = *state;
	uint64_t nodeids[100];
	char name[16];
	int fd;

	start_hot(c);
	for (int i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		opens[i] = core_create(c, name, O_WRONLY, &nodeids[i]);
		fd = program(c, opens[i], O_WRONLY);
		store(fd, 0, 10, 'x');
		close(fd);
	}
	for (int i = 0; i < 4; i++)
		must(mafsd_raw_tend(c->d));
	for (int i = 0; i < 100; i++) {
		must_be(core_file(c, nodeids[i])->raw_size, 10);
		mafsd_release(c->d, opens[i]);
	}
	must(!mafsd_raw_tend(c->d));
	core_stop(c);
}

static void test_attributes_are_of_the_memory_file(void **state)
{
	struct mafsd_open *open;
	struct stat before, now;
	struct core *c = *state;
	bool is_volatile;
	uint64_t f;
	int fd;

	n_write_pattern(c, "f", MIB);
	start_hot(c);
	f = core_lookup(c, "f");
	must_be(mafsd_getattr(c->d, f, &before, &is_volatile), 0);
	usleep(30000);
	open = core_open(c, f, O_WRONLY);
	must_be(mafsd_getattr(c->d, f, &now, &is_volatile), 0);
	must(is_volatile); /* the kernel asks again each time */
	must_be(now.st_ctim.tv_nsec, before.st_ctim.tv_nsec);
	must_be(now.st_mtim.tv_nsec, before.st_mtim.tv_nsec);
	fd = program(c, open, O_WRONLY);
	store(fd, 2 * MIB, 1, 'x');
	must_be(mafsd_getattr(c->d, f, &now, &is_volatile), 0);
	must_be(now.st_size, 2 * MIB + 1);
	must(now.st_mtim.tv_nsec != before.st_mtim.tv_nsec);
	must_be(now.st_ctim.tv_nsec, now.st_mtim.tv_nsec);
	close(fd);
	mafsd_release(c->d, open);
	before = now;
	write_back(c, f);
	must(is_clean(c, f));
	must_be(mafsd_getattr(c->d, f, &now, &is_volatile), 0);
	must(!is_volatile);
	must_be(now.st_ctim.tv_nsec, before.st_ctim.tv_nsec);
	must_be(now.st_mtim.tv_nsec, before.st_mtim.tv_nsec);
	core_stop(c);
}

static void test_nothing_changed_leaves_n_alone(void **state)
{
	struct mafsd_open *open;
	struct stat before, now;
	struct core *c = *state;
	uint64_t f;

	n_write_pattern(c, "f", MIB);
	start_hot(c);
	f = core_lookup(c, "f");
	must_be(stat(t_path(c->n, "f"), &before), 0);
	open = core_open(c, f, O_RDWR);
	usleep(30000);
	core_fsync(c, open);
	mafsd_release(c->d, open);
	write_back(c, f);
	must(is_clean(c, f));
	must_be(stat(t_path(c->n, "f"), &now), 0);
	must_be(now.st_ctim.tv_nsec, before.st_ctim.tv_nsec);
	core_stop(c);
}

/* ---- anything, in any order ---- */

static void any_change(struct core *c, struct mafsd_open *open, uint64_t f,
		       int fd)
{
	uint64_t at = (uint64_t)rand() % (600 * KIB);
	struct stat st;

	must_be(fstat(fd, &st), 0);
	switch (rand() % 8) {
	case 0:
		core_resize(c, f, at);
		return;
	case 1:
		must_be(mafsd_fallocate(c->d, &t_root, open,
					FALLOC_FL_PUNCH_HOLE |
						FALLOC_FL_KEEP_SIZE,
					at, 1 + (uint64_t)rand() % 20000, true),
			0);
		return;
	case 2:
		core_fsync(c, open);
		must(core_same_as_n(c, open, "f"));
		return;
	case 3:
		core_write_pattern(c, open, at, 1 + (size_t)rand() % 9000,
				   (uint8_t)rand());
		return;
	default:
		store(fd, at, 1 + (size_t)rand() % 9000, rand());
	}
}

static void test_any_changes_come_down(void **state)
{
	struct core *c = *state;
	struct mafsd_open *open;
	uint64_t f;
	int fd;

	srand(5);
	n_write_pattern(c, "f", 300 * KIB);
	start_hot(c);
	f = core_lookup(c, "f");
	for (int turn = 0; turn < 120; turn++) {
		set_policy(c, turn % 5 == 4 ? MAFSD_POLICY_TIERED :
					      MAFSD_POLICY_HOT);
		open = core_open(c, f, O_RDWR | (turn % 13 ? 0 : O_TRUNC));
		if (open->passthrough && !open->direct_io &&
		    open->file->path == MAFSD_M) {
			fd = program(c, open, O_RDWR);
			for (int i = 0; i < 20; i++)
				any_change(c, open, f, fd);
			close(fd);
		} else if (!open->passthrough) {
			core_write_pattern(c, open, (uint64_t)turn * 999, 777,
					   (uint8_t)turn);
		}
		mafsd_release(c->d, open);
		if (turn % 3) {
			write_back(c, f);
			must_be(c->d->n_dirty, 0);
		}
		must(turn % 3 == 0 || same(c, f, "f"));
	}
	core_stop(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CORE_TEST(test_writer_of_a_hot_file_goes_past_us),
		CORE_TEST(test_new_and_emptied_files_begin_past_us),
		CORE_TEST(test_sync_writer_is_never_in_memory),
		CORE_TEST(test_hot_file_that_does_not_fit_is_written_at_n),
		CORE_TEST(test_setting_sends_all_writers_past_us),
		CORE_TEST(test_only_changed_chunks_go_down),
		CORE_TEST(test_stores_through_a_mapping_are_found),
		CORE_TEST(test_growth_cuts_and_holes_go_down),
		CORE_TEST(test_copy_writes_between_are_not_forgotten),
		CORE_TEST(test_cut_while_only_read_is_not_forgotten),
		CORE_TEST(test_cut_while_it_goes_down_is_not_forgotten),
		CORE_TEST(test_failed_write_leaves_nothing_known),
		CORE_TEST(test_failed_flush_leaves_nothing_known),
		CORE_TEST(test_killed_daemon_leaves_it_dirty_in_whole),
		CORE_TEST(test_unlinked_while_written_past_us_goes),
		CORE_TEST(test_file_that_grows_has_room_ahead),
		CORE_TEST(test_file_that_was_cut_has_room_ahead_again),
		CORE_TEST(test_none_of_many_is_left_without_room),
		CORE_TEST(test_attributes_are_of_the_memory_file),
		CORE_TEST(test_nothing_changed_leaves_n_alone),
		CORE_TEST(test_any_changes_come_down),
	};

	return cmocka_run_group_tests_name("core.hot", tests, NULL, NULL);
}
