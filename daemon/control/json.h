/* SPDX-License-Identifier: Apache-2.0 */
/* Members of JSON objects. Return: 0, or -1 when memory is short. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* A string whose bytes may be no UTF-8; those become U+FFFD. */
json_t *mafsd_bytes_to_json(const char *bytes);

int mafsd_json_int(json_t *object, const char *key, uint64_t value);
int mafsd_json_bool(json_t *object, const char *key, bool value);
/* NULL is null. */
int mafsd_json_bytes(json_t *object, const char *key, const char *bytes);
/* The same; where a byte is no UTF-8, KEY_hex has them all as well. */
int mafsd_json_name(json_t *object, const char *key, const char *bytes);
