// SPDX-License-Identifier: Apache-2.0
/* UUIDs as plain bytes: a thin wrapper of libuuid, called by every library. */
#include <errno.h>
#include <mafs/uuid.h>
#include <string.h>
#include <uuid/uuid.h>

_Static_assert(sizeof(struct mafs_uuid) == sizeof(uuid_t), "uuid size");
_Static_assert(MAFS_UUID_TEXT_LEN == UUID_STR_LEN, "uuid text length");

void mafs_uuid_generate(struct mafs_uuid *ret)
{
	uuid_generate_random(ret->bytes);
}

int mafs_uuid_parse(const char *text, struct mafs_uuid *ret)
{
	uuid_t parsed;

	if (strlen(text) != MAFS_UUID_TEXT_LEN - 1 || uuid_parse(text, parsed))
		return -EINVAL;
	memcpy(ret->bytes, parsed, sizeof(parsed));
	return 0;
}

void mafs_uuid_to_text(const struct mafs_uuid *uuid,
		       char ret[static MAFS_UUID_TEXT_LEN])
{
	uuid_unparse_lower(uuid->bytes, ret);
}

bool mafs_uuid_equal(const struct mafs_uuid *a, const struct mafs_uuid *b)
{
	return !memcmp(a->bytes, b->bytes, sizeof(a->bytes));
}

bool mafs_uuid_is_null(const struct mafs_uuid *uuid)
{
	return uuid_is_null(uuid->bytes);
}
