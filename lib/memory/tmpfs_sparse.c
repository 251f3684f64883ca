/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Holes stay holes, also with huge pages.
 *
 * With huge=within_size the kernel puts a whole 2 MiB page wherever one fits
 * below the end of the file: 4 KiB written into a hole would take 512 times
 * that, and the rest of the hole would read as data. write(2) cannot ask for
 * small pages, a mapping with MADV_NOHUGEPAGE can: it populates just the
 * missing pages, and the write finds them there. MADV_POPULATE_WRITE (Linux
 * 5.14) reports a full tmpfs instead of raising SIGBUS.
 *
 * Only files that are known to have holes come here; others are written in
 * one go and get huge pages.
 */
#include "tmpfs.h"

#include <errno.h>
#include <sys/mman.h>

/* From half a huge page up a store is worth the rest of it. */
#define LARGE_BYTES (UINT64_C(1) << 20)

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

static void populate_small(int fd, uint64_t start, uint64_t end)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	size_t len;
	void *at;

	start &= ~(page - 1);
	len = (size_t)(end - start);
	at = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		  (off_t)start);
	if (at == MAP_FAILED)
		return;
	if (madvise(at, len, MADV_NOHUGEPAGE) == 0)
		madvise(at, len, MADV_POPULATE_WRITE);
	munmap(at, len);
}

void tmpfs_fill_holes_small(const struct tmpfs_file *file, uint64_t offset,
			    uint64_t len)
{
	uint64_t end = offset + len;
	struct stat st;
	off_t hole;

	if (len >= LARGE_BYTES)
		return;
	/* Behind the end the kernel takes no more than is written. */
	if (fstat(file->fd, &st) < 0 || offset >= (uint64_t)st.st_size)
		return;
	if (end > (uint64_t)st.st_size)
		end = (uint64_t)st.st_size;
	hole = lseek(file->fd, (off_t)offset, SEEK_HOLE);
	if (hole >= 0 && (uint64_t)hole < end)
		populate_small(file->fd, (uint64_t)hole, end);
}
