/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What went wrong, for a person. Libraries never print: they return -errno
 * and fill an optional struct mafs_fault; the program prints it once.
 */
#pragma once

#include <stdint.h>

#define MAFS_FAULT_NO_OFFSET UINT64_MAX

/**
 * struct mafs_fault - one fault found by a library
 * @what: sentence without a full stop, e.g. "log slot A: batch 12: checksum
 *	mismatch"
 * @media_offset: byte offset in the named region of the media, or
 *	MAFS_FAULT_NO_OFFSET
 * @seq: sequence of the log entry at fault, 0 if none
 */
struct mafs_fault {
	char what[400];
	uint64_t media_offset;
	uint64_t seq;
};

/**
 * mafs_fault_set() - fill a fault and hand the error code through
 * @fault: may be NULL; an already set fault is replaced
 * @err: negative errno, returned as it is
 * @fmt: printf format of the sentence
 *
 * Return: @err.
 */
int mafs_fault_set(struct mafs_fault *fault, int err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* The same, with the offset on the media. */
int mafs_fault_at(struct mafs_fault *fault, int err, uint64_t media_offset,
		  const char *fmt, ...) __attribute__((format(printf, 4, 5)));

#define MAFS_FAULT_INIT                              \
	{                                            \
		.media_offset = MAFS_FAULT_NO_OFFSET \
	}

/* As MAFS_FAULT_INIT does, without storing all of the text: for each of a
 * million entries. */
static inline void mafs_fault_clear(struct mafs_fault *fault)
{
	fault->what[0] = '\0';
	fault->media_offset = MAFS_FAULT_NO_OFFSET;
	fault->seq = 0;
}
