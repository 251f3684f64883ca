// SPDX-License-Identifier: Apache-2.0
/*
 * Huge pages. A memfd or a file in a tmpfs is made of small ones unless the
 * machine was told otherwise, and a small read then waits for page tables half
 * of its time. The master of a volume has them replaced once after the mount,
 * a piece at a time, so that no request waits long and four fifths of a
 * processor's time are left.
 */
#include "memvol.h"

#define PIECE (UINT64_C(8) << 20) /* takes about 5 ms */
#define PAUSE_MS 20

static void *run_huge(void *argument)
{
	struct mafsm *m = argument;

	for (uint32_t i = 0; i < mafs_pool_n_devices(m->pool); i++) {
		struct mafs_device *device = mafs_pool_device(m->pool, i);
		uint64_t at = 0;

		if (device->kind == MAFS_DEVICE_DAX) /* it has them */
			continue;
		while (device->size_bytes - at >= PIECE &&
		       mafs_huge_pages(device->base + at, PIECE) !=
			       -EOPNOTSUPP) {
			at += PIECE;
			if (mafsm_pause(m, PAUSE_MS))
				return NULL;
		}
	}
	return NULL;
}

int mafsm_huge_start(struct mafsm *m)
{
	int r;

	if (!m->log)
		return 0;
	r = -pthread_create(&m->huge_thread, NULL, run_huge, m);
	m->huge_running = r == 0;
	return r;
}
