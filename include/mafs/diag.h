/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages for people (never the metadata log). Only programs and the daemon
 * call this; libraries return codes and faults.
 */
#pragma once

enum mafs_diag_level {
	MAFS_DIAG_ERROR,
	MAFS_DIAG_WARNING,
	MAFS_DIAG_NOTICE,
	MAFS_DIAG_DEBUG,
};

/* Program name that precedes each message; default "mafs". */
void mafs_diag_program(const char *name);
/* Messages above this level are dropped; default MAFS_DIAG_NOTICE. */
void mafs_diag_level(enum mafs_diag_level level);
/* From now on to syslog (daemon facility) instead of standard error. */
void mafs_diag_to_syslog(void);
void mafs_diag(enum mafs_diag_level level, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

#define mafs_error(...) mafs_diag(MAFS_DIAG_ERROR, __VA_ARGS__)
#define mafs_warning(...) mafs_diag(MAFS_DIAG_WARNING, __VA_ARGS__)
#define mafs_notice(...) mafs_diag(MAFS_DIAG_NOTICE, __VA_ARGS__)
#define mafs_debug(...) mafs_diag(MAFS_DIAG_DEBUG, __VA_ARGS__)
