/* SPDX-License-Identifier: Apache-2.0 */
/* Which boot this is: volatile memory of another boot is gone. */
#include <mafs/platform.h>

#include <errno.h>
#include <fcntl.h>
#include <mafs/cleanup.h>

int mafs_boot_id(struct mafs_uuid *ret)
{
	_cleanup_close_ int fd =
		open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	char text[MAFS_UUID_TEXT_LEN] = { 0 };

	if (fd < 0)
		return -errno;
	if (read(fd, text, sizeof(text) - 1) != sizeof(text) - 1)
		return -EIO;
	return mafs_uuid_parse(text, ret);
}
