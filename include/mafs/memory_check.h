/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checks a memory volume (logplay/memory_check.c): superblocks, the log and
 * what each entry means, names, extents, and a shadow against the log.
 */
#pragma once

#include <mafs/finding.h>
#include <mafs/memory_volume.h>

/**
 * struct mafs_memory_check_options
 * @source, @devices: as struct mafs_memory_volume_options
 * @shadow: directory that should show what the log says; NULL: none
 */
struct mafs_memory_check_options {
	const char *source;
	const char *const *devices;
	size_t n_devices;
	const char *shadow;
};

/**
 * struct mafs_device_space - how one device is used
 * @log_bytes: of log segments behind the first ones
 */
struct mafs_device_space {
	uint64_t size_bytes, free_bytes, largest_free_bytes, log_bytes;
	uint64_t n_free_runs;
};

/**
 * struct mafs_memory_check - what was found
 * @live: a master is at work; what it changed meanwhile was looked at again
 * @bad_copies: of the first device's superblock there is a valid copy and a bad
 *	one: it can be repaired
 * @volume: names, devices and their records, as far as the log was read;
 *	owned; NULL: not even a superblock
 * @spaces: of the devices in the pool, in its order; owned
 * @n_links: names of files that have more than one
 */
struct mafs_memory_check {
	struct mafs_findings found;
	bool live, have_sb, bad_copies, log_whole;
	struct mafs_superblock sb;
	int sb_copy;
	uint64_t n_entries, n_batches;
	struct mafs_memory_volume *volume;
	struct mafs_device_space *spaces;
	uint64_t n_files, n_dirs, n_others, n_extents, file_bytes;
};

void mafs_memory_check_done(struct mafs_memory_check *check);

/**
 * mafs_memory_check() - check a memory volume; changes nothing
 * @ret: mafs_memory_check_done(), also when it failed
 *
 * Return: 0, also when faults were found; -ENOMEM; -EINVAL: no memory volume's
 * first device; -errno when it could not be read at all; the fault set.
 */
int mafs_memory_check(const struct mafs_memory_check_options *options,
		      struct mafs_memory_check *ret, struct mafs_fault *fault);

/**
 * mafs_memory_repair() - mend what leaves no doubt
 * @check: of the same volume
 * @ret_n: things mended, each noted in @found
 *
 * A bad superblock copy is written anew from the valid one, a torn tail is
 * cut, as the next mount would do it. Nothing is guessed. The volume must not
 * be mounted.
 *
 * Return: 0, -EBUSY, -errno; the fault says why.
 */
int mafs_memory_repair(const struct mafs_memory_check_options *options,
		       const struct mafs_memory_check *check,
		       struct mafs_findings *found, size_t *ret_n,
		       struct mafs_fault *fault);

/* The path of a name, "/a/b"; NULL: no memory, or none leads there. */
char *mafs_memory_check_path(struct mafs_memory_check *check,
			     const struct mafs_node *node);
