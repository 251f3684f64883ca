/* SPDX-License-Identifier: Apache-2.0 */
/* Times and names as descriptors write them. Private to lib/shadow. */
#pragma once

#include <mafs/buffer.h>
#include <stdbool.h>
#include <time.h>

/* 2026-11-20T10:00:00.123456789Z, or @SECONDS.NANOSECONDS */
#define MAFS_TIME_TEXT_LEN 36

void mafs_time_to_text(const struct timespec *time,
		       char ret[static MAFS_TIME_TEXT_LEN]);
/* Only what mafs_time_to_text() writes. Return: 0, -EINVAL. */
int mafs_time_from_text(const char *text, struct timespec *ret);

/**
 * mafs_name_append() - append a name or path as a YAML scalar
 * @plain: harmless characters may go without quotes
 *
 * Return: 0, -ENOMEM.
 */
int mafs_name_append(struct mafs_buffer *buffer, const char *name, bool plain);

/* Likewise any bytes, without NUL at the end. */
int mafs_value_append(struct mafs_buffer *buffer, const void *value,
		      size_t len);

/* Decodes RFC 4648 base64; whitespace is skipped. A NUL is put behind it.
 * Return: 0 and owned bytes, -EINVAL, -ENOMEM. */
int mafs_base64_bytes(const char *text, char **ret, size_t *ret_len);
