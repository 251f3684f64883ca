/* SPDX-License-Identifier: Apache-2.0 */
/* Output: file names that are safe on a terminal and exact in JSON; JSON. */
#pragma once

#include <jansson.h>
#include <mafs/uuid.h>
#include <stdbool.h>
#include <stdint.h>

/**
 * mafs_name_shown() - a name for people
 *
 * A printable name as it is, any other with C escapes ("\n", "\x1b") and all
 * bytes beyond ASCII escaped. Return: owned, NULL: no memory.
 */
char *mafs_name_shown(const char *name);

/* Sets @key; a name that is no UTF-8 goes to @key_hex instead. */
void mafs_name_to_json(json_t *object, const char *key, const char *name);

/* Beyond 2^63 it wraps, as JSON readers have it. */
void mafs_json_set_number(json_t *object, const char *key, uint64_t value);
void mafs_json_set_uuid(json_t *object, const char *key,
			const struct mafs_uuid *uuid);

/* Prints an array, or with @one its only member. An empty one with @one:
 * nothing. */
void mafs_json_print(const json_t *array, bool one);
