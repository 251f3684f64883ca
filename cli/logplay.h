/* SPDX-License-Identifier: Apache-2.0 */
/* mafs logplay: of tiered volumes (cmd_logplay.c), of memory volumes
 * (logplay_memory.c). */
#pragma once

#include <mafs/fault.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>

/**
 * struct mafs_logplay_request - what was asked for
 * @stop: signals that end it, blocked; NULL: once
 */
struct mafs_logplay_request {
	const char *source;
	const char *shadow;
	const char *const *devices;
	size_t n_devices;
	const sigset_t *stop;
};

/* Return: 0, -errno; the fault says why. */
int mafs_logplay_memory(const struct mafs_logplay_request *request,
			struct mafs_fault *fault);

/* Waits for a moment. Return: true when a signal said so. */
bool mafs_logplay_told_to_stop(const sigset_t *stop);
/* A shadow inside the volume would be one of its files. @source, @mountpoint:
 * may be NULL. */
int mafs_logplay_check_apart(const char *source, const char *mountpoint,
			     const char *dir, struct mafs_fault *fault);
