// SPDX-License-Identifier: Apache-2.0
/* The shadow of what is in memory right now. */
#include <mafs/live.h>

#include <mafs/cleanup.h>
#include <string.h>

static int put_all(const struct mafs_hot_files *files,
		   struct mafs_shadow *shadow, struct mafs_fault *fault)
{
	int r;

	mafs_shadow_begin(shadow);
	for (size_t i = 0; i < files->n_files; i++) {
		_cleanup_(mafs_descriptor_done) struct mafs_descriptor
			descriptor = { 0 };

		r = mafs_hot_files_describe(files, i, &descriptor);
		if (r == 0)
			r = mafs_shadow_put(shadow, &descriptor, fault);
		if (r < 0)
			return r;
	}
	return mafs_shadow_sweep(shadow, fault);
}

int mafs_live_to_shadow(struct mafs_live *live, int n_fd,
			const struct mafs_uuid *fs_id,
			struct mafs_shadow *shadow, struct mafs_fault *fault)
{
	_cleanup_(mafs_hot_files_done) struct mafs_hot_files files = { 0 };
	struct mafs_memory *memory = mafs_live_memory(live);
	struct mafs_superblock sb = { 0 };
	int r;

	if (memory) {
		r = mafs_superblock_read(&memory->media, &sb, NULL, fault);
		if (r < 0)
			return r;
	}
	r = mafs_hot_files_find(mafs_live_hot(live), memory, n_fd, fs_id,
				shadow, &files);
	if (r < 0)
		return mafs_fault_set(fault, r, "finding the files: %s",
				      strerror(-r));
	r = put_all(&files, shadow, fault);
	if (r < 0)
		return r;
	return mafs_shadow_stamp(shadow, sb.generation, mafs_live_seq(live),
				 fault);
}
