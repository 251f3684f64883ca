/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory devices of tiered volumes: where hot bytes live (lib/memory). One ops
 * table for two ways: a file of a private tmpfs each, or extents of one mapped
 * file or device-DAX.
 */
#pragma once

#include <mafs/extent.h>
#include <mafs/fault.h>
#include <mafs/media.h>
#include <mafs/superblock.h>
#include <limits.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <sys/types.h>

/**
 * struct mafs_memory_spec - "tmpfs:64G,mpol=bind:2,huge=within_size" parsed
 */
struct mafs_memory_spec {
	char kind[16]; /* "tmpfs", "memfd", "file", "dax" */
	uint64_t size_bytes; /* 0: tmpfs: half of RAM; file: as it is */
	char mpol[64]; /* these two: tmpfs only */
	char huge[32]; /* "" : the kind's default */
	char path[PATH_MAX]; /* of file and dax */
};

/* Does it take RAM that is not set aside for it: tmpfs, memfd? */
bool mafs_memory_spec_is_ram(const struct mafs_memory_spec *spec);

/* Return: 0, -EINVAL or -ERANGE with the fault saying what is meant. */
int mafs_memory_spec_parse(const char *text, struct mafs_memory_spec *ret,
			   struct mafs_fault *fault);

struct mafs_memory;
struct mafs_memory_file;

/* How much is found out of each allocation; each holds what is above it. */
enum mafs_visit {
	MAFS_VISIT_TAGS, /* the rest may be missing: no id, @st NULL */
	MAFS_VISIT_STATS, /* the id may be missing */
	MAFS_VISIT_IDS,
};

struct mafs_memory_usage {
	uint64_t size_bytes; /* promised for data */
	uint64_t used_bytes;
	uint64_t n_files;
};

/**
 * struct mafs_memory_ops - one kind of device; no slot is NULL
 *
 * Context: any thread. Stores to one file are kept apart by the caller.
 * Errors of every slot: -EIO, -ENOMEM; -ENOSPC where bytes are taken (the
 * device is full: evict or spill).
 */
struct mafs_memory_ops {
	/* May the kernel serve reads of such files itself (passthrough)? If
	 * not, nobody but the daemon has them open or mapped, and log and data
	 * share one room: an overdue checkpoint (mafs_log_is_overdue()) is made
	 * before the next append. */
	bool kernel_serves;

	/* Makes the empty log of a device that was just made. @sb: identities,
	 * master and session, filled in by the caller; the rest is set. */
	int (*format)(struct mafs_memory *memory, struct mafs_superblock *sb,
		      struct mafs_fault *fault);

	/* Makes an empty allocation. @id: opaque identity kept with it
	 * (trusted.mafs.id), at most 512 bytes. @ret_map: one extent, given to
	 * the caller (its length is 1 and not kept up to date by the device). */
	int (*create)(struct mafs_memory *memory, const void *id, size_t id_len,
		      struct mafs_map *ret_map, struct mafs_memory_file **ret);
	/* -ENOENT when it is gone. @writable: else read-only. */
	int (*open)(struct mafs_memory *memory, const struct mafs_map *map,
		    bool writable, struct mafs_memory_file **ret);
	void (*close)(struct mafs_memory_file *file);
	/* Frees the bytes; open files and mappings keep theirs. 0 also when it
	 * was gone already. */
	int (*remove)(struct mafs_memory *memory, const struct mafs_map *map);

	/* Return: bytes; short only at the end of the file. */
	ssize_t (*pread)(struct mafs_memory_file *file, void *bytes, size_t len,
			 uint64_t offset);
	/* Return: bytes, may be short when the device is nearly full, or
	 * -ENOSPC. Extends the file. */
	ssize_t (*pwrite)(struct mafs_memory_file *file, const void *bytes,
			  size_t len, uint64_t offset);
	int (*truncate)(struct mafs_memory_file *file, uint64_t size_bytes);
	/* @mode: of fallocate(2); 0, KEEP_SIZE, PUNCH_HOLE, ZERO_RANGE. */
	int (*allocate)(struct mafs_memory_file *file, int mode,
			uint64_t offset, uint64_t len);
	/* SEEK_DATA or SEEK_HOLE; -ENXIO as lseek(2). */
	off_t (*seek)(struct mafs_memory_file *file, off_t offset, int whence);
	/* Size, blocks and times are the file's; the rest is meaningless. */
	int (*stat)(struct mafs_memory_file *file, struct stat *ret);
	int (*set_times)(struct mafs_memory_file *file,
			 const struct timespec times[2]);
	/* Where the bytes of @map's file are: extents in file order, up to its
	 * size; a hole is one of the zero UUID. -ENOENT when it is gone. */
	int (*extents)(struct mafs_memory *memory, const struct mafs_map *map,
		       struct mafs_map *ret);
	/* O_PATH descriptor for the kernel to serve from; -EOPNOTSUPP. The
	 * caller closes it. */
	int (*backing_fd)(struct mafs_memory *memory,
			  const struct mafs_map *map);
	/* Descriptor for lease probes, borrowed; -EOPNOTSUPP. */
	int (*lease_fd)(struct mafs_memory_file *file);

	int (*usage)(struct mafs_memory *memory, struct mafs_memory_usage *ret);
	/* Calls @visit for each allocation; @id may be of length 0. -EBADMSG:
	 * for each that is whole; there are damaged ones. */
	int (*visit)(struct mafs_memory *memory, enum mafs_visit what,
		     int (*visit)(void *context, const struct mafs_map *map,
				  const void *id, size_t id_len,
				  const struct stat *st),
		     void *context);
	void (*free)(struct mafs_memory *memory);
};

/* Embedded first in the device that implements it. @kind: as in its spec;
 * @path: of a file or device-DAX, else NULL. */
struct mafs_memory {
	const struct mafs_memory_ops *ops;
	const char *kind, *path;
	struct mafs_media media; /* superblock and log */
};

struct mafs_memory_file {
	struct mafs_memory *memory;
};

/**
 * mafs_memory_make() - make a memory device
 * @path: where the volume has its memory: an existing directory (root);
 *	without CAP_SYS_ADMIN it is made, 0700
 * @spec: its size is final (no default, no percentage)
 * @fs_uuid: of the volume
 *
 * tmpfs is mounted at @path by root: fsopen/fsmount, hard size limit, noswap
 * where the kernel has it, huge pages as told, mode 0700, nosuid nodev noexec.
 * memfd is one file on such a tmpfs, so that it outlives the process, too. Of
 * a file or device-DAX @path names it. What holds anything but the memory of a
 * session of @fs_uuid, or of one that ended, is refused.
 *
 * Return: 0; -EEXIST: something else is there; -EBUSY: somebody uses it;
 * -errno. ops->format() comes next.
 */
int mafs_memory_make(const char *path, const struct mafs_memory_spec *spec,
		     const struct mafs_uuid *fs_uuid, struct mafs_memory **ret,
		     struct mafs_fault *fault);

/**
 * mafs_memory_attach() - open what an earlier process has made
 * @read_only: nothing is ever changed; safe beside a running daemon
 *
 * Return: 0, -ENOENT (no such memory), -errno.
 */
int mafs_memory_attach(const char *path, bool read_only,
		       struct mafs_memory **ret, struct mafs_fault *fault);

/* Unmounts, removes or gives back what is there, with all bytes. The last step
 * of an unmount. */
int mafs_memory_destroy(const char *path, struct mafs_fault *fault);
