/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/**
 * mafs_crc32c() - CRC32C (Castagnoli, RFC 3720) by isa-l
 * @crc: 0 to begin, or an earlier result to go on with
 */
uint32_t mafs_crc32c(uint32_t crc, const void *bytes, size_t len);
