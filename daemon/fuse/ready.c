// SPDX-License-Identifier: Apache-2.0
/*
 * How the daemon leaves the foreground. Whoever started it reads from a pipe:
 * "ready" as the last line when the mount answers, else what is wrong. When a
 * person started it by hand that reader is the process we forked from.
 */
#include "ready.h"

#include <fcntl.h>
#include <mafs/cleanup.h>
#include <mafs/diag.h>
#include <string.h>

static const char ready_line[] = "ready\n";

/* The first process of two: ends as the daemon says. */
__attribute__((noreturn)) static void wait_and_end(int from)
{
	char said[1024];
	size_t len = 0;
	ssize_t n;

	while (len < sizeof(said) - 1) {
		n = read(from, said + len, sizeof(said) - 1 - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		len += (size_t)n;
	}
	said[len] = '\0';
	if (!strcmp(said, ready_line))
		_exit(0);
	said[strcspn(said, "\n")] = '\0';
	mafs_error("%s", *said ? said : "the daemon ended and said nothing");
	_exit(1);
}

int mafsd_ready_fork(struct mafsd_ready *ready, struct mafs_fault *fault)
{
	_cleanup_close_ int from = -1, to = -1;
	int ends[2];
	pid_t pid;

	if (ready->fd < 0) {
		if (pipe2(ends, O_CLOEXEC) < 0)
			return mafs_fault_set(fault, -errno, "pipe: %s",
					      strerror(errno));
		from = ends[0];
		to = ends[1];
	}
	pid = fork();
	if (pid < 0)
		return mafs_fault_set(fault, -errno, "fork: %s",
				      strerror(errno));
	if (pid > 0) {
		mafs_closep(&to);
		if (from < 0)
			_exit(0);
		wait_and_end(from);
	}
	if (ready->fd < 0)
		ready->fd = take_fd(to);
	ready->background = true;
	(void)setsid();
	if (chdir("/") < 0)
		return mafs_fault_set(fault, -errno, "/: %s", strerror(errno));
	return 0;
}

void mafsd_ready_detach(const struct mafsd_ready *ready)
{
	_cleanup_close_ int null = -1;

	if (!ready->background)
		return;
	mafs_diag_to_syslog();
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null < 0)
		return;
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		(void)dup2(null, fd);
}

/* A reader that is gone is no trouble of ours. */
static void say(struct mafsd_ready *ready, const char *text, size_t len)
{
	ssize_t n;

	do
		n = write(ready->fd, text, len);
	while (n < 0 && errno == EINTR);
	mafs_closep(&ready->fd);
}

void mafsd_ready_tell(struct mafsd_ready *ready)
{
	if (ready->fd >= 0)
		say(ready, ready_line, sizeof(ready_line) - 1);
}

void mafsd_ready_fail(struct mafsd_ready *ready, const struct mafs_fault *fault)
{
	char line[sizeof(fault->what) + 1];
	int len;

	if (ready->fd < 0) {
		mafs_error("%s", fault->what);
		return;
	}
	len = snprintf(line, sizeof(line), "%s\n", fault->what);
	say(ready, line, (size_t)len);
}
