// SPDX-License-Identifier: Apache-2.0
/*
 * The devices of a volume that a shadow tells. A device that bears no
 * superblock of mafs's (famfs has its own) gets a UUID for the time being, and
 * is as good as any: only what extents say is read from it.
 */
#include "shadow_load.h"

#include <errno.h>
#include <fcntl.h>
#include <mafs/cleanup.h>
#include <mafs/longpath.h>
#include <string.h>

#define UNIT_OF_OTHERS 4096U

static int add_device(struct shadow_loading *loading, const char *text,
		      struct mafs_fault *fault)
{
	struct mafs_device_spec spec = {};
	struct mafs_device *device;
	int r;

	r = mafs_device_spec_parse(text, &spec, fault);
	if (r == 0)
		r = mafs_device_open(&spec, false, true, false, &device, fault);
	mafs_device_spec_done(&spec);
	if (r < 0)
		return r;
	if (mafs_uuid_is_null(&device->uuid)) {
		mafs_uuid_generate(&device->uuid);
		device->unit_bytes = UNIT_OF_OTHERS;
	}
	r = mafs_pool_add(loading->volume->pool, device);
	if (r < 0)
		mafs_device_close(device);
	return r < 0 ? mafs_fault_set(fault, r, "%.300s: %s", text,
				      strerror(-r)) :
		       0;
}

static int add_given(struct shadow_loading *loading, const char *const *devices,
		     size_t n_devices, struct mafs_fault *fault)
{
	struct mafs_pool *pool = loading->volume->pool;
	int r = 0;

	loading->given = calloc(n_devices + 1, sizeof(*loading->given));
	if (!loading->given)
		return -ENOMEM;
	for (size_t i = 0; r == 0 && i < n_devices; i++) {
		r = add_device(loading, devices[i], fault);
		if (r == 0)
			loading->given[loading->n_given++] =
				mafs_pool_device(pool, (uint32_t)i)->uuid;
	}
	return r;
}

/* What cannot be found is missed by who names it. */
static int add_listed(struct shadow_loading *loading,
		      const struct mafs_shadow_devices *listed)
{
	struct mafs_pool *pool = loading->volume->pool;

	for (size_t i = 0; i < listed->n; i++) {
		const struct mafs_shadow_device *device = &listed->list[i];
		int r;

		if (!*device->spec || mafs_pool_find(pool, &device->uuid) >= 0)
			continue;
		r = add_device(loading, device->spec, NULL);
		if (r == -ENOMEM)
			return r;
	}
	return 0;
}

static int read_list(struct shadow_loading *loading,
		     struct mafs_shadow_devices *ret, struct mafs_fault *fault)
{
	static const char path[] = MAFS_SHADOW_DOT "/" DEVICES_FILE;
	struct mafs_fault why = MAFS_FAULT_INIT;
	int r;

	r = shadow_load_text(loading, loading->root_fd, path, path, fault);
	if (r == -ENOENT)
		return 0;
	if (r == 0)
		r = mafs_shadow_devices_from_text(loading->text.bytes,
						  loading->text.len, ret, &why);
	return r < 0 && why.what[0] ?
		       mafs_fault_set(fault, r, "%s: %.300s", path, why.what) :
		       r;
}

int shadow_load_devices(struct shadow_loading *loading,
			const char *const *devices, size_t n_devices,
			struct mafs_fault *fault)
{
	_cleanup_(
		mafs_shadow_devices_done) struct mafs_shadow_devices listed = {};
	int r;

	r = mafs_pool_new(&loading->volume->pool);
	if (r == 0)
		r = add_given(loading, devices, n_devices, fault);
	if (r == 0)
		r = read_list(loading, &listed, fault);
	if (r == 0)
		r = add_listed(loading, &listed);
	if (r == 0 && !mafs_pool_n_devices(loading->volume->pool))
		r = mafs_fault_set(fault, -ENODEV,
				   "no memory device is found: name them with "
				   "--device SPEC");
	return r;
}
