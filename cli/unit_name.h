/* SPDX-License-Identifier: Apache-2.0 */
/* What systemd calls things that have a path. */
#pragma once

#include <stddef.h>

/**
 * mafs_unit_name() - "mafs@srv-data.service" of "/srv/data"
 * @prefix, @suffix: "mafs@" and ".service"; "" and ".mount"
 * @path: absolute, without "." and ".."
 *
 * Source: systemd.unit(5), "String escaping for inclusion in unit names".
 * Return: 0, -ENAMETOOLONG: longer than @len or than a unit's name may be.
 */
int mafs_unit_name(const char *prefix, const char *path, const char *suffix,
		   char *ret, size_t len);

/* A value in double quotes for a unit file, its specifiers escaped.
 * Return: 0, -ENAMETOOLONG. */
int mafs_unit_quote(const char *value, char *ret, size_t len);
