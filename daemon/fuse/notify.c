// SPDX-License-Identifier: Apache-2.0
/*
 * READY and STATUS for systemd: one datagram each, so no library for it. A
 * manager that does not listen is no trouble of ours.
 */
#include "notify.h"

#include <core/admin.h>
#include <core/intern.h>
#include <inttypes.h>
#include <mafs/cleanup.h>
#include <mafs/size.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#define STEP_MS 500

static void send_text(const char *text, size_t len)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	const char *path = getenv("NOTIFY_SOCKET");
	_cleanup_close_ int fd = -1;
	size_t path_len = path ? strlen(path) : 0;

	if (path_len < 2 || path_len >= sizeof(to.sun_path))
		return;
	memcpy(to.sun_path, path, path_len);
	if (*path == '@') /* abstract */
		to.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	(void)sendto(
		fd, text, len, MSG_NOSIGNAL, (struct sockaddr *)&to,
		(socklen_t)(offsetof(struct sockaddr_un, sun_path) + path_len));
}

void mafsd_notify(const char *fmt, ...)
{
	char text[8192];
	va_list args;
	int len;

	va_start(args, fmt);
	len = vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	if (len > 0)
		send_text(text, (size_t)len < sizeof(text) ? (size_t)len :
							     sizeof(text) - 1);
}

static void tell_left(const struct mafsd_left *left)
{
	char size[MAFS_SIZE_TEXT_LEN];
	struct mafsd_status status;

	mafsd_status(left->d, &status);
	mafs_size_to_text(status.dirty_bytes, size);
	mafsd_notify("STATUS=writing back: %" PRIu64 " files, %s left",
		     status.n_dirty, size);
	if (left->terminal)
		(void)fprintf(stderr, "\r\033[K%" PRIu64 " files, %s left",
			      status.n_dirty, size);
}

static void *run_left(void *argument)
{
	const struct timespec step = { .tv_nsec = STEP_MS * 1000000L };
	struct mafsd_left *left = argument;

	mafsd_thread_enter();
	while (!left->ended) {
		tell_left(left);
		nanosleep(&step, NULL);
	}
	if (left->terminal)
		(void)fputs("\r\033[K", stderr);
	return NULL;
}

void mafsd_left_begin(struct mafsd_left *left, struct mafsd *d, bool terminal)
{
	left->d = d;
	left->terminal = terminal && isatty(STDERR_FILENO);
	left->ended = false;
	left->running = pthread_create(&left->thread, NULL, run_left, left) ==
			0;
}

void mafsd_left_end(struct mafsd_left *left)
{
	if (!left->running)
		return;
	left->ended = true;
	pthread_join(left->thread, NULL);
}
