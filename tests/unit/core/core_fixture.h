// SPDX-License-Identifier: Apache-2.0
/*
 * The core on a directory and a memory of its own, and a kernel that is a
 * double: it numbers backing files, keeps them open as the real one does, and
 * counts. Nothing here uses cmocka after a fork: see must().
 */
#pragma once

#include <core/intern.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "moves.h"
#include "place.h"

#define KIB (UINT64_C(1) << 10)
#define MIB (UINT64_C(1) << 20)
#define N_BACKINGS 512

/* ---- conditions ---- */

/* In a child, or with threads: cmocka may not jump there. */
static bool t_no_jump;

static inline void must_hold(bool holds, const char *what, long long is,
			     const char *file, int line)
{
	if (holds)
		return;
	if (t_no_jump) {
		fprintf(stderr, "%s:%d: %s (is %lld)\n", file, line, what, is);
		_exit(1);
	}
	print_error("%s:%d: %s (is %lld)\n", file, line, what, is);
	_fail(file, line);
}

#define must(condition) must_hold(condition, #condition, 0, __FILE__, __LINE__)
#define must_be(value, wanted)                                              \
	do {                                                                \
		long long is_ = (long long)(value);                         \
		must_hold(is_ == (long long)(wanted), #value " = " #wanted, \
			  is_, __FILE__, __LINE__);                         \
	} while (0)

/* ---- the kernel's double ---- */

struct kernel {
	pthread_mutex_t lock;
	struct {
		int id, fd;
	} backings[N_BACKINGS]; /* under lock; id 0: free */
	int last_id; /* under lock */
	int n_backings; /* under lock */
	int fail_next; /* under lock; -errno of the next registration */
	bool forbids; /* -EPERM always, as without CAP_SYS_ADMIN */
	atomic_int n_invals;
};

static inline int kernel_backing_open(void *context, int fd)
{
	struct kernel *kernel = context;
	int id = 0, copy;
	mafs_guard(&kernel->lock);

	if (kernel->forbids)
		return -EPERM;
	if (kernel->fail_next) {
		id = kernel->fail_next;
		kernel->fail_next = 0;
		return id;
	}
	copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (copy < 0)
		return -errno;
	for (size_t i = 0; i < N_BACKINGS; i++) {
		if (kernel->backings[i].id)
			continue;
		kernel->backings[i].id = ++kernel->last_id;
		kernel->backings[i].fd = copy;
		kernel->n_backings++;
		return kernel->last_id;
	}
	close(copy);
	return -ENFILE;
}

static inline void kernel_backing_close(void *context, int id)
{
	struct kernel *kernel = context;
	mafs_guard(&kernel->lock);

	for (size_t i = 0; i < N_BACKINGS; i++) {
		if (kernel->backings[i].id != id)
			continue;
		close(kernel->backings[i].fd);
		kernel->backings[i].id = 0;
		kernel->n_backings--;
		return;
	}
	must(!"backing id closed that is not open");
}

static inline void kernel_inval_attr(void *context, uint64_t nodeid)
{
	struct kernel *kernel = context;

	kernel->n_invals++;
}

static const struct mafsd_kernel_ops kernel_ops = {
	.backing_open = kernel_backing_open,
	.backing_close = kernel_backing_close,
	.inval_attr = kernel_inval_attr,
};

static inline int kernel_n_backings(struct kernel *kernel)
{
	mafs_guard(&kernel->lock);
	return kernel->n_backings;
}

/* What the kernel does at a passthrough open: opens the file behind an id. */
static inline int kernel_reopen(struct kernel *kernel, int id, int flags)
{
	char path[MAFSD_PROC_LEN];
	int fd = -1;

	pthread_mutex_lock(&kernel->lock);
	for (size_t i = 0; i < N_BACKINGS; i++)
		if (kernel->backings[i].id == id)
			fd = fcntl(kernel->backings[i].fd, F_DUPFD_CLOEXEC, 3);
	pthread_mutex_unlock(&kernel->lock);
	must(fd >= 0);
	mafsd_proc_path(fd, path);
	id = open(path, flags | O_CLOEXEC);
	close(fd);
	must(id >= 0);
	return id;
}

/* ---- the core ---- */

struct core {
	char place[T_PLACE_LEN];
	char n[2 * T_PLACE_LEN];
	char mnt[2 * T_PLACE_LEN];
	struct kernel kernel;
	struct mafsd_options options;
	struct mafsd *d; /* NULL: not running */
};

static const struct mafsd_caller t_root = { .umask = 022 };

/* For the next start. */
static inline void core_option(struct core *c, const char *name,
			       const char *value)
{
	must_be(mafs_settings_set(&c->options.settings, name, value, NULL), 0);
}

static inline int core_setup(void **state)
{
	struct core *c = calloc(1, sizeof(*c));
	struct statfs fs;

	signal(SIGIO, SIG_IGN); /* a lease that is asked for back */
	t_place_make("core", c->place);
	/* Leases are blind on overlayfs. */
	if (statfs(c->place, &fs) < 0 || fs.f_type == OVERLAYFS_SUPER_MAGIC)
		must_be(mount("t", c->place, "tmpfs", 0, "mode=0700"), 0);
	snprintf(c->n, sizeof(c->n), "%s/n", c->place);
	snprintf(c->mnt, sizeof(c->mnt), "%s/mnt", c->place);
	must_be(mkdir(c->n, 0755), 0);
	must_be(mkdir(c->mnt, 0755), 0);
	pthread_mutex_init(&c->kernel.lock, NULL);
	c->options = (struct mafsd_options){
		.source = c->n,
		.mountpoint = c->mnt,
		.memory = { .kind = "tmpfs", .size_bytes = 64 * MIB },
	};
	core_option(c, "writeback_after", "1d");
	core_option(c, "promote", "off");
	*state = c;
	return 0;
}

static inline int core_teardown(void **state)
{
	struct core *c = *state;
	struct mafs_fault fault = MAFS_FAULT_INIT;

	if (c->d) {
		mafsd_stop(c->d, &fault);
		mafsd_free(c->d);
	}
	for (size_t i = 0; i < N_BACKINGS; i++)
		if (c->kernel.backings[i].id)
			close(c->kernel.backings[i].fd);
	t_place_remove(c->place);
	free(c);
	return 0;
}

/* @tier: NULL: the disk. */
static inline void core_start_on(struct core *c,
				 const struct mafs_tier_ops *tier)
{
	struct mafs_fault fault = MAFS_FAULT_INIT;
	int r = mafsd_start(&c->options, &c->d, &fault);

	if (r < 0)
		fprintf(stderr, "%s\n", fault.what);
	must_be(r, 0);
	if (tier)
		c->d->tier = tier;
	/* Whatever the tests run on: as ext4 with a journal. */
	c->d->orders_names = c->d->names_by_log = true;
	mafsd_thread_enter();
	mafsd_connect(c->d, &kernel_ops, &c->kernel);
	must_be(kernel_n_backings(&c->kernel), 0);
	must_be(mafsd_run(c->d, &fault), 0);
}

static inline void core_start(struct core *c)
{
	core_start_on(c, NULL);
}

/* Nothing is lost, nothing leaks. */
static inline void core_stop(struct core *c)
{
	struct mafs_fault fault = MAFS_FAULT_INIT;
	int r = mafsd_stop(c->d, &fault);

	if (r < 0)
		fprintf(stderr, "%s\n", fault.what);
	must_be(r, 0);
	must_be(c->d->n_open, 0);
	must_be(c->d->n_dirty, 0);
	must_be(c->d->dirty_bytes, 0);
	must_be(c->d->space.reserved_bytes, 0);
	mafsd_free(c->d);
	c->d = NULL;
	must_be(kernel_n_backings(&c->kernel), 0);
}

static inline _Noreturn void core_die(void)
{
	kill(getpid(), SIGKILL);
	abort();
}

/* Runs @work in a core that is killed when it returns. */
static inline void core_killed(struct core *c, void (*work)(struct core *c))
{
	pid_t child = fork();
	int status;

	if (child == 0) {
		t_no_jump = true;
		core_start(c);
		work(c);
		core_die();
	}
	must_be(waitpid(child, &status, 0), child);
	must_be(status, SIGKILL);
}

/* ---- operations ---- */

static inline uint64_t core_lookup(struct core *c, const char *name)
{
	struct mafsd_entry entry;

	must_be(mafsd_lookup(c->d, MAFSD_ROOT_ID, name, &entry), 0);
	return entry.nodeid;
}

static inline struct mafsd_open *core_open(struct core *c, uint64_t nodeid,
					   int flags)
{
	struct mafsd_open *open = NULL;

	must_be(mafsd_open(c->d, &t_root, nodeid, flags, true, &open), 0);
	return open;
}

static inline struct mafsd_open *core_create(struct core *c, const char *name,
					     int flags, uint64_t *ret_nodeid)
{
	struct mafsd_entry entry;
	struct mafsd_open *open = NULL;

	must_be(mafsd_create(c->d, &t_root, MAFSD_ROOT_ID, name, 0644, flags,
			     &entry, &open),
		0);
	if (ret_nodeid)
		*ret_nodeid = entry.nodeid;
	return open;
}

static inline void core_write(struct core *c, struct mafsd_open *open,
			      const void *bytes, size_t len, uint64_t offset)
{
	must_be(mafsd_write(c->d, &t_root, open, bytes, len, offset, 0, false,
			    true),
		len);
}

static inline void core_write_text(struct core *c, struct mafsd_open *open,
				   const char *text)
{
	core_write(c, open, text, strlen(text), 0);
}

/* @len bytes of a pattern that tells offsets apart. */
static inline void core_write_pattern(struct core *c, struct mafsd_open *open,
				      uint64_t offset, size_t len, uint8_t seed)
{
	uint8_t *bytes = malloc(len);

	for (size_t i = 0; i < len; i++)
		bytes[i] = (uint8_t)(seed + (offset + i) * 31 / 7 + i / 4096);
	core_write(c, open, bytes, len, offset);
	free(bytes);
}

static inline void core_resize(struct core *c, uint64_t nodeid, uint64_t size)
{
	struct stat attr = { .st_size = (off_t)size }, st;
	bool is_volatile;

	must_be(mafsd_setattr(c->d, &t_root, nodeid, &attr, MAFSD_SET_SIZE,
			      true, &st, &is_volatile),
		0);
	must_be(st.st_size, size);
}

static inline void core_fsync(struct core *c, struct mafsd_open *open)
{
	must_be(mafsd_fsync(c->d, open, false), 0);
}

static inline struct mafsd_file *core_file(struct core *c, uint64_t nodeid)
{
	return mafsd_inode_by_id(c->d, nodeid)->file;
}

static inline void core_pull(struct core *c, const char *path)
{
	struct mafs_fault fault = MAFS_FAULT_INIT;
	uint64_t n_moved = 0, n_kept = 0;

	must_be(t_pull(c->d, path, &n_moved, &n_kept, &fault), 0);
	must_be(n_kept, 0);
}

/* ---- N itself ---- */

static inline int n_open(struct core *c, const char *name, int flags)
{
	int fd = open(t_path(c->n, name), flags | O_CLOEXEC, 0644);

	must(fd >= 0);
	return fd;
}

static inline void n_write(struct core *c, const char *name, const char *text)
{
	int fd = n_open(c, name, O_WRONLY | O_CREAT | O_TRUNC);

	must_be(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static inline void n_write_pattern(struct core *c, const char *name, size_t len)
{
	int fd = n_open(c, name, O_WRONLY | O_CREAT | O_TRUNC);
	uint8_t *bytes = malloc(len);

	for (size_t i = 0; i < len; i++)
		bytes[i] = (uint8_t)(i * 13 + i / 4096);
	must_be(write(fd, bytes, len), len);
	free(bytes);
	close(fd);
}

static inline bool n_exists(struct core *c, const char *name)
{
	return access(t_path(c->n, name), F_OK) == 0;
}

static inline uint64_t n_size(struct core *c, const char *name)
{
	struct stat st;

	must_be(stat(t_path(c->n, name), &st), 0);
	return (uint64_t)st.st_size;
}

static inline bool n_holds(struct core *c, const char *name, const char *text)
{
	char bytes[256];
	_cleanup_close_ int fd = open(t_path(c->n, name), O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, bytes, sizeof(bytes));

	return n == (ssize_t)strlen(text) && !memcmp(bytes, text, (size_t)n);
}

/* ---- through the core ---- */

/* As a program reads, whatever the path: from the backing file or by call. */
static inline ssize_t core_read(struct core *c, struct mafsd_open *open,
				void *bytes, size_t len, uint64_t offset)
{
	ssize_t n;
	int fd;

	if (!open->passthrough || open->direct_io)
		return mafsd_read(c->d, open, bytes, len, offset);
	fd = kernel_reopen(&c->kernel, open->backing_id, O_RDONLY);
	n = pread(fd, bytes, len, (off_t)offset);
	close(fd);
	return n;
}

static inline bool core_holds(struct core *c, uint64_t nodeid, const char *text)
{
	struct mafsd_open *open = core_open(c, nodeid, O_RDONLY);
	char bytes[256];
	ssize_t n = core_read(c, open, bytes, sizeof(bytes), 0);

	mafsd_release(c->d, open);
	return n == (ssize_t)strlen(text) && !memcmp(bytes, text, (size_t)n);
}

/* Has N what the mount shows? */
static inline bool core_same_as_n(struct core *c, struct mafsd_open *open,
				  const char *name)
{
	_cleanup_close_ int fd = n_open(c, name, O_RDONLY);
	static uint8_t ours[1 << 16], theirs[1 << 16];
	uint64_t at = 0;

	for (;;) {
		ssize_t n = core_read(c, open, ours, sizeof(ours), at);

		if (n < 0 ||
		    pread(fd, theirs, sizeof(theirs), (off_t)at) != n ||
		    memcmp(ours, theirs, (size_t)n))
			return false;
		if (n == 0)
			return true;
		at += (uint64_t)n;
	}
}

#define CORE_TEST(function) \
	cmocka_unit_test_setup_teardown(function, core_setup, core_teardown)
