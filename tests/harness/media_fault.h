/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A mafs_media that stops, fails, tears and reorders. It keeps two images:
 * what reads see, and what is persistent, to which a store comes with its
 * flush. media_fault_crash() makes the image that a crash would leave.
 */
#pragma once

#include "media_memory.h"

/* What of the stores not flushed yet reaches the media in a crash. */
enum media_fault_crash {
	CRASH_NONE, /* none of them */
	CRASH_ALL,
	CRASH_LAST_ONLY, /* the last one, not those before it */
	CRASH_FIRST_ONLY,
	CRASH_FRONT_HALF, /* of each one the front half */
	CRASH_BACK_HALF,
	CRASH_ODD_LINES, /* of each one every other 64 bytes */
	N_CRASHES,
};

struct media_fault;

/* Takes a copy of @from as what is persistent. */
struct media_fault *media_fault_new(struct media_memory *from);
void media_fault_free(struct media_fault *fault);
struct mafs_media *media_fault_media(struct media_fault *fault);

/* The @n-th store, flush or truncate from now (the first is 1) and all later
 * ones fail with @err; a store still reaches what is not flushed. */
void media_fault_stop_at(struct media_fault *fault, unsigned n, int err);
/* Only the n-th fails. */
void media_fault_fail_at(struct media_fault *fault, unsigned n, int err);
/* Stores, flushes and truncates since the last of the above. */
unsigned media_fault_count(const struct media_fault *fault);
/* Did the failure happen? */
bool media_fault_hit(const struct media_fault *fault);

/* The media after a crash now; the caller frees it. */
struct media_memory *media_fault_crash(struct media_fault *fault,
				       enum media_fault_crash how);
