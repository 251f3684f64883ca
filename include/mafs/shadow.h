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

/**
 * struct mafs_shadow_dir - a shadow's directory, open and locked
 * @dot_fd: .mafs
 * @is_fresh: it was empty: nothing that is made can be in the way
 * @stamp: as it is stored; generation 0: not filled yet
 */
struct mafs_shadow_dir {
	int root_fd, dot_fd;
	bool is_fresh;
	struct mafs_shadow_stamp stamp;
};
#define MAFS_SHADOW_DIR_INIT                \
	{                                   \
		.root_fd = -1, .dot_fd = -1 \
	}

/* As mafs_shadow_open(). @ret: MAFS_SHADOW_DIR_INIT before; to be closed also
 * on failure. */
int mafs_shadow_dir_open(const char *dir, const struct mafs_uuid *volume,
			 struct mafs_shadow_dir *ret, struct mafs_fault *fault);
void mafs_shadow_dir_close(struct mafs_shadow_dir *dir);
/* Says what the shadow shows now; written only when it differs. */
int mafs_shadow_dir_stamp(struct mafs_shadow_dir *dir, uint64_t generation,
			  uint64_t seq, struct mafs_fault *fault);

/* ---- files and directories beneath it; names are single components ---- */

/* A new file, where nothing is. Return: 0, -EEXIST, -errno. */
int mafs_shadow_file_new(int parent_fd, const char *name, const void *bytes,
			 size_t len);
/* A file of this content, written only when it differs, and then at once;
 * whatever else has the name goes. */
int mafs_shadow_file_put(const struct mafs_shadow_dir *dir, int parent_fd,
			 const char *name, const void *bytes, size_t len);
/* A directory; whatever else has the name goes. */
int mafs_shadow_directory_put(int parent_fd, const char *name);
/* With all that is in it. 0 also when it was not there. */
int mafs_shadow_remove(int parent_fd, const char *name);

/* ---- .mafs/devices.yaml of a memory volume's shadow ---- */

struct mafs_shadow_devices {
	struct mafs_shadow_device {
		struct mafs_uuid uuid;
		char *spec; /* where it is; "": not known */
	} * list; /* owned, the first device first */
	size_t n;
};

void mafs_shadow_devices_done(struct mafs_shadow_devices *devices);
/* @spec: copied; may be NULL. Return: 0, -ENOMEM. */
int mafs_shadow_devices_add(struct mafs_shadow_devices *devices,
			    const struct mafs_uuid *uuid, const char *spec);
int mafs_shadow_devices_to_text(const struct mafs_shadow_devices *devices,
				struct mafs_buffer *buffer);
/* Return: 0, -EINVAL, -EOPNOTSUPP, -ERANGE, -ENOMEM. */
int mafs_shadow_devices_from_text(const void *text, size_t len,
				  struct mafs_shadow_devices *ret,
				  struct mafs_fault *fault);

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
