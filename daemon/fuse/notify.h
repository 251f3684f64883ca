/* SPDX-License-Identifier: Apache-2.0 */
/* What a service manager is told of the daemon: notify.c. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

struct mafsd;

/**
 * mafsd_notify() - "READY=1", "STATUS=..." to $NOTIFY_SOCKET
 *
 * Does nothing without one. Source: sd_notify(3), the protocol.
 */
void mafsd_notify(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/**
 * struct mafsd_left - tells twice a second how much is left to write back: to
 * the service manager, and in the foreground to a terminal
 */
struct mafsd_left {
	struct mafsd *d;
	bool terminal;
	atomic_bool ended;
	bool running;
	pthread_t thread;
};

/* @d must live until mafsd_left_end(). */
void mafsd_left_begin(struct mafsd_left *left, struct mafsd *d, bool terminal);
void mafsd_left_end(struct mafsd_left *left);
