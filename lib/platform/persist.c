// SPDX-License-Identifier: Apache-2.0
/*
 * How stores to a mapping become persistent, and loads see those of other
 * hosts: by flushing lines of the CPU's caches, by msync(2), or not at all.
 *
 * clwb and clflushopt are ordered by the fence behind them alone; the fence
 * before an invalidation's loads keeps them from being made early. Sources:
 * Intel SDM volume 2 (CLFLUSH, CLFLUSHOPT, CLWB), AMD APM volume 3.
 */
#include "mapping.h"

#include <errno.h>
#include <mafs/cleanup.h>
#include <sys/mman.h>

static void unmap(struct mafs_mapping *mapping)
{
	munmap(mapping->base, mapping->len);
	free(mapping);
}

static int never_flush(struct mafs_mapping *mapping, uint64_t offset,
		       uint64_t len)
{
	return 0;
}

/* The page cache is one for all who map the file here. */
static void never_invalidate(struct mafs_mapping *mapping, uint64_t offset,
			     uint64_t len)
{
}

const struct mafs_mapping_ops mapping_never_ops = {
	.flush = never_flush,
	.invalidate = never_invalidate,
	.close = unmap,
};

static int msync_flush(struct mafs_mapping *mapping, uint64_t offset,
		       uint64_t len)
{
	uint64_t head = offset % (uint64_t)sysconf(_SC_PAGESIZE);

	if (!len)
		return 0;
	return msync(mapping->base + offset - head, len + head, MS_SYNC) < 0 ?
		       -EIO :
		       0;
}

const struct mafs_mapping_ops mapping_msync_ops = {
	.flush = msync_flush,
	.invalidate = never_invalidate,
	.close = unmap,
};

#ifdef __x86_64__

#include <cpuid.h>
#include <immintrin.h>

#define LINE_BYTES 64U

enum cpu {
	CPU_NONE,
	CPU_CLFLUSH,
	CPU_CLFLUSHOPT,
	CPU_CLWB,
};

static enum cpu cpu_find(void)
{
	unsigned a, b, c, d;

	if (__get_cpuid_count(7, 0, &a, &b, &c, &d)) {
		if (b & bit_CLWB)
			return CPU_CLWB;
		if (b & bit_CLFLUSHOPT)
			return CPU_CLFLUSHOPT;
	}
	/* CLFSH, and in EBX the line's size in units of 8 bytes. */
	if (__get_cpuid(1, &a, &b, &c, &d) && d & (1U << 19) &&
	    (b >> 8 & 0xff) * 8 == LINE_BYTES)
		return CPU_CLFLUSH;
	return CPU_NONE;
}

/* Found once: cpuid traps in a guest. */
static enum cpu cpu(void)
{
	static _Atomic int found = -1;

	if (found < 0)
		found = (int)cpu_find();
	return (enum cpu)found;
}

__attribute__((target("clwb"))) static void clwb(uint8_t *at, uint8_t *end)
{
	for (; at < end; at += LINE_BYTES)
		_mm_clwb(at);
}

__attribute__((target("clflushopt"))) static void clflushopt(uint8_t *at,
							     uint8_t *end)
{
	for (; at < end; at += LINE_BYTES)
		_mm_clflushopt(at);
}

static void clflush(uint8_t *at, uint8_t *end)
{
	for (; at < end; at += LINE_BYTES)
		_mm_clflush(at);
}

static uint8_t *line_of(const struct mafs_mapping *mapping, uint64_t offset)
{
	return mapping->base + offset - offset % LINE_BYTES;
}

static int cpu_flush(struct mafs_mapping *mapping, uint64_t offset,
		     uint64_t len)
{
	uint8_t *at = line_of(mapping, offset);
	uint8_t *end = mapping->base + offset + len;

	if (cpu() == CPU_CLWB)
		clwb(at, end);
	else if (cpu() == CPU_CLFLUSHOPT)
		clflushopt(at, end);
	else
		clflush(at, end);
	_mm_sfence();
	return 0;
}

static void cpu_invalidate(struct mafs_mapping *mapping, uint64_t offset,
			   uint64_t len)
{
	uint8_t *at = line_of(mapping, offset);
	uint8_t *end = mapping->base + offset + len;

	_mm_mfence();
	/* clwb keeps the line. */
	if (cpu() >= CPU_CLFLUSHOPT)
		clflushopt(at, end);
	else
		clflush(at, end);
	_mm_mfence();
}

bool persist_cpu_is_able(void)
{
	return cpu() != CPU_NONE;
}

const char *mafs_persist_cpu(void)
{
	static const char *const texts[] = {
		[CPU_NONE] = "none",
		[CPU_CLFLUSH] = "clflush",
		[CPU_CLFLUSHOPT] = "clflushopt",
		[CPU_CLWB] = "clwb",
	};

	return texts[cpu()];
}

#else

static int cpu_flush(struct mafs_mapping *mapping, uint64_t offset,
		     uint64_t len)
{
	return -EIO;
}

static void cpu_invalidate(struct mafs_mapping *mapping, uint64_t offset,
			   uint64_t len)
{
}

bool persist_cpu_is_able(void)
{
	return false;
}

const char *mafs_persist_cpu(void)
{
	return "none";
}

#endif

const struct mafs_mapping_ops mapping_cpu_ops = {
	.flush = cpu_flush,
	.invalidate = cpu_invalidate,
	.close = unmap,
};
