// SPDX-License-Identifier: Apache-2.0
/* Tells memory volumes from tiered ones, for the commands that take either. */
#include "source.h"

#include <errno.h>
#include <mafs/cleanup.h>
#include <mafs/device.h>
#include <mafs/volume.h>
#include <string.h>

static int take(const char *spec, char **ret_spec, struct mafs_fault *fault)
{
	if (!strncmp(spec, "memfd:", 6))
		return mafs_fault_set(fault, -EINVAL,
				      "%.200s: the memory of a memfd is its "
				      "daemon's alone",
				      spec);
	*ret_spec = strdup(spec);
	return *ret_spec ? 1 : -ENOMEM;
}

int mafs_source_memory(const char *what, char **ret_spec,
		       struct mafs_fault *fault)
{
	_cleanup_(mafs_volume_ref_done) struct mafs_volume_ref ref = {
		.n_fd = -1,
	};

	if (mafs_device_spec_is(what))
		return take(what, ret_spec, fault);
	if (mafs_volume_find(what, &ref, NULL) < 0 || !ref.source ||
	    !mafs_device_spec_is(ref.source))
		return 0;
	return take(ref.source, ret_spec, fault);
}
