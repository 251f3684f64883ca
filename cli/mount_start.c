// SPDX-License-Identifier: Apache-2.0
/*
 * Starts mafs-fused. Before it detaches it writes to the --ready-fd: "ready"
 * as the last line when the mount answers (lines before it are notices), else
 * what is wrong. Called by cmd_mount.c.
 */
#include "mount.h"
#include "spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <mafs/cleanup.h>
#include <mafs/diag.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>

#define SAID_MAX 4096
#define END_TIMEOUT_MS 10000

static void fill_argv(const struct mafs_mount_request *request, char *program,
		      char *ready_fd, char **argv)
{
	*argv++ = program;
	if (request->foreground)
		*argv++ = (char *)"--foreground";
	if (ready_fd) {
		*argv++ = (char *)"--ready-fd";
		*argv++ = ready_fd;
	}
	if (request->memory) {
		*argv++ = (char *)"--memory";
		*argv++ = request->memory;
	}
	if (request->options) {
		*argv++ = (char *)"-o";
		*argv++ = request->options;
	}
	*argv++ = request->source;
	*argv++ = request->mountpoint;
	*argv = NULL;
}

static void become_daemon(const struct mafs_mount_request *request,
			  char *program, int ready_fd)
{
	char number[16], *argv[16];

	(void)snprintf(number, sizeof(number), "%d", ready_fd);
	fill_argv(request, program, ready_fd < 0 ? NULL : number, argv);
	/* For the daemon the pipe must survive exec. */
	if (ready_fd >= 0)
		(void)fcntl(ready_fd, F_SETFD, 0);
	signal(SIGPIPE, SIG_DFL);
	execv(program, argv);
}

/* Reads until "ready" stands in a line of its own, or to the end. */
static bool read_said(int fd, char said[static SAID_MAX])
{
	size_t len = 0;
	ssize_t n;

	while (len < SAID_MAX - 1) {
		n = read(fd, said + len, SAID_MAX - 1 - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		len += (size_t)n;
		said[len] = '\0';
		if (len >= 6 && !strcmp(said + len - 6, "ready\n") &&
		    (len == 6 || said[len - 7] == '\n')) {
			said[len - 6] = '\0';
			return true;
		}
	}
	said[len] = '\0';
	return false;
}

static void tell_notices(char *said)
{
	char *line;

	while ((line = strsep(&said, "\n")))
		if (*line)
			mafs_notice("%s", line);
}

/* It has failed and says no more: how did it end? */
static int how_it_ended(pid_t pid, const char *said, struct mafs_fault *fault)
{
	struct pollfd ended = { .fd = pidfd_open(pid, 0), .events = POLLIN };
	int len = (int)strlen(said), status;
	bool has_ended;

	has_ended = ended.fd < 0 || poll(&ended, 1, END_TIMEOUT_MS) > 0;
	mafs_closep(&ended.fd);
	while (len > 0 && said[len - 1] == '\n')
		len--;
	if (len > 0)
		mafs_fault_set(fault, -EIO, "%.*s", len, said);
	if (!has_ended || waitpid(pid, &status, 0) != pid)
		return len > 0 ? -EIO :
				 mafs_fault_set(fault, -EIO,
						"mafs-fused does not answer");
	if (len > 0)
		return -EIO;
	if (WIFSIGNALED(status))
		return mafs_fault_set(fault, -EIO,
				      "mafs-fused was killed by signal %d (%s)",
				      WTERMSIG(status),
				      strsignal(WTERMSIG(status)));
	return mafs_fault_set(fault, -EIO,
			      "mafs-fused ended with code %d and said nothing",
			      WEXITSTATUS(status));
}

int mafs_mount_start(const struct mafs_mount_request *request,
		     struct mafs_fault *fault)
{
	_cleanup_close_ int from = -1, to = -1;
	char program[PATH_MAX], said[SAID_MAX];
	int ends[2];
	pid_t pid;

	if (mafs_find_fused(program, sizeof(program)) < 0)
		return mafs_fault_set(fault, -ENOENT,
				      "mafs-fused is missing; install mafs "
				      "again");
	if (request->foreground) {
		become_daemon(request, program, -1);
		return mafs_fault_set(fault, -errno, "%s: %s", program,
				      strerror(errno));
	}
	if (pipe2(ends, O_CLOEXEC) < 0)
		return mafs_fault_set(fault, -errno, "pipe: %s",
				      strerror(errno));
	from = ends[0];
	to = ends[1];
	pid = fork();
	if (pid < 0)
		return mafs_fault_set(fault, -errno, "fork: %s",
				      strerror(errno));
	if (pid == 0) {
		become_daemon(request, program, to);
		dprintf(to, "%s: %s\n", program, strerror(errno));
		_exit(127);
	}
	mafs_closep(&to);
	if (!read_said(from, said))
		return how_it_ended(pid, said, fault);
	tell_notices(said);
	return 0;
}
