/* SPDX-License-Identifier: Apache-2.0 */
/* A lap as a reader goes through it: which record may come next. */
#pragma once

#include <mafs/entry.h>
#include <mafs/media.h>
#include <stdbool.h>

enum mafs_lap_phase {
	LAP_BEGIN, /* nothing read yet */
	LAP_CHECKPOINT, /* between checkpoint-begin and checkpoint-end */
	LAP_TAIL, /* behind checkpoint-end */
	LAP_SWITCHED, /* the log goes on in the other slot */
};

/**
 * struct mafs_lap
 * @seq: of the last record; before the tail: what the checkpoint stands for
 * @n_live: files, as map or node records, that checkpoint-begin promised
 * @n_files: of them that were met
 */
struct mafs_lap {
	enum mafs_region region;
	uint64_t salt;
	enum mafs_lap_phase phase;
	uint64_t seq;
	uint64_t n_live;
	uint64_t n_files;
};

static inline enum mafs_region mafs_slot_region(uint32_t slot)
{
	return slot ? MAFS_REGION_LOG_B : MAFS_REGION_LOG_A;
}

static inline uint32_t mafs_region_slot(enum mafs_region region)
{
	return region == MAFS_REGION_LOG_B ? 1 : 0;
}

/* What may stand in a checkpoint, between its two marks. */
bool mafs_lap_is_live(enum mafs_omf_type type);
/* Live records that are counted: one for each file or inode. */
bool mafs_lap_is_file(enum mafs_omf_type type);

/**
 * mafs_lap_accept() - take the next record of the lap
 *
 * Return: 0, -EUCLEAN (it may not stand here), -EPROTO (its sequence goes
 * backwards); the lap is then unchanged.
 */
int mafs_lap_accept(struct mafs_lap *lap, const struct mafs_entry *entry,
		    struct mafs_fault *fault);
