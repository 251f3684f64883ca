/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The allocations of a memory device, by tag, and the descriptor of a hot file
 * made from what the log, N and the device say of it (logplay).
 */
#pragma once

#include <mafs/descriptor.h>
#include <mafs/hot.h>
#include <mafs/locate.h>
#include <mafs/memory.h>
#include <mafs/shadow.h>

/**
 * struct mafs_memory_info - one allocation
 * @id: owned; what is kept with it (trusted.mafs.id); NULL: nothing, or not
 *	asked for
 * @n_owners, @owner: for the checker: maps that name it, the first one's id
 */
struct mafs_memory_info {
	struct mafs_uuid tag;
	uint64_t size_bytes;
	uint64_t allocated_bytes;
	struct timespec mtime;
	void *id;
	size_t id_len;
	size_t n_owners;
	uint64_t owner;
};

struct mafs_inventory {
	struct mafs_memory_info *files; /* owned, sorted by tag */
	size_t n_files, capacity;
	enum mafs_visit what;
	bool damaged; /* there are files of which nothing can be said */
};

/* Opens no file. Return: 0, -ENOMEM, -errno of the device. */
int mafs_inventory_read(struct mafs_memory *memory, enum mafs_visit what,
			struct mafs_inventory *ret);
void mafs_inventory_done(struct mafs_inventory *inventory);
/* Borrowed; NULL when there is none. */
struct mafs_memory_info *
mafs_inventory_find(const struct mafs_inventory *inventory,
		    const struct mafs_uuid *tag);

/**
 * struct mafs_hot_files - the hot files, where they are and how large
 * @hot: by id; borrowed from the table
 * @places: one each
 */
struct mafs_hot_files {
	struct mafs_hot **hot; /* owned */
	struct mafs_place *places; /* owned */
	size_t n_files;
	struct mafs_memory *memory; /* borrowed; may be NULL */
	struct mafs_inventory inventory;
};

/**
 * mafs_hot_files_find() - find out where the hot files are
 * @memory: NULL: no sizes; else it outlives *ret
 * @n_fd, @fs_id: of N; -1: no places
 * @shadow: says where they were last time; may be NULL
 *
 * Return: 0, -ENOMEM, -errno of N or of the device.
 */
int mafs_hot_files_find(struct mafs_hot_table *table,
			struct mafs_memory *memory, int n_fd,
			const struct mafs_uuid *fs_id,
			const struct mafs_shadow *shadow,
			struct mafs_hot_files *ret);
void mafs_hot_files_done(struct mafs_hot_files *files);
/* mafs_describe() of @files->hot[@i]; its map is where its bytes are now. */
int mafs_hot_files_describe(const struct mafs_hot_files *files, size_t i,
			    struct mafs_descriptor *ret);

/**
 * mafs_describe() - the descriptor of a hot file
 * @place: where it is in N; one without a path gives the hint, and owner,
 *	group and permissions of zero, which the log does not know
 * @info: its memory file; NULL when it is missing
 *
 * Size and time are the memory file's while it is dirty, else N's. The map is
 * the log's: that file, with its present length.
 *
 * Return: 0, -ENOMEM.
 */
int mafs_describe(const struct mafs_hot *hot, const struct mafs_place *place,
		  const struct mafs_memory_info *info,
		  struct mafs_descriptor *ret);
