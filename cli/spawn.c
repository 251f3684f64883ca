// SPDX-License-Identifier: Apache-2.0
/* Runs fusermount3 and mafs-fused, and finds them. Called by mount, umount. */
#include "spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <mafs/cleanup.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

static bool is_program(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode) &&
	       access(path, X_OK) == 0;
}

static bool is_program_in(const char *dir, size_t dir_len, const char *name,
			  char *ret, size_t len)
{
	int n = snprintf(ret, len, "%.*s/%s", (int)dir_len, dir, name);

	return n > 0 && (size_t)n < len && is_program(ret);
}

int mafs_find_in_path(const char *name, char *ret, size_t len)
{
	static const char more[] = "/usr/local/bin:/usr/bin:/bin";
	const char *paths[] = { getenv("PATH"), more };

	for (size_t i = 0; i < MAFS_ARRAY_SIZE(paths); i++) {
		for (const char *dir = paths[i]; dir && *dir;) {
			size_t n = strcspn(dir, ":");

			if (n && is_program_in(dir, n, name, ret, len))
				return 0;
			dir += n + (dir[n] == ':');
		}
	}
	return -ENOENT;
}

int mafs_find_fused(char *ret, size_t len)
{
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;

	if (n > 0) {
		self[n] = '\0';
		slash = strrchr(self, '/');
		n = slash - self;
		if (is_program_in(self, (size_t)n, "mafs-fused", ret, len) ||
		    is_program_in(self, (size_t)n, "../daemon/fuse/mafs-fused",
				  ret, len))
			return 0;
	}
	return mafs_find_in_path("mafs-fused", ret, len);
}

/* @said_fd: instead of its descriptor @number; -1: nothing is said to us. */
static void run_child(const char *program, const char *const argv[],
		      int said_fd, int number)
{
	signal(SIGPIPE, SIG_DFL);
	/* Its words are compared. */
	if (said_fd >= 0 &&
	    (dup2(said_fd, number) < 0 || setenv("LC_ALL", "C", 1) < 0))
		_exit(127);
	execv(program, (char *const *)argv);
	_exit(127);
}

/* All is read, so that the writer never waits; the first line is kept. */
static void read_line(int fd, char *ret, size_t len)
{
	char rest[512];
	size_t at = 0;
	ssize_t n;

	while (at < len - 1 && (n = read(fd, ret + at, len - 1 - at)) > 0)
		at += (size_t)n;
	ret[at] = '\0';
	ret[strcspn(ret, "\n")] = '\0';
	while (read(fd, rest, sizeof(rest)) > 0)
		;
}

static int spawn(const char *const argv[], int number, char *ret_said,
		 size_t len)
{
	_cleanup_close_ int from = -1, to = -1;
	char program[PATH_MAX];
	int ends[2], status, r;
	pid_t pid;

	r = strchr(argv[0], '/') ?
		    0 :
		    mafs_find_in_path(argv[0], program, sizeof(program));
	if (r < 0)
		return r;
	if (ret_said) {
		if (pipe2(ends, O_CLOEXEC) < 0)
			return -errno;
		from = ends[0];
		to = ends[1];
	}
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0)
		run_child(strchr(argv[0], '/') ? argv[0] : program, argv, to,
			  number);
	mafs_closep(&to);
	if (ret_said)
		read_line(from, ret_said, len);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int mafs_spawn(const char *const argv[], char *ret_said, size_t len)
{
	return spawn(argv, STDERR_FILENO, ret_said, len);
}

int mafs_spawn_output(const char *const argv[], char *ret_said, size_t len)
{
	return spawn(argv, STDOUT_FILENO, ret_said, len);
}
