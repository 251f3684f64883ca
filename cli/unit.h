/* SPDX-License-Identifier: Apache-2.0 */
/* Daemons that systemd looks after: mafs@.service. */
#pragma once

#include "mount.h"

#include <sys/types.h>

/* Does systemd run here, and does it know our units? They stand in
 * ../lib/systemd/system of this program's folder. */
bool mafs_unit_usable(const struct mafs_mount_request *request);

/**
 * mafs_unit_start() - start mafs@DIR.service and wait until the mount answers
 * @request: checked
 *
 * Return: 0 or -errno, the fault set by the daemon's own words.
 */
int mafs_unit_start(const struct mafs_mount_request *request,
		    struct mafs_fault *fault);

/* So that systemd does not start again what is about to be killed: asks it to
 * stop the unit of this daemon. One without a unit is left alone. */
void mafs_unit_stop(pid_t pid);
