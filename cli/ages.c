// SPDX-License-Identifier: Apache-2.0
/* How long, for people. Called by the commands that show a time. */
#include "ages.h"

#include <inttypes.h>
#include <stdio.h>

const char *mafs_age_to_text(uint64_t ms, char ret[static MAFS_AGE_TEXT_LEN])
{
	uint64_t s = ms / 1000;

	if (s < 60)
		(void)snprintf(ret, MAFS_AGE_TEXT_LEN, "%" PRIu64 "s", s);
	else if (s < 3600)
		(void)snprintf(ret, MAFS_AGE_TEXT_LEN,
			       "%" PRIu64 "m %" PRIu64 "s", s / 60, s % 60);
	else if (s < 86400)
		(void)snprintf(ret, MAFS_AGE_TEXT_LEN,
			       "%" PRIu64 "h %" PRIu64 "m", s / 3600,
			       s / 60 % 60);
	else
		(void)snprintf(ret, MAFS_AGE_TEXT_LEN,
			       "%" PRIu64 "d %" PRIu64 "h", s / 86400,
			       s / 3600 % 24);
	return ret;
}
