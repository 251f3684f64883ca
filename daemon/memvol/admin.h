/* SPDX-License-Identifier: Apache-2.0 */
/* What people may ask of a memory volume's daemon. Any thread. */
#pragma once

#include "life.h"

#include <mafs/extent.h>
#include <mafs/pool.h>
#include <sys/stat.h>

#define MAFSM_DEVICES_MAX 64

/**
 * struct mafsm_status
 * @devices: borrowed from the daemon, which keeps them for its life
 */
struct mafsm_status {
	struct mafs_uuid uuid;
	const char *source, *mountpoint; /* borrowed from the daemon */
	bool is_client, broken, io_uring;
	uint64_t epoch, log_bytes, n_inodes, n_open;
	struct mafs_pool_usage usage;
	const struct mafs_device *devices[MAFSM_DEVICES_MAX];
	size_t n_devices;
	uint64_t upcalls[MAFSD_N_UPCALLS];
};

void mafsm_status(struct mafsm *m, struct mafsm_status *ret);
/* All that was stored is persistent. Return: 0, or the first error. */
int mafsm_sync(struct mafsm *m);

/* ---- look.c: files; paths are relative to the root, "" is the root ---- */

/**
 * struct mafsm_file - a file of any type
 * @map: as the log has it, holes included; mafs_map_done()
 */
struct mafsm_file {
	struct stat st;
	uint64_t n_open;
	struct mafs_map map;
};

/* Follows no symbolic link. Return: 0, -ENOENT, -ENOTDIR, -ENOMEM. */
int mafsm_look(struct mafsm *m, const char *path, struct mafsm_file *ret);

/* Without extents. Return: 0, or what ends the listing. */
typedef int mafsm_list_fn(void *context, const char *name,
			  const struct mafsm_file *file);
/**
 * mafsm_list() - the names in a directory, in the order of their making
 * @offset: 0, or what an earlier call gave as *ret_next
 * @n_max: so many names at most
 * @ret_next: where to go on; 0: that was all
 *
 * @visit may not come back to this volume: the table of names is locked.
 */
int mafsm_list(struct mafsm *m, const char *path, uint64_t offset, size_t n_max,
	       mafsm_list_fn *visit, void *context, uint64_t *ret_next);
