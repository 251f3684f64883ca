// SPDX-License-Identifier: Apache-2.0
/* Finds the volumes for status, sync and umount. */
#include "volumes.h"

#include <errno.h>
#include <mafs/cleanup.h>
#include <string.h>

static size_t depth(const struct mafs_volume_ref *ref)
{
	return ref->mountpoint ? strlen(ref->mountpoint) : 0;
}

static int by_depth(const void *a, const void *b)
{
	size_t depth_a = depth(a), depth_b = depth(b);

	return (depth_a < depth_b) - (depth_a > depth_b);
}

static int find_all(struct mafs_volumes *ret, struct mafs_fault *fault)
{
	int r = mafs_volume_list(&ret->refs, &ret->n_refs, fault);

	if (r == 0 && ret->n_refs > 1)
		qsort(ret->refs, ret->n_refs, sizeof(*ret->refs), by_depth);
	return r;
}

int mafs_volumes_find(char **names, size_t n_names, struct mafs_volumes *ret,
		      struct mafs_fault *fault)
{
	_cleanup_(mafs_volumes_done) struct mafs_volumes found = { 0 };
	int r = 0;

	if (n_names == 0) {
		r = find_all(&found, fault);
	} else {
		found.refs = calloc(n_names, sizeof(*found.refs));
		if (!found.refs)
			return -ENOMEM;
	}
	for (size_t i = 0; i < n_names && r == 0; i++) {
		r = mafs_volume_find(names[i], &found.refs[i], fault);
		found.n_refs += r == 0;
	}
	if (r < 0)
		return r;
	*ret = found;
	found = (struct mafs_volumes){ 0 };
	return 0;
}

void mafs_volumes_done(struct mafs_volumes *volumes)
{
	for (size_t i = 0; i < volumes->n_refs; i++)
		mafs_volume_ref_done(&volumes->refs[i]);
	free(volumes->refs);
	*volumes = (struct mafs_volumes){ 0 };
}
