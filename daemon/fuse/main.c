// SPDX-License-Identifier: Apache-2.0
/*
 * mafs-fused: the daemon's life in order. The volume is opened first, while
 * we can still say what is wrong on the terminal and nothing is mounted; then
 * the fork, then threads, the control socket, the mount, and the loop. After
 * the loop everything is brought down.
 */
#include "adapter.h"
#include "kind.h"
#include "notify.h"
#include "options.h"
#include "ready.h"
#include "session.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#define EXIT_USAGE 2

struct daemon {
	struct mafsd_command_line line;
	struct mafsd_ready ready;
	const struct mafsd_kind *kind;
	void *volume;
	struct mafsd_fuse *fuse;
	pthread_t ready_thread;
	bool ready_running;
};

static void raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
}

/* Best effort, while we have the capability. Memory is only freed through us:
 * we are not to wait for it, nor to be killed for it. */
static void stay_alive(void)
{
	_cleanup_close_ int fd = -1;

	(void)prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0);
	fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	if (fd >= 0)
		(void)!write(fd, "-1000", 5);
}

/* ---- telling that the mount answers ---- */

static void fail(struct daemon *self, const struct mafs_fault *fault)
{
	mafsd_notify("STATUS=%s", fault->what);
	mafsd_ready_fail(&self->ready, fault);
}

static void *run_ready(void *argument)
{
	struct daemon *self = argument;
	struct mafs_fault fault = MAFS_FAULT_INIT;
	int r;

	mafsd_thread_enter();
	r = mafsd_session_wait_ready(self->fuse, self->line.mountpoint);
	if (r == 0) {
		mafsd_notify("READY=1\nSTATUS=serving %s at %s",
			     self->line.source, self->line.mountpoint);
		mafsd_ready_tell(&self->ready);
		return NULL;
	}
	mafs_fault_set(&fault, r, "%s does not answer: %s",
		       self->line.mountpoint, strerror(-r));
	fail(self, &fault);
	return NULL;
}

/* ---- serving ---- */

static int begin_serving(struct daemon *self, struct mafs_fault *fault)
{
	int r;

	r = self->kind->run(self->volume, fault);
	if (r == 0)
		r = mafsd_session_mount(self->kind->fs(self->volume),
					&self->line, &self->fuse, fault);
	if (r < 0)
		return r;
	mafsd_ready_detach(&self->ready);
	r = -pthread_create(&self->ready_thread, NULL, run_ready, self);
	if (r < 0)
		return mafs_fault_set(fault, r, "a thread: %s", strerror(-r));
	self->ready_running = true;
	return 0;
}

static void end_serving(struct daemon *self)
{
	if (self->fuse)
		mafsd_session_unmount(self->fuse);
	/* With the connection gone its question is answered. */
	if (self->ready_running)
		pthread_join(self->ready_thread, NULL);
}

static int serve(struct daemon *self)
{
	struct mafs_fault fault = MAFS_FAULT_INIT;
	int r, r_stop;

	mafsd_thread_enter();
	r = begin_serving(self, &fault);
	if (r == 0) {
		r = mafsd_session_serve(self->fuse);
		if (r < 0)
			mafs_error("the connection to the kernel: %s",
				   strerror(-r));
	}
	mafsd_notify("STOPPING=1");
	end_serving(self);
	r_stop = self->kind->stop(self->volume);
	/* Told last: who hears of the failure may begin anew at once. */
	if (!self->ready_running)
		fail(self, &fault);
	mafsd_session_free(self->fuse);
	return r < 0 ? r : r_stop;
}

static int live(struct daemon *self)
{
	struct mafs_fault fault = MAFS_FAULT_INIT;
	int r;

	raise_descriptor_limit();
	stay_alive();
	self->kind = self->line.is_memory_volume ? &mafsd_kind_memory :
						   &mafsd_kind_tiered;
	r = self->kind->open(&self->line, &self->volume, &fault);
	if (r == 0 && !self->line.offline && !self->line.foreground)
		r = mafsd_ready_fork(&self->ready, &fault);
	if (r < 0)
		fail(self, &fault);
	else if (self->line.offline)
		r = self->kind->offline(self->volume);
	else
		r = serve(self);
	self->kind->free(self->volume);
	return r;
}

static int wrong_usage(struct daemon *self, int err,
		       const struct mafs_fault *fault)
{
	self->ready.fd = self->line.ready_fd;
	mafsd_ready_fail(&self->ready, fault);
	return err == -EINVAL ? EXIT_USAGE : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
	struct mafs_fault fault = MAFS_FAULT_INIT;
	struct daemon self = { .ready.fd = -1 };
	int r;

	mafsd_signals_begin();
	mafs_diag_program("mafs-fused");
	r = mafsd_command_line_read(argc, argv, &self.line, &fault);
	if (r < 0) {
		r = wrong_usage(&self, r, &fault);
	} else if (self.line.help || self.line.version) {
		(void)fputs(self.line.help ? mafsd_command_line_help :
					     "mafs-fused " MAFS_VERSION "\n",
			    stdout);
		r = EXIT_SUCCESS;
	} else {
		self.ready.fd = self.line.ready_fd;
		/* Programs that we start must not keep it open. */
		if (self.ready.fd >= 0)
			(void)fcntl(self.ready.fd, F_SETFD, FD_CLOEXEC);
		r = live(&self) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
	}
	mafsd_command_line_done(&self.line);
	return r;
}
