/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Extent-mapped memory devices: one mapped region of a file, a memfd or a
 * device-DAX (lib/memory). The same format on all:
 *
 *	0	superblock copy 0
 *	4096	superblock copy 1
 *	8192	struct mafs_omf_pulse: heartbeat, free epoch, unlocked words
 *	16384	first segments of log slot A and B (primary device only)
 *	...	data, in allocation units; further log segments among it
 *
 * A log slot is a chain of segments. Each begins with struct
 * mafs_omf_segment, which names the next one; a segment is linked by one
 * atomic store behind its flush, so a crash leaves it in the chain or free.
 */
#pragma once

#include <mafs/alloc.h>
#include <mafs/fault.h>
#include <mafs/mapping.h>
#include <mafs/media.h>
#include <mafs/superblock.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

enum mafs_device_kind {
	MAFS_DEVICE_FILE,
	MAFS_DEVICE_MEMFD,
	MAFS_DEVICE_DAX,
};

/* "file", "memfd", "dax" */
const char *mafs_device_kind_to_text(enum mafs_device_kind kind);

#define MAFS_DEVICE_MIN_BYTES (1ULL << 20)

/**
 * struct mafs_device_spec - "file:PATH[,SIZE]", "memfd:SIZE",
 * "dax:/dev/daxX.Y", or a plain path to either
 * @path: owned; NULL for memfd
 * @size_bytes: 0: as it is
 * @forgets: what is stored there need not outlive the machine: no flushes
 */
struct mafs_device_spec {
	enum mafs_device_kind kind;
	char *path;
	uint64_t size_bytes;
	bool forgets;
};

/* Return: 0; -EINVAL, -ERANGE, -ENOMEM; the fault says what is meant. */
int mafs_device_spec_parse(const char *text, struct mafs_device_spec *ret,
			   struct mafs_fault *fault);
void mafs_device_spec_done(struct mafs_device_spec *spec);
/* The same spec with a path that does not depend on where we are; *ret is the
 * caller's. Return: as mafs_device_spec_parse(); -errno: no such path. */
int mafs_device_spec_absolute(const char *text, char **ret,
			      struct mafs_fault *fault);
/* Does @text name a memory device rather than a directory? "KIND:..." or the
 * path of a device-DAX, or of a file that holds a superblock. */
bool mafs_device_spec_is(const char *text);

/**
 * struct mafs_device - one mapped device
 * @base: of the mapping; bytes may change under a client at any time
 * @epoch: of the master that we are: nothing of log, superblock and pulse is
 *	stored when the pulse has another; 0: it is not asked
 * @lock: guards @alloc and what is known of the log's chains
 * @alloc: NULL until mafs_device_alloc_begin()
 * @media: superblock and log; only the primary device has a log. It follows
 *	the chains as they stand on the device until the allocator has begun,
 *	and always when opened for reading; then it grows and cuts them
 */
struct mafs_device {
	enum mafs_device_kind kind;
	char *path;
	int fd;
	bool read_only;
	uint8_t *base;
	uint64_t size_bytes;
	uint64_t align_bytes; /* of the mapping: allocation units are multiples */
	struct mafs_uuid uuid; /* of its superblock; zero: not formatted */
	uint32_t unit_bytes; /* of allocation, by its superblock */
	uint64_t epoch;
	pthread_mutex_t lock;
	struct mafs_alloc *alloc;
	struct mafs_media media;
};

/**
 * mafs_device_open() - map a device
 * @make: a file may be made, and a file of another size is sized and
 *	allocated whole (fallocate), so that no store meets ENOSPC
 *
 * Takes an exclusive lock on a file or device that is opened for writing with
 * @lock, so that one master at a time has it on this host.
 *
 * A device whose superblock is damaged opens, too, as one that is not
 * formatted: mafs_superblock_read() on its media tells.
 *
 * Return: 0; -ENOENT; -EBUSY: locked; -ENODEV: a device in another mode, the
 * fault gives the daxctl command; -EINVAL: too small; -EUCLEAN: unless @make,
 * the superblock promises more than there is; -errno.
 */
int mafs_device_open(const struct mafs_device_spec *spec, bool make,
		     bool read_only, bool lock, struct mafs_device **ret,
		     struct mafs_fault *fault);
/**
 * mafs_device_on_mapping() - a device that something else has mapped
 * @mapping: taken over
 *
 * For tests: a mapping that loses what was not flushed.
 */
int mafs_device_on_mapping(enum mafs_device_kind kind,
			   struct mafs_mapping *mapping, bool read_only,
			   struct mafs_device **ret);
void mafs_device_close(struct mafs_device *device);

/* What was stored there is persistent, and seen by other hosts: clwb (or
 * clflushopt) and sfence on dax and MAP_SYNC, msync on other files, nothing on
 * memfd. Return: 0, -EIO. */
int mafs_device_flush(struct mafs_device *device, uint64_t offset,
		      uint64_t len);
/* What other hosts stored there is read next: clflush on dax, else nothing. */
void mafs_device_invalidate(struct mafs_device *device, uint64_t offset,
			    uint64_t len);

/**
 * struct mafs_device_format - what mkfs decides
 * @alloc_unit_bytes: 0: 2 MiB on dax, 64 KiB else
 * @log_bytes: of the first segment of each slot; 0: 1/64 of the device, from
 *	64 KiB to 8 MiB
 * @checkpoint_after_bytes: 0: half of @log_bytes, so that a log with little
 *	live state stays in its first segments
 */
struct mafs_device_format {
	struct mafs_uuid fs_uuid;
	uint32_t alloc_unit_bytes;
	uint64_t log_bytes;
	uint64_t checkpoint_after_bytes;
	bool secondary; /* no log; the primary's log names it */
	/* NULL, or what the superblock of a tiered volume's memory says: its
	 * identities, master and session. Units of 4 KiB, and a table of memory
	 * files. */
	const struct mafs_superblock *tiered;
};

/* Writes both superblock copies, the pulse page and an empty log; the old
 * superblocks are wiped first, so a crash leaves an unformatted device.
 * Return: 0; -EINVAL: sizes that do not fit the device; -EROFS, -EIO. */
int mafs_device_format(struct mafs_device *device,
		       const struct mafs_device_format *format,
		       struct mafs_fault *fault);

/* It holds no volume and no memory any more, and is marked as mafs's to take.
 * Return: 0, -EROFS, -EIO. */
int mafs_device_wipe(struct mafs_device *device);
bool mafs_device_is_wiped(const struct mafs_device *device);

/**
 * mafs_device_alloc_begin() - everything free but the head and the segments
 * that the chains of both slots hold
 *
 * Called before mafs_log_open(): only then can the log grow and give back.
 *
 * Return: 0; -EUCLEAN, -EBADMSG: a chain that loops, leaves the device or
 * crosses itself, the fault names slot and offset; -ENOMEM.
 */
int mafs_device_alloc_begin(struct mafs_device *device,
			    const struct mafs_superblock *sb,
			    struct mafs_fault *fault);
/* Bytes of the chains of both slots beyond their first segments. */
uint64_t mafs_device_log_bytes(struct mafs_device *device);
/**
 * mafs_device_log_reserve() - free bytes that are kept for the log
 *
 * So much that the live lap can go on until its checkpoint, and the other slot
 * can take that. Data never takes them (mafs_pool_fill()); what grows the log's
 * live state (a new name, an xattr) must not either, or the log could no longer
 * say that something was removed: see mafs_pool_has_log_room().
 */
uint64_t mafs_device_log_reserve(struct mafs_device *device);

/* ---- the pulse: words that are stored atomically, outside of the log ----
 *
 * What cannot be read is UINT64_MAX: a master then finds that it is none. */

/* Raised before freed extents are used again. A client that copies reads it
 * first; if it is not what it was when the client last caught up with the log,
 * it catches up and remembers it; then copies (mafs_pool_invalidate(),
 * mafs_pool_read()), and reads it again: when it moved, all from the start. */
uint64_t mafs_device_free_epoch(struct mafs_device *device);
/* -EAGAIN: somebody else has raised it meanwhile. */
int mafs_device_free_epoch_raise(struct mafs_device *device);
uint64_t mafs_device_heartbeat(struct mafs_device *device);
int mafs_device_heartbeat_beat(struct mafs_device *device);
/* The master epoch beside the superblock's: read before each store. */
uint64_t mafs_device_master_epoch(struct mafs_device *device);
int mafs_device_master_epoch_set(struct mafs_device *device, uint64_t epoch);
/* Is nobody else the master? */
bool mafs_device_is_ours(struct mafs_device *device);
