/* SPDX-License-Identifier: Apache-2.0 */
/* Images of a memory device that somebody has changed, by a seed. */
#pragma once

#include "place.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * struct hostile - the image as it was made, and as it is now
 * @place: where it lies; made by the caller
 * @seed: of the next change
 * @log_at, @log_len: of the live slot's first segment, behind its head
 */
struct hostile {
	char place[T_PLACE_LEN];
	char *spec;
	uint8_t *good, *image;
	size_t len, log_at, log_len, end;
	uint64_t salt, next_number, next_seq;
	unsigned seed;
	size_t n_opened, n_refused;
};

/* A good one: "image", of 1 MiB. @checkpointed: its log is behind one. */
void hostile_make(struct hostile *hostile, bool checkpointed);
void hostile_done(struct hostile *hostile);
/* A change or two, of the good one. */
void hostile_change(struct hostile *hostile);
/* As file @name of the place. */
void hostile_store(const struct hostile *hostile, const char *name);
