/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A memory volume served in process, on devices that lose what was not flushed
 * (device_lines.h), and the requests that a kernel would make for a path. There
 * are no threads: what the tender does is asked for.
 *
 * The kernel's discipline is kept: what a request named is forgotten behind it,
 * an open file not before its release.
 *
 * Linked with mafs_device_open() wrapped: the devices are named by files that
 * every system has.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <memvol/admin.h>
#include <memvol/memvol.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sysmacros.h>

#include "device_lines.h"

#define KIB (UINT64_C(1) << 10)
#define N_DEVICES_MAX 2
#define N_REFS_MAX 32
#define N_FILES_MAX 4

/* What lies in memory that no file has: somebody else's bytes, once. */
#define GARBAGE 0xEE

static const char *const device_paths[N_DEVICES_MAX] = { "/dev/null",
							 "/dev/zero" };

/**
 * struct vol - a volume on @lines
 * @refs: lookups of the present request
 * @files: open ones
 */
struct vol {
	struct device_lines *lines[N_DEVICES_MAX];
	size_t n_devices;
	struct mafsm *m;
	uint64_t refs[N_REFS_MAX];
	size_t n_refs;
	struct mafsd_open *files[N_FILES_MAX];
	uint64_t file_ids[N_FILES_MAX];
};

#define must(condition)                                                \
	do {                                                           \
		if (!(condition)) {                                    \
			print_error("%s:%d: %s\n", __FILE__, __LINE__, \
				    #condition);                       \
			_fail(__FILE__, __LINE__);                     \
		}                                                      \
	} while (0)
#define must_be(value, wanted)                                               \
	do {                                                                 \
		long long is_ = (long long)(value);                          \
		if (is_ != (long long)(wanted)) {                            \
			print_error("%s:%d: %s is %lld, not %s\n", __FILE__, \
				    __LINE__, #value, is_, #wanted);         \
			_fail(__FILE__, __LINE__);                           \
		}                                                            \
	} while (0)
#define must_work(call, fault)                                                 \
	do {                                                                   \
		int r_ = (call);                                               \
		if (r_ < 0) {                                                  \
			print_error("%s:%d: %s: %s: %s\n", __FILE__, __LINE__, \
				    #call, strerror(-r_), (fault)->what);      \
			_fail(__FILE__, __LINE__);                             \
		}                                                              \
	} while (0)

/* ---- devices ---- */

/* Those that are opened next. */
static struct device_lines *const *opened_lines;

int __real_mafs_device_open(const struct mafs_device_spec *spec, bool make,
			    bool read_only, bool lock, struct mafs_device **ret,
			    struct mafs_fault *fault);
int __wrap_mafs_device_open(const struct mafs_device_spec *spec, bool make,
			    bool read_only, bool lock, struct mafs_device **ret,
			    struct mafs_fault *fault);
int __wrap_mafs_memory_session_open(const struct mafs_uuid *uuid,
				    const char *source, const char *mountpoint,
				    struct mafs_memory_session **ret,
				    struct mafs_fault *fault);

int __wrap_mafs_device_open(const struct mafs_device_spec *spec, bool make,
			    bool read_only, bool lock, struct mafs_device **ret,
			    struct mafs_fault *fault)
{
	for (size_t i = 0; opened_lines && i < N_DEVICES_MAX; i++) {
		if (!spec->path || strcmp(spec->path, device_paths[i]) != 0)
			continue;
		must(opened_lines[i]);
		must_be(mafs_device_on_mapping(
				MAFS_DEVICE_FILE,
				device_lines_host(opened_lines[i]), read_only,
				ret),
			0);
		/* Locks are taken on it. */
		(*ret)->fd = memfd_create("device", MFD_CLOEXEC);
		must((*ret)->fd >= 0);
		return 0;
	}
	return __real_mafs_device_open(spec, make, read_only, lock, ret, fault);
}

/* No runtime directory. */
int __wrap_mafs_memory_session_open(const struct mafs_uuid *uuid,
				    const char *source, const char *mountpoint,
				    struct mafs_memory_session **ret,
				    struct mafs_fault *fault)
{
	*ret = NULL;
	return 0;
}

/* Formats a device and fills all that is free with garbage. */
static inline struct device_lines *
new_lines(const struct mafs_uuid *fs_uuid, uint64_t size_bytes, bool secondary)
{
	const struct mafs_device_format format = {
		.fs_uuid = *fs_uuid,
		.alloc_unit_bytes = 4096,
		.log_bytes = 64 * KIB,
		.secondary = secondary,
	};
	struct device_lines *lines = device_lines_new(size_bytes);
	struct mafs_fault fault = MAFS_FAULT_INIT;
	struct mafs_device *device;

	memset(device_lines_memory(lines), GARBAGE, size_bytes);
	must_be(mafs_device_on_mapping(MAFS_DEVICE_FILE,
				       device_lines_host(lines), false,
				       &device),
		0);
	must_work(mafs_device_format(device, &format, &fault), &fault);
	mafs_device_close(device);
	return lines;
}

/* ---- life ---- */

static inline void v_mount(struct vol *v)
{
	static const struct mafsm_options options = {
		.source = "file:/dev/null",
		.mountpoint = "/",
		.role = MAFS_ROLE_MASTER,
	};
	struct mafs_fault fault = MAFS_FAULT_INIT;
	struct device_lines *const *before = opened_lines;

	opened_lines = v->lines;
	must_work(mafsm_start(&options, &v->m, &fault), &fault);
	opened_lines = before;
}

static inline void v_umount(struct vol *v)
{
	must_be(mafsm_stop(v->m), 0);
	mafsm_free(v->m);
	v->m = NULL;
}

/* As the kernel finds it after a kill: without a word of goodbye. */
static inline void v_drop_files(struct vol *v)
{
	for (size_t i = 0; i < N_FILES_MAX; i++)
		v->files[i] = NULL;
}

static inline struct vol *v_new(size_t n_devices, uint64_t size_bytes)
{
	struct vol *v = calloc(1, sizeof(*v));
	struct mafs_entry entry = { .type = MAFS_OMF_DEVICE_ADD };
	struct mafs_uuid fs_uuid;

	must(v);
	mafs_uuid_generate(&fs_uuid);
	v->n_devices = n_devices;
	for (size_t i = 0; i < n_devices; i++)
		v->lines[i] = new_lines(&fs_uuid, size_bytes, i > 0);
	v_mount(v);
	if (n_devices == 1)
		return v;
	memcpy(entry.device.device_uuid.bytes,
	       device_lines_memory(v->lines[1]) +
		       offsetof(struct mafs_omf_superblock, device_uuid),
	       sizeof(entry.device.device_uuid.bytes));
	entry.device.size_bytes = size_bytes;
	entry.device.spec = (char *)"file:/dev/zero";
	must_be(mafs_log_append(v->m->log, &entry, 1, NULL), 0);
	v_umount(v);
	v_mount(v);
	return v;
}

static inline void v_free(struct vol *v)
{
	if (!v)
		return;
	mafsm_free(v->m);
	for (size_t i = 0; i < v->n_devices; i++)
		device_lines_free(v->lines[i]);
	free(v);
}

/* ---- requests ---- */

static const struct mafsd_caller caller = { .uid = 0, .umask = 022 };

static inline void v_keep(struct vol *v, uint64_t nodeid)
{
	must(v->n_refs < N_REFS_MAX);
	v->refs[v->n_refs++] = nodeid;
}

/* The end of a request. */
static inline void v_forget(struct vol *v)
{
	while (v->n_refs)
		mafsm_forget(&v->m->fs, v->refs[--v->n_refs], 1);
}

/* The directory of a path, and its last name. */
static inline uint64_t v_parent(struct vol *v, const char *path,
				const char **ret_name)
{
	uint64_t at = MAFSD_ROOT_ID;
	const char *slash;

	while ((slash = strchr(path, '/'))) {
		struct mafsd_entry entry;
		char name[MAFS_NAME_MAX + 1];

		snprintf(name, sizeof(name), "%.*s", (int)(slash - path), path);
		must_be(mafsm_lookup(&v->m->fs, at, name, &entry), 0);
		v_keep(v, entry.nodeid);
		at = entry.nodeid;
		path = slash + 1;
	}
	*ret_name = path;
	return at;
}

static inline uint64_t v_find(struct vol *v, const char *path)
{
	struct mafsd_entry entry;
	const char *name;
	uint64_t parent = v_parent(v, path, &name);

	if (!*name)
		return parent;
	must_be(mafsm_lookup(&v->m->fs, parent, name, &entry), 0);
	v_keep(v, entry.nodeid);
	return entry.nodeid;
}

static inline int v_create(struct vol *v, int h, const char *path)
{
	struct mafsd_entry entry;
	const char *name;
	uint64_t parent = v_parent(v, path, &name);
	int r;

	r = mafsm_create(&v->m->fs, &caller, parent, name, 0644, O_RDWR, &entry,
			 &v->files[h]);
	if (r == 0) {
		v_keep(v, entry.nodeid);
		v->file_ids[h] = entry.nodeid;
	}
	v_forget(v);
	return r;
}

static inline int v_tmpfile(struct vol *v, int h)
{
	struct mafsd_entry entry;
	int r = mafsm_tmpfile(&v->m->fs, &caller, MAFSD_ROOT_ID, 0600, O_RDWR,
			      &entry, &v->files[h]);

	/* Its lookup stays until v_close(). */
	v->file_ids[h] = entry.nodeid;
	return r;
}

static inline int v_open(struct vol *v, int h, const char *path, int flags)
{
	uint64_t nodeid = v_find(v, path);
	int r = mafsm_open(&v->m->fs, &caller, nodeid, flags, true,
			   &v->files[h]);

	v->file_ids[h] = nodeid;
	v_forget(v);
	return r;
}

/* close(2), and what comes behind it. A node that was only kept by the open is
 * forgotten now: by a lookup that says how the kernel would have known it. */
static inline int v_close(struct vol *v, int h)
{
	struct mafsd_open *open = take_ptr(v->files[h]);
	int r = mafsm_flush(&v->m->fs, open);

	pthread_rwlock_wrlock(&v->m->lock);
	((struct mafsm_open *)open)->inode->nlookup++;
	pthread_rwlock_unlock(&v->m->lock);
	mafsm_release(&v->m->fs, open);
	mafsm_forget(&v->m->fs, v->file_ids[h], 2);
	return r;
}

static inline int v_write(struct vol *v, int h, uint64_t offset,
			  const void *bytes, size_t len)
{
	ssize_t n = mafsm_write_bytes(&v->m->fs, &caller, v->files[h], bytes,
				      len, offset, 0, false, true);

	return n == (ssize_t)len ? 0 : n < 0 ? (int)n : -EIO;
}

static inline int v_fsync(struct vol *v, int h)
{
	return mafsm_fsync(&v->m->fs, v->files[h], false);
}

static inline int v_fallocate(struct vol *v, int h, int mode, uint64_t offset,
			      uint64_t len)
{
	return mafsm_fallocate(&v->m->fs, &caller, v->files[h], mode, offset,
			       len, true);
}

static inline int v_setattr(struct vol *v, const char *path,
			    const struct stat *attr, int set)
{
	struct stat st;
	bool is_volatile;
	int r = mafsm_setattr(&v->m->fs, &caller, v_find(v, path), attr, set,
			      true, &st, &is_volatile);

	v_forget(v);
	return r;
}

static inline int v_truncate(struct vol *v, const char *path, uint64_t size)
{
	return v_setattr(v, path, &(struct stat){ .st_size = (off_t)size },
			 MAFSD_SET_SIZE);
}

static inline int v_setxattr(struct vol *v, const char *path, const char *name,
			     const void *value, size_t len)
{
	int r = mafsm_setxattr(&v->m->fs, &caller, NULL, 0, v_find(v, path),
			       name, value, len, 0);

	v_forget(v);
	return r;
}

static inline int v_removexattr(struct vol *v, const char *path,
				const char *name)
{
	int r = mafsm_removexattr(&v->m->fs, v_find(v, path), name);

	v_forget(v);
	return r;
}

static inline int v_mkdir(struct vol *v, const char *path)
{
	struct mafsd_entry entry;
	const char *name;
	uint64_t parent = v_parent(v, path, &name);
	int r = mafsm_mkdir(&v->m->fs, &caller, parent, name, 0755, &entry);

	if (r == 0)
		v_keep(v, entry.nodeid);
	v_forget(v);
	return r;
}

static inline int v_symlink(struct vol *v, const char *target, const char *path)
{
	struct mafsd_entry entry;
	const char *name;
	uint64_t parent = v_parent(v, path, &name);
	int r = mafsm_symlink(&v->m->fs, &caller, target, parent, name, &entry);

	if (r == 0)
		v_keep(v, entry.nodeid);
	v_forget(v);
	return r;
}

static inline int v_mknod(struct vol *v, const char *path, mode_t mode)
{
	struct mafsd_entry entry;
	const char *name;
	uint64_t parent = v_parent(v, path, &name);
	int r = mafsm_mknod(&v->m->fs, &caller, parent, name, mode,
			    makedev(1, 3), &entry);

	if (r == 0)
		v_keep(v, entry.nodeid);
	v_forget(v);
	return r;
}

static inline int v_link_id(struct vol *v, uint64_t nodeid, const char *path)
{
	struct mafsd_entry entry;
	const char *name;
	uint64_t parent = v_parent(v, path, &name);
	int r = mafsm_link(&v->m->fs, nodeid, parent, name, &entry);

	if (r == 0)
		v_keep(v, entry.nodeid);
	v_forget(v);
	return r;
}

static inline int v_link(struct vol *v, const char *path, const char *to)
{
	return v_link_id(v, v_find(v, path), to);
}

/* The kernel knows what it removes. */
static inline int v_remove(struct vol *v, const char *path, bool dir)
{
	const char *name;
	uint64_t parent = v_parent(v, path, &name);
	int r;

	(void)v_find(v, path);
	r = dir ? mafsm_rmdir(&v->m->fs, parent, name) :
		  mafsm_unlink(&v->m->fs, parent, name);
	v_forget(v);
	return r;
}

static inline int v_rename(struct vol *v, const char *path, const char *to,
			   unsigned int flags)
{
	const char *name, *new_name;
	uint64_t parent = v_parent(v, path, &name);
	uint64_t new_parent = v_parent(v, to, &new_name);
	struct mafsd_entry entry;
	int r;

	(void)v_find(v, path);
	if (mafsm_lookup(&v->m->fs, new_parent, new_name, &entry) == 0)
		v_keep(v, entry.nodeid);
	r = mafsm_rename(&v->m->fs, parent, name, new_parent, new_name, flags,
			 true);
	v_forget(v);
	return r;
}
