// SPDX-License-Identifier: Apache-2.0
/*
 * What names cost: names create|stat|unlink DIR COUNT does that to COUNT files
 * and prints the seconds it took. Compiled and run by bench_names.py.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static int one(const char *what, const char *path)
{
	struct stat st;
	int fd;

	if (!strcmp(what, "stat"))
		return stat(path, &st);
	if (!strcmp(what, "unlink"))
		return unlink(path);
	fd = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644);
	return fd < 0 ? -1 : close(fd);
}

int main(int argc, char **argv)
{
	struct timespec begin, end;
	char path[4096];

	if (argc != 4)
		return 2;
	clock_gettime(CLOCK_MONOTONIC, &begin);
	for (int i = 0; i < atoi(argv[3]); i++) {
		snprintf(path, sizeof(path), "%s/%d/f%d", argv[2], i % 20, i);
		if (one(argv[1], path) < 0) {
			perror(path);
			return 1;
		}
	}
	clock_gettime(CLOCK_MONOTONIC, &end);
	printf("%.6f\n", (double)(end.tv_sec - begin.tv_sec) +
				 (double)(end.tv_nsec - begin.tv_nsec) / 1e9);
	return 0;
}
