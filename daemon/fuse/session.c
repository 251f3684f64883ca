// SPDX-License-Identifier: Apache-2.0
/*
 * Makes the session out of the command line, mounts it, and takes it down.
 * The kernel's connection ends when the last descriptor of /dev/fuse is
 * closed; no reply and no call may come after that, so the end is: the loop
 * returns, deferred requests are answered, the core is cut off, unmount.
 */
#include "session.h"

#include "adapter.h"

#include <fuse_log.h>
#include <stdarg.h>
#include <string.h>
#include <sys/statvfs.h>

/* Queue entries of io_uring: one request's length each, for each CPU that may
 * ever be, taken at once. */
#define URING_BYTES_MAX (64 * MAFSD_REQUEST_MAX)
#define URING_DEPTH_MAX 8

/* ---- what libfuse says ---- */

/* libfuse has one log function a process, and no context for it. While the
 * session is made the last sentence is kept, to be the fault's. */
static char last_said[256];
static bool keep_said;

__attribute__((format(printf, 2, 0))) static void
take_log(enum fuse_log_level level, const char *fmt, va_list args)
{
	char text[sizeof(last_said)];

	if (level > FUSE_LOG_WARNING)
		return;
	(void)vsnprintf(text, sizeof(text), fmt, args);
	text[strcspn(text, "\n")] = '\0';
	if (keep_said)
		memcpy(last_said, text, sizeof(text));
	else
		mafs_warning("%s", text);
}

static int fault_of_libfuse(struct mafs_fault *fault, int err, const char *what)
{
	return mafs_fault_set(fault, err, "%s%s%s", what,
			      *last_said ? ": " : "", last_said);
}

/* ---- arguments ---- */

/* Commas and backslashes of a path, as libfuse wants them. */
static char *escape(const char *path)
{
	char *text = malloc(2 * strlen(path) + 1), *to = text;

	if (!text)
		return NULL;
	for (; *path; path++) {
		if (*path == ',' || *path == '\\')
			*to++ = '\\';
		*to++ = *path;
	}
	*to = '\0';
	return text;
}

static bool kernel_has_uring(void)
{
	_cleanup_fclose_ FILE *file =
		fopen("/sys/module/fuse/parameters/enable_uring", "re");

	return file && fgetc(file) == 'Y';
}

static bool want_uring(const struct mafsd_command_line *line)
{
#if FUSE_VERSION >= FUSE_MAKE_VERSION(3, 18)
	if (line->io_uring == MAFSD_WISH_YES && !kernel_has_uring())
		mafs_warning("the kernel has io_uring for FUSE switched off; "
			     "going on without it");
	return line->io_uring != MAFSD_WISH_NO && kernel_has_uring();
#else
	if (line->io_uring == MAFSD_WISH_YES)
		mafs_warning("this libfuse has no io_uring");
	return false;
#endif
}

/* Shares out the bound: first by depth, and where CPUs are many by shorter
 * writes. Return: the depth. */
static unsigned int size_uring(struct mafsd_fuse *fuse)
{
	long n_cpus = sysconf(_SC_NPROCESSORS_CONF);
	unsigned int n = n_cpus > 0 ? (unsigned int)n_cpus : 1;
	unsigned int depth = URING_BYTES_MAX / MAFSD_REQUEST_MAX / n;

	while (fuse->max_write > 64 * 1024 &&
	       (uint64_t)fuse->max_write * n > URING_BYTES_MAX)
		fuse->max_write /= 2;
	if (depth == 0)
		return 1;
	return depth < URING_DEPTH_MAX ? depth : URING_DEPTH_MAX;
}

static int add_option(struct fuse_args *args, const char *option)
{
	return fuse_opt_add_arg(args, "-o") || fuse_opt_add_arg(args, option) ?
		       -ENOMEM :
		       0;
}

static int add_uring(struct mafsd_fuse *fuse, struct fuse_args *args)
{
	char option[64];

	(void)snprintf(option, sizeof(option), "io_uring,io_uring_q_depth=%u",
		       size_uring(fuse));
	return add_option(args, option);
}

static int add_source(struct fuse_args *args, const char *source)
{
	_cleanup_free_ char *escaped = escape(source), *option = NULL;

	if (!escaped || asprintf(&option, "fsname=%s", escaped) < 0)
		return -ENOMEM;
	return add_option(args, option);
}

static int fill_args(struct mafsd_fuse *fuse,
		     const struct mafsd_command_line *line,
		     struct fuse_args *args)
{
	char max_read[32];
	int r;

	(void)snprintf(max_read, sizeof(max_read), "max_read=%d",
		       MAFSD_REQUEST_MAX);
	r = fuse_opt_add_arg(args, "mafs-fused") ? -ENOMEM : 0;
	if (r == 0)
		r = add_source(args, line->source);
	if (r == 0)
		r = add_option(args, "subtype=mafs,default_permissions");
	if (r == 0)
		r = add_option(args, max_read);
	if (r == 0 && line->words)
		r = add_option(args, line->words);
	if (r == 0 && (line->read_only || fuse->fs->read_only))
		r = add_option(args, "ro");
	if (r == 0 && line->allow_root)
		r = add_option(args, "allow_root");
	else if (r == 0 && (line->allow_other || geteuid() == 0))
		r = add_option(args, "allow_other");
	if (r == 0 && fuse->io_uring)
		r = add_uring(fuse, args);
	return r;
}

/* ---- life ---- */

static void fill_ops(struct fuse_lowlevel_ops *ops)
{
	*ops = (struct fuse_lowlevel_ops){ 0 };
	mafsd_ops_init(ops);
	mafsd_ops_names(ops);
	mafsd_ops_attr(ops);
	mafsd_ops_xattr(ops);
	mafsd_ops_dir(ops);
	mafsd_ops_open(ops);
	mafsd_ops_file(ops);
}

static struct mafsd_fuse *new_fuse(struct mafsd_fs *fs)
{
	struct mafsd_fuse *fuse = calloc(1, sizeof(*fuse));

	if (!fuse)
		return NULL;
	fuse->fs = fs;
	fuse->kernel_fd = -1;
	fuse->max_write = MAFSD_REQUEST_MAX;
	pthread_rwlock_init(&fuse->kernel_lock, NULL);
	pthread_mutex_init(&fuse->connect_lock, NULL);
	pthread_mutex_init(&fuse->jobs_lock, NULL);
	pthread_cond_init(&fuse->jobs_done, NULL);
	return fuse;
}

void mafsd_session_free(struct mafsd_fuse *fuse)
{
	if (!fuse)
		return;
	if (fuse->session)
		fuse_session_destroy(fuse->session);
	pthread_cond_destroy(&fuse->jobs_done);
	pthread_mutex_destroy(&fuse->jobs_lock);
	pthread_mutex_destroy(&fuse->connect_lock);
	pthread_rwlock_destroy(&fuse->kernel_lock);
	free(fuse);
}

static int open_session(struct mafsd_fuse *fuse,
			const struct mafsd_command_line *line,
			struct mafs_fault *fault)
{
	struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
	struct fuse_lowlevel_ops ops;
	int r;

	fill_ops(&ops);
	fuse->io_uring = want_uring(line);
	r = fill_args(fuse, line, &args);
	if (r == 0) {
		fuse->session =
			fuse_session_new(&args, &ops, sizeof(ops), fuse);
		if (!fuse->session)
			r = fault_of_libfuse(fault, -EINVAL,
					     "libfuse refuses the options");
	} else {
		mafs_fault_set(fault, r, "out of memory");
	}
	fuse_opt_free_args(&args);
	return r;
}

int mafsd_session_mount(struct mafsd_fs *fs,
			const struct mafsd_command_line *line,
			struct mafsd_fuse **ret, struct mafs_fault *fault)
{
	struct mafsd_fuse *fuse = new_fuse(fs);
	int r;

	if (!fuse)
		return mafs_fault_set(fault, -ENOMEM, "out of memory");
	keep_said = true;
	fuse_set_log_func(take_log);
	r = open_session(fuse, line, fault);
	if (r == 0 && fuse_session_mount(fuse->session, line->mountpoint) < 0) {
		r = fault_of_libfuse(fault, -EIO, "cannot mount");
		mafs_debug("mount at %s failed", line->mountpoint);
	}
	keep_said = false;
	if (r < 0) {
		mafsd_session_free(fuse);
		return r;
	}
	mafsd_kernel_begin(fuse, fuse_session_fd(fuse->session));
	*ret = fuse;
	return 0;
}

void mafsd_session_unmount(struct mafsd_fuse *fuse)
{
	mafsd_jobs_wait(fuse);
	mafsd_kernel_end(fuse);
	fuse_session_unmount(fuse->session);
}

int mafsd_session_wait_ready(struct mafsd_fuse *fuse, const char *mountpoint)
{
	struct statvfs st;

	/* Through the kernel and back: INIT is done and a handler has run. */
	if (statvfs(mountpoint, &st) < 0)
		return -errno;
	mafsd_kernel_connect(fuse);
	return 0;
}
