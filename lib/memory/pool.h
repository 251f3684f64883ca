/* SPDX-License-Identifier: Apache-2.0 */
/* Private to lib/memory: the pool. */
#pragma once

#include "layout.h"
#include "mapped.h"

#include <stdatomic.h>

#define POOL_DEVICES_MAX 64U

/**
 * struct mafs_pool
 * @devices: one that was added stays; @n_devices is raised behind it
 * @lock: guards what is given and not free yet, in no order
 */
struct mafs_pool {
	struct mafs_device *devices[POOL_DEVICES_MAX];
	_Atomic uint32_t n_devices;
	pthread_mutex_t lock;
	struct mafs_run *quarantine;
	size_t n_quarantine, quarantine_capacity;
	uint64_t quarantined_bytes;
};
