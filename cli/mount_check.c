// SPDX-License-Identifier: Apache-2.0
/*
 * What can be wrong with DIR and MNT, each said in one line that tells what
 * to do. Volumes and mounts are looked up before a path is touched: calls on
 * a hanging mount do not return. Called by cmd_mount.c.
 */
#include "mount.h"
#include "unmount.h"
#include "where.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <mafs/cleanup.h>
#include <mafs/device.h>
#include <mafs/diag.h>
#include <mafs/memory.h>
#include <mafs/mounts.h>
#include <mafs/volume.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define N_DYING_WAITS 250 /* 5 s */

static void ref_donep(struct mafs_volume_ref *ref)
{
	mafs_volume_ref_done(ref);
}

static bool is_same(const char *a, const char *b)
{
	return a && b && !strcmp(a, b);
}

/* Killed, and the kernel is still closing what it had open: its locks too. */
static bool is_dying(pid_t pid)
{
	_cleanup_fclose_ FILE *file = NULL;
	char path[64], line[512], *state;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	file = fopen(path, "re");
	if (!file || !fgets(line, sizeof(line), file))
		return true;
	state = strrchr(line, ')');
	return state && state[1] && (state[2] == 'Z' || state[2] == 'X');
}

/* The same as mafs_volume_find(), but a dying daemon is waited for. */
static int find_settled(const char *path, struct mafs_volume_ref *ret)
{
	const struct timespec wait = { .tv_nsec = 20000000 };
	int r;

	for (unsigned int i = 0; i < N_DYING_WAITS; i++) {
		r = mafs_volume_find(path, ret, NULL);
		if (r < 0 || !ret->pid || !is_dying(ret->pid))
			return r;
		mafs_volume_ref_done(ret);
		nanosleep(&wait, NULL);
	}
	return mafs_volume_find(path, ret, NULL);
}

/*
 * Is @path the source or the mount point of a volume that lives? A dead one is
 * detached, wherever it was mounted.
 */
static int check_volume(const char *path, struct mafs_fault *fault)
{
	_cleanup_(ref_donep) struct mafs_volume_ref ref = { .n_fd = -1 };
	int n;

	if (find_settled(path, &ref) < 0)
		return 0;
	/* It may be found for a path somewhere below its mount. */
	if (!is_same(ref.source, path) && !is_same(ref.mountpoint, path))
		return 0;
	if (ref.pid && ref.mounted)
		return mafs_fault_set(fault, -EBUSY,
				      "%s is mounted already: %s on %s by "
				      "process %d; mafs umount it first",
				      path, ref.source, ref.mountpoint,
				      (int)ref.pid);
	if (ref.pid)
		return mafs_fault_set(fault, -EBUSY,
				      "%s is still being written back by "
				      "process %d; mafs umount %s waits for it",
				      path, (int)ref.pid, path);
	if (!ref.mounted)
		return 0;
	n = mafs_detach_dead(ref.mountpoint, fault);
	if (n > 0)
		mafs_notice("detached the dead mount at %s", ref.mountpoint);
	return n < 0 ? n : 0;
}

bool mafs_mount_of_device(const struct mafs_mount_request *request)
{
	return mafs_device_spec_is(request->source);
}

/* A path that exists gets its real name; another keeps its own. */
static int make_real(char **path)
{
	char *real = realpath(*path, NULL);

	if (!real)
		return errno == ENOMEM ? -ENOMEM : 0;
	free(*path);
	*path = real;
	return 0;
}

static int resolve(char **path, struct mafs_fault *fault)
{
	char absolute[PATH_MAX], *copy;
	int r;

	r = mafs_where_absolute(*path, absolute, sizeof(absolute));
	if (r < 0)
		return mafs_fault_set(fault, r, "%s: %s", *path, strerror(-r));
	copy = strdup(absolute);
	if (!copy)
		return -ENOMEM;
	r = check_volume(copy, fault);
	free(*path);
	*path = copy;
	if (r < 0)
		return r;
	r = mafs_detach_dead(*path, fault);
	if (r < 0)
		return r;
	/* A link may lead to where a volume is. */
	r = make_real(path);
	return r < 0 ? r : check_volume(*path, fault);
}

static int check_source(const struct mafs_mount_request *request,
			struct mafs_fault *fault)
{
	const char *dir = request->source;
	int wanted = R_OK | X_OK | (request->read_only ? 0 : W_OK);
	struct stat st;

	if (stat(dir, &st) < 0)
		return mafs_fault_set(fault, -errno, "%s: %s%s", dir,
				      strerror(errno),
				      errno == ENOENT ? "; make it first" : "");
	if (!S_ISDIR(st.st_mode))
		return mafs_fault_set(fault, -ENOTDIR,
				      "%s is not a directory; name the "
				      "directory to serve",
				      dir);
	if (faccessat(AT_FDCWD, dir, wanted, AT_EACCESS) == 0)
		return 0;
	if (faccessat(AT_FDCWD, dir, R_OK | X_OK, AT_EACCESS) < 0)
		return mafs_fault_set(fault, -EACCES,
				      "%s: you may not read it; mount as its "
				      "owner or as root",
				      dir);
	return mafs_fault_set(fault, -EACCES,
			      "%s: you may not write to it; mount with -o ro, "
			      "or as its owner",
			      dir);
}

/* Return: 1 with something in it, 0 empty, -errno. */
static int has_entries(const char *path)
{
	_cleanup_closedir_ DIR *dir = opendir(path);
	struct dirent *entry;

	if (!dir)
		return -errno;
	while ((entry = readdir(dir)))
		if (strcmp(entry->d_name, ".") != 0 &&
		    strcmp(entry->d_name, "..") != 0)
			return 1;
	return 0;
}

static int check_not_mounted(const char *mnt, struct mafs_fault *fault)
{
	struct mafs_mounts mounts = { 0 };
	const struct mafs_mount *mount;
	int r = mafs_mounts_read(NULL, &mounts);

	if (r < 0)
		return mafs_fault_set(fault, r, "/proc/self/mountinfo: %s",
				      strerror(-r));
	mount = mafs_mounts_at(&mounts, mnt);
	if (mount)
		r = mafs_fault_set(fault, -EBUSY,
				   "%s is a mount point already (%s of %s); "
				   "choose another or unmount it",
				   mnt, mount->type, mount->source);
	mafs_mounts_done(&mounts);
	return r;
}

static int check_nesting(const struct mafs_mount_request *request,
			 struct mafs_fault *fault)
{
	const char *dir = request->source, *mnt = request->mountpoint;

	if (mafs_where_is_below(mnt, dir))
		return mafs_fault_set(fault, -EINVAL,
				      "%s lies below %s; choose a mount point "
				      "outside, or mount over %s itself: mafs "
				      "mount %s",
				      mnt, dir, dir, dir);
	if (mafs_where_is_below(dir, mnt))
		return mafs_fault_set(fault, -EINVAL,
				      "%s lies below the mount point %s and "
				      "would be hidden; choose another mount "
				      "point",
				      dir, mnt);
	return 0;
}

static int check_mountpoint(const struct mafs_mount_request *request,
			    struct mafs_fault *fault)
{
	const char *mnt = request->mountpoint;
	struct stat st;
	int r;

	r = check_not_mounted(mnt, fault);
	if (r < 0)
		return r;
	if (stat(mnt, &st) < 0)
		return mafs_fault_set(
			fault, -errno, "%s: %s%s", mnt, strerror(errno),
			errno == ENOENT ? "; mkdir it first" : "");
	if (!S_ISDIR(st.st_mode))
		return mafs_fault_set(fault, -ENOTDIR,
				      "%s is not a directory; choose an empty "
				      "directory to mount at",
				      mnt);
	r = check_nesting(request, fault);
	if (r < 0)
		return r;
	r = has_entries(mnt);
	if (r > 0)
		return mafs_fault_set(fault, -ENOTEMPTY,
				      "%s is not empty; choose an empty "
				      "directory to mount at",
				      mnt);
	if (r < 0 || (geteuid() != 0 && access(mnt, W_OK) < 0))
		return mafs_fault_set(fault, r < 0 ? r : -EACCES,
				      "%s: you may not mount there; choose a "
				      "directory of your own",
				      mnt);
	return 0;
}

/* A memory volume: what is wrong with its devices the daemon says. */
static int check_memory_volume(struct mafs_mount_request *request,
			       struct mafs_fault *fault)
{
	char *absolute;
	int r;

	if (request->memory)
		return mafs_fault_set(fault, -EINVAL,
				      "--memory is for a directory; %s is "
				      "memory itself",
				      request->source);
	r = mafs_device_spec_absolute(request->source, &absolute, fault);
	if (r < 0)
		return r;
	free(request->source);
	request->source = absolute;
	r = resolve(&request->mountpoint, fault);
	return r < 0 ? r : check_mountpoint(request, fault);
}

/* A file that is made: where its directory is. */
static bool find_real(const char *path, char ret[static PATH_MAX])
{
	char parent[PATH_MAX];
	char *slash;

	if (realpath(path, ret))
		return true;
	snprintf(parent, sizeof(parent), "%s", path);
	slash = strrchr(parent, '/');
	if (!slash)
		return false;
	slash[1] = '\0';
	return realpath(parent, ret);
}

/* What is served is not where its memory is: whoever writes to that file there
 * would destroy the others. */
static int check_memory_place(const struct mafs_mount_request *request,
			      struct mafs_fault *fault)
{
	struct mafs_memory_spec spec = { 0 };
	char real[PATH_MAX];
	int r = 0;

	if (request->memory)
		r = mafs_memory_spec_parse(request->memory, &spec, fault);
	if (r < 0 || strcmp(spec.kind, "file") != 0 ||
	    !find_real(spec.path, real) ||
	    !(mafs_where_is_below(real, request->source) ||
	      mafs_where_is_below(real, request->mountpoint)))
		return r;
	return mafs_fault_set(fault, -EINVAL,
			      "%.300s lies in what is to be served; name a "
			      "file elsewhere",
			      spec.path);
}

int mafs_mount_check(struct mafs_mount_request *request,
		     struct mafs_fault *fault)
{
	int r;

	r = mafs_mount_check_fuse(request, fault);
	if (r < 0)
		return r;
	if (mafs_mount_of_device(request))
		return check_memory_volume(request, fault);
	r = mafs_mount_check_memory(request, fault);
	if (r < 0)
		return r;
	r = resolve(&request->source, fault);
	if (r < 0)
		return r;
	r = resolve(&request->mountpoint, fault);
	if (r < 0)
		return r;
	r = check_source(request, fault);
	if (r == 0)
		r = check_memory_place(request, fault);
	if (r < 0)
		return r;
	/* Over DIR itself: it may be a mount point and have files. */
	if (!strcmp(request->source, request->mountpoint))
		return 0;
	return check_mountpoint(request, fault);
}
