// SPDX-License-Identifier: Apache-2.0
/*
 * The loop, and the signals that end it. They are blocked in every thread and
 * one thread waits for them: a handler could do nothing. libfuse 3.18's loop
 * wakes up by itself; an older one sleeps in the thread that called it, which
 * a signal with an empty handler wakes.
 */
#include "session.h"

#include "adapter.h"

#include <signal.h>
#include <string.h>
#include <time.h>

#define SIGNAL_WAKE SIGUSR1
#define WAKE_EVERY_MS 100
#define N_THREADS_MAX 10

struct guard {
	struct mafsd_fuse *fuse;
	struct fuse_session *session;
	pthread_t loop_thread;
	atomic_bool ended;
};

static void ending_signals(sigset_t *ret)
{
	sigemptyset(ret);
	sigaddset(ret, SIGTERM);
	sigaddset(ret, SIGINT);
	sigaddset(ret, SIGHUP);
}

static void do_nothing(int signal_number)
{
}

void mafsd_signals_begin(void)
{
	struct sigaction wake = { .sa_handler = do_nothing };
	sigset_t ending;

	/* Its default action ends us, and a lease that is broken sends it. */
	(void)signal(SIGIO, SIG_IGN);
	(void)signal(SIGPIPE, SIG_IGN);
	ending_signals(&ending);
	(void)pthread_sigmask(SIG_BLOCK, &ending, NULL);
	(void)sigaction(SIGNAL_WAKE, &wake, NULL);
}

static void *watch_signals(void *argument)
{
	const struct timespec pause = { .tv_nsec = WAKE_EVERY_MS * 1000000L };
	struct guard *guard = argument;
	sigset_t ending;
	int number;

	ending_signals(&ending);
	if (sigwait(&ending, &number) == 0 && !guard->ended)
		mafs_notice("%s: ending", strsignal(number));
	/* The loop's end frees the requests of io_uring, also those that
	 * somebody in the pool has still to answer. */
	mafsd_jobs_wait(guard->fuse);
	/* Again and again: the loop may be just about to sleep. */
	while (!guard->ended) {
		fuse_session_exit(guard->session);
		pthread_kill(guard->loop_thread, SIGNAL_WAKE);
		nanosleep(&pause, NULL);
	}
	return NULL;
}

static int loop(struct mafsd_fuse *fuse)
{
	struct fuse_loop_config *config = fuse_loop_cfg_create();
	int r;

	if (!config)
		return -ENOMEM;
	fuse_loop_cfg_set_clone_fd(config, 1);
	fuse_loop_cfg_set_max_threads(config, N_THREADS_MAX);
	fuse_loop_cfg_set_idle_threads(config, N_THREADS_MAX);
	r = fuse_session_loop_mt(fuse->session, config);
	fuse_loop_cfg_destroy(config);
	return r;
}

int mafsd_session_serve(struct mafsd_fuse *fuse)
{
	struct guard guard = {
		.fuse = fuse,
		.session = fuse->session,
		.loop_thread = pthread_self(),
	};
	pthread_t watcher;
	int r;

	r = -pthread_create(&watcher, NULL, watch_signals, &guard);
	if (r < 0)
		return r;
	r = loop(fuse);
	guard.ended = true;
	pthread_kill(watcher, SIGTERM);
	pthread_join(watcher, NULL);
	return r < 0 ? r : 0;
}
