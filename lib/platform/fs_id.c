/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What names a file system: the UUID that it carries (FS_IOC_GETFSUUID, Linux
 * 6.9), else the one that udev read from its block device, else f_fsid. The
 * last is weak: for some file systems it comes from the device number and
 * changes with it.
 */
#include <mafs/platform.h>

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <mafs/cleanup.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/statfs.h>

#define BY_UUID "/dev/disk/by-uuid"

/* Source: include/uapi/linux/fs.h of Linux 6.9; older headers lack it. */
#ifndef FS_IOC_GETFSUUID
struct fsuuid2 {
	__u8 len;
	__u8 uuid[16];
};
#define FS_IOC_GETFSUUID _IOR(0x15, 0, struct fsuuid2)
#endif

/* An O_PATH descriptor takes no ioctl: a directory is opened once more. */
static int ask_kernel(int fd, struct mafs_uuid *ret)
{
	struct fsuuid2 answer = { 0 };
	_cleanup_close_ int own_fd = -1;
	struct mafs_uuid uuid;

	if (ioctl(fd, FS_IOC_GETFSUUID, &answer) < 0) {
		if (errno != EBADF)
			return -errno;
		own_fd = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (own_fd < 0 || ioctl(own_fd, FS_IOC_GETFSUUID, &answer) < 0)
			return -errno;
	}
	if (answer.len != sizeof(uuid.bytes))
		return -EOPNOTSUPP;
	memcpy(uuid.bytes, answer.uuid, sizeof(uuid.bytes));
	if (mafs_uuid_is_null(&uuid))
		return -EOPNOTSUPP;
	*ret = uuid;
	return 0;
}

/* udev names its links by the UUID; FAT and others have shorter ones. */
static bool name_to_uuid(const char *name, struct mafs_uuid *ret)
{
	size_t len = strlen(name);

	if (!mafs_uuid_parse(name, ret))
		return true;
	if (!len || len > sizeof(ret->bytes))
		return false;
	memset(ret, 0, sizeof(*ret));
	memcpy(ret->bytes, name, len);
	return true;
}

static int ask_udev(int fd, struct mafs_uuid *ret)
{
	_cleanup_closedir_ DIR *links = opendir(BY_UUID);
	struct stat file, device;
	struct dirent *link;

	if (!links)
		return -errno;
	if (fstat(fd, &file) < 0)
		return -errno;
	while ((link = readdir(links))) {
		if (link->d_name[0] == '.' ||
		    fstatat(dirfd(links), link->d_name, &device, 0) < 0 ||
		    !S_ISBLK(device.st_mode) || device.st_rdev != file.st_dev)
			continue;
		if (name_to_uuid(link->d_name, ret))
			return 0;
	}
	return -ENOENT;
}

static int ask_statfs(int fd, struct mafs_uuid *ret)
{
	struct statfs fs;
	uint64_t type;

	if (fstatfs(fd, &fs) < 0)
		return -errno;
	static_assert(sizeof(fs.f_fsid) == 8, "f_fsid");
	type = (uint64_t)fs.f_type;
	memcpy(ret->bytes, &fs.f_fsid, 8);
	memcpy(ret->bytes + 8, &type, 8);
	return 0;
}

int mafs_fs_id(int fd, struct mafs_uuid *ret, bool *ret_weak)
{
	struct mafs_uuid uuid;
	bool weak = false;
	int r;

	r = ask_kernel(fd, &uuid);
	if (r < 0)
		r = ask_udev(fd, &uuid);
	if (r < 0) {
		weak = true;
		r = ask_statfs(fd, &uuid);
	}
	if (r < 0)
		return r;
	*ret = uuid;
	*ret_weak = weak;
	return 0;
}
