/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Descriptors: what a shadow's regular file says about a file with bytes in
 * memory, as YAML (lib/shadow). mafs-format(5) is the manual of the text.
 */
#pragma once

#include <mafs/buffer.h>
#include <mafs/extent.h>
#include <mafs/fault.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#define MAFS_DESCRIPTOR_VERSION 1
/* More than the largest map that a log record can hold takes as text. */
#define MAFS_DESCRIPTOR_MAX_BYTES (128U << 20)

enum mafs_descriptor_state {
	MAFS_DESCRIPTOR_CLEAN,
	MAFS_DESCRIPTOR_DIRTY,
	MAFS_DESCRIPTOR_WRITING,
	MAFS_N_DESCRIPTOR_STATES,
};

/**
 * struct mafs_descriptor - one file
 * @path: owned; one of its names, from the volume's root: "/a/b". NULL: not
 *	found in the namespace directory
 * @hint: owned; its last known name, only where @path is NULL; may be NULL
 * @n_links: names it has; written where it is not 1
 * @permissions: the lower 12 bits of st_mode
 * @map: owned
 */
struct mafs_descriptor {
	uint64_t id;
	char *path;
	char *hint;
	uint64_t n_links;
	uint32_t owner, group;
	uint32_t permissions;
	uint64_t size_bytes;
	struct timespec mtime;
	enum mafs_descriptor_state state;
	struct mafs_map map;
};

void mafs_descriptor_done(struct mafs_descriptor *descriptor);

/* "clean", "dirty", "writing" */
const char *mafs_descriptor_state_to_text(enum mafs_descriptor_state state);

/* Valid UTF-8 without controls, line breaks, surrogates, byte order marks. */
bool mafs_name_is_printable(const char *name);

/**
 * mafs_descriptor_to_text() - append the YAML of a descriptor
 * @buffer: no NUL is added
 *
 * Names that are not printable UTF-8 are written as !!binary (base64), times
 * outside the years 0 to 9999 as '@SECONDS.NANOSECONDS'.
 *
 * Return: 0, -EINVAL (neither a valid path nor none), -ENOMEM, -EOVERFLOW.
 */
int mafs_descriptor_to_text(const struct mafs_descriptor *descriptor,
			    struct mafs_buffer *buffer);

/**
 * mafs_descriptor_from_text() - read and validate the YAML of a descriptor
 * @text: of any origin
 * @ret: mafs_descriptor_done() when done with it; untouched on failure
 * @fault: names the line; may be NULL
 *
 * Strict: unknown, repeated and missing keys, aliases, anchors, other tags than
 * !!binary of a name and a second document are errors; what a later format
 * adds comes with another version.
 *
 * Return: 0, -EINVAL (not a descriptor), -ERANGE (a number does not fit, or
 * extents overflow), -EOPNOTSUPP (another version), -EFBIG, -ENOMEM.
 */
int mafs_descriptor_from_text(const void *text, size_t len,
			      struct mafs_descriptor *ret,
			      struct mafs_fault *fault);
