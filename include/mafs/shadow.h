/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shadow: a directory of descriptors, one regular file for each file with
 * bytes in memory, in real directories (lib/shadow).
 *
 *	DIR/.mafs/shadow.yaml	the stamp: volume, generation, sequence
 *	DIR/.lost/ID-HINT	what was not found in the namespace directory
 *	DIR/a/b			descriptor of /a/b
 *
 * `.mafs` is no name that a volume shows, so it meets no file. All is private
 * to its owner (0700, 0600): names of closed directories stand in it.
 */
#pragma once

#include <mafs/descriptor.h>
#include <mafs/fault.h>
#include <mafs/uuid.h>
#include <stdbool.h>
#include <stdint.h>

#define MAFS_SHADOW_DOT ".mafs"
#define MAFS_SHADOW_STAMP "shadow.yaml"
#define MAFS_SHADOW_LOST ".lost"
#define MAFS_SHADOW_VERSION 1

struct mafs_shadow_stamp {
	struct mafs_uuid volume;
	uint64_t generation; /* of the superblock */
	uint64_t seq; /* of the last entry that it shows */
};

struct mafs_shadow;

/**
 * mafs_shadow_open() - an empty directory, or an earlier shadow of the volume
 * @dir: made when it is missing
 *
 * Locks it against a second writer until mafs_shadow_close(). Nothing outside
 * is ever touched: paths are resolved beneath it without symbolic links.
 *
 * Context: one thread at a time, as all calls here.
 *
 * Return: 0; -ENOTEMPTY: neither empty nor a shadow; -EEXIST: the shadow of
 * another volume; -EBUSY: somebody else writes it; -EINVAL, -EOPNOTSUPP: its
 * stamp cannot be read; -errno. The fault says which.
 */
int mafs_shadow_open(const char *dir, const struct mafs_uuid *volume,
		     struct mafs_shadow **ret, struct mafs_fault *fault);
void mafs_shadow_close(struct mafs_shadow *shadow);

/* Each file is put again, then mafs_shadow_sweep() removes the others. */
void mafs_shadow_begin(struct mafs_shadow *shadow);

/**
 * mafs_shadow_put() - make one descriptor true
 *
 * Written only when it differs, to a temporary name that is then renamed. A
 * descriptor of the same id elsewhere is removed.
 *
 * Return: 0, -errno; the fault names the path.
 */
int mafs_shadow_put(struct mafs_shadow *shadow,
		    const struct mafs_descriptor *descriptor,
		    struct mafs_fault *fault);

/* Removes the descriptor of a file that is no longer hot, and directories that
 * are empty then. Return: 0, also when there was none, -errno. */
int mafs_shadow_drop(struct mafs_shadow *shadow, uint64_t id,
		     struct mafs_fault *fault);

/* Removes whatever was not put since mafs_shadow_begin(). */
int mafs_shadow_sweep(struct mafs_shadow *shadow, struct mafs_fault *fault);

/* Says what the shadow shows now; written only when it differs. */
int mafs_shadow_stamp(struct mafs_shadow *shadow, uint64_t generation,
		      uint64_t seq, struct mafs_fault *fault);

/* Return: 0, -ENOENT (no stamp), -EINVAL, -EOPNOTSUPP, -errno. */
int mafs_shadow_stamp_read(int dir_fd, struct mafs_shadow_stamp *ret,
			   struct mafs_fault *fault);

/* Where the descriptor of an id stands, "/a/b"; NULL when it was not put since
 * the shadow was opened. Borrowed until the next change. */
const char *mafs_shadow_path(const struct mafs_shadow *shadow, uint64_t id);
/* Files in it. */
size_t mafs_shadow_count(const struct mafs_shadow *shadow);
