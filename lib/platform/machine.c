// SPDX-License-Identifier: Apache-2.0
/* Which machine this is: who else may hold a shared device. */
#include <mafs/platform.h>

#include <errno.h>
#include <fcntl.h>
#include <mafs/cleanup.h>
#include <string.h>

#define ID_LEN 32

/* machine-id(5): 32 hexadecimal digits; as a UUID they get their dashes. */
static int parse(const char *digits, struct mafs_uuid *ret)
{
	char text[MAFS_UUID_TEXT_LEN];

	snprintf(text, sizeof(text), "%.8s-%.4s-%.4s-%.4s-%.12s", digits,
		 digits + 8, digits + 12, digits + 16, digits + 20);
	return mafs_uuid_parse(text, ret);
}

int mafs_machine_id(struct mafs_uuid *ret)
{
	_cleanup_close_ int fd = open("/etc/machine-id", O_RDONLY | O_CLOEXEC);
	char digits[ID_LEN + 1] = { 0 };

	if (fd >= 0 && read(fd, digits, ID_LEN) == ID_LEN &&
	    parse(digits, ret) == 0)
		return 0;
	/* Without one, as in small containers and initramfs. */
	return mafs_boot_id(ret);
}
