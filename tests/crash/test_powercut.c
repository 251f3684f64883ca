// SPDX-License-Identifier: Apache-2.0
/*
 * ctest: labels=root timeout=900
 *
 * The power is cut before each system call. Memory is gone; N lost some of
 * what was not flushed, in any order. What was fsynced, written with O_SYNC or
 * written back is whole; what was rewritten since is never cut short. Names
 * are taken to be durable at once.
 *
 * Not here yet: a file renamed over another before it was written back.
 */
#include "crash.h"

#include <mafs/cleanup.h>
#include <stdio.h>

#include "place.h"

static const struct workload workloads[] = {
	{
		.name = "cut_fsync",
		.ops = OPS(CREATE("a", 0), WRITE(0, 0, 9000, 1), FSYNC(0),
			   WRITE(0, 4000, 9000, 2), FSYNC(0),
			   WRITE(0, 20000, 100, 3), CLOSE(0)),
	},
	{
		.name = "cut_fdatasync",
		.ops = OPS(CREATE("a", 0), WRITE(0, 0, 9000, 1), FDATASYNC(0),
			   WRITE(0, 4000, 3000, 2), FDATASYNC(0),
			   WRITE(0, 8000, 9000, 3), FDATASYNC(0),
			   PUNCH(0, 100, 5000), FDATASYNC(0), CLOSE(0)),
	},
	{
		.name = "cut_o_sync",
		.ops = OPS(CREATE("a", 0), WRITE_SYNC(0, 0, 5000, 1),
			   WRITE_SYNC(0, 2500, 5000, 2),
			   WRITE_SYNC(0, 7500, 500, 3), CLOSE(0)),
	},
	{
		.name = "cut_append_on_disk",
		.before = OPS(N_WRITE("f", 9000, 9)),
		.ops = OPS(OPEN("f", 0, 0), WRITE(0, 9000, 3000, 1), FSYNC(0),
			   WRITE_SYNC(0, 12000, 300, 2), CLOSE(0)),
	},
	{
		.name = "cut_trunc_rewrite_shorter",
		.before = OPS(N_WRITE("f", 50000, 9)),
		.ops = OPS(OPEN("f", 0, O_TRUNC), WRITE(0, 0, 9000, 1),
			   CLOSE(0), DO(SYNC)),
	},
	{
		.name = "cut_trunc_rewrite_longer",
		.before = OPS(N_WRITE("f", 9000, 9)),
		.ops = OPS(OPEN("f", 0, O_TRUNC), WRITE(0, 0, 9000, 1),
			   WRITE(0, 9000, 41000, 2), CLOSE(0), DO(SYNC)),
	},
	{
		.name = "cut_trunc_rewrite_sparse",
		.before = OPS(N_WRITE("f", 50000, 9)),
		.ops = OPS(OPEN("f", 0, O_TRUNC), WRITE(0, 0, 4000, 1),
			   WRITE(0, 40000, 4000, 2), CLOSE(0), DO(SYNC)),
	},
	{
		.name = "cut_trunc_rewrite_again",
		.ops = OPS(MAKE("f", 20000, 1), DO(SYNC), OPEN("f", 0, O_TRUNC),
			   WRITE(0, 0, 15000, 2), CLOSE(0), DO(SYNC),
			   OPEN("f", 0, O_TRUNC), WRITE(0, 0, 25000, 3),
			   FSYNC(0), CLOSE(0)),
	},
	{
		.name = "cut_overwrite",
		.ops = OPS(CREATE("f", 0), WRITE(0, 0, 30000, 1), FSYNC(0),
			   WRITE(0, 3000, 3000, 2), WRITE(0, 20000, 5000, 3),
			   FSYNC(0), PUNCH(0, 100, 9000), FSYNC(0), CLOSE(0)),
	},
	{
		.name = "cut_truncate",
		.ops = OPS(MAKE("a", 20000, 1), MAKE("b", 20000, 2), DO(SYNC),
			   TRUNCATE("a", 5000), DO(SYNC), OPEN("b", 0, 0),
			   TRUNCATE("b", 7000), FSYNC(0), CLOSE(0)),
	},
	{
		.name = "cut_sync_of_many",
		.ops = OPS(MAKE("a", 100, 1), MAKE("b", 200, 2),
			   MAKE("c", 300, 3), MAKE("d", 400, 4),
			   MAKE("e", 500, 5), MAKE("f", 600, 6),
			   MAKE("g", 700, 7), MAKE("h", 800, 8), DO(SYNC),
			   OPEN("a", 0, O_TRUNC), WRITE(0, 0, 150, 9), CLOSE(0),
			   DO(SYNC)),
	},
	{
		.name = "cut_spill",
		.before = OPS(N_WRITE("f", 30000, 9)),
		.ops = OPS(OPEN("f", 0, O_TRUNC), WRITE(0, 0, 9000, 1),
			   FSYNC(0), WRITE(0, 20000, 3000, 2), DO(MEMORY_FULL),
			   WRITE(0, 9000, 9000, 3), FSYNC(0), CLOSE(0)),
	},
	{
		.name = "cut_spill_of_rewritten",
		.before = OPS(N_WRITE("f", 50000, 9)),
		.ops = OPS(OPEN("f", 0, O_TRUNC), WRITE(0, 0, 9000, 1),
			   WRITE(0, 20000, 3000, 2), DO(MEMORY_FULL),
			   WRITE(0, 9000, 9000, 3), CLOSE(0)),
	},
	{
		.name = "cut_push_and_pull",
		.before = OPS(N_WRITE("cold", 9000, 9)),
		.ops = OPS(MAKE("a", 9000, 1), PUSH("a"), PULL("a"),
			   PULL("cold"), PUSH("cold"), OPEN("cold", 0, 0),
			   WRITE(0, 100, 100, 2), FSYNC(0), CLOSE(0)),
	},
	{
		.name = "cut_rename",
		.ops = OPS(MAKE("a", 9000, 1), MAKE("b", 5000, 2), DO(SYNC),
			   RENAME("a", "c", 0),
			   RENAME("b", "c", RENAME_EXCHANGE), LINK("b", "d"),
			   UNLINK("b"), OPEN("d", 0, O_TRUNC),
			   WRITE(0, 0, 9500, 3), FSYNC(0), CLOSE(0)),
	},
	{
		.name = "cut_sync_of_disk_path",
		.before = OPS(N_WRITE("f", 9000, 9), N_WRITE("g", 9000, 8)),
		.ops = OPS(OPEN("f", 0, 0), WRITE(0, 4000, 8000, 1),
			   TRUNCATE("g", 10), DO(SYNC), WRITE(0, 0, 10, 2),
			   CLOSE(0)),
	},
	{
		.name = "cut_raw",
		.raw = true,
		.ops = OPS(CREATE("a", 0), WRITE(0, 0, 9000, 1), FSYNC(0),
			   WRITE(0, 4000, 9000, 2), FSYNC(0), CLOSE(0),
			   OPEN("a", 0, 0), WRITE(0, 100, 5000, 3), CLOSE(0),
			   DO(SYNC)),
	},
	{
		.name = "cut_hot_in_place",
		.before = OPS(N_WRITE("f", 40000, 9)),
		.ops = OPS(POLICY("", HOT), OPEN("f", 0, 0),
			   WRITE(0, 5000, 100, 1), FSYNC(0),
			   WRITE(0, 20000, 9000, 2), FSYNC(0),
			   PUNCH(0, 8192, 9000), FSYNC(0), CLOSE(0), DO(SYNC)),
	},
	{
		.name = "cut_umount",
		.before = OPS(N_WRITE("f", 9000, 9), N_WRITE("g", 9000, 8)),
		.ops = OPS(MAKE("a", 9000, 1), OPEN("a", 0, O_TRUNC),
			   WRITE(0, 0, 500, 2), CLOSE(0), OPEN("f", 0, 0),
			   WRITE(0, 4000, 8000, 1), CLOSE(0), TRUNCATE("g", 10),
			   DO(STOP)),
	},
};

int main(void)
{
	int r = t_become_private();

	return r ? r :
		   crash_every_stop(workloads, MAFS_ARRAY_SIZE(workloads),
				    true);
}
