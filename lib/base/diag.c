// SPDX-License-Identifier: Apache-2.0
/*
 * Messages for people, one line each, to standard error or syslog. The state
 * is set while the program has one thread; mafs_diag() is for any thread and
 * keeps errno.
 */
#include <errno.h>
#include <mafs/diag.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <syslog.h>

static const char *diag_program = "mafs";
static enum mafs_diag_level diag_max_level = MAFS_DIAG_NOTICE;
static bool diag_syslog;

void mafs_diag_program(const char *name)
{
	diag_program = name;
}

void mafs_diag_level(enum mafs_diag_level level)
{
	diag_max_level = level;
}

void mafs_diag_to_syslog(void)
{
	openlog(diag_program, LOG_PID, LOG_DAEMON);
	diag_syslog = true;
}

static int syslog_priority(enum mafs_diag_level level)
{
	static const int priorities[] = {
		[MAFS_DIAG_ERROR] = LOG_ERR,
		[MAFS_DIAG_WARNING] = LOG_WARNING,
		[MAFS_DIAG_NOTICE] = LOG_NOTICE,
		[MAFS_DIAG_DEBUG] = LOG_DEBUG,
	};

	return priorities[level];
}

void mafs_diag(enum mafs_diag_level level, const char *fmt, ...)
{
	int saved_errno = errno;
	char line[1024];
	va_list args;

	if (level > diag_max_level)
		return;
	/* Formatted whole first, so that lines of two threads do not mix. */
	va_start(args, fmt);
	(void)vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	if (diag_syslog)
		syslog(syslog_priority(level), "%s", line);
	else
		(void)fprintf(stderr, "%s: %s\n", diag_program, line);
	errno = saved_errno;
}
