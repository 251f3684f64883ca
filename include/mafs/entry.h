/* SPDX-License-Identifier: Apache-2.0 */
/* A log entry in memory; lib/log turns it into a record and back. */
#pragma once

#include <mafs/buffer.h>
#include <mafs/extent.h>
#include <mafs/fault.h>
#include <mafs/identity.h>
#include <mafs/omf.h>
#include <stdbool.h>

/**
 * struct mafs_entry - one decoded log record
 * @type: which member of the union is set
 * @quiet: it sets no times of inodes
 * @seq: 0 on append: the writer gives it
 * @time_ns: 0 on append: the writer gives it
 *
 * A decoded entry owns its map's extents, and what its pointers point to:
 * mafs_entry_done(). An entry given to the encoder is only read. Text is
 * NUL-terminated.
 */
struct mafs_entry {
	enum mafs_omf_type type;
	bool quiet;
	uint64_t seq;
	uint64_t time_ns;
	union {
		struct mafs_entry_checkpoint {
			uint64_t n_live;
			uint64_t seq;
		} checkpoint;
		struct mafs_entry_switch {
			uint32_t slot;
			uint64_t salt;
			uint64_t offset;
			uint64_t number;
		} log_switch;
		struct mafs_entry_device {
			struct mafs_uuid device_uuid;
			uint64_t size_bytes;
			char *spec; /* where it was, or NULL */
		} device;
		struct mafs_entry_map {
			uint64_t id;
			uint32_t flags; /* MAFS_OMF_MAP_* */
			struct mafs_identity identity;
			struct mafs_hint hint;
			struct mafs_fingerprint fingerprint;
			struct timespec shown_ctime;
			struct mafs_map map;
		} map;
		struct mafs_entry_id {
			uint64_t id;
		} id; /* writing, drop-intent, drop */
		struct mafs_entry_clean {
			uint64_t id;
			struct mafs_fingerprint fingerprint;
			struct timespec shown_ctime;
		} clean;
		struct mafs_entry_conflict {
			uint64_t id;
			char name[MAFS_NAME_MAX + 1];
		} conflict;
		struct mafs_entry_node {
			uint64_t id;
			uint32_t mode, uid, gid;
			uint64_t rdev;
			uint64_t parent; /* of a directory; else 0 */
			struct timespec atime, mtime, ctime, btime;
			char *target; /* NULL: not a symbolic link */
		} node;
		struct mafs_entry_name {
			uint64_t parent, id;
			char name[MAFS_NAME_MAX + 1];
		} name; /* name, unname */
		struct mafs_entry_rename {
			uint64_t parent, new_parent, id, other;
			uint32_t flags; /* MAFS_OMF_RENAME_* */
			char name[MAFS_NAME_MAX + 1];
			char new_name[MAFS_NAME_MAX + 1];
		} rename;
		struct mafs_entry_attr {
			uint64_t id;
			uint32_t mask; /* MAFS_OMF_ATTR_* */
			uint32_t mode, uid, gid;
			struct timespec atime, mtime, ctime;
		} attr;
		struct mafs_entry_xattr {
			uint64_t id;
			bool removed;
			char name[MAFS_NAME_MAX + 1];
			void *value;
			uint32_t value_len;
		} xattr;
		struct mafs_entry_extents {
			uint64_t id, size_bytes;
			struct timespec mtime;
			uint32_t first;
			struct mafs_map map;
		} extents;
		struct mafs_entry_size {
			uint64_t id, size_bytes;
			struct timespec mtime;
		} size;
	};
};

void mafs_entry_done(struct mafs_entry *entry);

/**
 * mafs_entry_encode() - append the record of an entry to a buffer
 *
 * Return: 0, -EINVAL (names, handles or maps beyond the format), -ENOMEM.
 */
int mafs_entry_encode(const struct mafs_entry *entry,
		      struct mafs_buffer *buffer);

/**
 * mafs_entry_decode() - read the record at the start of @bytes
 * @bytes: validated by nobody; copied from the media already
 * @ret: undefined on failure
 * @ret_length: bytes that the record takes
 *
 * Return: 0, -EUCLEAN (structure), -EOPNOTSUPP (unknown type), -ENOMEM.
 */
int mafs_entry_decode(const uint8_t *bytes, size_t len, struct mafs_entry *ret,
		      size_t *ret_length, struct mafs_fault *fault);

/* "map", "clean", ...; NULL for an unknown type. */
const char *mafs_entry_type_to_text(enum mafs_omf_type type);
