/* SPDX-License-Identifier: Apache-2.0 */
/* UUIDs as plain bytes (RFC 9562); thin wrapper of libuuid. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define MAFS_UUID_TEXT_LEN 37 /* with the terminating NUL */

struct mafs_uuid {
	uint8_t bytes[16];
};

void mafs_uuid_generate(struct mafs_uuid *ret);
/* Return: 0, or -EINVAL when @text is not exactly one UUID. */
int mafs_uuid_parse(const char *text, struct mafs_uuid *ret);
void mafs_uuid_to_text(const struct mafs_uuid *uuid,
		       char ret[static MAFS_UUID_TEXT_LEN]);
bool mafs_uuid_equal(const struct mafs_uuid *a, const struct mafs_uuid *b);
bool mafs_uuid_is_null(const struct mafs_uuid *uuid);
