/* SPDX-License-Identifier: Apache-2.0 */
/* A workload's operations done by the core. */
#pragma once

#include "crash.h"

#include <tests/unit/core/core_fixture.h>

struct player {
	struct core *core;
	struct mafsd_open *opens[CRASH_N_HANDLES];
};

void crash_act(struct player *player, const struct op *op);
/* OP_N_WRITE only; NULL: nothing. */
void crash_act_on_n(struct core *c, const struct op *ops);
/* All that the mount shows, read as programs read. */
void crash_see_mount(struct core *c, struct seen *ret);
void crash_recover(struct core *c);
