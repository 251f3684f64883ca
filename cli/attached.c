// SPDX-License-Identifier: Apache-2.0
/* Finds a volume and opens its memory device read-only. */
#include "attached.h"

#include <errno.h>
#include <mafs/cleanup.h>

void mafs_attached_done(struct mafs_attached *device)
{
	if (device->memory)
		device->memory->ops->free(device->memory);
	device->memory = NULL;
	mafs_volume_ref_done(&device->volume);
}

int mafs_attached_open(const char *source, struct mafs_attached *ret,
		       struct mafs_fault *fault)
{
	_cleanup_(mafs_attached_done) struct mafs_attached device = {
		.volume = { .n_fd = -1 }
	};
	int r;

	r = mafs_volume_find(source, &device.volume, fault);
	if (r < 0)
		return r;
	device.live = device.volume.pid != 0;
	r = mafs_memory_attach(device.volume.memory_path, true, &device.memory,
			       fault);
	if (r == -ENOENT)
		return mafs_fault_set(fault, -ENODATA,
				      "%s has nothing in memory", source);
	if (r < 0)
		return r;
	*ret = device;
	device = (struct mafs_attached){ .volume = { .n_fd = -1 } };
	return 0;
}
