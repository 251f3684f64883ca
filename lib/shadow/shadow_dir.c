// SPDX-License-Identifier: Apache-2.0
/*
 * The directory of a shadow: adopted when it is empty, come back to when its
 * stamp names the volume, refused otherwise; locked against a second writer.
 * Called by the shadow writers.
 */
#include "tree.h"

#include <errno.h>
#include <fcntl.h>
#include <mafs/cleanup.h>
#include <mafs/platform.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

/* A new shadow: only what a killed first writer leaves may be there. */
static int adopt(struct mafs_shadow_dir *shadow, const char *dir,
		 const struct mafs_uuid *volume, struct mafs_fault *fault)
{
	int r;

	r = mafs_tree_is_empty(shadow->root_fd, MAFS_SHADOW_DOT);
	if (r > 0)
		r = mafs_tree_is_empty(shadow->dot_fd, "tmp");
	if (r < 0)
		return mafs_fault_set(fault, r, "%s: %s", dir, strerror(-r));
	if (r == 0)
		return mafs_fault_set(fault, -ENOTEMPTY,
				      "%s is neither empty nor a shadow", dir);

	shadow->is_fresh = true;
	shadow->stamp.volume = *volume;
	r = mafs_shadow_stamp_write(shadow->dot_fd, &shadow->stamp);
	if (r < 0)
		return mafs_fault_set(fault, r, "%s/" MAFS_SHADOW_DOT ": %s",
				      dir, strerror(-r));
	return 0;
}

/* The directory .mafs, made only where nothing else is. */
static int open_dot(struct mafs_shadow_dir *shadow, const char *dir,
		    struct mafs_fault *fault)
{
	int fd = mafs_open_beneath(shadow->root_fd, MAFS_SHADOW_DOT,
				   O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);

	if (fd == -ENOENT) {
		int r = mafs_tree_is_empty(shadow->root_fd, NULL);

		if (r == 0)
			return mafs_fault_set(fault, -ENOTEMPTY,
					      "%s is neither empty nor a "
					      "shadow",
					      dir);
		if (r > 0 &&
		    mkdirat(shadow->root_fd, MAFS_SHADOW_DOT, 0700) < 0 &&
		    errno != EEXIST)
			r = -errno;
		if (r < 0)
			return mafs_fault_set(fault, r, "%s: %s", dir,
					      strerror(-r));
		fd = mafs_open_beneath(shadow->root_fd, MAFS_SHADOW_DOT,
				       O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	}
	if (fd < 0)
		return mafs_fault_set(fault, fd, "%s/" MAFS_SHADOW_DOT ": %s",
				      dir, strerror(-fd));
	shadow->dot_fd = fd;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ?
			       mafs_fault_set(fault, -EBUSY,
					      "%s is being written by another "
					      "process",
					      dir) :
			       mafs_fault_set(fault, -errno, "%s: %s", dir,
					      strerror(errno));
	return 0;
}

static int open_root(struct mafs_shadow_dir *shadow, const char *dir,
		     struct mafs_fault *fault)
{
	if (mkdir(dir, 0700) < 0 && errno != EEXIST)
		return mafs_fault_set(fault, -errno, "%s: %s", dir,
				      strerror(errno));
	shadow->root_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (shadow->root_fd < 0)
		return mafs_fault_set(fault, -errno, "%s: %s", dir,
				      strerror(errno));
	return open_dot(shadow, dir, fault);
}

static int check_volume(const struct mafs_shadow_dir *shadow, const char *dir,
			const struct mafs_uuid *volume,
			struct mafs_fault *fault)
{
	char uuid[MAFS_UUID_TEXT_LEN];

	if (mafs_uuid_equal(&shadow->stamp.volume, volume))
		return 0;
	mafs_uuid_to_text(&shadow->stamp.volume, uuid);
	return mafs_fault_set(fault, -EEXIST, "%s is the shadow of volume %s",
			      dir, uuid);
}

int mafs_shadow_dir_open(const char *dir, const struct mafs_uuid *volume,
			 struct mafs_shadow_dir *ret, struct mafs_fault *fault)
{
	int r = open_root(ret, dir, fault);

	if (r < 0)
		return r;
	r = mafs_shadow_stamp_read(ret->root_fd, &ret->stamp, fault);
	if (r == -ENOENT)
		return adopt(ret, dir, volume, fault);
	if (r < 0)
		return mafs_fault_set(fault, r,
				      "%s/" MAFS_SHADOW_DOT
				      "/" MAFS_SHADOW_STAMP " cannot be read",
				      dir);
	return check_volume(ret, dir, volume, fault);
}

void mafs_shadow_dir_close(struct mafs_shadow_dir *dir)
{
	mafs_closep(&dir->dot_fd);
	mafs_closep(&dir->root_fd);
}

int mafs_shadow_dir_stamp(struct mafs_shadow_dir *dir, uint64_t generation,
			  uint64_t seq, struct mafs_fault *fault)
{
	struct mafs_shadow_stamp stamp = dir->stamp;
	int r;

	if (stamp.generation == generation && stamp.seq == seq)
		return 0;
	stamp.generation = generation;
	stamp.seq = seq;
	r = mafs_shadow_stamp_write(dir->dot_fd, &stamp);
	if (r < 0)
		return mafs_fault_set(fault, r,
				      MAFS_SHADOW_DOT "/" MAFS_SHADOW_STAMP
						      ": %s",
				      strerror(-r));
	dir->stamp = stamp;
	return 0;
}
