/* SPDX-License-Identifier: Apache-2.0 */
/* The life of a memory volume's daemon. Called by daemon/fuse. */
#pragma once

#include <fs/fs.h>
#include <mafs/fault.h>
#include <mafs/memory_volume.h>

struct mafsm;

struct mafsm_options {
	const char *source; /* as mafs_device_spec_parse() takes it */
	const char *shadow; /* instead: a directory of descriptors */
	const char *mountpoint;
	const char *const *devices; /* further ones */
	size_t n_devices;
	enum mafs_role role;
	bool takeover;
};

extern const struct mafsd_fs_ops mafsm_ops;

/* Opens the volume; before the mount. @options: borrowed for its life. */
int mafsm_start(const struct mafsm_options *options, struct mafsm **ret,
		struct mafs_fault *fault);
/* Threads, after any fork. */
int mafsm_run(struct mafsm *m, struct mafs_fault *fault);
struct mafsd_fs *mafsm_fs(struct mafsm *m);
/* RUN/<uuid>, borrowed. */
const char *mafsm_runtime_dir(const struct mafsm *m);
/* The kernel is gone: all is flushed. Return: 0, or the first error. */
int mafsm_stop(struct mafsm *m);
void mafsm_free(struct mafsm *m);
