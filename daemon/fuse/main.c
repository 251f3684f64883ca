// SPDX-License-Identifier: Apache-2.0
/*
 * mafs-fused: the daemon's life in order. The volume is opened first, while
 * we can still say what is wrong on the terminal and nothing is mounted; then
 * the fork, then threads, the mount, the control socket, and the loop. After
 * the loop everything is written back; what cannot be stays in memory, and
 * the session open, for the next daemon.
 */
#include "adapter.h"
#include "notify.h"
#include "options.h"
#include "ready.h"
#include "session.h"

#include <control/control.h>
#include <core/intern.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#define EXIT_USAGE 2
#define N_TROUBLES_TOLD 10

struct daemon {
	struct mafsd_command_line line;
	struct mafsd_ready ready;
	struct mafsd *d;
	struct mafsd_fuse *fuse;
	struct mafsd_control *control;
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

static int open_volume(struct daemon *self, struct mafs_fault *fault)
{
	const struct mafsd_command_line *line = &self->line;
	struct mafsd_options options = {
		.source = line->source,
		.mountpoint = line->mountpoint,
		.memory = line->memory,
		.settings = line->settings,
		.read_only = line->read_only,
		.pressure_path = line->pressure_path,
	};

	return mafsd_start(&options, &self->d, fault);
}

static void tell_troubles(struct mafsd *d)
{
	struct mafsd_dirty *troubles = NULL;
	size_t n = 0;

	if (mafsd_dirty_list(d, true, SIZE_MAX, &troubles, &n) < 0)
		return;
	for (size_t i = 0; i < n && i < N_TROUBLES_TOLD; i++)
		mafs_error("%s: not written back: %s", troubles[i].path,
			   strerror(troubles[i].error));
	if (n > N_TROUBLES_TOLD)
		mafs_error("and %zu more files", n - N_TROUBLES_TOLD);
	mafsd_dirty_list_free(troubles, n);
}

/* Everything down. What cannot go stays in memory. */
static int stop_core(struct mafsd *d)
{
	struct mafs_fault fault = MAFS_FAULT_INIT;
	int r;

	r = mafsd_stop(d, &fault);
	if (r == 0)
		return 0;
	mafs_error("%s", *fault.what ? fault.what : strerror(-r));
	tell_troubles(d);
	mafs_error("what is not written back is kept in memory; mount %s "
		   "again, or: mafs umount %s",
		   d->options.source, d->options.source);
	return r;
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

/* ---- writing back ---- */

/* Its errors come again when the core stops. */
static void write_back(struct mafsd *d, bool terminal)
{
	struct mafsd_left left;

	mafsd_left_begin(&left, d, terminal);
	(void)mafsd_sync(d, NULL);
	mafsd_left_end(&left);
}

/* ---- serving ---- */

static char *control_path(struct mafsd *d)
{
	char *path;

	return asprintf(&path, "%s/control.sock", d->volume->runtime_dir) < 0 ?
		       NULL :
		       path;
}

static int start_control(struct daemon *self, struct mafs_fault *fault)
{
	_cleanup_free_ char *path = control_path(self->d);

	if (!path)
		return mafs_fault_set(fault, -ENOMEM, "out of memory");
	return mafsd_control_start(self->d, path, &self->control, fault);
}

static int begin_serving(struct daemon *self, struct mafs_fault *fault)
{
	int r;

	/* The session must name this process, not the one we forked from;
	 * and what a mount may find must be there before it. */
	self->d->volume->session.pid = getpid();
	r = mafsd_run(self->d, fault);
	if (r == 0)
		r = start_control(self, fault);
	if (r == 0)
		r = mafsd_session_mount(&self->d->fs, &self->line, &self->fuse,
					fault);
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
	/* The long part, while people can still ask how it goes; the memory
	 * that the rest takes down is theirs to look at no more. */
	write_back(self->d, false);
	mafsd_control_stop(self->control);
	r_stop = stop_core(self->d);
	/* Told last: who hears of the failure may begin anew at once. */
	if (!self->ready_running)
		fail(self, &fault);
	/* What is not down still holds files of the kernel's: not any more. */
	mafsd_disconnect(self->d);
	mafsd_session_free(self->fuse);
	return r < 0 ? r : r_stop;
}

static int run_offline(struct mafsd *d)
{
	_cleanup_free_ char *path = control_path(d);
	struct mafs_fault fault = MAFS_FAULT_INIT;
	int r, r_stop;

	mafsd_thread_enter();
	/* Of the killed daemon: nobody listens. We hold the volume's lock. */
	if (path)
		(void)unlink(path);
	r = mafsd_run(d, &fault);
	if (r < 0) {
		mafs_error("%s", fault.what);
		return r;
	}
	r = mafsd_recover_all(d);
	if (r < 0)
		mafs_error("not all could be found again: %s", strerror(-r));
	write_back(d, true);
	r_stop = stop_core(d);
	return r < 0 ? r : r_stop;
}

static int live(struct daemon *self)
{
	struct mafs_fault fault = MAFS_FAULT_INIT;
	int r;

	raise_descriptor_limit();
	stay_alive();
	r = open_volume(self, &fault);
	if (r == 0 && !self->line.offline && !self->line.foreground)
		r = mafsd_ready_fork(&self->ready, &fault);
	if (r < 0)
		fail(self, &fault);
	else if (self->line.offline)
		r = run_offline(self->d);
	else
		r = serve(self);
	mafsd_free(self->d);
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
