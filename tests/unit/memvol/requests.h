/* SPDX-License-Identifier: Apache-2.0 */
/* Requests that change bytes, with what they shall leave. */
#pragma once

#include "stops.h"

#include <linux/falloc.h>
#include <malloc.h>

/* Images come and go: their pages stay ours. */
static inline void keep_pages(void)
{
	mallopt(M_MMAP_THRESHOLD, 32 << 20);
	mallopt(M_TRIM_THRESHOLD, 256 << 20);
}

/* Bytes of a file's own: never 0, never garbage. */
static inline const void *pattern(uint64_t seed, uint64_t offset, size_t len)
{
	static uint8_t bytes[256 * KIB];

	must(len <= sizeof(bytes));
	for (size_t i = 0; i < len; i++)
		bytes[i] = (uint8_t)(1 + (seed * 53 + (offset + i) * 7 +
					  (offset + i) / 251) %
						 0xE0);
	return bytes;
}

static inline uint64_t id_of(struct stops *s, const char *path)
{
	uint64_t id = v_find(s->v, path);

	v_forget(s->v);
	return id;
}

/* At the end or behind it: persistent when it returns. */
static inline void append(struct stops *s, int h, uint64_t seed,
			  uint64_t offset, size_t len)
{
	const void *bytes = pattern(seed, offset, len);

	expect_bytes(s, s->v->file_ids[h], offset, bytes, len);
	DO(s, v_write, h, offset, bytes, len);
}

static inline void write_within(struct stops *s, int h, uint64_t seed,
				uint64_t offset, size_t len)
{
	s->loose[s->v->file_ids[h]] = true;
	append(s, h, seed, offset, len);
}

static inline void truncate_to(struct stops *s, const char *path, uint64_t size)
{
	expect_size(s, id_of(s, path), size);
	DO(s, v_truncate, path, size);
}

static inline void allocate(struct stops *s, int h, int mode, uint64_t offset,
			    uint64_t len)
{
	uint64_t id = s->v->file_ids[h], size = s->contents[id].size;
	uint64_t end = offset + len;

	if (!(mode & FALLOC_FL_KEEP_SIZE) && end > size)
		expect_size(s, id, end);
	if (mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE) &&
	    offset < size)
		expect_bytes(s, id, offset, NULL,
			     (end < size ? end : size) - offset);
	DO(s, v_fallocate, h, mode, offset, len);
}

/* ---- checkpoints ---- */

/**
 * struct beside - what is done while a checkpoint is written
 * @act: called behind each piece
 */
struct beside {
	struct stops *s;
	void (*act)(struct stops *s, unsigned int piece);
};

static inline int give_live(void *context, mafs_log_emit_fn *emit,
			    void *emit_context)
{
	struct beside *beside = context;
	struct mafsm *m = beside->s->v->m;
	uint64_t cursor = 0;
	unsigned int piece = 0;
	int r = mafs_memory_volume_emit_devices(m->volume, emit, emit_context);

	while (r >= 0) {
		if (beside->act)
			beside->act(beside->s, piece++);
		r = mafs_names_emit(m->names, &cursor, 1, emit, emit_context);
		if (r == 0)
			break;
	}
	return r;
}

static inline void checkpoint(struct stops *s,
			      void (*act)(struct stops *s, unsigned int piece))
{
	struct beside beside = { .s = s, .act = act };
	struct mafs_fault fault = MAFS_FAULT_INIT;

	s->what = "checkpoint";
	must_work(mafs_log_checkpoint(s->v->m->log, give_live, &beside, &fault),
		  &fault);
	/* What was given back while it ran may be taken. */
	must_be(mafs_pool_settle(s->v->m->pool), 0);
	s->last_sum = 0;
	take_images(s);
	check_images(s);
}
