// SPDX-License-Identifier: Apache-2.0
#include "memvol_fixture.h"

#include <mafs/cleanup.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void must(int err, const struct mafs_fault *fault)
{
	if (err)
		fail_msg("%s: %s", strerror(-err), fault->what);
}

char *t_memvol_format(const char *place, const char *name,
		      const struct mafs_uuid *fs_uuid, bool secondary)
{
	return t_memvol_format_size(place, name, fs_uuid, secondary, 8 * T_MIB);
}

char *t_memvol_format_size(const char *place, const char *name,
			   const struct mafs_uuid *fs_uuid, bool secondary,
			   uint64_t size_bytes)
{
	struct mafs_device_format format = {
		.alloc_unit_bytes = 4096,
		.log_bytes = 64 << 10,
		.secondary = secondary,
	};
	struct mafs_device_spec spec = { .kind = MAFS_DEVICE_FILE,
					 .path = (char *)t_path(place, name),
					 .size_bytes = size_bytes };
	struct mafs_fault fault = MAFS_FAULT_INIT;
	struct mafs_device *device;
	char *text = NULL;

	must(mafs_device_open(&spec, true, false, true, &device, &fault),
	     &fault);
	if (fs_uuid)
		format.fs_uuid = *fs_uuid;
	else
		mafs_uuid_generate(&format.fs_uuid);
	must(mafs_device_format(device, &format, &fault), &fault);
	mafs_device_close(device);
	must(mafs_device_spec_absolute(spec.path, &text, &fault), &fault);
	return text;
}

struct mafs_memory_volume *t_memvol_open(const char *spec, bool client)
{
	const struct mafs_memory_volume_options options = {
		.source = spec,
		.role = client ? MAFS_ROLE_CLIENT : MAFS_ROLE_AUTO,
	};
	struct mafs_fault fault = MAFS_FAULT_INIT;
	struct mafs_memory_volume *volume;

	must(mafs_memory_volume_open(&options, &volume, &fault), &fault);
	return volume;
}

void t_memvol_append(struct mafs_memory_volume *volume,
		     const struct mafs_entry *entries, size_t n_entries)
{
	struct mafs_fault fault = MAFS_FAULT_INIT;

	for (size_t i = 0; i < n_entries; i++)
		must(mafs_names_apply(volume->names, &entries[i], &fault),
		     &fault);
	must(mafs_log_append(volume->log, entries, n_entries, NULL), &fault);
}

struct mafs_entry t_name_entry(enum mafs_omf_type type, uint64_t parent,
			       const char *name, uint64_t id)
{
	struct mafs_entry entry = {
		.type = type,
		.name = { .parent = parent, .id = id },
	};

	strcpy(entry.name.name, name);
	return entry;
}

void t_memvol_mkdir(struct mafs_memory_volume *volume, uint64_t parent,
		    const char *name, uint64_t id)
{
	const struct mafs_entry entries[] = {
		{ .type = MAFS_OMF_NODE,
		  .node = { .id = id,
			    .mode = S_IFDIR | 0755,
			    .parent = parent } },
		t_name_entry(MAFS_OMF_NAME, parent, name, id),
	};

	t_memvol_append(volume, entries, MAFS_ARRAY_SIZE(entries));
}

void t_memvol_create(struct mafs_memory_volume *volume, uint64_t parent,
		     const char *name, uint64_t id, uint64_t n_bytes)
{
	_cleanup_(mafs_layout_done) struct mafs_layout layout = {};
	_cleanup_(mafs_layout_done) struct mafs_layout added = {};
	const struct mafs_entry made[] = {
		{ .type = MAFS_OMF_NODE,
		  .node = { .id = id, .mode = S_IFREG | 0644 } },
		t_name_entry(MAFS_OMF_NAME, parent, name, id),
	};
	struct mafs_entry grown = {
		.type = MAFS_OMF_EXTENTS,
		.extents = { .id = id, .size_bytes = n_bytes },
	};

	t_memvol_append(volume, made, MAFS_ARRAY_SIZE(made));
	if (!n_bytes)
		return;
	assert_int_equal(
		mafs_pool_fill(volume->pool, &layout, 0, n_bytes, &added), 0);
	assert_int_equal(mafs_layout_to_map(volume->pool, &layout,
					    &grown.extents.map),
			 0);
	t_memvol_append(volume, &grown, 1);
	mafs_entry_done(&grown);
}

void t_memvol_unlink(struct mafs_memory_volume *volume, uint64_t parent,
		     const char *name, uint64_t id)
{
	const struct mafs_entry entry =
		t_name_entry(MAFS_OMF_UNNAME, parent, name, id);

	t_memvol_append(volume, &entry, 1);
}

int t_memvol_give_live(void *context, mafs_log_emit_fn *emit,
		       void *emit_context)
{
	struct mafs_memory_volume *volume = context;
	uint64_t cursor = 0;
	int r;

	do
		r = mafs_names_emit(volume->names, &cursor, SIZE_MAX, emit,
				    emit_context);
	while (r > 0);
	return r;
}
