/* SPDX-License-Identifier: Apache-2.0 */
/* What the files that read a shadow share. */
#pragma once

#include "names_shadow.h"

/**
 * struct shadow_loading - a shadow that is being read
 * @given: UUIDs of the devices that were given, in their order; owned
 * @next_id: for what has no id of its own
 * @text: of the file at hand
 * @dirs: owned; directories that are still to be read
 */
struct shadow_loading {
	int root_fd;
	struct mafs_memory_volume *volume;
	struct mafs_uuid *given;
	size_t n_given;
	uint64_t next_id;
	struct mafs_buffer text;
	struct shadow_loading_dir {
		char *path; /* in the shadow; owned */
		uint64_t id;
	} * dirs;
	size_t n_dirs, dirs_capacity;
};

/* Opens what is given and what the shadow lists. */
int shadow_load_devices(struct shadow_loading *loading,
			const char *const *devices, size_t n_devices,
			struct mafs_fault *fault);

/* A whole file into loading->text. @shown: for the fault. Return: 0, -ENOENT
 * without a fault, -errno. */
int shadow_load_text(struct shadow_loading *loading, int dir_fd,
		     const char *name, const char *shown,
		     struct mafs_fault *fault);

/* The inode of @descriptor, whose id is set. @shown: its path, for faults. */
int shadow_load_node(struct shadow_loading *loading, uint64_t parent,
		     struct mafs_node_descriptor *descriptor, const char *shown,
		     struct mafs_fault *fault);
/* Likewise with a name; an id that it has not gets one. Another name of an
 * inode must say the same. */
int shadow_load_name(struct shadow_loading *loading, uint64_t parent,
		     const char *name, struct mafs_node_descriptor *descriptor,
		     const char *shown, struct mafs_fault *fault);
