// SPDX-License-Identifier: Apache-2.0
/*
 * A host is two images: what its programs see, and what its caches had from
 * memory or brought there. Where they differ a line was changed. So stores
 * need no trap: they are plain stores, as on the real thing.
 */
#include "device_lines.h"

#include <errno.h>
#include <mafs/cleanup.h>
#include <string.h>

#define LINE_BYTES 64U
#define HOSTS_MAX 8

struct host {
	struct mafs_mapping mapping;
	struct device_lines *lines;
	uint8_t *known;
};

struct device_lines {
	uint8_t *memory;
	uint64_t len;
	struct host *hosts[HOSTS_MAX];
	unsigned n_flushes, stop_at;
	unsigned n_until_call;
	void (*between)(void *context);
	void *context;
};

static struct host *host_of(struct mafs_mapping *mapping)
{
	return mafs_container_of(mapping, struct host, mapping);
}

static uint8_t *new_bytes(uint64_t len)
{
	uint8_t *bytes = aligned_alloc(4096, len);

	if (!bytes)
		abort();
	return bytes;
}

static bool line_is_changed(const struct host *host, uint64_t at)
{
	return memcmp(host->mapping.base + at, host->known + at, LINE_BYTES);
}

static void write_back(struct host *host, uint64_t at)
{
	memcpy(host->lines->memory + at, host->mapping.base + at, LINE_BYTES);
	memcpy(host->known + at, host->mapping.base + at, LINE_BYTES);
}

static void call_between(struct device_lines *lines)
{
	if (!lines->n_until_call || --lines->n_until_call)
		return;
	lines->between(lines->context);
}

static bool is_stopped(const struct device_lines *lines)
{
	return lines->stop_at && lines->n_flushes >= lines->stop_at;
}

static int lines_flush(struct mafs_mapping *mapping, uint64_t offset,
		       uint64_t len)
{
	struct host *host = host_of(mapping);

	if (len > mapping->len || offset > mapping->len - len)
		abort();
	call_between(host->lines);
	host->lines->n_flushes++;
	if (is_stopped(host->lines))
		return -EIO;
	for (uint64_t at = offset - offset % LINE_BYTES; at < offset + len;
	     at += LINE_BYTES)
		if (line_is_changed(host, at))
			write_back(host, at);
	return 0;
}

static void lines_invalidate(struct mafs_mapping *mapping, uint64_t offset,
			     uint64_t len)
{
	struct host *host = host_of(mapping);

	if (len > mapping->len || offset > mapping->len - len)
		abort();
	call_between(host->lines);
	for (uint64_t at = offset - offset % LINE_BYTES; at < offset + len;
	     at += LINE_BYTES) {
		/* A changed line is written back before it goes. */
		if (line_is_changed(host, at)) {
			if (!is_stopped(host->lines))
				write_back(host, at);
			continue;
		}
		memcpy(mapping->base + at, host->lines->memory + at,
		       LINE_BYTES);
		memcpy(host->known + at, host->lines->memory + at, LINE_BYTES);
	}
}

static void lines_close(struct mafs_mapping *mapping)
{
	struct host *host = host_of(mapping);

	for (size_t i = 0; i < HOSTS_MAX; i++)
		if (host->lines->hosts[i] == host)
			host->lines->hosts[i] = NULL;
	free(mapping->base);
	free(host->known);
	free(host);
}

static const struct mafs_mapping_ops lines_ops = {
	.flush = lines_flush,
	.invalidate = lines_invalidate,
	.close = lines_close,
};

struct device_lines *device_lines_new(uint64_t len)
{
	struct device_lines *lines = calloc(1, sizeof(*lines));

	if (!lines || len % 4096)
		abort();
	lines->len = len;
	lines->memory = new_bytes(len);
	memset(lines->memory, 0, len);
	return lines;
}

void device_lines_free(struct device_lines *lines)
{
	if (!lines)
		return;
	for (size_t i = 0; i < HOSTS_MAX; i++)
		if (lines->hosts[i])
			abort();
	free(lines->memory);
	free(lines);
}

struct mafs_mapping *device_lines_host(struct device_lines *lines)
{
	struct host *host = calloc(1, sizeof(*host));
	size_t i = 0;

	while (i < HOSTS_MAX && lines->hosts[i])
		i++;
	if (!host || i == HOSTS_MAX)
		abort();
	host->lines = lines;
	host->mapping.ops = &lines_ops;
	host->mapping.len = lines->len;
	host->mapping.base = new_bytes(lines->len);
	host->known = new_bytes(lines->len);
	memcpy(host->mapping.base, lines->memory, lines->len);
	memcpy(host->known, lines->memory, lines->len);
	lines->hosts[i] = host;
	return &host->mapping;
}

void device_lines_stop_at(struct device_lines *lines, unsigned n)
{
	lines->n_flushes = 0;
	lines->stop_at = n;
}

unsigned device_lines_count(const struct device_lines *lines)
{
	return lines->n_flushes;
}

bool device_lines_hit(const struct device_lines *lines)
{
	return is_stopped(lines);
}

void device_lines_call_at(struct device_lines *lines, unsigned n,
			  void (*between)(void *context), void *context)
{
	lines->n_until_call = n;
	lines->between = between;
	lines->context = context;
}

bool device_lines_called(const struct device_lines *lines)
{
	return !lines->n_until_call;
}

static uint32_t next_random(uint32_t *seed)
{
	*seed = *seed * 1664525U + 1013904223U;
	return *seed >> 8;
}

void device_lines_evict(struct mafs_mapping *mapping, uint32_t *seed)
{
	struct host *host = host_of(mapping);

	for (uint64_t at = 0; at < mapping->len; at += LINE_BYTES)
		if (line_is_changed(host, at) && next_random(seed) % 2)
			write_back(host, at);
}

static void crash_line(uint8_t *memory, const uint8_t *line, uint64_t at,
		       enum device_lines_crash how, uint32_t *seed)
{
	bool reaches = how == LINES_ALL ||
		       (how == LINES_ODD && at / LINE_BYTES % 2) ||
		       (how >= LINES_RANDOM && next_random(seed) % 2);

	for (size_t word = 0; reaches && word < LINE_BYTES; word += 8)
		if (how != LINES_TORN || next_random(seed) % 2)
			memcpy(memory + at + word, line + word, 8);
}

struct device_lines *device_lines_crash(const struct device_lines *lines,
					enum device_lines_crash how,
					uint32_t seed)
{
	struct device_lines *crashed = device_lines_new(lines->len);

	memcpy(crashed->memory, lines->memory, lines->len);
	for (size_t i = 0; i < HOSTS_MAX; i++) {
		const struct host *host = lines->hosts[i];

		for (uint64_t at = 0; host && at < lines->len; at += LINE_BYTES)
			if (line_is_changed(host, at))
				crash_line(crashed->memory,
					   host->mapping.base + at, at, how,
					   &seed);
	}
	return crashed;
}

uint8_t *device_lines_memory(struct device_lines *lines)
{
	return lines->memory;
}
