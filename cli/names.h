/* SPDX-License-Identifier: Apache-2.0 */
/* Output: file names that are safe on a terminal and exact in JSON; JSON. */
#pragma once

#include <jansson.h>
#include <stdbool.h>

/**
 * mafs_name_shown() - a name for people
 *
 * A printable name as it is, any other with C escapes ("\n", "\x1b") and all
 * bytes beyond ASCII escaped. Return: owned, NULL: no memory.
 */
char *mafs_name_shown(const char *name);

/* Sets @key; a name that is no UTF-8 goes to @key_hex instead. */
void mafs_name_to_json(json_t *object, const char *key, const char *name);

/* Prints an array, or with @one its only member. An empty one with @one:
 * nothing. */
void mafs_json_print(const json_t *array, bool one);
