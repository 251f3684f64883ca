/* SPDX-License-Identifier: Apache-2.0 */
/* Parts of payloads, taken from the front of what is left of a record.
 * Return: 0, -EUCLEAN with the fault set, -ENOMEM. */
#pragma once

#include "entry.h"

/* What is left of the payload. */
struct mafs_cursor {
	const uint8_t *at;
	size_t left;
	struct mafs_fault *fault;
};

/* Return: -EUCLEAN. */
int mafs_decode_too_short(struct mafs_cursor *cursor);
int mafs_decode_bytes(struct mafs_cursor *cursor, void *ret, size_t len);
int mafs_decode_zeros(struct mafs_cursor *cursor, size_t len);
int mafs_decode_time(struct mafs_cursor *cursor,
		     const struct mafs_omf_time *omf, struct timespec *ret);
/* @ret is zeroed, so the name is terminated. */
int mafs_decode_name(struct mafs_cursor *cursor, size_t len,
		     char ret[static MAFS_NAME_MAX + 1]);
/* The extents take all that is left; their number must say the same.
 * @holes: extents of the zero UUID may stand here. */
int mafs_decode_extents(struct mafs_cursor *cursor, uint32_t n_extents,
			bool holes, struct mafs_map *ret);
/* Takes @len bytes into memory of its own (a char ** or void **), with a NUL
 * behind them. */
int mafs_decode_blob(struct mafs_cursor *cursor, size_t len, void *ret);
/* The types of memory volumes; -EOPNOTSUPP for all others. */
int mafs_decode_names_payload(struct mafs_cursor *cursor,
			      struct mafs_entry *ret);
