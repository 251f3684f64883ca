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
	bool with_ids;
};

/* Opens no file. Return: 0, -ENOMEM, -errno of the device. */
int mafs_inventory_read(struct mafs_memory *memory, bool with_ids,
			struct mafs_inventory *ret);
void mafs_inventory_done(struct mafs_inventory *inventory);
/* Borrowed; NULL when there is none. */
struct mafs_memory_info *
mafs_inventory_find(const struct mafs_inventory *inventory,
		    const struct mafs_uuid *tag);

/**
 * mafs_describe() - the descriptor of a hot file
 * @place: where it is in N; one without a path gives the hint, and owner,
 *	group and permissions of zero, which the log does not know
 * @info: its memory file; NULL on a device of extents, or when it is missing
 *
 * Size and time are the memory file's while it is dirty, else N's. The map is
 * the log's, on a device of whole files that file with its present length.
 *
 * Return: 0, -ENOMEM.
 */
int mafs_describe(const struct mafs_hot *hot, const struct mafs_place *place,
		  const struct mafs_memory_info *info,
		  struct mafs_descriptor *ret);
