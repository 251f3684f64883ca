/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "intern.h"

/* Context: at start, before any thread runs. Return: 0, -errno. */
int mafsd_orphans_remove(struct mafsd *d);
