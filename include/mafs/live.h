/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A volume's hot files as the log on its memory device tells them, beside a
 * running daemon (logplay/live.c). Nothing is ever changed.
 */
#pragma once

#include <mafs/hot.h>
#include <mafs/inventory.h>
#include <mafs/shadow.h>

struct mafs_live;

/* @memory_path: need not exist (yet). Return: 0, -ENOMEM. */
int mafs_live_open(const char *memory_path, struct mafs_live **ret);
void mafs_live_close(struct mafs_live *live);

/**
 * mafs_live_update() - follow the log
 *
 * Memory that came is attached, memory that went is let go of, a log that was
 * checkpointed away under us is replayed anew.
 *
 * Return: 1: something changed; 0: nothing did; -errno as mafs_replay(), the
 * fault set. After corruption the files known are those before it.
 */
int mafs_live_update(struct mafs_live *live, struct mafs_fault *fault);

/* NULL: there is no memory device now. Borrowed until the next update. */
struct mafs_memory *mafs_live_memory(struct mafs_live *live);
/* Borrowed, changed by the next update. */
struct mafs_hot_table *mafs_live_hot(struct mafs_live *live);
/* Of the last entry; 0 without memory. */
uint64_t mafs_live_seq(const struct mafs_live *live);

/* Brings a shadow up to date with what the last update said.
 * Return: 0, -errno; the fault says what. */
int mafs_live_to_shadow(struct mafs_live *live, int n_fd,
			const struct mafs_uuid *fs_id,
			struct mafs_shadow *shadow, struct mafs_fault *fault);
