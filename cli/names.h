/* SPDX-License-Identifier: Apache-2.0 */
/* File names in output: safe on a terminal, exact in JSON. */
#pragma once

#include <jansson.h>

/**
 * mafs_name_shown() - a name for people
 *
 * A printable name as it is, any other with C escapes ("\n", "\x1b") and all
 * bytes beyond ASCII escaped. Return: owned, NULL: no memory.
 */
char *mafs_name_shown(const char *name);

/* Sets @key; a name that is no UTF-8 goes to @key_hex instead. */
void mafs_name_to_json(json_t *object, const char *key, const char *name);
