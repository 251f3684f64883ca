// SPDX-License-Identifier: Apache-2.0
/* For umount and fsck: memory whose bytes cannot be written back. */
#include "salvage.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <mafs/cleanup.h>
#include <mafs/diag.h>
#include <mafs/salvage.h>
#include <mafs/size.h>
#include <string.h>
#include <sys/stat.h>

int mafs_salvage_to(const struct mafs_attached *device,
		    const struct mafs_check *check, const char *directory,
		    struct mafs_fault *fault)
{
	const struct mafs_volume_ref *volume = &device->volume;
	char size[MAFS_SIZE_TEXT_LEN];
	struct mafs_salvage done = { 0 };
	_cleanup_close_ int fd = -1;
	int r;

	if (mkdir(directory, 0700) < 0 && errno != EEXIST)
		return mafs_fault_set(fault, -errno, "%s: %s", directory,
				      strerror(errno));
	fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return mafs_fault_set(fault, -errno, "%s: %s", directory,
				      strerror(errno));
	r = mafs_salvage(device->memory, check->log_whole ? check->hot : NULL,
			 volume->n_fd, &volume->fs_id, fd, &done, fault);
	if (r < 0)
		return r;
	mafs_size_to_text(done.n_bytes, size);
	mafs_notice("%s: %" PRIu64 " file%s, %s, %s", directory, done.n_files,
		    done.n_files == 1 ? "" : "s", size,
		    check->log_whole ? "all that was not written back" :
				       "all that memory held: the log is not "
				       "whole");
	if (done.n_unnamed)
		mafs_notice("%" PRIu64 " of them by their last name alone",
			    done.n_unnamed);
	return 0;
}

/* Holds the volume, as far as its directory can be had: nobody may begin to
 * serve what is to be destroyed. Return: 0, *ret is NULL without directory;
 * -EBUSY: it is served. */
static int hold(const struct mafs_volume_ref *volume, struct mafs_volume **ret,
		struct mafs_fault *fault)
{
	int r;

	*ret = NULL;
	if (!volume->source)
		return 0;
	r = mafs_volume_open(volume->source, "", false, ret, fault);
	if (r == -EROFS)
		r = mafs_volume_open(volume->source, "", true, ret, fault);
	return r == -EBUSY ? r : 0;
}

static int salvage_held(const struct mafs_volume_ref *volume,
			const char *directory, struct mafs_fault *fault)
{
	_cleanup_(mafs_check_done) struct mafs_check check = { 0 };
	struct mafs_attached device = { .volume = *volume };
	int r;

	r = mafs_memory_attach(volume->memory_path, true, &device.memory,
			       fault);
	if (r < 0)
		return r;
	r = mafs_check_device(device.memory, &volume->uuid, false, &check,
			      fault);
	if (r == 0)
		r = mafs_salvage_to(&device, &check, directory, fault);
	device.memory->ops->free(device.memory);
	return r;
}

int mafs_give_up(const struct mafs_volume_ref *volume, const char *directory,
		 struct mafs_fault *fault)
{
	struct mafs_volume *held;
	int r;

	r = hold(volume, &held, fault);
	if (r < 0)
		return r;
	if (directory)
		r = salvage_held(volume, directory, fault);
	if (r == 0)
		r = mafs_memory_destroy(volume->memory_path, fault);
	if (r == 0 && held)
		mafs_volume_memory_given_up(held);
	mafs_volume_close(held);
	return r;
}
