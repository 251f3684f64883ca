// SPDX-License-Identifier: Apache-2.0
/* Which kind of memory a volume has: as asked for when it is made, then by
 * what stands in its directory. */
#include "extents.h"
#include "tmpfs.h"

#include <errno.h>
#include <string.h>

int mafs_memory_make(const char *path, const struct mafs_memory_spec *spec,
		     const struct mafs_uuid *fs_uuid, struct mafs_memory **ret,
		     struct mafs_fault *fault)
{
	if (!strcmp(spec->kind, "tmpfs"))
		return tmpfs_make(path, spec, ret, fault);
	return extents_make(path, spec, fs_uuid, ret, fault);
}

int mafs_memory_attach(const char *path, bool read_only,
		       struct mafs_memory **ret, struct mafs_fault *fault)
{
	if (extents_is_at(path))
		return extents_attach(path, read_only, ret, fault);
	return tmpfs_attach(path, read_only, ret, fault);
}

int mafs_memory_destroy(const char *path, struct mafs_fault *fault)
{
	if (extents_is_at(path))
		return extents_destroy(path, fault);
	return tmpfs_destroy(path, fault);
}
