/* SPDX-License-Identifier: Apache-2.0 */
/* The command line of mafs-fused: options.c reads it, main.c acts on it. */
#pragma once

#include <mafs/fault.h>
#include <mafs/memory.h>
#include <mafs/memory_volume.h>
#include <mafs/settings.h>
#include <stdbool.h>
#include <stdint.h>

enum mafsd_wish {
	MAFSD_WISH_NONE,
	MAFSD_WISH_YES,
	MAFSD_WISH_NO,
};

/**
 * struct mafsd_command_line - what was asked for
 * @source, @mountpoint: absolute where that could be had; owned
 * @pressure_path: of the kernel's PSI format; owned, NULL: the machine's
 * @words: mount options for libfuse, separated by commas; owned, may be NULL
 * @devices: specs of a memory volume's further devices; owned
 * @ready_fd: -1: none
 */
struct mafsd_command_line {
	char *source;
	char *mountpoint; /* "" with --offline */
	char *words;
	char *pressure_path;
	struct mafs_memory_spec memory;
	struct mafs_settings settings; /* those that are given */
	int ready_fd;
	char *shadow; /* of --shadow; owned, NULL: none */
	char **devices;
	size_t n_devices;
	bool is_memory_volume; /* by @source */
	enum mafs_role role;
	bool takeover;
	bool foreground;
	bool offline;
	bool read_only;
	bool allow_other;
	bool allow_root;
	bool help;
	bool version;
	enum mafsd_wish io_uring;
};

extern const char mafsd_command_line_help[];

/* Return: 0; -EINVAL: wrong, the fault says what; -errno: a directory cannot
 * be had. To be done with mafsd_command_line_done() in any case. */
int mafsd_command_line_read(int argc, char **argv,
			    struct mafsd_command_line *ret,
			    struct mafs_fault *fault);
void mafsd_command_line_done(struct mafsd_command_line *line);
