/* SPDX-License-Identifier: Apache-2.0 */
/* Every volume with a session here, open or left behind by a dead daemon. */
#include "volume.h"

#include <errno.h>
#include <string.h>

struct list {
	const struct mafs_mounts *mounts;
	struct mafs_volume_ref *refs;
	size_t n_refs;
};

static void list_done(struct list *list)
{
	for (size_t i = 0; i < list->n_refs; i++)
		mafs_volume_ref_done(&list->refs[i]);
	free(list->refs);
}

static bool is_over(const struct mafs_volume_ref *ref)
{
	return ref->is_memory && !ref->pid && !ref->mounted;
}

static int add(void *context, const char *runtime_dir)
{
	struct list *list = context;
	struct mafs_volume_ref *refs;
	int r;

	refs = reallocarray(list->refs, list->n_refs + 1, sizeof(*refs));
	if (!refs)
		return -ENOMEM;
	list->refs = refs;
	r = ref_from_runtime(runtime_dir, list->mounts, &refs[list->n_refs]);
	if (r == -ENOMEM)
		return r;
	if (r < 0)
		return 0;
	if (is_over(&refs[list->n_refs]))
		mafs_volume_ref_done(&refs[list->n_refs]);
	else
		list->n_refs++;
	return 0;
}

int mafs_volume_list(struct mafs_volume_ref **ret, size_t *ret_n,
		     struct mafs_fault *fault)
{
	_cleanup_(mafs_mounts_done) struct mafs_mounts mounts = { 0 };
	_cleanup_(list_done) struct list list = { .mounts = &mounts };
	int r;

	r = mafs_mounts_read(NULL, &mounts);
	if (r < 0)
		return mafs_fault_set(fault, r,
				      "cannot read the list of mounts");
	r = runtime_each(add, &list, fault);
	if (r < 0)
		return r;
	*ret = take_ptr(list.refs);
	*ret_n = list.n_refs;
	list.n_refs = 0;
	return 0;
}
