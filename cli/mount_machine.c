// SPDX-License-Identifier: Apache-2.0
/*
 * What the machine must have: /dev/fuse, fusermount3 for users, memory.
 * Called by mount_check.c.
 */
#include "mount.h"
#include "spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <mafs/cleanup.h>
#include <mafs/diag.h>
#include <mafs/memory.h>
#include <mafs/platform.h>
#include <mafs/size.h>
#include <stdio.h>
#include <string.h>

#define DEV_FUSE "/dev/fuse"
#define FUSE_CONF "/etc/fuse.conf"

static bool fuse_conf_allows_other(void)
{
	_cleanup_fclose_ FILE *file = fopen(FUSE_CONF, "re");
	char line[256];

	while (file && fgets(line, sizeof(line), file)) {
		line[strcspn(line, " \t\r\n#")] = '\0';
		if (!strcmp(line, "user_allow_other"))
			return true;
	}
	return false;
}

int mafs_mount_check_fuse(const struct mafs_mount_request *request,
			  struct mafs_fault *fault)
{
	_cleanup_close_ int fd = open(DEV_FUSE, O_RDWR | O_CLOEXEC);
	char program[PATH_MAX];

	if (fd < 0 && (errno == ENOENT || errno == ENODEV || errno == ENXIO))
		return mafs_fault_set(fault, -ENODEV,
				      "no " DEV_FUSE ": load the module "
				      "(modprobe fuse), or give the container "
				      "the device (--device " DEV_FUSE ")");
	if (fd < 0)
		return mafs_fault_set(fault, -errno,
				      DEV_FUSE
				      ": %s; as root: chmod 666 " DEV_FUSE
				      ", or allow the container the "
				      "device",
				      strerror(errno));
	if (geteuid() == 0)
		return 0;
	if (mafs_find_in_path("fusermount3", program, sizeof(program)) < 0)
		return mafs_fault_set(
			fault, -ENOENT,
			"fusermount3 is missing, which mounts for "
			"users; install the package fuse3");
	if (request->allow_other && !fuse_conf_allows_other())
		return mafs_fault_set(fault, -EPERM,
				      "allow_other is root's alone, unless "
				      "user_allow_other stands in " FUSE_CONF);
	return 0;
}

int mafs_mount_check_memory(const struct mafs_mount_request *request,
			    struct mafs_fault *fault)
{
	char wanted[MAFS_SIZE_TEXT_LEN], limit[MAFS_SIZE_TEXT_LEN];
	struct mafs_memory_spec spec = { 0 };
	struct mafs_bounds bounds;
	uint64_t most;
	int r;

	if (!request->memory)
		return 0;
	r = mafs_memory_spec_parse(request->memory, &spec, fault);
	if (r < 0 || !mafs_memory_spec_is_ram(&spec))
		return r;
	r = mafs_bounds_read(&bounds);
	if (r < 0)
		return mafs_fault_set(fault, r,
				      "cannot see how much memory there is: %s",
				      strerror(-r));
	/* A control group pays for the daemon and for what it reads, too. */
	most = bounds.ram_bytes;
	if (bounds.cgroup_bytes / 4 * 3 < most)
		most = bounds.cgroup_bytes / 4 * 3;
	mafs_size_to_text(spec.size_bytes, wanted);
	if (spec.size_bytes <= most) {
		mafs_size_to_text(bounds.available_bytes, limit);
		if (spec.size_bytes > bounds.available_bytes)
			mafs_warning("%s of memory are asked for and %s are "
				     "available now",
				     wanted, limit);
		return 0;
	}
	mafs_size_to_text(most, limit);
	return mafs_fault_set(
		fault, -ERANGE,
		"%s of memory are more than this %s has; give "
		"less than %s",
		wanted, most < bounds.ram_bytes ? "control group" : "machine",
		limit);
}
