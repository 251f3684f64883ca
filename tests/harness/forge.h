/* SPDX-License-Identifier: Apache-2.0 */
/* Makes the checksums of a mapped device right, so that what is behind them is
 * reached. */
#pragma once

#include <mafs/omf.h>
#include <stddef.h>
#include <stdint.h>

/* The superblock copy at @at. */
void forge_superblock(uint8_t *at);
/* The head of the segment at @at, whatever it says. */
void forge_head(uint8_t *at);
/* Its link leads to @next, as one that stands in the segment that it says. */
void forge_link(uint8_t *at, uint64_t next);
