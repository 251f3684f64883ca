/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checks a memory device: superblocks, log, and whether what the log says of
 * memory files is so (logplay/checker.c). Changes nothing; may run beside a
 * daemon.
 */
#pragma once

#include <mafs/fault.h>
#include <mafs/finding.h>
#include <mafs/hot.h>
#include <mafs/inventory.h>
#include <mafs/memory.h>
#include <mafs/superblock.h>

/**
 * struct mafs_check - what was found
 * @have_sb, @sb: the newest valid superblock, in copy @sb_copy
 * @log_whole: the log was read to its end; else @hot is what stood before the
 *	fault, and memory files were not judged by it
 * @hot, @inventory: owned; the owner fields of the inventory are set
 */
struct mafs_check {
	struct mafs_findings found;
	bool have_sb;
	struct mafs_superblock sb;
	int sb_copy;
	bool log_whole;
	uint64_t n_entries, n_batches;
	enum mafs_log_tail tail;
	struct mafs_log_position end;
	struct mafs_hot_table *hot;
	struct mafs_inventory inventory;
};

void mafs_check_done(struct mafs_check *check);

/**
 * mafs_check_device() - check a memory device
 * @volume: whose it must be
 * @live: a daemon may be at work; what it changed meanwhile is no fault
 * @ret: mafs_check_done(), also when it failed
 *
 * Return: 0, also when faults were found; -ENOMEM; -errno when the device could
 * not be read at all, the fault set.
 */
int mafs_check_device(struct mafs_memory *memory,
		      const struct mafs_uuid *volume, bool live,
		      struct mafs_check *ret, struct mafs_fault *fault);
