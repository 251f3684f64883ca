// SPDX-License-Identifier: Apache-2.0
/* Whole-range file I/O: goes on after EINTR and short transfers. */
#include <errno.h>
#include <limits.h>
#include <mafs/buffer.h>
#include <mafs/checked.h>
#include <unistd.h>

/* Offsets beyond off_t would turn negative in the system call. */
static int check_range(size_t len, uint64_t offset)
{
	if (len > SSIZE_MAX || !mafs_range_fits(offset, len, INT64_MAX))
		return -EOVERFLOW;
	return 0;
}

ssize_t mafs_pread_full(int fd, void *bytes, size_t len, uint64_t offset)
{
	size_t done = 0;
	int err;

	err = check_range(len, offset);
	if (err)
		return err;
	while (done < len) {
		ssize_t n = pread(fd, (char *)bytes + done, len - done,
				  (off_t)(offset + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

int mafs_pwrite_full(int fd, const void *bytes, size_t len, uint64_t offset)
{
	size_t done = 0;
	int err;

	err = check_range(len, offset);
	if (err)
		return err;
	while (done < len) {
		ssize_t n = pwrite(fd, (const char *)bytes + done, len - done,
				   (off_t)(offset + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		/* Nothing written and no error: never loop on that. */
		if (n == 0)
			return -EIO;
		done += (size_t)n;
	}
	return 0;
}
