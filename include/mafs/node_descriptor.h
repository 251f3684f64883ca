/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Descriptors of a memory volume's inodes: one YAML file for each name that is
 * no directory, and one for each directory itself (lib/shadow). mafs-format(5)
 * is the manual of the text.
 */
#pragma once

#include <mafs/buffer.h>
#include <mafs/extent.h>
#include <mafs/fault.h>
#include <stdint.h>
#include <time.h>

#define MAFS_NODE_DESCRIPTOR_VERSION 2

struct mafs_descriptor_xattr {
	char *name; /* owned */
	void *value; /* owned; NULL when it is empty */
	uint32_t value_len;
};

/**
 * struct mafs_node_descriptor - one inode
 * @id: 0: the text has none
 * @path: owned; one of its names, from the volume's root: "/a/b"; NULL for the
 *	root, and where the text has none
 * @n_links: names it has; written where it is not 1
 * @mode: with S_IFMT
 * @target: owned; of a symbolic link
 * @xattrs: owned
 * @map: owned; of a regular file; holes have the zero UUID
 */
struct mafs_node_descriptor {
	uint64_t id;
	char *path;
	uint64_t n_links;
	uint32_t mode, owner, group;
	uint64_t rdev;
	uint64_t size_bytes;
	struct timespec atime, mtime, ctime, btime;
	char *target;
	struct mafs_descriptor_xattr *xattrs;
	size_t n_xattrs;
	struct mafs_map map;
};

void mafs_node_descriptor_done(struct mafs_node_descriptor *descriptor);

/* "regular", "directory", "symlink", "fifo", "socket", "char", "block"; NULL
 * for no type. */
const char *mafs_node_type_to_text(uint32_t mode);

/**
 * mafs_node_descriptor_to_text() - append the YAML of a descriptor
 * @buffer: no NUL is added; unchanged on failure
 *
 * Names and values that are not printable UTF-8 are written as !!binary.
 *
 * Return: 0, -EINVAL, -ENOMEM, -EOVERFLOW.
 */
int mafs_node_descriptor_to_text(const struct mafs_node_descriptor *descriptor,
				 struct mafs_buffer *buffer);

/**
 * mafs_node_descriptor_from_text() - read and validate a descriptor
 * @text: of any origin: mafs's, or famfs's present form (simple and striped
 *	extents), told apart by the key `version`
 * @devices: what famfs's device indices stand for
 * @ret: mafs_node_descriptor_done() when done with it; untouched on failure
 * @fault: names line and column; may be NULL
 *
 * Keys may come in any order. Strict: unknown, repeated and missing keys,
 * aliases, anchors, other tags than !!binary and a second document are errors.
 *
 * Return: 0, -EINVAL (not a descriptor), -ERANGE (a number does not fit, or
 * extents overflow), -EOPNOTSUPP (another version), -EFBIG, -ENOMEM.
 */
int mafs_node_descriptor_from_text(const void *text, size_t len,
				   const struct mafs_uuid *devices,
				   size_t n_devices,
				   struct mafs_node_descriptor *ret,
				   struct mafs_fault *fault);
