/* SPDX-License-Identifier: Apache-2.0 */
/* A hash to tell bytes apart that nobody has made to collide. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* XXH3, 64 bits. Not for media: it may differ on another machine. */
uint64_t mafs_hash64(const void *bytes, size_t len);
