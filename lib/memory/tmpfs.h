/* SPDX-License-Identifier: Apache-2.0 */
/* Private to lib/memory: the tmpfs device and how its files work together. */
#pragma once

#include <mafs/cleanup.h>
#include <mafs/memory.h>
#include <mafs/platform.h>
#include <stdatomic.h>

#define TMPFS_DATA "data"
#define TMPFS_LIMIT "limit"
#define TMPFS_RESERVE "reserve"
#define TMPFS_RESERVE_BYTES (16 << 20)
#define TMPFS_N_BUCKETS 256

/**
 * struct tmpfs - an attached device
 * @limited: a directory on somebody else's tmpfs: we count the bytes
 * @huge: the kernel may use huge pages for large files
 */
struct tmpfs {
	struct mafs_memory base;
	bool read_only;
	bool limited;
	bool huge;
	int dir_fd; /* regions */
	int data_fd; /* data/ */
	int region_fds[MAFS_N_REGIONS];
	uint64_t size_bytes; /* limited only, as used_bytes */
	_Atomic uint64_t used_bytes;
	_Atomic uint64_t n_files; /* unless read_only */
};

/**
 * struct tmpfs_file - an open allocation
 * @size_bytes, @sparse: what this open file knows; only a guide to page sizes
 */
struct tmpfs_file {
	struct mafs_memory_file base;
	int fd;
	atomic_uint_fast64_t size_bytes;
	atomic_bool sparse;
};

static inline struct tmpfs *tmpfs_of(struct mafs_memory *memory)
{
	return mafs_container_of(memory, struct tmpfs, base);
}

static inline struct tmpfs_file *tmpfs_file_of(struct mafs_memory_file *file)
{
	return mafs_container_of(file, struct tmpfs_file, base);
}

static inline struct tmpfs *tmpfs_device_of(const struct tmpfs_file *file)
{
	return tmpfs_of(file->base.memory);
}

extern const char *const tmpfs_region_names[MAFS_N_REGIONS];
extern const struct mafs_media_ops tmpfs_media_ops;
extern const struct mafs_memory_ops tmpfs_ops;
/* Takes the room that metadata has when the tmpfs is full; limited only. */
int tmpfs_fill_reserve(int dir_fd);

/* ---- tmpfs_mount.c: what only root can ---- */

/* Mounts both tmpfs at @path; nothing is left behind on failure. */
int tmpfs_mount(const char *path, const struct mafs_memory_spec *spec,
		struct mafs_fault *fault);
/* Takes down what tmpfs_mount() has made there, also half of it. 0 also when
 * nothing is mounted. */
int tmpfs_unmount(const char *path, struct mafs_fault *fault);
/* Makes data/00 ... data/ff below @data_fd. */
int tmpfs_make_buckets(int data_fd);

/* ---- tmpfs_device.c ---- */

/* As mafs_memory_make() and its like. */
int tmpfs_make(const char *path, const struct mafs_memory_spec *spec,
	       struct mafs_memory **ret, struct mafs_fault *fault);
int tmpfs_attach(const char *path, bool read_only, struct mafs_memory **ret,
		 struct mafs_fault *fault);
int tmpfs_destroy(const char *path, struct mafs_fault *fault);

/* ---- tmpfs_file.c: slots of the ops table ---- */

ssize_t tmpfs_pread(struct mafs_memory_file *file, void *bytes, size_t len,
		    uint64_t offset);
ssize_t tmpfs_pwrite(struct mafs_memory_file *file, const void *bytes,
		     size_t len, uint64_t offset);
int tmpfs_truncate(struct mafs_memory_file *file, uint64_t size_bytes);
int tmpfs_allocate(struct mafs_memory_file *file, int mode, uint64_t offset,
		   uint64_t len);
off_t tmpfs_seek(struct mafs_memory_file *file, off_t offset, int whence);
int tmpfs_stat(struct mafs_memory_file *file, struct stat *ret);
int tmpfs_set_times(struct mafs_memory_file *file,
		    const struct timespec times[2]);
int tmpfs_lease_fd(struct mafs_memory_file *file);

/* ---- tmpfs_sparse.c ---- */

/* Before a store into a file with holes: takes small pages where the range
 * has holes. A failure does no harm: the store itself decides. */
void tmpfs_fill_holes_small(const struct tmpfs_file *file, uint64_t offset,
			    uint64_t len);

/* ---- tmpfs_limit.c: SIZE kept by our own counting ---- */

/**
 * struct tmpfs_charge - one change of a file's blocks being counted
 */
struct tmpfs_charge {
	struct tmpfs *tmpfs;
	int fd;
	uint64_t before_bytes;
	uint64_t reserved_bytes;
};

/* Reserves what a store into the range may take; 0 bytes: nothing. Then
 * tmpfs_charge_end() counts what it took. Return: 0 or -ENOSPC. */
int tmpfs_charge_begin(const struct tmpfs_file *file, uint64_t offset,
		       uint64_t len, struct tmpfs_charge *ret);
void tmpfs_charge_end(struct tmpfs_charge *charge);
/* Counts everything anew from the files. */
int tmpfs_count(struct tmpfs *tmpfs, uint64_t *ret_bytes, uint64_t *ret_files);
int tmpfs_limit_store(int dir_fd, uint64_t size_bytes);
int tmpfs_limit_load(int dir_fd, uint64_t *ret_bytes);

/* ---- tmpfs_walk.c ---- */

/* Calls @visit with each allocation's bucket directory, name and, @with_stats,
 * attributes, else NULL. */
typedef int tmpfs_walk_fn(void *context, int bucket_fd, const char *name,
			  const struct stat *st);
int tmpfs_walk(const struct tmpfs *tmpfs, bool with_stats, tmpfs_walk_fn *visit,
	       void *context);
int tmpfs_visit(struct mafs_memory *memory, enum mafs_visit what,
		int (*visit)(void *context, const struct mafs_map *map,
			     const void *id, size_t id_len,
			     const struct stat *st),
		void *context);
