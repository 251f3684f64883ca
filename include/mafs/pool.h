/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pool: the memory devices of one volume, and the bytes of files on them
 * (lib/memory). Locks: the pool's own for what waits to be free, each device's
 * for its free space, never held during a copy; a layout is its owner's to
 * guard.
 */
#pragma once

#include <mafs/device.h>
#include <mafs/extent.h>

/**
 * struct mafs_run - file bytes that lie together on one device
 *
 * All but the device's index is in bytes; whole allocation units, but for
 * @file_offset being the file's.
 */
struct mafs_run {
	uint64_t file_offset;
	uint64_t offset;
	uint64_t length;
	uint32_t device;
};

/**
 * struct mafs_layout - where a file's bytes are
 * @runs: owned; sorted, disjoint; a gap is a hole
 */
struct mafs_layout {
	struct mafs_run *runs;
	uint32_t n_runs, capacity;
};

void mafs_layout_done(struct mafs_layout *layout);
/* Bytes that it holds. */
uint64_t mafs_layout_bytes(const struct mafs_layout *layout);
/* Where its last run ends, in the file; 0 when there is none. */
uint64_t mafs_layout_end(const struct mafs_layout *layout);
/* Does it hold all of [start, end)? */
bool mafs_layout_covers(const struct mafs_layout *layout, uint64_t start,
			uint64_t end);
/* Adds runs that lie in its holes: takes mafs_pool_cut() back. Return: 0,
 * -ENOMEM (then nothing changed). */
int mafs_layout_merge(struct mafs_layout *layout,
		      const struct mafs_layout *runs);
/* SEEK_DATA or SEEK_HOLE as lseek(2), in a file of @size. */
off_t mafs_layout_seek(const struct mafs_layout *layout, uint64_t size,
		       off_t offset, int whence);

struct mafs_pool;

/* Return: 0, -ENOMEM. */
int mafs_pool_new(struct mafs_pool **ret);
/* Closes its devices. */
void mafs_pool_free(struct mafs_pool *pool);

/* Takes @device over; device 0 is the primary one. Its allocator has begun.
 * Return: 0; -EEXIST: same UUID; -EINVAL: another allocation unit than the
 * primary's; -ENOSPC: too many. */
int mafs_pool_add(struct mafs_pool *pool, struct mafs_device *device);
struct mafs_device *mafs_pool_device(struct mafs_pool *pool, uint32_t index);
uint32_t mafs_pool_n_devices(const struct mafs_pool *pool);
/* The allocation unit of all of its devices. */
uint32_t mafs_pool_unit(const struct mafs_pool *pool);
/* Index, or -ENODEV. */
int mafs_pool_find(const struct mafs_pool *pool, const struct mafs_uuid *uuid);

struct mafs_pool_usage {
	uint64_t size_bytes; /* all units of all devices */
	uint64_t free_bytes; /* that may be taken now: without the log's reserve */
	uint64_t quarantined_bytes; /* given back, not free yet */
	uint64_t log_bytes;
};
void mafs_pool_usage(struct mafs_pool *pool, struct mafs_pool_usage *ret);
/* Is the log's reserve whole? Asked before what makes the live state larger
 * (create, mkdir, link, symlink, setxattr, a longer name); false is their ENOSPC. */
bool mafs_pool_has_log_room(struct mafs_pool *pool);

/* ---- layouts and maps ---- */

/* @map: of an entry; a hole is an extent of the zero UUID. Checks devices,
 * ranges, alignment. Return: 0, -EUCLEAN, -ENODEV, -ENOMEM; the fault set. */
int mafs_layout_from_map(const struct mafs_pool *pool,
			 const struct mafs_map *map, struct mafs_layout *ret,
			 struct mafs_fault *fault);
/* Extents in file order, holes included; runs that touch are one. */
int mafs_layout_to_map(const struct mafs_pool *pool,
		       const struct mafs_layout *layout, struct mafs_map *ret);

/* ---- space ---- */

/* A replayed file's space is in use. Return: 0, -EEXIST, -ERANGE with the
 * fault naming device and offset. */
int mafs_pool_claim(struct mafs_pool *pool, const struct mafs_layout *layout,
		    struct mafs_fault *fault);

/**
 * mafs_pool_fill() - allocate the holes of [start, end)
 * @layout: gains the new runs, merged where they touch
 * @ret_added: the new runs alone, to be zeroed, and given back when the log
 *	cannot be told; mafs_layout_done()
 *
 * Rounds outwards to allocation units. All or nothing: -ENOSPC, -ENOMEM leave
 * everything as it was. The bytes are undefined.
 */
int mafs_pool_fill(struct mafs_pool *pool, struct mafs_layout *layout,
		   uint64_t start, uint64_t end, struct mafs_layout *ret_added);
/* How far of [start, end) there is room for now: @end, or less. */
uint64_t mafs_pool_reach(struct mafs_pool *pool,
			 const struct mafs_layout *layout, uint64_t start,
			 uint64_t end);
/* Removes the whole units within [start, end) from @layout into @ret_removed.
 * Return: 0, -ENOMEM (then nothing changed). */
int mafs_pool_cut(struct mafs_pool *pool, struct mafs_layout *layout,
		  uint64_t start, uint64_t end,
		  struct mafs_layout *ret_removed);
/**
 * mafs_pool_give() - runs that no file has any more
 * @fresh: never told to the log, never seen by anybody: free at once
 *
 * Else they are quarantined: free after the next mafs_pool_settle(), whose
 * caller has flushed the log entry that dropped them.
 */
void mafs_pool_give(struct mafs_pool *pool, const struct mafs_layout *runs,
		    bool fresh);
/* What was given before this call may be used again: raises the free epoch of
 * the primary device first. Called when space is wanted, or by a timer. */
int mafs_pool_settle(struct mafs_pool *pool);

/* ---- bytes ---- */

/* Context of all: the layout does not change meanwhile. Beyond the layout, and
 * in its holes, reads give zeros; stores there are -EINVAL. Return: 0, -EIO. */
int mafs_pool_read(struct mafs_pool *pool, const struct mafs_layout *layout,
		   void *bytes, size_t len, uint64_t offset);
int mafs_pool_write(struct mafs_pool *pool, const struct mafs_layout *layout,
		    const void *bytes, size_t len, uint64_t offset);
/* Holes stay holes. */
int mafs_pool_zero(struct mafs_pool *pool, const struct mafs_layout *layout,
		   uint64_t start, uint64_t end);
int mafs_pool_flush(struct mafs_pool *pool, const struct mafs_layout *layout,
		    uint64_t start, uint64_t end);
void mafs_pool_invalidate(struct mafs_pool *pool,
			  const struct mafs_layout *layout, uint64_t start,
			  uint64_t end);
