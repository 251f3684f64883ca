// SPDX-License-Identifier: Apache-2.0
/*
 * The further devices of a memory volume. The log names them by UUID; they are
 * looked for among those that were given, then where they were last. A device
 * that is given and not named in the log is refused: nothing of the volume can
 * be on it.
 */
#include "memory_volume.h"

#include <errno.h>
#include <mafs/cleanup.h>
#include <mafs/size.h>
#include <string.h>

static void device_closep(struct mafs_device **device)
{
	mafs_device_close(*device);
}
#define _cleanup_device_ _cleanup_(device_closep)

static void record_done(struct mafs_device_record *record)
{
	free(record->spec);
}

void memory_devices_done(struct mafs_memory_volume *volume)
{
	for (size_t i = 0; i < volume->n_records; i++)
		record_done(&volume->records[i]);
	free(volume->records);
	volume->records = NULL;
	volume->n_records = 0;
}

static struct mafs_device_record *find_record(struct mafs_memory_volume *volume,
					      const struct mafs_uuid *uuid)
{
	for (size_t i = 0; i < volume->n_records; i++)
		if (mafs_uuid_equal(&volume->records[i].uuid, uuid))
			return &volume->records[i];
	return NULL;
}

static struct mafs_device_record *add_record(struct mafs_memory_volume *volume,
					     const struct mafs_uuid *uuid)
{
	struct mafs_device_record *records =
		reallocarray(volume->records, volume->n_records + 1,
			     sizeof(*volume->records));

	if (!records)
		return NULL;
	volume->records = records;
	records += volume->n_records++;
	*records =
		(struct mafs_device_record){ .uuid = *uuid, .missing = true };
	return records;
}

int memory_devices_note(struct mafs_memory_volume *volume,
			const struct mafs_entry *entry)
{
	const struct mafs_entry_device *from = &entry->device;
	struct mafs_device_record *record =
		find_record(volume, &from->device_uuid);
	_cleanup_free_ char *spec = NULL;

	if (from->spec) {
		spec = strdup(from->spec);
		if (!spec)
			return -ENOMEM;
	}
	if (!record)
		record = add_record(volume, &from->device_uuid);
	if (!record)
		return -ENOMEM;
	free(record->spec);
	record->spec = take_ptr(spec);
	record->size_bytes = from->size_bytes;
	return 0;
}

/* ---- opening ---- */

static int open_spec(const struct mafs_memory_volume *volume, const char *text,
		     struct mafs_device **ret, struct mafs_fault *fault)
{
	_cleanup_(mafs_device_spec_done) struct mafs_device_spec spec = {};
	int err = mafs_device_spec_parse(text, &spec, fault);

	if (err)
		return err;
	return mafs_device_open(&spec, false, volume->is_client, false, ret,
				fault);
}

static bool is_memfd(const char *text)
{
	const char *kind = mafs_device_kind_to_text(MAFS_DEVICE_MEMFD);
	size_t len = strlen(kind);

	return !strncmp(text, kind, len) && text[len] == ':';
}

/* It is locked, and its free space is known; into the pool. */
static int take_device(struct mafs_memory_volume *volume,
		       struct mafs_device_record *record,
		       struct mafs_device **device, struct mafs_fault *fault)
{
	struct mafs_superblock sb;
	int err = 0;

	if (!volume->is_client) {
		err = memory_master_lock(*device, volume->epoch, fault);
		if (!err)
			err = mafs_superblock_read(&(*device)->media, &sb, NULL,
						   fault);
		if (!err)
			err = mafs_device_alloc_begin(*device, &sb, fault);
	}
	if (err)
		return err;
	err = mafs_pool_add(volume->pool, *device);
	if (err)
		return mafs_fault_set(fault, -EUCLEAN, "device %.200s: %s",
				      record->spec ? record->spec : "",
				      err == -EINVAL ?
					      "another allocation unit than "
					      "the first one's" :
					      strerror(-err));
	*device = NULL;
	record->missing = false;
	return 0;
}

/* Whose is it? Return: 0 with the record, -EINVAL. */
static int check_member(struct mafs_memory_volume *volume,
			struct mafs_device *device, const char *text,
			struct mafs_device_record **ret,
			struct mafs_fault *fault)
{
	struct mafs_superblock sb;
	int err = mafs_superblock_read(&device->media, &sb, NULL, fault);

	if (err)
		return err;
	if (!mafs_uuid_equal(&sb.fs_uuid, &volume->uuid))
		return mafs_fault_set(fault, -EINVAL,
				      "%.300s: a device of another volume",
				      text);
	*ret = find_record(volume, &sb.device_uuid);
	if (!*ret)
		return mafs_fault_set(fault, -EINVAL,
				      "%.300s: not named in the volume's log; "
				      "see mafs device add",
				      text);
	return 0;
}

/* A device that was named by its user: every fault counts. */
static int open_given(struct mafs_memory_volume *volume, const char *text,
		      struct mafs_fault *fault)
{
	_cleanup_device_ struct mafs_device *device = NULL;
	struct mafs_device_record *record = NULL;
	_cleanup_free_ char *found = NULL;
	int err;

	if (is_memfd(text))
		return 0; /* memory_devices_make() */
	err = mafs_device_spec_absolute(text, &found, fault);
	if (!err)
		err = open_spec(volume, text, &device, fault);
	if (!err)
		err = check_member(volume, device, text, &record, fault);
	if (err || !record->missing)
		return err;
	free(record->spec);
	record->spec = take_ptr(found);
	return take_device(volume, record, &device, fault);
}

static int missing(const struct mafs_device_record *record, const char *why,
		   struct mafs_fault *fault)
{
	char uuid[MAFS_UUID_TEXT_LEN], size[MAFS_SIZE_TEXT_LEN];

	mafs_uuid_to_text(&record->uuid, uuid);
	mafs_size_to_text(record->size_bytes, size);
	return mafs_fault_set(fault, -ENODEV,
			      "device %s of %s is missing (%.200s): say where "
			      "it is with --device SPEC",
			      uuid, size, why);
}

/* A device where the log says that it was. */
static int open_noted(struct mafs_memory_volume *volume,
		      struct mafs_device_record *record,
		      struct mafs_fault *fault)
{
	_cleanup_device_ struct mafs_device *device = NULL;
	struct mafs_fault why = MAFS_FAULT_INIT;
	int err;

	if (!record->spec)
		return missing(record, "nothing says where it was", fault);
	err = open_spec(volume, record->spec, &device, &why);
	if (err == -EBUSY)
		return mafs_fault_set(fault, err, "%s", why.what);
	if (err)
		return missing(record, why.what, fault);
	if (!mafs_uuid_equal(&device->uuid, &record->uuid)) {
		(void)snprintf(why.what, sizeof(why.what),
			       "%.180s is another one", record->spec);
		return missing(record, why.what, fault);
	}
	return take_device(volume, record, &device, fault);
}

int memory_devices_open(struct mafs_memory_volume *volume,
			const struct mafs_memory_volume_options *options,
			struct mafs_fault *fault)
{
	int err = 0;

	for (size_t i = 0; !err && i < options->n_devices; i++)
		err = open_given(volume, options->devices[i], fault);
	for (size_t i = 0; !err && i < volume->n_records; i++) {
		if (!volume->records[i].missing)
			continue;
		err = open_noted(volume, &volume->records[i], fault);
		if (err == -ENODEV && options->incomplete)
			err = 0;
	}
	return err;
}

int mafs_memory_volume_meet_device(struct mafs_memory_volume *volume,
				   const struct mafs_entry *entry,
				   struct mafs_fault *fault)
{
	struct mafs_device_record *record;
	int err = memory_devices_note(volume, entry);

	if (err)
		return err;
	record = find_record(volume, &entry->device.device_uuid);
	return record->missing ? open_noted(volume, record, fault) : 0;
}

/* ---- adding ---- */

int mafs_memory_volume_add(struct mafs_memory_volume *volume,
			   struct mafs_device *device, const char *spec,
			   struct mafs_fault *fault)
{
	struct mafs_entry entry = {
		.type = MAFS_OMF_DEVICE_ADD,
		.device = {
			.device_uuid = device->uuid,
			.size_bytes = device->size_bytes,
			.spec = (char *)spec,
		},
	};
	struct mafs_device_record *record;
	int err;

	if (find_record(volume, &device->uuid))
		return mafs_fault_set(fault, -EEXIST,
				      "%.300s: belongs to it already", spec);
	err = memory_devices_note(volume, &entry);
	if (err)
		return err;
	record = &volume->records[volume->n_records - 1];
	err = mafs_log_append(volume->log, &entry, 1, NULL);
	if (err) {
		record_done(record);
		volume->n_records--;
		return mafs_fault_set(fault, err,
				      "log: device cannot be added: %s",
				      strerror(-err));
	}
	return take_device(volume, record, &device, fault);
}

static int make_memfd(struct mafs_memory_volume *volume, const char *text,
		      struct mafs_fault *fault)
{
	const struct mafs_device_format format = {
		.fs_uuid = volume->uuid,
		.alloc_unit_bytes = mafs_pool_unit(volume->pool),
		.secondary = true,
	};
	_cleanup_(mafs_device_spec_done) struct mafs_device_spec spec = {};
	_cleanup_device_ struct mafs_device *device = NULL;
	int err;

	if (mafs_pool_device(volume->pool, 0)->kind != MAFS_DEVICE_MEMFD)
		return mafs_fault_set(fault, -EINVAL,
				      "%.200s: would be lost at the end, and "
				      "with it a part of the volume",
				      text);
	err = mafs_device_spec_parse(text, &spec, fault);
	if (!err)
		err = mafs_device_open(&spec, true, false, false, &device,
				       fault);
	if (!err)
		err = mafs_device_format(device, &format, fault);
	if (!err)
		err = mafs_memory_volume_add(volume, device, text, fault);
	if (!err)
		device = NULL;
	return err;
}

int memory_devices_make(struct mafs_memory_volume *volume,
			const struct mafs_memory_volume_options *options,
			struct mafs_fault *fault)
{
	int err = 0;

	for (size_t i = 0; !err && i < options->n_devices; i++)
		if (is_memfd(options->devices[i]))
			err = make_memfd(volume, options->devices[i], fault);
	return err;
}

int mafs_memory_volume_emit_devices(struct mafs_memory_volume *volume,
				    mafs_log_emit_fn *emit, void *emit_context)
{
	int err = 0;

	for (size_t i = 0; !err && i < volume->n_records; i++) {
		const struct mafs_device_record *record = &volume->records[i];
		const struct mafs_entry entry = {
			.type = MAFS_OMF_DEVICE_ADD,
			.device = {
				.device_uuid = record->uuid,
				.size_bytes = record->size_bytes,
				.spec = record->spec,
			},
		};

		err = emit(emit_context, &entry);
	}
	return err;
}
