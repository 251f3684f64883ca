/* SPDX-License-Identifier: Apache-2.0 */
/* What a long call has done so far, in one line of a terminal. */
#pragma once

#include <jansson.h>
#include <mafs/fault.h>
#include <stdbool.h>
#include <stddef.h>

#define MAFS_PROGRESS_STEP_MS 250

/* Is there a terminal to show progress on? */
bool mafs_progress_wanted(void);
/* Replaces the line; an empty text takes it away. */
void mafs_progress_show(const char *text);

/* "12 files, 340M left" */
void mafs_progress_left(const json_t *status, char *ret, size_t len);

/**
 * mafs_progress_fn - says how far a call is
 * @before: /v1/status when it began
 * @now: /v1/status
 */
typedef void mafs_progress_fn(const json_t *before, const json_t *now,
			      char *ret, size_t len);

/**
 * mafs_progress_call() - mafs_client_call() with a line of progress
 *
 * Where there is no terminal, nothing is shown. Return: as
 * mafs_client_call().
 */
int mafs_progress_call(const char *control_path, const char *url,
		       const char *path, mafs_progress_fn *progress,
		       json_t **ret, struct mafs_fault *fault);
