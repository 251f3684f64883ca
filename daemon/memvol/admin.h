/* SPDX-License-Identifier: Apache-2.0 */
/* What people may ask of a memory volume's daemon. Any thread. */
#pragma once

#include "life.h"

#include <mafs/pool.h>

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
