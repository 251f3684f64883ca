/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The disk tier, made to fail, to tear, to hang, and to lose at a power cut
 * what was not flushed.
 */
#pragma once

#include <mafs/tier.h>

extern const struct mafs_tier_ops fault_tier;

/* ---- power cuts ---- */

/* From here on changes are noted, in memory that children share. */
void fault_tier_begin(void);
/**
 * fault_tier_cut() - makes N what a power cut would leave, ends the noting
 * @n: N; its names are as they are
 *
 * Of each file: what was there when it was last flushed, and of the changes
 * since then some, in another order.
 */
void fault_tier_cut(const char *n, unsigned int seed);

/* ---- failures ---- */

enum fault_tier_call {
	FAULT_TIER_READ,
	FAULT_TIER_WRITE,
	FAULT_TIER_ZERO,
	FAULT_TIER_TRUNCATE,
	FAULT_TIER_TIMES,
	FAULT_TIER_FLUSH, /* of a file, or of all */
	FAULT_TIER_STATVFS,
	FAULT_TIER_N_CALLS,
};

/* No failures, no hanging, counters at 0. */
void fault_tier_reset(void);
/* The next @n calls return @error (negative); UINT_MAX: all. */
void fault_tier_fail(enum fault_tier_call call, int error, unsigned int n);
/* A write that fails has stored half of its bytes. */
void fault_tier_write_short(bool is_short);
/* Calls of this kind wait from here on until fault_tier_release(). */
void fault_tier_hang(enum fault_tier_call call);
void fault_tier_release(void);
/* How many wait now. */
unsigned int fault_tier_n_hanging(void);
unsigned int fault_tier_n_calls(enum fault_tier_call call);
