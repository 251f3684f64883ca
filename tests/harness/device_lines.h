/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory that several hosts map, each behind caches that no hardware keeps
 * coherent, and that loses in a crash what was not flushed. Lines of 64 bytes.
 *
 * A host sees its own mapping: what it stored, and of the rest what it saw
 * last. A flush brings the lines that it has changed to memory; an
 * invalidation lets it see memory. In a crash any of the lines that were
 * changed and not flushed may have come to memory, whole or in part.
 *
 * Each host gives its mapping to mafs_device_on_mapping(). For tests whose
 * hosts take turns, in one thread.
 */
#pragma once

#include <mafs/mapping.h>

/* What of the changed lines reaches memory in a crash. */
enum device_lines_crash {
	LINES_NONE,
	LINES_ALL,
	LINES_ODD, /* every other one */
	LINES_RANDOM,
	LINES_TORN, /* random ones, and of each random words of 8 bytes */
	N_LINES_CRASHES,
};

struct device_lines;

/* All zeros. */
struct device_lines *device_lines_new(uint64_t len);
/* The mappings are closed. */
void device_lines_free(struct device_lines *lines);

/* The mapping of one more host, that sees memory as it is now. */
struct mafs_mapping *device_lines_host(struct device_lines *lines);

/* The @n-th flush from now (the first is 1) and all later ones fail with -EIO
 * and bring nothing to memory; 0: none. */
void device_lines_stop_at(struct device_lines *lines, unsigned n);
/* Flushes since then. */
unsigned device_lines_count(const struct device_lines *lines);
bool device_lines_hit(const struct device_lines *lines);

/* Calls @between once, before the @n-th flush or invalidation from now: what
 * another host does meanwhile. Those that it makes do not count. */
void device_lines_call_at(struct device_lines *lines, unsigned n,
			  void (*between)(void *context), void *context);
/* Was it called? */
bool device_lines_called(const struct device_lines *lines);

/* The host's caches were too small: random changed lines reach memory. */
void device_lines_evict(struct mafs_mapping *host, uint32_t *seed);

/* The memory after a crash of all hosts now; the caller frees it. */
struct device_lines *device_lines_crash(const struct device_lines *lines,
					enum device_lines_crash how,
					uint32_t seed);
/* Memory itself, for what is to be damaged there. */
uint8_t *device_lines_memory(struct device_lines *lines);
