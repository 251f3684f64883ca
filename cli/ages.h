/* SPDX-License-Identifier: Apache-2.0 */
/* How long, for people. */
#pragma once

#include <stdint.h>

#define MAFS_AGE_TEXT_LEN 32

/* "12s", "3m 20s", "2h 5m", "4d 1h". Return: @ret. */
const char *mafs_age_to_text(uint64_t ms, char ret[static MAFS_AGE_TEXT_LEN]);
