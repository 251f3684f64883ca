/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private to lib/memory: memory files as extents of one mapped device. A file
 * has a slot in the table (omf.h, struct mafs_omf_memory_file); what it is now
 * stands in two alternating copies of its state.
 */
#pragma once

#include "pool.h"

#include <mafs/checked.h>
#include <mafs/cleanup.h>
#include <mafs/memory.h>
#include <mafs/omf.h>
#include <time.h>

#define EXTENTS_N_BUCKETS 4096U

/**
 * struct content - what the device says of one memory file
 * @offset: of its slot
 * @lists: offsets of its run lists; none: the runs stand in the slot
 * @n_done, @done_crc: so many runs are in the checksum with their lengths
 */
struct content {
	uint64_t offset;
	struct mafs_uuid tag;
	uint64_t size_bytes;
	struct timespec mtime, atime;
	struct mafs_layout layout;
	uint64_t *lists;
	uint32_t n_lists, lists_capacity;
	uint32_t generation;
	uint32_t n_done, done_crc;
};

/**
 * struct node - a memory file that somebody has open, shared by all who have
 * @next, @n_refs: under the device's lock
 * @lock: guards @content, but what @state_lock does, and @removed; held shared
 *	while bytes are copied in place
 * @state_lock: taken inside @lock: guards times, generation and checksum of
 *	@content when @lock is held shared
 * @ahead: units taken for an appender's next stores, which nobody was told of;
 *	under @lock
 * @removed: its slot may be another file's; its units go with the last close
 */
struct node {
	struct node *next;
	uint32_t n_refs;
	bool removed;
	pthread_rwlock_t lock;
	pthread_mutex_t state_lock;
	struct mafs_layout ahead;
	struct content content;
};

/**
 * struct extents - an attached device
 * @pool: of this one device, @mapped
 * @lock: guards @buckets and the free slots; inside: the device's lock
 * @used_bytes: units of files, with those of removed ones that are still open;
 *	as @n_files not kept up to date when @read_only
 * @ahead_bytes: of all nodes; given back as soon as space is short
 */
struct extents {
	struct mafs_memory base;
	struct mafs_pool *pool;
	struct mapped *mapped;
	bool read_only;
	pthread_mutex_t lock;
	struct node *buckets[EXTENTS_N_BUCKETS];
	uint64_t *free_slots;
	size_t n_free, free_capacity;
	_Atomic uint64_t used_bytes;
	_Atomic uint64_t ahead_bytes;
	_Atomic uint64_t n_files;
};

struct extents_file {
	struct mafs_memory_file base;
	struct node *node;
};

static inline struct extents *extents_of(struct mafs_memory *memory)
{
	return mafs_container_of(memory, struct extents, base);
}

static inline struct extents_file *extents_file_of(struct mafs_memory_file *f)
{
	return mafs_container_of(f, struct extents_file, base);
}

static inline uint8_t *extents_at(const struct extents *e, uint64_t offset)
{
	return e->mapped->base.base + offset;
}

static inline uint64_t extents_unit(const struct extents *e)
{
	return mafs_pool_unit(e->pool);
}

extern const struct mafs_memory_ops extents_ops;
extern const struct mafs_media_ops extents_media_ops;

/* ---- extents_device.c: as mafs_memory_make() and its like ---- */

int extents_make(const char *path, const struct mafs_memory_spec *spec,
		 const struct mafs_uuid *fs_uuid, struct mafs_memory **ret,
		 struct mafs_fault *fault);
/* -ENOENT: @path names no such device; -ENXIO: the device that it names is
 * missing. */
int extents_attach(const char *path, bool read_only, struct mafs_memory **ret,
		   struct mafs_fault *fault);
int extents_destroy(const char *path, struct mafs_fault *fault);
/* Does @path name such a device? */
bool extents_is_at(const char *path);

/* ---- extents_note.c: what a volume's memory directory says ---- */

struct extents_note {
	struct mafs_device_spec spec; /* mafs_device_spec_done() */
	struct mafs_uuid fs_uuid;
};

int extents_note_store(const char *path, const struct extents_note *note,
		       struct mafs_fault *fault);
/* Return: 0, -ENOENT, -EUCLEAN, -errno. */
int extents_note_load(const char *path, struct extents_note *ret,
		      struct mafs_fault *fault);
void extents_note_remove(const char *path);

/* ---- extents_table.c: slots, and files that are open ---- */

/* Knows all slots; claims what files hold. Once, before all else. */
int extents_table_begin(struct extents *e, struct mafs_fault *fault);
void extents_table_done(struct extents *e);
/* Calls @visit with the offset of each slot, in order. */
typedef int slot_fn(struct extents *e, void *context, uint64_t offset);
int extents_each_slot(struct extents *e, slot_fn *visit, void *context);
/* A new empty file, referenced. -ENOSPC. */
int extents_node_make(struct extents *e, const void *id, size_t id_len,
		      struct node **ret);
/* Referenced; of a device that is only read it is nobody else's. -ENOENT. */
int extents_node_get(struct extents *e, const struct mafs_uuid *tag,
		     struct node **ret);
void extents_node_put(struct extents *e, struct node *node);
/* Its slot is free; @node is held by the caller. */
int extents_node_remove(struct extents *e, struct node *node);

/* ---- extents_codec.c: what stands on the device ---- */

uint32_t omf_head_crc(const struct mafs_omf_memory_file *file);
uint32_t omf_state_crc(const struct mafs_uuid *tag,
		       const struct mafs_omf_file_state *state);
uint32_t omf_list_crc(const struct mafs_omf_run_list *list);
struct mafs_omf_run omf_run_encode(const struct mafs_run *run);
uint32_t content_runs_crc(struct content *content);
uint32_t extents_runs_per_list(const struct extents *e);
/* Where run @i stands; its list is known. */
uint64_t content_run_at(const struct extents *e, const struct content *content,
			uint32_t i);
/* Room for one more offset in @lists. */
int content_reserve_list(struct content *content);
void content_done(struct content *content);
/* A stat of what is known. */
void content_to_stat(const struct content *content, bool removed,
		     struct stat *ret);

/* ---- extents_load.c ---- */

/* Reads and checks it. @ret_id: MAFS_OMF_FILE_ID_MAX bytes, with @ret_id_len;
 * may be NULL. Return: 0; -ENOENT: a free slot; -EUCLEAN, -EBADMSG with the
 * fault; -EIO, -ENOMEM. */
int content_load(const struct extents *e, uint64_t offset, struct content *ret,
		 void *ret_id, size_t *ret_id_len, struct mafs_fault *fault);
/* ---- extents_store.c ---- */

/* Fills a free slot; its magic is stored last. */
int content_create(struct extents *e, struct content *content, const void *id,
		   size_t id_len);
/* What it is now counts from now on. */
int content_publish(struct extents *e, struct content *content);
/* The runs from index @from on are stored; those before are as they were, but
 * for the length of what was the last one. Nobody reads what is stored until
 * it is published. -ENOSPC: no unit for a list; -EIO, -ENOMEM. */
int content_store_tail(struct extents *e, struct content *content,
		       uint32_t from);
/* All runs are stored, elsewhere. @ret_old: the lists they were in, to be
 * given back once that is published: extents_give_lists(). */
struct old_lists {
	uint64_t *lists;
	uint32_t n_lists;
};
int content_store_anew(struct extents *e, struct content *content,
		       struct old_lists *ret_old);
/* Undoes it, when it is not to be published. */
void content_restore(struct extents *e, struct content *content,
		     struct old_lists *old);
void extents_give_lists(struct extents *e, struct old_lists *old);
/* Lists that its runs do not need any more. */
void content_trim_lists(struct extents *e, struct content *content);

/* ---- extents_file.c, extents_space.c: slots of the ops table ---- */

ssize_t extents_pread(struct mafs_memory_file *file, void *bytes, size_t len,
		      uint64_t offset);
ssize_t extents_pwrite(struct mafs_memory_file *file, const void *bytes,
		       size_t len, uint64_t offset);
off_t extents_seek(struct mafs_memory_file *file, off_t offset, int whence);
int extents_stat(struct mafs_memory_file *file, struct stat *ret);
int extents_set_times(struct mafs_memory_file *file,
		      const struct timespec times[2]);
int extents_truncate(struct mafs_memory_file *file, uint64_t size_bytes);
int extents_allocate(struct mafs_memory_file *file, int mode, uint64_t offset,
		     uint64_t len);

/* ---- extents_ahead.c; @node's lock held exclusively ---- */

/* [start, end) of the file has units. @ret_added: those that are new. All or
 * nothing: -ENOSPC, -ENOMEM. */
int extents_fill(struct extents *e, struct node *node, uint64_t start,
		 uint64_t end, struct mafs_layout *ret_added);
/* Undoes it; @added is done with. */
void extents_unfill(struct extents *e, struct node *node,
		    struct mafs_layout *added);
/* Behind a store up to @end that appended: the next ones find their units. */
void extents_take_ahead(struct extents *e, struct node *node, uint64_t end);
void extents_drop_ahead(struct extents *e, struct node *node);
/* Space is short: what others have ahead goes. @node: the caller's, or NULL.
 * Return: was there any? */
bool extents_reclaim(struct extents *e, struct node *node);

/* ---- extents_space.c; @node's lock held exclusively ---- */

/**
 * extents_grow() - [start, end) has units, and the file is @size_bytes long
 * @bytes: to store at @start; NULL: what is new there is zeros
 *
 * All or nothing; -ENOSPC. Bytes that come to lie below the size are zeros,
 * unless stored.
 */
int extents_grow(struct extents *e, struct node *node, uint64_t start,
		 uint64_t end, uint64_t size_bytes, const void *bytes);
/* Bytes of the unit-wise hole beginning at or behind @start that there is room
 * for: where a store that begins there must end. */
uint64_t extents_fitting_end(struct extents *e, struct node *node,
			     uint64_t start, uint64_t end);
