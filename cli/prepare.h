/* SPDX-License-Identifier: Apache-2.0 */
/* Formatting a device, unless it holds something. */
#pragma once

#include <mafs/device.h>

/**
 * mafs_prepare_device() - open a device, make it when missing, and format it
 * @text: spec
 * @force: whatever stands on it
 * @ret_spec: with an absolute path; owned
 *
 * Nothing is changed before it is known that nothing of value is there: a
 * further device of the same volume is nothing. The device is locked.
 *
 * Return: 0; -EEXIST: it holds something; -EBUSY: in use; -errno. The fault
 * says it.
 */
int mafs_prepare_device(const char *text,
			const struct mafs_device_format *format, bool force,
			struct mafs_device **ret, char **ret_spec,
			struct mafs_fault *fault);

/* What is there is no device of mafs's any more. Return: 0; -EBUSY: a daemon
 * has it; -errno. */
int mafs_wipe_device(const char *text, struct mafs_fault *fault);
