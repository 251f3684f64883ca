// SPDX-License-Identifier: Apache-2.0
/*
 * Mends a memory volume where there is no doubt about what is right: of two
 * superblock copies one is valid, or the log ends in a batch that never
 * counted. The stores are those of any flip and of any mount, with their order.
 */
#include "memory_check.h"

#include <errno.h>
#include <mafs/cleanup.h>
#include <string.h>

static void device_closep(struct mafs_device **device)
{
	mafs_device_close(*device);
}

static int repair_superblock(const struct mafs_memory_check_options *options,
			     struct mafs_findings *found, size_t *n,
			     struct mafs_fault *fault)
{
	_cleanup_(mafs_device_spec_done) struct mafs_device_spec spec = {};
	_cleanup_(device_closep) struct mafs_device *device = NULL;
	struct mafs_superblock sb;
	int r;

	r = mafs_device_spec_parse(options->source, &spec, fault);
	if (r == 0)
		r = mafs_device_open(&spec, false, false, true, &device, fault);
	if (r == 0)
		r = mafs_superblock_read(&device->media, &sb, NULL, fault);
	/* Into the copy that is not the newest valid one. */
	if (r == 0)
		r = mafs_superblock_flip(&device->media, &sb, fault);
	if (r < 0)
		return r;
	++*n;
	return mafs_findings_say(found, MAFS_FINDING_NOTE,
				 "superblock: the bad copy was written anew");
}

/* As the next mount would. */
static int cut_tail(const struct mafs_memory_check_options *options,
		    struct mafs_findings *found, size_t *n,
		    struct mafs_fault *fault)
{
	const struct mafs_memory_volume_options how = {
		.source = options->source,
		.devices = options->devices,
		.n_devices = options->n_devices,
		.role = MAFS_ROLE_MASTER,
	};
	struct mafs_memory_volume *volume;
	int r = mafs_memory_volume_open(&how, &volume, fault);

	if (r < 0)
		return r;
	mafs_memory_volume_close(volume);
	++*n;
	return mafs_findings_say(found, MAFS_FINDING_NOTE,
				 "log: the torn tail was cut");
}

int mafs_memory_repair(const struct mafs_memory_check_options *options,
		       const struct mafs_memory_check *check,
		       struct mafs_findings *found, size_t *ret_n,
		       struct mafs_fault *fault)
{
	bool torn = check->log_whole &&
		    check->volume->tail == MAFS_LOG_TAIL_TORN;
	size_t n = 0;
	int r = 0;

	if (check->bad_copies)
		r = repair_superblock(options, found, &n, fault);
	/* What is wrong beside it forbids a mount, and this as well. */
	if (r == 0 && torn &&
	    check->found.n_of_kind[MAFS_FINDING_ERROR] <=
		    (check->bad_copies ? 1 : 0))
		r = cut_tail(options, found, &n, fault);
	*ret_n = n;
	return r;
}
