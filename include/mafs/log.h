/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The metadata log (lib/log): one appending writer, any number of readers.
 */
#pragma once

#include <mafs/entry.h>
#include <mafs/fault.h>
#include <mafs/media.h>
#include <mafs/superblock.h>
#include <stdbool.h>

/**
 * struct mafs_log_position - where an entry or the end of the log is
 */
struct mafs_log_position {
	enum mafs_region region;
	uint64_t batch_offset; /* bytes, in the region */
	uint64_t batch_number;
	uint64_t record_offset; /* bytes, in the region */
	uint64_t seq;
};

/* ---- reading ---- */

enum mafs_log_tail {
	MAFS_LOG_TAIL_CLEAN, /* ends behind a valid batch */
	MAFS_LOG_TAIL_TORN, /* ends in a batch that was being stored */
};

struct mafs_log_reader;

/**
 * mafs_log_reader_open() - read the superblock, start at the live slot
 * @media: borrowed, must outlive the reader
 * @ret_superblock: may be NULL
 *
 * Return: 0, or what mafs_superblock_read() returns.
 */
int mafs_log_reader_open(struct mafs_media *media, struct mafs_log_reader **ret,
			 struct mafs_superblock *ret_superblock,
			 struct mafs_fault *fault);
void mafs_log_reader_close(struct mafs_log_reader *reader);

/**
 * mafs_log_reader_next() - the next valid entry
 * @ret: to be released with mafs_entry_done() when 1 was returned; else
 *	undefined
 * @ret_position: may be NULL
 *
 * At the end it may be called again: it goes on when the writer has appended
 * (also across a `switch`, without giving an entry twice).
 *
 * Return: 1, 0 (end for now, see mafs_log_reader_tail()), -EUCLEAN or
 * -EBADMSG (corruption: an invalid batch with a valid later one of the same
 * lap behind it; the fault names region and offset), -EPROTO (sequence or
 * batch number went backwards), -EOPNOTSUPP, -ESTALE (a follower was overtaken:
 * open anew and replay whole), -errno of the media.
 */
int mafs_log_reader_next(struct mafs_log_reader *reader, struct mafs_entry *ret,
			 struct mafs_log_position *ret_position,
			 struct mafs_fault *fault);
enum mafs_log_tail mafs_log_reader_tail(const struct mafs_log_reader *reader);
/* Just behind the last valid batch: where a writer goes on. */
void mafs_log_reader_end(const struct mafs_log_reader *reader,
			 struct mafs_log_position *ret);

/* ---- writing ---- */

struct mafs_log;

/**
 * mafs_log_format() - make an empty log on a device
 * @sb: identity, sizes, and place and length of the slots (0: they grow) filled
 *	in by the caller; generation, live slot, salts and sequences are set here
 */
int mafs_log_format(struct mafs_media *media, struct mafs_superblock *sb,
		    struct mafs_fault *fault);

/**
 * mafs_log_open() - go on appending behind a replay that reached the end
 * @end: of mafs_log_reader_end(); a torn tail is overwritten
 *
 * The media is borrowed and must outlive the log.
 */
int mafs_log_open(struct mafs_media *media, const struct mafs_superblock *sb,
		  const struct mafs_log_position *end, struct mafs_log **ret,
		  struct mafs_fault *fault);
void mafs_log_close(struct mafs_log *log);

/**
 * mafs_log_append() - append entries and wait until they are flushed
 * @entries: stored in this order, all in one batch
 * @ret_seq: of the last one; may be NULL
 *
 * Context: any thread. Callers that come while a batch is being stored share
 * the next one (group commit).
 *
 * Return: 0; -EINVAL; -ENOMEM; -ENOSPC: a slot of fixed length is full, and a
 * checkpoint is due; -EIO: the media failed; the log is then broken for good
 * and every later call returns -EIO.
 */
int mafs_log_append(struct mafs_log *log, const struct mafs_entry *entries,
		    size_t n_entries, uint64_t *ret_seq);

/**
 * mafs_log_submit() - append entries without waiting
 * @ret_ticket: for mafs_log_wait()
 *
 * They are stored in the order of the calls, each call's in one batch. What
 * can be refused is refused here: -EINVAL, -ENOMEM, -ENOSPC as
 * mafs_log_append(), -EIO (broken). What nobody waits for may stay unstored.
 *
 * Context: any thread; never waits for the media.
 */
int mafs_log_submit(struct mafs_log *log, const struct mafs_entry *entries,
		    size_t n_entries, uint64_t *ret_ticket);
/* Until all up to @ticket is flushed; the waiting threads store. Return: 0;
 * -EIO: the log is broken for good. */
int mafs_log_wait(struct mafs_log *log, uint64_t ticket);

/**
 * typedef mafs_log_emit_fn - gives one live entry to the checkpoint
 * typedef mafs_log_live_fn - calls @emit for each live file
 *
 * The live function runs without the log's lock, beside running appends. It
 * may miss or give what changes meanwhile: the appended tail, copied behind
 * the checkpoint, decides. But what was appended before the checkpoint began
 * is in no tail: whoever keeps the live state must change it before
 * mafs_log_append(), or begin no checkpoint in between. Only `map`,
 * `device-add`, `node`, `name`, `xattr` and `extents` entries may be given.
 */
typedef int mafs_log_emit_fn(void *emit_context,
			     const struct mafs_entry *entry);
typedef int mafs_log_live_fn(void *context, mafs_log_emit_fn *emit,
			     void *emit_context);

/**
 * mafs_log_checkpoint() - begin a new lap in the other slot
 *
 * Order: checkpoint-begin, live entries, checkpoint-end into the other slot;
 * then, appends held up: the tail since checkpoint-begin copied with its own
 * sequences, flush, `switch` at the old slot's end, flush, superblock flip;
 * then the old slot's space is given back. Before the flip a crash leaves the
 * old log (a reader that meets `switch` in the superblock's live slot follows
 * it), after it the new one.
 *
 * Return: 0; -EBUSY (one is running); -EIO: the log may be broken (the
 * `switch` was stored), then every append says so; other -errno: the old log
 * goes on.
 */
int mafs_log_checkpoint(struct mafs_log *log, mafs_log_live_fn *live,
			void *context, struct mafs_fault *fault);

/* Has the tail outgrown max(checkpoint_after of the superblock, live state)?
 * Cheap, any thread. */
bool mafs_log_wants_checkpoint(struct mafs_log *log);
/* Is the tail a quarter longer still? Who appends should wait for a checkpoint
 * before the next one, or the log outgrows what is kept free for it. */
bool mafs_log_is_overdue(struct mafs_log *log);
/* Bytes in the live slot. */
uint64_t mafs_log_length(struct mafs_log *log);
/* Those of them that were appended since the checkpoint. */
uint64_t mafs_log_tail_length(struct mafs_log *log);
/* Of the last entry that is flushed. */
uint64_t mafs_log_last_seq(struct mafs_log *log);
