/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A workload is a table of operations. It is played in a child on a real N and
 * a real memory, stopped at one of its system calls, and what the next daemon
 * finds is held against the oracle, which knows which operations were
 * acknowledged and which one was under way.
 */
#pragma once

#include <core/admin.h>

#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define CRASH_N_HANDLES 4
#define CRASH_N_FILES 32
#define CRASH_N_NAMES 32

/* ---- workloads ---- */

enum op_kind {
	OP_END,
	/* on files; @name, @to: paths below the root; @h: handle */
	OP_CREATE, /* name, h, flags */
	OP_OPEN, /* name, h, flags; O_TRUNC counts */
	OP_CLOSE, /* h */
	OP_WRITE, /* h, offset, len, seed; flags: O_SYNC, O_DSYNC */
	OP_FSYNC, /* h */
	OP_PUNCH, /* h, offset, len */
	OP_ZERO, /* h, offset, len */
	OP_TRUNCATE, /* name, offset: new size */
	OP_CHMOD, /* name, flags: mode */
	OP_MKDIR, /* name */
	OP_RENAME, /* name, to, flags */
	OP_LINK, /* name, to */
	OP_SYMLINK, /* name, to: target */
	OP_UNLINK, /* name */
	OP_RMDIR, /* name */
	/* on the daemon */
	OP_PULL, /* name: promoted */
	OP_PUSH, /* name: written back and evicted */
	OP_SYNC, /* all written back */
	OP_POLICY, /* name, flags: its policy from here on */
	OP_CHECKPOINT, /* of the log */
	OP_MEMORY_FULL, /* from here on */
	OP_RECOVER, /* what an earlier daemon left is met */
	OP_STOP, /* umount; the last */
	/* on N itself, nobody being there */
	OP_N_WRITE, /* name, len, seed: all its content; made if not there */
};

struct op {
	enum op_kind kind;
	const char *name, *to;
	int h;
	uint64_t offset, len;
	unsigned int seed;
	int flags;
};

/* clang-format off */
#define OPS(...) ((const struct op[]){ __VA_ARGS__, { .kind = OP_END } })
#define CREATE(n, handle) { .kind = OP_CREATE, .name = n, .h = handle }
#define OPEN(n, handle, f) \
	{ .kind = OP_OPEN, .name = n, .h = handle, .flags = f }
#define CLOSE(handle) { .kind = OP_CLOSE, .h = handle }
#define WRITE(handle, at, n, s) \
	{ .kind = OP_WRITE, .h = handle, .offset = at, .len = n, .seed = s }
#define WRITE_SYNC(handle, at, n, s) \
	{ .kind = OP_WRITE, .h = handle, .offset = at, .len = n, .seed = s, \
	  .flags = O_SYNC }
#define PUNCH(handle, at, n) \
	{ .kind = OP_PUNCH, .h = handle, .offset = at, .len = n }
#define ZERO(handle, at, n) \
	{ .kind = OP_ZERO, .h = handle, .offset = at, .len = n }
#define FSYNC(handle) { .kind = OP_FSYNC, .h = handle }
#define FDATASYNC(handle) { .kind = OP_FSYNC, .h = handle, .flags = O_DSYNC }
#define TRUNCATE(n, size) { .kind = OP_TRUNCATE, .name = n, .offset = size }
#define CHMOD(n, mode) { .kind = OP_CHMOD, .name = n, .flags = mode }
#define MKDIR(n) { .kind = OP_MKDIR, .name = n }
#define RMDIR(n) { .kind = OP_RMDIR, .name = n }
#define UNLINK(n) { .kind = OP_UNLINK, .name = n }
#define LINK(n, t) { .kind = OP_LINK, .name = n, .to = t }
#define SYMLINK(n, t) { .kind = OP_SYMLINK, .name = n, .to = t }
#define RENAME(n, t, f) { .kind = OP_RENAME, .name = n, .to = t, .flags = f }
#define PULL(n) { .kind = OP_PULL, .name = n }
#define POLICY(n, what) \
	{ .kind = OP_POLICY, .name = n, .flags = MAFSD_POLICY_##what }
#define PUSH(n) { .kind = OP_PUSH, .name = n }
#define DO(what) { .kind = OP_##what }
#define N_WRITE(n, size, s) \
	{ .kind = OP_N_WRITE, .name = n, .len = size, .seed = s }
/* A new file with bytes in memory only. */
#define MAKE(n, size, s) CREATE(n, 0), WRITE(0, 0, size, s), CLOSE(0)
/* clang-format on */

/**
 * struct workload
 * @before: on N, before anything; or NULL
 * @earlier: by a daemon that is killed after them; or NULL
 * @meanwhile: on N, between the two; or NULL
 * @ops: stopped at each call
 * @from_start: the calls of the start count, too
 * @poor: without passthrough, and short of descriptors
 * @raw: programs write past the daemon
 * @conflict: path whose memory copy must be found beside it, as @meanwhile
 *	wrote to it; or NULL
 */
struct workload {
	const char *name;
	const struct op *before, *earlier, *meanwhile, *ops;
	bool from_start, poor, raw;
	const char *conflict;
};

/* ---- oracle ---- */

struct version {
	uint64_t size;
	uint8_t *bytes; /* owned */
};

/* What a file was since it was last known to be durable, oldest first. */
struct model_file {
	struct version *versions;
	size_t n_versions;
	mode_t mode;
};

struct model_name {
	const char *path;
	const char *target; /* of a symbolic link */
	int file; /* index; -1: no regular file */
	mode_t type;
};

struct model {
	struct model_file files[CRASH_N_FILES];
	size_t n_files;
	struct model_name names[CRASH_N_NAMES];
	size_t n_names;
	int handles[CRASH_N_HANDLES];
	struct version conflict; /* borrowed; bytes NULL: none */
};

/* What @workload should have led to after @n_ops of its counted operations.
 * Its memory is given back with the process. */
void model_play(const struct workload *workload, size_t n_ops,
		struct model *ret);
/* The byte that a write with @seed puts there. */
uint8_t crash_byte(unsigned int seed, uint64_t offset);

/* ---- what is there ---- */

struct seen_file {
	char *path; /* owned */
	mode_t mode;
	nlink_t n_links;
	uint64_t size;
	uint8_t *bytes; /* owned; of a symbolic link its target */
};

struct seen {
	struct seen_file *files;
	size_t n_files;
};

struct seen_file *seen_add(struct seen *seen, const char *path);
/* Of a directory, without .mafs. */
void seen_read(const char *root, struct seen *ret);
/* Return: NULL, or what differs; one static buffer. */
const char *seen_compare(const struct seen *a, const struct seen *b);

/**
 * crash_judge() - is it what was acknowledged?
 * @old: the acknowledged operations
 * @new: with the one that was under way, or as @old
 * @cut: after a power cut: only what is durable counts
 *
 * Return: NULL, or what is wrong; one static buffer.
 */
const char *crash_judge(const struct workload *workload,
			const struct model *old, const struct model *new,
			const struct seen *seen, bool cut);

/* ---- playing ---- */

struct run {
	const struct workload *workload;
	unsigned int stop_at; /* 0: never */
	bool torn;
	unsigned int stop_recovery_at; /* 0: recovery is not stopped */
	bool cut; /* power cut where it stops */
	unsigned int seed;
	bool at_store; /* set: it stopped at a store, which may be torn */
	struct noted { /* shared with the children */
		atomic_uint n_begun, n_acked; /* of workload->ops */
		atomic_uint n_calls, n_recovery_calls; /* when not stopped */
	} * noted;
};

enum crash_result {
	CRASH_BAD, /* said why */
	CRASH_RECOVERED,
	CRASH_RAN_THROUGH, /* it did not come to the n-th call; recovered */
};

enum crash_result crash_run(struct run *run);

/* ---- suites ---- */

/* Memory that children share. */
void *crash_share(size_t len);
/* A number from the environment. */
unsigned int crash_number(const char *variable, unsigned int otherwise);
/* For check.sh, and for its --long. */
unsigned int crash_scale(unsigned int check, unsigned int full);

struct tally {
	unsigned int n_stops, n_recovered;
};

/* Prints "crash: NAME stops=N recovered=N"; fails the test if they differ. */
void crash_tell(const char *name, const struct tally *tally);
/* Every stop of each workload as a test of its own, with a line each.
 * Return: for main(). */
int crash_every_stop(const struct workload *workloads, size_t n, bool cut);

extern const struct workload crash_workloads[];
extern const size_t crash_n_workloads;
