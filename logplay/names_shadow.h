/* SPDX-License-Identifier: Apache-2.0 */
/* What the files that write a memory volume's shadow share. */
#pragma once

#include <mafs/names_shadow.h>
#include <mafs/node_descriptor.h>

#define ROOT_FILE "root.yaml"
#define DEVICES_FILE "devices.yaml"

/**
 * struct shadow_place - a name that changed, or with no name an inode that did
 */
struct shadow_place {
	uint64_t id; /* of the directory, or of the inode */
	char *name; /* owned; NULL: all of the inode's */
};

/**
 * struct mafs_names_shadow
 * @text, @path: of the descriptor at hand
 * @dirs: directories that are still to be filled, in the order found
 * @noted: owned; what changed since the last update
 * @lost: there was no memory to note something
 * @updating: not all of it is filled: names elsewhere are not shown by the way
 */
struct mafs_names_shadow {
	struct mafs_shadow_dir dir;
	struct mafs_buffer text, path;
	struct mafs_node **dirs;
	size_t n_dirs, dirs_capacity;
	struct shadow_place *noted;
	size_t n_noted, noted_capacity;
	bool lost, updating;
};

/* Fills @top and all below it, @top's own directory being there.
 * Return: 0, -errno; the fault names the path. */
int shadow_fill_tree(struct mafs_names_shadow *shadow, struct mafs_names *names,
		     struct mafs_node *top, struct mafs_fault *fault);
/* The descriptor of the directory itself, in @dir_fd. */
int shadow_put_directory(struct mafs_names_shadow *shadow,
			 struct mafs_names *names, int dir_fd,
			 const struct mafs_node *dir, struct mafs_fault *fault);
/* One name that is no directory, in @dir_fd. */
int shadow_put_file(struct mafs_names_shadow *shadow, struct mafs_names *names,
		    int dir_fd, const struct mafs_name *name,
		    struct mafs_fault *fault);
/* The shadow's directory that shows @dir; made where it is missing. */
int shadow_open_directory(struct mafs_names_shadow *shadow,
			  struct mafs_names *names, const struct mafs_node *dir,
			  struct mafs_fault *fault);

int shadow_note_id(struct mafs_names_shadow *shadow, uint64_t id);
int shadow_note_name(struct mafs_names_shadow *shadow, uint64_t parent,
		     const char *name);

/* ---- names_path.c ---- */

/* "/a/b" of a name, "" of the root directory; with a NUL in the buffer.
 * @shown: as it is called in the shadow. Return: 0; -ESTALE: it hangs on no
 * root; -ENAMETOOLONG; -ENOMEM. */
int names_path_of_dir(struct mafs_names *names, const struct mafs_node *dir,
		      bool shown, struct mafs_buffer *ret);
int names_path_of_name(struct mafs_names *names, const struct mafs_name *name,
		       bool shown, struct mafs_buffer *ret);
