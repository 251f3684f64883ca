/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of the log have in common. */
#pragma once

#include <mafs/log.h>

/* A formatted log on @media. Fails the test on errors. */
struct mafs_superblock t_log_format(struct mafs_media *media,
				    uint64_t slot_bytes);
/* Reads to the end and opens behind it. */
struct mafs_log *t_log_open(struct mafs_media *media);

/* A small `map` entry of file @id; its extents are static. */
struct mafs_entry t_map(uint64_t id);
struct mafs_entry t_writing(uint64_t id);
/* Appends a `writing` entry. */
int t_append(struct mafs_log *log, uint64_t id);

/**
 * struct t_replayed - what reading a log gave
 * @result: the last of mafs_log_reader_next(): 0 or the error
 * @n_live: map records of the checkpoint
 * @ids: of the entries behind it, in order; owned
 */
struct t_replayed {
	int result;
	struct mafs_fault fault;
	enum mafs_log_tail tail;
	struct mafs_log_position end;
	uint64_t n_live;
	uint64_t *ids;
	size_t n_ids;
};

void t_replayed_done(struct t_replayed *replayed);
#define _cleanup_replayed_ __attribute__((cleanup(t_replayed_done)))
/* Goes on with a reader; adds to @replayed. */
void t_read_on(struct mafs_log_reader *reader, struct t_replayed *replayed);
/* Opens, reads all, closes. */
struct t_replayed t_replay(struct mafs_media *media);
