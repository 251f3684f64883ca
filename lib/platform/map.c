// SPDX-License-Identifier: Apache-2.0
/*
 * Maps memory devices, and decides by what was mapped how stores become
 * persistent: MAP_SYNC is granted only where the page cache is not between
 * (a file on a DAX file system), so that the CPU's caches are all there is to
 * flush. Called by lib/memory.
 *
 * A mapping begins where huge pages may: a copy of 4 KiB from small ones waits
 * for page tables half of its time.
 */
#include "mapping.h"

#include <errno.h>
#include <mafs/cleanup.h>
#include <sys/mman.h>

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25 /* Linux 6.1 */
#endif

#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)

/* An address that huge pages may begin at, with @len unused bytes behind it. */
static void *reserve(uint64_t len)
{
	uint64_t align = len < GIB ? 2 * MIB : GIB, head;
	uint8_t *at = mmap(NULL, len + align, PROT_NONE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (at == MAP_FAILED)
		return at;
	head = -(uintptr_t)at % align;
	if (head)
		munmap(at, head);
	munmap(at + head + len, align - head);
	return at + head;
}

static void *map_shared(int fd, uint64_t len, bool read_only, int flags)
{
	int prot = PROT_READ | (read_only ? 0 : PROT_WRITE), err;
	void *at = reserve(len), *base;

	if (at == MAP_FAILED)
		return at;
	base = mmap(at, len, prot, flags | MAP_FIXED, fd, 0);
	if (base == MAP_FAILED) {
		err = errno;
		munmap(at, len);
		errno = err;
	}
	return base;
}

static int map(int fd, enum mafs_persist persist, bool read_only,
	       struct mafs_mapping *mapping)
{
	void *base = MAP_FAILED;

	mapping->ops = persist == MAFS_PERSIST_NEVER ? &mapping_never_ops :
						       &mapping_cpu_ops;
	if (persist == MAFS_PERSIST_FILE && persist_cpu_is_able())
		base = map_shared(fd, mapping->len, read_only,
				  MAP_SHARED_VALIDATE | MAP_SYNC);
	if (base == MAP_FAILED) {
		base = map_shared(fd, mapping->len, read_only, MAP_SHARED);
		if (persist == MAFS_PERSIST_FILE)
			mapping->ops = &mapping_msync_ops;
	}
	if (base == MAP_FAILED)
		return -errno;
	mapping->base = base;
	return 0;
}

int mafs_mapping_open(int fd, uint64_t len, enum mafs_persist persist,
		      bool read_only, struct mafs_mapping **ret)
{
	_cleanup_free_ struct mafs_mapping *mapping = NULL;
	int err;

	if (persist == MAFS_PERSIST_MEMORY && !persist_cpu_is_able())
		return -EOPNOTSUPP;
	err = guard_install();
	if (err)
		return err;
	mapping = calloc(1, sizeof(*mapping));
	if (!mapping)
		return -ENOMEM;
	mapping->len = len;
	err = map(fd, persist, read_only, mapping);
	if (err)
		return err;
	*ret = take_ptr(mapping);
	return 0;
}

void mafs_mapping_close(struct mafs_mapping *mapping)
{
	if (mapping)
		mapping->ops->close(mapping);
}

int mafs_huge_pages(void *at, uint64_t len)
{
	if (madvise(at, len, MADV_COLLAPSE) == 0)
		return 0;
	return errno == EAGAIN || errno == EBUSY ? -EAGAIN : -EOPNOTSUPP;
}
