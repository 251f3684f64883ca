/* SPDX-License-Identifier: Apache-2.0 */
/* What a long call has done so far, in one line of a terminal. */
#pragma once

#include "client.h"

#include <stdbool.h>
#include <stddef.h>

#define MAFS_PROGRESS_STEP_MS 250

/* Is there a terminal to show progress on? */
bool mafs_progress_wanted(void);
/* Its width. */
size_t mafs_progress_columns(void);
/* Replaces the line; an empty text takes it away. */
void mafs_progress_show(const char *text);

/* "12 files, 340M left" */
void mafs_progress_left(const json_t *status, char *ret, size_t len);

/**
 * mafs_progress_fn - says how far a call is
 *
 * Called every MAFS_PROGRESS_STEP_MS while it runs; asks the daemon itself.
 * Leaves @ret as it is where nothing can be said.
 */
typedef void mafs_progress_fn(void *context, const char *control_path,
			      char *ret, size_t len);

/**
 * mafs_progress_call() - mafs_client_call() with a line of progress
 *
 * Where there is no terminal, nothing is shown. Return: as
 * mafs_client_call().
 */
int mafs_progress_call(const char *control_path,
		       const struct mafs_request *request,
		       mafs_progress_fn *progress, void *context, json_t **ret,
		       struct mafs_fault *fault);

/* Has all written back, showing how much is left. */
int mafs_progress_flush(const char *control_path, struct mafs_fault *fault);
